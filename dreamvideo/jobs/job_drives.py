"""What drives the options of a job: the sound of its film, or music, analyzed once."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from dreamvideo.errors import SettingsError, did_you_mean
from dreamvideo.jobs.job import Job, JobSettings, source_state
from dreamvideo.media.mono_sound import check_has_sound
from dreamvideo.settings.drives import DriveSettings
from dreamvideo.settings.field_types import shortened
from dreamvideo.settings.schedules import FLAGS, SCHEDULED_NUMBERS
from dreamvideo.sound.bands import BEATS, ONSETS
from dreamvideo.sound.drive import Drive, DriveCurve, drive_curve, parse_drive
from dreamvideo.sound.events import require_librosa
from dreamvideo.sound.features import SoundFeatures, analyze_file

log = logging.getLogger(__name__)

_DRIVEN: Final = {FLAGS[name].removeprefix("--"): name for name in SCHEDULED_NUMBERS}


def parse_drives(settings: DriveSettings) -> dict[str, Drive]:
    """Parse drives.

    Args:
        settings: as they were typed.

    Returns:
        Name of a field -> what drives it.

    Raises:
        SettingsError: one is wrong, its option takes no schedule, or an option has two.
    """
    drives: dict[str, Drive] = {}
    for text in settings.drive:
        drive = parse_drive(text)
        if drive.option not in _DRIVEN:
            nearest = did_you_mean(drive.option, _DRIVEN)
            shown = shortened(drive.option)
            raise SettingsError(f"--drive {shown}: expected an option of {', '.join(_DRIVEN)}{nearest}")
        name = _DRIVEN[drive.option]
        if name in drives:
            raise SettingsError(f"--drive {drive.option} twice: expected one drive of an option")
        drives[name] = drive
    return drives


def check_drives(settings: JobSettings) -> None:
    """Check the drives of jobs as far as that is possible without their sound.

    Args:
        settings: of the jobs.

    Raises:
        SettingsError: a drive is wrong, librosa is missing, or they would run on a cluster.
        SourceError: the file of the music cannot be read, or has no sound.
    """
    drives = parse_drives(settings.drive)
    if settings.drive.music is not None:
        check_has_sound(Path(settings.drive.music))
    if drives and settings.cluster.cluster is not None:
        raise SettingsError("--drive with --cluster: expected one of the two, as the sound is heard on one machine")
    if any(drive.feature in (ONSETS, BEATS) for drive in drives.values()):
        require_librosa()


def job_factors(job: Job, settings: DriveSettings, heard: bool = True) -> Mapping[str, DriveCurve]:
    """Return what the options of a job are multiplied by over the time of its film.

    Args:
        job: its film, or the music, is read.
        settings: the drives.
        heard: False: the sound is not read, and all factors are 1.

    Returns:
        Name of a field -> the factor; none if images have no music.

    Raises:
        SettingsError: a drive is wrong, or librosa is missing.
        SourceError: the sound cannot be read.
    """
    drives = parse_drives(settings)
    if not drives:
        return {}
    if not heard:
        return {name: DriveCurve(np.empty(0, np.float32), 1.0) for name in drives}
    if settings.music is None and job.images:
        log.warning("%s has no sound: what it drives keeps its base value", job.source)
        return {}
    path = job.source if settings.music is None else Path(settings.music)
    features = _analyze(path, source_state(Job(path, path)), tuple(sorted({each.feature for each in drives.values()})))
    return {name: drive_curve(drive, features) for name, drive in drives.items()}


@functools.lru_cache(maxsize=4)
def _analyze(path: Path, state: tuple[int, int], names: tuple[str, ...]) -> SoundFeatures:
    """The features of a file as it is now: a job that goes on after another, or is repaired, asks again."""
    return analyze_file(path, names)
