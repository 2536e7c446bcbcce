"""Schedules on the command line: the value of an option may be one, and what is scheduled becomes a timeline."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import Field
from pathlib import Path
from typing import Any

from dreamvideo.errors import SettingsError
from dreamvideo.schedule.expression import parse_expression
from dreamvideo.schedule.keyed_sets import chosen_sets
from dreamvideo.schedule.keys import is_schedule
from dreamvideo.settings.option import option_flag
from dreamvideo.settings.presets import find_preset
from dreamvideo.settings.schedules import FIXED, FLAGS, LOOK_FIELDS, SCHEDULED_NUMBERS, TimelineSettings


class ScheduleText(str):
    """The value of an option that is a schedule."""


def add_timeline(parser: argparse.ArgumentParser) -> None:
    """Add `--timeline`.

    Args:
        parser: the parser of a command that dreams films.
    """
    parser.add_argument(
        "--timeline",
        dest="timeline_file",
        type=Path,
        metavar="TOML",
        help="schedules of options from a file; one option's schedule may be its value, too: "
        "--step-size '0:0.004, 2s:0.014 ease'",
    )


def scheduled_type(field: Field[Any], parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return what parses the value of an option, or a schedule in its place.

    Args:
        field: of the option.
        parse: what parses its value.
    """
    flag = option_flag(field)

    def parsed(text: str) -> Any:
        if field.name in SCHEDULED_NUMBERS and ":" in text:
            return ScheduleText(text)
        if field.name in FLAGS and is_schedule(text):
            return ScheduleText(text)
        if parse in (int, float) and is_schedule(text):
            raise SettingsError(f"{flag} takes no schedule: expected one number; {', '.join(FLAGS.values())} take one")
        try:
            return parse(text)
        except ValueError:  # a SettingsError is one, too
            if field.name not in SCHEDULED_NUMBERS:
                raise
        parse_expression(text)
        return ScheduleText(text)

    return parsed


def timeline_values(settings: TimelineSettings) -> dict[str, Any]:
    """Return the schedules of a timeline as values of their options.

    Args:
        settings: the timeline.
    """
    fixed = {FIXED: " ".join(sorted(settings.fixed))} if settings.fixed else {}
    return {name: ScheduleText(text) for name, text in settings.schedules.items()} | fixed


def split_schedules(values: Mapping[str, Any], typed: Mapping[str, Any]) -> tuple[dict[str, Any], TimelineSettings]:
    """Take what is scheduled out of the values of options.

    Args:
        values: field name -> value, of all sources.
        typed: those of the command line; no preset of a schedule changes them.

    Returns:
        The other values, and the timeline.

    Raises:
        SettingsError: an option that can be repeated has a schedule beside other values.
    """
    rest = {name: value for name, value in values.items() if name != FIXED}
    schedules: dict[str, str] = {}
    for name in FLAGS:
        value = rest.get(name)
        several = value if isinstance(value, list | tuple) else [value]
        if any(isinstance(each, ScheduleText) for each in several):
            if len(several) > 1:
                raise SettingsError(f"{FLAGS[name]} with a schedule and {len(several) - 1} more: expected one schedule")
            schedules[name] = str(several[0])
            del rest[name]
    pairs = list(schedules.items())
    if "preset" in schedules:
        fixed = {name for name in typed if name in LOOK_FIELDS and name not in schedules}
        fixed |= set(values.get(FIXED, "").split())
        pairs.append((FIXED, " ".join(sorted(fixed))))
    return rest, TimelineSettings(tuple(pairs))


def preset_values(preset: str | None) -> Mapping[str, Any]:
    """Return the values that a preset sets; of a schedule those of its first one, and the schedule.

    Args:
        preset: its name, or a schedule; None: there is none.

    Raises:
        SettingsError: there is no such preset.
    """
    if preset is None:
        return {}
    if not (isinstance(preset, ScheduleText) or is_schedule(preset)):
        return find_preset(preset).values
    first = chosen_sets(preset, "--preset")[0]
    return {**find_preset("+".join(first)).values, "preset": ScheduleText(preset)}
