"""Keys: a schedule as text, `TIME:VALUE [ease|step|linear], ...`, taken apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final, Literal, cast

from dreamvideo.errors import SettingsError
from dreamvideo.schedule.film_clock import FilmClock, clock_time
from dreamvideo.schedule.key_times import KeyTime, parse_key_time

MOST_KEYS: Final = 10_000  # of one schedule
LONGEST_TEXT: Final = 1 << 19  # characters of one

Transition = Literal["ease", "step", "linear"]
TRANSITIONS: Final = ("ease", "step", "linear")

_UNIT: Final = re.compile(r"[hmsf%]")


@dataclass(frozen=True, slots=True)
class ScheduleKey:
    """A value and from when on it holds."""

    time: KeyTime
    value: str
    transition: Transition | None  # how it is reached; None: as is usual for the option


def is_schedule(text: str) -> bool:
    """Return whether the text of an option is a schedule, rather than a value such as `s8b:0.5` or `3:0.5`.

    Args:
        text: as typed.
    """
    if text.strip().startswith("audio:"):  # see `heard_sets`
        return True
    if "," in text and ":" in text.partition(",")[0]:
        return parse_key_time(text.partition(":")[0].strip()) is not None
    time, colon, value = text.partition(":")
    if not colon or parse_key_time(time.strip()) is None:
        return False
    return _UNIT.search(time) is not None or not _is_number(value)


def split_keys(text: str, where: str, pairs: bool = False) -> tuple[ScheduleKey, ...]:
    """Take a schedule apart.

    Args:
        text: keys, with commas between them; or one value without a time, which holds throughout.
        where: the option, for messages, such as `--step-size`.
        pairs: a value has a comma in it: what comes after a comma is a key only if it has a time.

    Returns:
        At least one key, in the order of the text.

    Raises:
        SettingsError: a key has no time or no value, or there are too many.
    """
    if len(text) > LONGEST_TEXT:
        raise SettingsError(f"{where}: a schedule of {len(text)} characters: expected at most {LONGEST_TEXT}")
    parts = list(_joined(_parts(text)) if pairs else _parts(text))
    if len(parts) > MOST_KEYS:
        raise SettingsError(f"{where}: {len(parts)} keys: expected at most {MOST_KEYS}")
    if len(parts) == 1 and ":" not in text:
        value, transition = _value_of(parts[0], where)
        return (ScheduleKey(KeyTime("0", Fraction(0), "seconds"), value, transition),)
    return tuple(_key_of(part, number, where) for number, part in enumerate(parts, 1))


def resolve_times(keys: tuple[ScheduleKey, ...], clock: FilmClock, where: str) -> tuple[Fraction, ...]:
    """Return the times of keys, in seconds.

    Args:
        keys: of one schedule.
        clock: of the film.
        where: the option, for messages.

    Raises:
        SettingsError: a time is not after the one before it, or beyond the end of the film, or needs to know more of
            the film than is known.
    """
    times = tuple(key.time.resolve(clock, where) for key in keys)
    for (earlier, later), key in zip(pairwise(times), keys[1:], strict=True):
        if later <= earlier:
            raise SettingsError(
                f"{where} at {key.time.text}: the key before it is at {clock_time(earlier)}: expected rising times"
            )
    for time, key in zip(times, keys, strict=True):
        if clock.length is not None and time > clock.length:
            raise SettingsError(
                f"{where} at {key.time.text}: the film ends at {clock_time(clock.length)}: expected an earlier time"
            )
    return times


def _key_of(part: str, number: int, where: str) -> ScheduleKey:
    text, colon, rest = part.partition(":")
    time = parse_key_time(text.strip())
    if not colon or time is None:
        shown = part.strip()[:40]
        raise SettingsError(
            f"{where}: key {number}, {shown!r}: expected TIME:VALUE, such as 2s:0.5, 120f:0.5 or 50%:0.5"
        )
    value, transition = _value_of(rest, f"{where} at {time.text}")
    return ScheduleKey(time, value, transition)


def _value_of(text: str, where: str) -> tuple[str, Transition | None]:
    """The value, and the word after it."""
    value = text.strip()
    before, _, word = value.rpartition(" ")
    if word in TRANSITIONS and before:
        return before.strip(), cast("Transition", word)
    if not value or value in TRANSITIONS:
        raise SettingsError(f"{where}: no value: expected TIME:VALUE, such as 2s:0.5")
    return value, None


def _parts(text: str) -> Iterator[str]:
    """The text between commas that stand in no parentheses."""
    depth = start = 0
    for at, character in enumerate(text):
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        elif character == "," and depth <= 0:
            yield text[start:at]
            start = at + 1
    yield text[start:]


def _joined(parts: Iterator[str]) -> Iterator[str]:
    """Parts, each with those after it that have no time."""
    key = next(parts)
    for part in parts:
        if ":" in part:
            yield key
            key = part
        else:
            key = f"{key},{part}"
    yield key


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
