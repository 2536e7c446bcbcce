"""What a job dreams when, and the networks of all that it dreams."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from dreamvideo.errors import SettingsError, SourceError
from dreamvideo.frames import StreamInfo
from dreamvideo.jobs.guide import load_guide
from dreamvideo.jobs.job import Job, JobSettings, open_job
from dreamvideo.jobs.job_drives import HeardSound, check_drives, unheard
from dreamvideo.media.reader_log import silence_reader
from dreamvideo.models.look_networks import LookNetworks, load_looks
from dreamvideo.models.network import Network, load_network
from dreamvideo.schedule.film_clock import FilmClock
from dreamvideo.settings.schedules import LookSettings, scheduled_looks
from dreamvideo.settings.timeline import Timeline, open_timeline


def load_networks(settings: JobSettings, guide: Tensor | None) -> Network | LookNetworks:
    """Load the network of jobs, or those of all looks of their timeline.

    Args:
        settings: of the jobs.
        guide: as for `load_network`.

    Raises:
        DreamVideoError: as `load_network`.
    """
    if not settings.timeline.schedules:
        return load_network(settings.model, settings.objective, guide)
    base = LookSettings(settings.model, settings.objective, settings.dream)
    return load_looks(scheduled_looks(settings.timeline, base), guide)


def load_job_networks(settings: JobSettings) -> Network | LookNetworks:
    """Load the networks of jobs, and the guide that their objective names.

    Args:
        settings: of the jobs.

    Raises:
        DreamVideoError: as `load_job_network`.
    """
    return load_networks(settings, load_guide(settings.objective.guide))


def job_schedule(settings: JobSettings, info: StreamInfo, heard: HeardSound) -> Timeline | None:
    """Return what a job dreams when; None: the same throughout.

    Args:
        settings: of the job.
        info: of its frames.
        heard: what `hear_job` returned.

    Raises:
        SettingsError: the timeline does not fit the film.
    """
    if not settings.timeline.schedules and not settings.drive.drive:
        return None
    clock = FilmClock(info.film_length, info.frame_rate, heard.beats, heard.sections)
    parts = settings.model, settings.objective, settings.dream, settings.carry
    return open_timeline(settings.timeline, *parts, clock, info.film_start, heard.factors)


def check_schedules(jobs: Sequence[Job], settings: JobSettings) -> None:
    """Check that the timeline fits the films of all jobs.

    Args:
        jobs: opened one after the other; those that cannot be read are left for the run to report.
        settings: of the jobs.

    Raises:
        SettingsError: it does not, or a drive is wrong.
        SourceError: the file of the music cannot be read.
    """
    check_drives(settings)
    if not settings.timeline.schedules and not settings.drive.drive:
        return
    for job in jobs:
        try:
            with silence_reader(), open_job(job, settings) as source:
                info = source.info
        except SourceError:
            continue
        try:
            job_schedule(settings, info, unheard(settings.timeline, settings.drive))
        except SettingsError as error:
            raise SettingsError(f"{job.source}: {error}") from None
