"""Schedules of a look as the page sends them, as text in the grammar of the command line."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from dreamvideo.errors import SettingsError
from dreamvideo.schedule.keyed_sets import chosen_sets
from dreamvideo.settings.field_types import shortened
from dreamvideo.settings.schedules import FIXED, FLAGS, LOOK_FIELDS, SCHEDULED_NUMBERS, TimelineSettings
from dreamvideo.sound.named_drives import named_drives

MOST_DRIVES: Final = len(SCHEDULED_NUMBERS)
_DRIVEN: Final = {FLAGS[name].removeprefix("--"): name for name in SCHEDULED_NUMBERS}


def read_schedules(content: Any) -> tuple[tuple[str, str], ...]:
    """Read schedules from JSON that a browser sent.

    Args:
        content: {field: schedule}, or None.

    Returns:
        (field, schedule) in the order of `FLAGS`.

    Raises:
        SettingsError: it is anything else.
    """
    if content is None:
        return ()
    if not isinstance(content, dict):
        raise SettingsError(f"got {shortened(content)} as a timeline: expected options and their schedules")
    for name, text in content.items():
        if name not in FLAGS:
            raise SettingsError(f"no schedule of {shortened(name)}: expected one of {', '.join(FLAGS)}")
        if not isinstance(text, str) or not text.strip():
            raise SettingsError(f"{FLAGS[name]}: got {shortened(text)}: expected a schedule, such as 0s:0.5, 2s:1")
    return tuple((name, content[name]) for name in FLAGS if name in content)


def read_drives(content: Any) -> tuple[str, ...]:
    """Read what follows the sound from JSON that a browser sent.

    Args:
        content: a list of drives as typed, or None.

    Raises:
        SettingsError: it is anything else.
    """
    drives = [] if content is None else content
    if not isinstance(drives, list) or len(drives) > MOST_DRIVES or not all(isinstance(each, str) for each in drives):
        raise SettingsError(f"got {shortened(content)} as drives: expected at most {MOST_DRIVES} texts")
    return tuple(drives)


def check_drive_texts(drives: Collection[str]) -> None:
    """Check what follows the sound.

    Args:
        drives: as typed.

    Raises:
        SettingsError: one is wrong, or an option has two.
    """
    named_drives(drives, _DRIVEN)


def first_preset(keyed: Mapping[str, str]) -> str | None:
    """Return the preset that a timeline begins with; None: it changes no preset.

    Args:
        keyed: field -> schedule.

    Raises:
        SettingsError: its schedule is wrong.
    """
    return "+".join(chosen_sets(keyed["preset"], FLAGS["preset"])[0]) if "preset" in keyed else None


def job_timeline(keyed: Mapping[str, str], typed: Collection[str]) -> TimelineSettings:
    """Return the timeline of a job.

    Args:
        keyed: field -> schedule.
        typed: fields that were set by hand, which no preset of the timeline changes.
    """
    pairs = list(keyed.items())
    if "preset" in keyed:
        pairs.append((FIXED, " ".join(sorted(name for name in typed if name in LOOK_FIELDS and name not in keyed))))
    return TimelineSettings(tuple(pairs))
