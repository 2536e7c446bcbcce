"""Drives by the fields that they drive, checked against the options that can be driven."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dreamvideo.errors import SettingsError, did_you_mean
from dreamvideo.settings.field_types import shortened
from dreamvideo.sound.drive import Drive, parse_drive


def named_drives(texts: Iterable[str], options: Mapping[str, str]) -> dict[str, Drive]:
    """Parse drives.

    Args:
        texts: as `parse_drive` takes them.
        options: name of an option that can be driven, without dashes in front -> its field.

    Returns:
        Name of a field -> what drives it.

    Raises:
        SettingsError: one is wrong, its option cannot be driven, or an option has two.
    """
    drives: dict[str, Drive] = {}
    for text in texts:
        drive = parse_drive(text)
        if drive.option not in options:
            nearest = did_you_mean(drive.option, options)
            raise SettingsError(
                f"--drive {shortened(drive.option)}: expected an option of {', '.join(options)}{nearest}"
            )
        name = options[drive.option]
        if name in drives:
            raise SettingsError(f"--drive {drive.option} twice: expected one drive of an option")
        drives[name] = drive
    return drives
