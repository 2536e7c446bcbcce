"""Curves: a number that changes over the time of a film, between keys."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from dreamvideo.errors import SettingsError
from dreamvideo.schedule.expression import Expression, parse_expression
from dreamvideo.schedule.film_clock import FilmClock
from dreamvideo.schedule.heard_sets import HEARD
from dreamvideo.schedule.keys import Transition, resolve_times, split_keys

SAMPLE: Final = Fraction(1, 25)  # seconds between the places where an expression is looked at
MOST_SAMPLES: Final = 4000


@dataclass(frozen=True, slots=True)
class Curve:
    """A number over time: before the first key its value, after the last key its value, and between two a transition.

    The value of a key may be an expression; between two keys both are evaluated at the same time, and mixed.
    """

    times: tuple[Fraction, ...]  # seconds, rising
    values: tuple[Expression, ...]
    transitions: tuple[Transition, ...]  # how each key is reached
    clock: FilmClock  # for expressions in `frame` and `beat`

    def __call__(self, time: Fraction) -> float:
        """Return the value.

        Args:
            time: seconds since the beginning of the film, exact.
        """
        variables = self._variables(time)
        place = bisect_right(self.times, time) - 1
        if place < 0:
            return self.values[0](variables)
        if place == len(self.times) - 1 or self.transitions[place + 1] == "step":
            return self.values[place](variables)
        begin, end = self.times[place : place + 2]
        share = share_between(begin, end, time, self.transitions[place + 1])
        before = self.values[place](variables)
        return before + share * (self.values[place + 1](variables) - before)

    def _variables(self, time: Fraction) -> Mapping[str, float]:
        variables = {"t": float(time)}
        if self.moves:
            rate = self.clock.frame_rate
            variables |= {"frame": float(time * rate) if rate else math.nan, "beat": self.clock.beat(time)}
        return variables

    @property
    def moves(self) -> bool:
        """Whether a key has an expression in time."""
        return any(value.names for value in self.values)

    def places(self, end: Fraction) -> tuple[Fraction, ...]:
        """Return times at which extremes of the curve are found, or missed by little.

        Args:
            end: seconds, the last time that matters.
        """
        if not self.moves:
            return self.times
        step = max(SAMPLE, end / MOST_SAMPLES)
        samples = {number * step for number in range(int(end / step) + 1)}
        return tuple(sorted(samples.union(self.times)))


def share_between(begin: Fraction, end: Fraction, time: Fraction, transition: Transition) -> float:
    """Return how much of the later of two keys a time has, 0 to 1.

    Args:
        begin, end: times of the keys, seconds.
        time: between them.
        transition: how the later one is reached.
    """
    if transition == "step":
        return float(time >= end)
    share = float((time - begin) / (end - begin))
    return share * share * (3 - 2 * share) if transition == "ease" else share


def parse_curve(text: str, clock: FilmClock, where: str) -> Curve:
    """Parse the schedule of a number.

    Args:
        text: `TIME:VALUE [ease|step|linear], ...`, or one value; values are numbers or expressions.
        clock: of the film.
        where: the option, for messages, such as `--step-size`.

    Raises:
        SettingsError: it is not such a schedule, or does not fit the film.
    """
    if text.strip().startswith(HEARD):
        example = f"--drive {where.removeprefix('--')}={text.strip()[:40]}"
        raise SettingsError(f"{where} {text.strip()[:40]}: a number follows the sound by a drive: expected {example}")
    keys = split_keys(text, where)
    values = []
    for key in keys:
        try:
            value = parse_expression(key.value)
        except SettingsError as error:
            raise SettingsError(f"{where} at {key.time.text}: {error}") from None
        if "beat" in value.names and clock.beats is None:
            raise SettingsError(
                f"{where} at {key.time.text}: there is no music whose beats are known: expected t or frame"
            )
        if "frame" in value.names and clock.frame_rate is None:
            raise SettingsError(f"{where} at {key.time.text}: the frame rate is not known: expected t instead of frame")
        values.append(value)
    return Curve(
        resolve_times(keys, clock, where),
        tuple(values),
        tuple(key.transition or "linear" for key in keys),
        clock,
    )
