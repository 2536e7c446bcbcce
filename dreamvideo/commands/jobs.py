"""What the commands video and frames share: settings of jobs, and running them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dreamvideo.commands.console import DONE, FAILED, INTERRUPTED, Console, ConsoleObserver
from dreamvideo.commands.job_report import job_rows, write_report
from dreamvideo.commands.network import load_requested_network, load_requested_networks
from dreamvideo.commands.options import CommandLine
from dreamvideo.commands.signals import cancel_on_signals, outlive_terminal
from dreamvideo.errors import Cancelled, OutputError, SettingsError
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.drives import DriveSettings
from dreamvideo.settings.job import (
    ClusterSettings,
    EncodeSettings,
    MaskSettings,
    ReadSettings,
    SequenceSettings,
    TileSettings,
)
from dreamvideo.settings.zoom import FilmSettings, ZoomSettings

if TYPE_CHECKING:
    from dreamvideo.jobs.job import Job, JobSettings


def parse_job_settings(line: CommandLine) -> JobSettings:
    """Make the settings of all jobs of a command.

    Args:
        line: the parsed command line.

    Raises:
        SettingsError: a value is invalid.
    """
    carry, sequence = line.settings(CarrySettings), line.settings(SequenceSettings)
    read, model, objective = line.settings(ReadSettings), line.settings(ModelSettings), line.settings(ObjectiveSettings)
    dream, mask, encode = line.settings(DreamSettings), line.settings(MaskSettings), line.settings(EncodeSettings)
    cluster, tile = line.settings(ClusterSettings), line.settings(TileSettings)
    if sequence.independent and carry.seamless:
        raise SettingsError("--independent with --seamless: expected one of the two")
    from dreamvideo.jobs.job import JobSettings

    return JobSettings(
        read=read,
        model=model,
        objective=objective,
        dream=dream,
        carry=dataclasses.replace(carry, persistence=0.0) if sequence.independent else carry,
        mask=mask,
        encode=encode,
        sequence=sequence,
        cluster=cluster,
        tile=tile,
        timeline=line.timeline,
        drive=line.settings(DriveSettings),
    )


def parse_zoom_settings(line: CommandLine) -> JobSettings:
    """Make the settings of all jobs of `dreamvideo zoom`.

    Args:
        line: the parsed command line.

    Raises:
        SettingsError: a value is invalid.
    """
    film, zoom = line.settings(FilmSettings), line.settings(ZoomSettings)
    zoom.check_film(film.clock)
    model, objective = line.settings(ModelSettings), line.settings(ObjectiveSettings)
    dream, encode, tile = line.settings(DreamSettings), line.settings(EncodeSettings), line.settings(TileSettings)
    from dreamvideo.jobs.job import JobSettings

    return JobSettings(
        read=ReadSettings(),
        model=model,
        objective=objective,
        dream=dream,
        carry=CarrySettings(),
        mask=MaskSettings(),
        encode=encode,
        tile=tile,
        film=film,
        zoom=zoom,
    )


def run_jobs(
    jobs: Sequence[Job],
    settings: JobSettings,
    resume: bool,
    resume_hint: str,
    console: Console,
    report: Path | None = None,
    skipped: Sequence[tuple[Path, Path]] = (),
) -> int:
    """Dream jobs, here or on a cluster, and show how each ends.

    The first Ctrl-C stops after the frame in progress, the second ends the process.
    A terminal that is lost stops nothing.

    Args:
        jobs: checked, their outputs free to be written.
        settings: of all jobs.
        resume: continue where an earlier run ended.
        resume_hint: the command line that would resume these jobs.
        console: where they are shown.
        report: a file that says how each ended; None: none is written.
        skipped: (input, output) of those that are not among the jobs, as their output is there.

    Returns:
        The exit code.

    Raises:
        Cancelled: after Ctrl-C; the message says how to resume.
        DreamVideoError: the network or its device cannot be used, or no worker can.
    """
    from dreamvideo.jobs.job_schedule import check_schedules

    def stopping() -> None:
        console.message("Stopping after this frame. Press Ctrl-C again to quit now.")

    check_schedules(jobs, settings)
    on_cluster = settings.cluster.cluster is not None
    with outlive_terminal(), cancel_on_signals(stopping, INTERRUPTED) as should_stop:
        observer = ConsoleObserver(console, len(jobs), should_stop, one_bar=on_cluster)
        try:
            with observer:
                _dream(jobs, settings, resume, observer)
        except Cancelled:
            raise Cancelled(f"resume with: {resume_hint}") from None
        finally:
            reported = _report(jobs, observer, report, console, skipped)
        return observer.exit_code or (DONE if reported else FAILED)


def _report(
    jobs: Sequence[Job],
    observer: ConsoleObserver,
    report: Path | None,
    console: Console,
    skipped: Sequence[tuple[Path, Path]],
) -> bool:
    """Say how jobs ended; return whether that could be written."""
    rows = job_rows(jobs, observer.results, skipped)
    if observer.results:
        console.summary(rows)
    try:
        if report is not None:
            write_report(report, rows)
    except OutputError as error:
        console.error(error)
        return False
    return True


def _dream(jobs: Sequence[Job], settings: JobSettings, resume: bool, observer: ConsoleObserver) -> None:
    """Dream jobs where the settings say."""
    from dreamvideo.jobs.guide import load_guide
    from dreamvideo.jobs.runner import dream_jobs
    from dreamvideo.jobs.zoom_job import dream_zooms

    if settings.cluster.cluster is not None:
        from dreamvideo.jobs.cluster.scheduler import run_on_cluster
        from dreamvideo.jobs.cluster.workers import open_pool
        from dreamvideo.jobs.flow_choice import with_stored_flow

        if resume:
            settings = with_stored_flow(settings, jobs)
        with open_pool(settings, load_guide(settings.objective.guide)) as pool:
            run_on_cluster(pool, jobs, settings, observer, resume)
    elif settings.zoom is not None:
        load = partial(load_requested_network, settings.model, settings.objective)
        dream_zooms(jobs, settings, load, observer, resume)
    else:
        dream_jobs(jobs, settings, partial(load_requested_networks, settings), observer, resume)
