"""Timelines as TOML files: the schedules of options, under their names without dashes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from dreamvideo.errors import SettingsError, did_you_mean
from dreamvideo.settings.field_types import shortened
from dreamvideo.settings.schedules import FIXED, FLAGS, TimelineSettings
from dreamvideo.settings.toml_file import pairs_of_toml, toml_pairs

_NAMES: Final = {flag.removeprefix("--"): name for name, flag in FLAGS.items()} | {FIXED: FIXED}


def read_timeline(path: Path) -> TimelineSettings:
    """Read a timeline from a TOML file.

    Args:
        path: the file: options without their dashes, and their schedules as on the command line.

    Raises:
        SettingsError: the file cannot be read, is not valid TOML, or holds something else.
    """
    return _timeline_of_pairs(toml_pairs(path, "--timeline"), str(path))


def timeline_of_toml(content: bytes, name: str) -> TimelineSettings:
    """Read a timeline from a TOML document, as `read_timeline` from a file.

    Args:
        content: of the file.
        name: of the file, for messages.

    Raises:
        SettingsError: it is not valid TOML, or holds something else.
    """
    return _timeline_of_pairs(pairs_of_toml(content, name), name)


def _timeline_of_pairs(read: Sequence[tuple[str, Any]], where: str) -> TimelineSettings:
    pairs: dict[str, str] = {}
    for key, value in read:
        name = key.replace("_", "-")
        if name not in _NAMES:
            nearest = did_you_mean(name, _NAMES)
            known = ", ".join(each for each in _NAMES if each != FIXED)
            raise SettingsError(f"{where}: no schedule of {shortened(key, quoted=True)}{nearest}; there are {known}")
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise SettingsError(f"{where}: {key} = {shortened(value, quoted=True)}: expected a schedule in quotes")
        pairs[_NAMES[name]] = str(value)
    return TimelineSettings(tuple(pairs.items()))


def timeline_as_toml(settings: TimelineSettings) -> str:
    """Write a timeline as `read_timeline` reads it.

    Args:
        settings: the schedules.
    """
    names = {name: key for key, name in _NAMES.items()}
    return "".join(f"{names[name]} = {_quoted(text)}\n" for name, text in settings.timeline)


def _quoted(text: str) -> str:
    """A basic string of TOML."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in escaped) + '"'
