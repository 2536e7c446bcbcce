"""Moments: what is dreamed at the time of each frame, where that is one thing throughout or what a program says."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Any, TypeAlias, cast

from dreamvideo.errors import SettingsError
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.settings.timeline import Moment, Schedule

SettingsAt: TypeAlias = Callable[[Fraction], DreamSettings | Moment]  # seconds -> what is dreamed then


@dataclass(frozen=True, slots=True)
class FixedSchedule:
    """The same throughout."""

    moment: Moment

    def __call__(self, time: Fraction) -> Moment:
        return self.moment

    def next_node(self, time: Fraction) -> Fraction | None:
        return None


@dataclass(frozen=True, slots=True)
class SampledSchedule:
    """What a function of the time returns, of which nothing else is known: every full second is a node."""

    settings_at: SettingsAt
    carry: CarrySettings

    def __call__(self, time: Fraction) -> Moment:
        settings: Any = self.settings_at(time)
        if isinstance(settings, Moment):
            return settings
        if isinstance(settings, DreamSettings):
            return Moment(settings, self.carry)
        raise SettingsError(
            f"at {float(time):.3f} s the settings are {type(settings).__name__}: expected DreamSettings or a Moment"
        )

    def next_node(self, time: Fraction) -> Fraction | None:
        return Fraction(math.floor(time) + 1)


def as_schedule(dream: DreamSettings | SettingsAt | Schedule, carry: CarrySettings) -> Schedule:
    """Return what is dreamed when.

    Args:
        dream: settings, a function of the time in seconds, or a schedule.
        carry: the settings of the carry, where `dream` does not say.

    Raises:
        SettingsError: `dream` is none of these.
    """
    if isinstance(dream, DreamSettings):
        return FixedSchedule(Moment(dream, carry))
    if not callable(dream):
        expected = "DreamSettings, or a function of the time in seconds that returns them"
        raise SettingsError(f"what to dream is given as {type(dream).__name__}: expected {expected}")
    return cast("Schedule", dream) if hasattr(dream, "next_node") else SampledSchedule(dream, carry)


def share_of_change(begin: Moment, end: Moment, now: Moment) -> float:
    """Return how far a moment between two others is on the way, 0 to 1: the mean over all numbers that change.

    Args:
        begin, end, now: what is dreamed at these times.
    """
    ways = []
    for first, last, between in zip(_numbers(begin), _numbers(end), _numbers(now), strict=True):
        for name in first.keys() | last.keys():
            start, stop, here = (each.get(name, 0.0) for each in (first, last, between))
            if start != stop:
                ways.append(min(1.0, max(0.0, (here - start) / (stop - start))))
    return sum(ways) / len(ways) if ways else 0.0


def dreams_alike(one: Moment, other: Moment) -> bool:
    """Return whether the same is dreamed, however much of it is shown.

    Args:
        one, other: what is dreamed at two times.
    """
    return replace(one, carry=replace(one.carry, amount=other.carry.amount), morphs=other.morphs) == other


def new_share(before: Moment, now: Moment) -> float:
    """Return which share of what is dreamed now was not dreamed before, 0 to 1.

    Args:
        before, now: what is dreamed at two times.
    """
    had = dict(before.shares)
    return sum(max(0.0, share - had.get(look, 0.0)) for look, share in now.shares)


def _numbers(moment: Moment) -> tuple[dict[Any, float], ...]:
    """Shares, and all numbers of the settings."""
    groups = [
        {
            each.name: float(value)
            for each in fields(settings)
            if each.name != "amount"  # of what is shown
            and isinstance(value := getattr(settings, each.name), int | float)
            and not isinstance(value, bool)
        }
        for settings in (moment.dream, moment.carry)
    ]
    return dict(moment.shares), *groups
