"""The timeline of a look in one film: its settings at every time, and the rows of keys that the page shows."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from dreamvideo.errors import DreamVideoError, SettingsError
from dreamvideo.media.metadata import settings_in_file
from dreamvideo.media.reader_log import silence_reader
from dreamvideo.schedule.curve import Curve, parse_curve
from dreamvideo.schedule.film_clock import FilmClock, clock_time
from dreamvideo.schedule.heard_sets import HEARD
from dreamvideo.schedule.keys import split_keys
from dreamvideo.settings.job import ReadSettings, SequenceSettings
from dreamvideo.settings.schedules import FLAGS, SCHEDULED_SETS, TimelineSettings
from dreamvideo.settings.timeline import Timeline, open_timeline
from dreamvideo.studio.chosen_look import LookParts, installed_networks
from dreamvideo.studio.picture_folder import open_source

MOST_MARKS: Final = 300  # keys of a row that are shown as marks; of more the row is a curve alone
_POINTS: Final = 240  # of a curve that is drawn
_UNKNOWN: Final = Fraction(60)  # seconds of a film whose length is not known


def film_clock(path: Path, sequence: SequenceSettings = SequenceSettings()) -> FilmClock:  # noqa: B008
    """Return what schedules have to know of a film; what is heard in it is silence.

    Args:
        path: of the film, or of a folder of pictures.
        sequence: the pictures per second of a folder.

    Raises:
        SourceError: it cannot be read.
    """
    return _film_clock(path, path.stat().st_mtime_ns, sequence)


@functools.lru_cache(maxsize=200)
def _film_clock(path: Path, modified: int, sequence: SequenceSettings) -> FilmClock:
    with silence_reader(), open_source(path, ReadSettings(), sequence) as source:
        return FilmClock(source.info.film_length, source.info.frame_rate, ())


def stored_timeline(path: Path) -> tuple[TimelineSettings, tuple[str, ...]]:
    """Return the timeline and the drives that a film was dreamed with; none if it was not dreamed with any.

    Args:
        path: of the film.
    """
    if path.is_dir():
        return TimelineSettings(), ()
    with suppress(DreamVideoError), silence_reader():
        stored = settings_in_file(path)
        return TimelineSettings(stored.get("timeline", ())), tuple(stored.get("drive", ()))
    return TimelineSettings(), ()


def open_film_timeline(parts: LookParts, clock: FilmClock) -> Timeline:
    """Return what a look dreams when, without what it hears.

    Args:
        parts: of the look.
        clock: of the film.

    Raises:
        SettingsError: a schedule is wrong or does not fit the film, or a network is not installed.
    """
    timeline = open_timeline(parts.timeline, parts.model, parts.objective, parts.dream, parts.carry, clock)
    for look in timeline.looks:
        if look.model.model not in installed_networks():
            known = ", ".join(installed_networks())
            raise SettingsError(f"{look.model.model} is not installed: expected looks of {known}")
    return timeline


def parts_at(parts: LookParts, timeline: Timeline, time: float) -> LookParts:
    """Return the settings of a look at a time; of several looks that are mixed, those of the largest share.

    Args:
        parts: of the look.
        timeline: of the look.
        time: seconds of the film.
    """
    moment = timeline(Fraction(time).limit_denominator(100_000))
    look = timeline.looks[max(moment.shares, key=lambda share: share[1])[0]]
    return replace(parts, model=look.model, objective=look.objective, dream=moment.dream, carry=moment.carry)


def preset_at(schedules: Mapping[str, str], timeline: Timeline, time: float) -> str | None:
    """Return the preset that a timeline has at a time; None: it changes no preset.

    Args:
        schedules: field -> schedule.
        timeline: made of them.
        time: seconds of the film.
    """
    if "preset" not in schedules:
        return None
    shares = timeline.sets["preset"](Fraction(time).limit_denominator(100_000))
    return "+".join(timeline.sets["preset"].sets[max(shares, key=lambda number: shares[number])])


def describe_rows(schedules: Mapping[str, str], clock: FilmClock) -> list[dict[str, Any]]:
    """Return what the page shows of each schedule.

    Args:
        schedules: field -> schedule, which fit the film.
        clock: of the film.

    Returns:
        Of each: `name`, `flag`, `text`, `sets`: whether its values are names; `keys`, each with its `time` in seconds,
        `value` and `how` it is reached, or None where it has none that can be moved; `curve`: values at equal
        distances over the film, or None.
    """
    return [_row(name, text, clock) for name, text in schedules.items()]


def _row(name: str, text: str, clock: FilmClock) -> dict[str, Any]:
    sets = name in SCHEDULED_SETS
    return {
        "name": name,
        "flag": FLAGS[name],
        "text": text,
        "sets": sets,
        "keys": _marks(name, text, clock),
        "curve": None if sets else _points(parse_curve(text, clock, FLAGS[name]), clock),
    }


def _marks(name: str, text: str, clock: FilmClock) -> list[dict[str, Any]] | None:
    if ":" not in text or text.strip().startswith(HEARD):  # one value, perhaps an expression, or what follows the sound
        return None
    keys = split_keys(text, FLAGS[name])
    if len(keys) > MOST_MARKS:
        return None
    times = [key.time.resolve(clock, FLAGS[name]) for key in keys]
    return [
        {"time": float(time), "at": clock_time(time), "value": key.value, "how": key.transition}
        for time, key in zip(times, keys, strict=True)
    ]


def _points(curve: Curve, clock: FilmClock) -> list[float]:
    length = clock.length or max(_UNKNOWN, curve.times[-1])
    return [round(curve(length * place / (_POINTS - 1)), 6) for place in range(_POINTS)]
