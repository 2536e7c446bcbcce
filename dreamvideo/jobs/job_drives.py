"""What is heard in a job: the sound of its film, or music, is analyzed once, and drives options and switches looks."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np

from dreamvideo.jobs.job import Job, JobSettings, source_state
from dreamvideo.media.mono_sound import check_has_sound
from dreamvideo.schedule.film_clock import Sections
from dreamvideo.settings.drives import DriveSettings
from dreamvideo.settings.schedules import FLAGS, SCHEDULED_NUMBERS, TimelineSettings
from dreamvideo.sound.bands import BEATS, ONSETS
from dreamvideo.sound.drive import Drive, DriveCurve, drive_curve
from dreamvideo.sound.events import require_librosa
from dreamvideo.sound.features import SoundFeatures, analyze_file
from dreamvideo.sound.named_drives import named_drives

log = logging.getLogger(__name__)

_DRIVEN: Final = {FLAGS[name].removeprefix("--"): name for name in SCHEDULED_NUMBERS}


@dataclass(frozen=True, slots=True)
class HeardSound:
    """What is heard in a film, as far as its dream follows it; it is sent to workers in place of the sound."""

    factors: Mapping[str, DriveCurve] = field(default_factory=dict)  # by the field that is multiplied
    beats: tuple[Fraction, ...] | None = None  # seconds; None: nothing follows them
    sections: Mapping[int, Sections] = field(default_factory=dict)  # as of `FilmClock`


def parse_drives(settings: DriveSettings) -> dict[str, Drive]:
    """Parse drives.

    Args:
        settings: as they were typed.

    Returns:
        Name of a field -> what drives it.

    Raises:
        SettingsError: one is wrong, its option takes no schedule, or an option has two.
    """
    return named_drives(settings.drive, _DRIVEN)


def check_drives(settings: JobSettings) -> None:
    """Check what follows the sound of jobs as far as that is possible without their sound.

    Args:
        settings: of the jobs.

    Raises:
        SettingsError: a drive is wrong, or librosa is missing.
        SourceError: the file of the music cannot be read, or has no sound.
    """
    drives = parse_drives(settings.drive)
    if settings.drive.music is not None:
        check_has_sound(Path(settings.drive.music))
    if settings.timeline.hears or any(drive.feature in (ONSETS, BEATS) for drive in drives.values()):
        require_librosa()


def hear_job(job: Job, settings: JobSettings) -> HeardSound:
    """Listen to the sound of a job, or to its music, if something follows it.

    Args:
        job: its film, or the music, is read.
        settings: of the job.

    Raises:
        SettingsError: a drive is wrong, or librosa is missing.
        SourceError: the sound cannot be read.
    """
    if not settings.drive.drive and not settings.timeline.hears:
        return HeardSound()
    music = settings.drive.music
    if music is None and job.images:
        log.warning("%s has no sound: what it drives keeps its base value", job.source)
        return unheard(settings.timeline, settings.drive)
    return hear_file(job.source if music is None else Path(music), settings.timeline, settings.drive)[0]


def hear_file(path: Path, timeline: TimelineSettings, drive: DriveSettings) -> tuple[HeardSound, SoundFeatures]:
    """Listen to the sound of a file.

    Args:
        path: a film, or a file of sound.
        timeline, drive: what follows it.

    Returns:
        What is heard, and the features that it was made of.

    Raises:
        SettingsError: a drive is wrong, or librosa is missing.
        SourceError: the sound cannot be read.
    """
    drives = parse_drives(drive)
    names = {each.feature for each in drives.values()} | ({BEATS} if timeline.hears_beats else set())
    state = source_state(Job(path, path))
    features = _analyze(path, state, tuple(sorted(names)), tuple(sorted(timeline.section_kinds)))
    beats = () if features.beats is None else features.beats
    heard = HeardSound(
        {name: drive_curve(each, features) for name, each in drives.items()},
        tuple(Fraction(round(1000 * float(beat)), 1000) for beat in beats) if timeline.hears_beats else None,
        features.sections,
    )
    return heard, features


def unheard(timeline: TimelineSettings, drive: DriveSettings) -> HeardSound:
    """Return what is heard in silence: no option is changed, nothing flashes, and there is one section.

    Args:
        timeline, drive: what would follow the sound.
    """
    silence = DriveCurve(np.empty(0, np.float32), 1.0)
    return HeardSound(dict.fromkeys(parse_drives(drive), silence), () if timeline.hears_beats else None)


@functools.lru_cache(maxsize=4)
def _analyze(path: Path, state: tuple[int, int], names: tuple[str, ...], kinds: tuple[int, ...]) -> SoundFeatures:
    """The features of a file as it is now: a job that goes on after another, or is repaired, asks again."""
    return analyze_file(path, names, kinds=kinds)
