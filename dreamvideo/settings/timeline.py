"""Timelines: the settings of one film at every time, made of the schedules of options."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from typing import Any, Final, Protocol

from dreamvideo.errors import SettingsError
from dreamvideo.schedule.curve import Curve, parse_curve
from dreamvideo.schedule.film_clock import FilmClock, clock_time
from dreamvideo.schedule.keyed_sets import KeyedSets, parse_keyed_sets
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.drives import Factor, drive_nodes, driven_value
from dreamvideo.settings.option import check
from dreamvideo.settings.schedules import (
    FLAGS,
    SCHEDULED_FIELDS,
    SCHEDULED_SETS,
    LookSettings,
    TimelineSettings,
    scheduled_looks,
)

SMOOTH_DIGITS: Final = 1  # of smoothing that changes, in px: each width has CUDA graphs of its own. Chosen by eye

_UNKNOWN: Final = 60  # seconds after the last key that are looked at in a film of unknown length


@dataclass(frozen=True, slots=True)
class Moment:
    """All that is dreamed at one time of a film."""

    dream: DreamSettings
    carry: CarrySettings
    shares: tuple[tuple[int, float], ...] = ((0, 1.0),)  # of looks by their number, above 0; they add up to 1
    morphs: bool = False  # looks slowly give way to others, or did so lately: steps are smaller, see `MORPH_STEP`


class Schedule(Protocol):
    """What is dreamed when, whoever says so."""

    def __call__(self, time: Fraction) -> Moment:
        """Return what is dreamed at the time of a frame, in seconds."""
        ...

    def next_node(self, time: Fraction) -> Fraction | None:
        """Return the next time after this one at which the way of change may be another; None: nothing changes."""
        ...


@dataclass(frozen=True)
class Timeline:
    """The settings of one film at every time; see `open_timeline`.

    Attributes:
        looks: what may be dreamed; `Moment.shares` name them by their number.
        nodes: seconds, rising; between two of them every number rises or falls, and shares go from one look to another.
    """

    looks: tuple[LookSettings, ...]
    carry: CarrySettings
    curves: Mapping[str, Curve]
    sets: Mapping[str, KeyedSets]
    nodes: tuple[Fraction, ...]
    start: Fraction = field(default=Fraction(0))  # seconds of the film at which the frames begin
    factors: Mapping[str, Factor] = field(default_factory=dict)  # of options that are driven

    def __call__(self, time: Fraction) -> Moment:
        """Return what is dreamed at a time.

        Args:
            time: of a frame, seconds since `start`.
        """
        time += self.start
        shares = self._shares(time)
        values = {name: curve(time) for name, curve in self.curves.items()}
        dream = mixed_settings([(self.looks[index].dream, share) for index, share in shares])
        for name, factor in self.factors.items():
            base = values[name] if name in values else getattr(dream if name in _DREAM else self.carry, name)
            values[name] = driven_value(name, base, factor(time))
        numbers: dict[str, Any] = {name: self._number(name, value) for name, value in values.items()}
        dream = replace(dream, **{name: value for name, value in numbers.items() if name in _DREAM})
        carry = replace(self.carry, **{name: value for name, value in numbers.items() if name not in _DREAM})
        morphs = any(sets.morphs(time) for sets in self.sets.values())
        return Moment(dream, carry, shares, morphs)

    def next_node(self, time: Fraction) -> Fraction | None:
        """Return the first node after a time, in seconds since `start`; None: nothing changes any more.

        Args:
            time: seconds since `start`.
        """
        time += self.start
        place = bisect_right(self.nodes, time)
        if place < len(self.nodes):
            return self.nodes[place] - self.start
        if any(curve.moves for curve in self.curves.values()):  # a film of unknown length
            return Fraction(math.floor(time) + 1) - self.start
        return None

    def _shares(self, time: Fraction) -> tuple[tuple[int, float], ...]:
        chosen = [sorted(sets(time).items()) for sets in self.sets.values()]
        sizes = [len(sets.sets) for sets in self.sets.values()]
        shares = []
        for parts in itertools.product(*chosen):
            index, share = 0, 1.0
            for size, (number, part) in zip(sizes, parts, strict=True):
                index, share = index * size + number, share * part
            shares.append((index, share))
        return tuple(shares)

    def _number(self, name: str, value: float) -> float | int:
        return round(value) if _is_whole(name) else in_grades(name, value)


_DREAM: Final = frozenset(each.name for each in fields(DreamSettings))


def _is_whole(name: str) -> bool:
    return str(SCHEDULED_FIELDS[name].type).startswith("int")


def in_grades(name: str, value: float) -> float:
    """Return a number that changes, as it is used.

    Args:
        name: of its field.
        value: as the schedule has it.
    """
    return round(value, SMOOTH_DIGITS) if name == "smooth" else value


def mixed_settings(parts: Sequence[tuple[DreamSettings, float]]) -> DreamSettings:
    """Mix settings: numbers by their shares, whole ones rounded; all others are those of the largest share.

    Args:
        parts: settings with their shares, which add up to 1.
    """
    if len(parts) == 1:
        return parts[0][0]
    values: dict[str, Any] = {}
    main = max(parts, key=lambda part: part[1])[0]
    for each in fields(DreamSettings):
        several = [(getattr(settings, each.name), share) for settings, share in parts]
        first = several[0][0]
        if each.name == "seed" or any(isinstance(v, bool) or not isinstance(v, int | float) for v, _ in several):
            values[each.name] = getattr(main, each.name)
        elif all(value == first for value, _ in several):
            values[each.name] = first
        else:
            mixed = sum(value * share for value, share in several)
            values[each.name] = round(mixed) if isinstance(first, int) else in_grades(each.name, mixed)
    if values["color"] < 0 <= main.color:  # below 0 color is left as it is, which no mixture is
        values["color"] = main.color
    return DreamSettings(**values)


def open_timeline(
    settings: TimelineSettings,
    model: ModelSettings,
    objective: ObjectiveSettings,
    dream: DreamSettings,
    carry: CarrySettings,
    clock: FilmClock,
    start: Fraction = Fraction(0),  # noqa: B008
    factors: Mapping[str, Factor] | None = None,
) -> Timeline:
    """Find what schedules mean for a film, and check them.

    Args:
        settings: the schedules.
        model, objective, dream, carry: all settings; those with a schedule do not count.
        clock: of the film.
        start: seconds of the film at which its frames begin.
        factors: what options are multiplied by, by their names; None: nothing is driven.

    Raises:
        SettingsError: a schedule does not fit the film, or a number is outside of the range of its option.
    """
    curves, sets = {}, {}
    for name, text in settings.schedules.items():
        if name in SCHEDULED_SETS:
            sets[name] = parse_keyed_sets(text, clock, FLAGS[name])
        else:
            curves[name] = parse_curve(text, clock, FLAGS[name])
    looks = scheduled_looks(settings, LookSettings(model, objective, dream))
    nodes = {node for each in sets.values() for node in each.nodes()}
    for name, curve in curves.items():
        places = curve.places(curve.times[-1] + _UNKNOWN if clock.length is None else clock.length)
        values = [curve(place) for place in places]
        _check_values(name, values, places, carry if name not in _DREAM else dream)
        nodes.update(_turns(curve, values, places))
    factors = factors or {}
    for name, factor in factors.items():
        found = drive_nodes(name, _base(name, curves, looks, carry), factor, clock.length)
        nodes.update(found if name != "amount" else ())  # what is carried does not follow it
    return Timeline(looks, carry, curves, sets, tuple(sorted(nodes)), start, factors)


def _base(
    name: str, curves: Mapping[str, Curve], looks: Sequence[LookSettings], carry: CarrySettings
) -> Callable[[Fraction], float]:
    """The value of an option without its drive; of several looks the largest."""
    if name in curves:
        return curves[name]
    values = [getattr(look.dream if name in _DREAM else carry, name) for look in looks]
    if None in values or (name == "iterations" and 0 in values):
        raise SettingsError(f"--drive {name} without {FLAGS[name]}: expected a number, or a schedule, that is driven")
    largest = float(max(values))
    return lambda _: largest


def _turns(curve: Curve, values: Sequence[float], places: Sequence[Fraction]) -> list[Fraction]:
    """The places at which a curve may turn: its keys, its ends, and where an expression has an extreme."""
    keys = set(curve.times)
    turning = [
        places[at]
        for at in range(1, len(places) - 1)
        if places[at] in keys or (values[at] - values[at - 1]) * (values[at + 1] - values[at]) < 0
    ]
    return [places[0], *turning, places[-1]]


def _check_values(name: str, values: Sequence[float], places: Sequence[Fraction], settings: Any) -> None:
    """Check the extremes of a curve at its places: the range of an option has no holes."""
    for value, place in zip(values, places, strict=True):
        check(math.isfinite(value), f"{FLAGS[name]} at {clock_time(place)} is {value}", "a finite number")
    least, most = (choose(range(len(values)), key=values.__getitem__) for choose in (min, max))
    for at in (least, most):
        where = f"{FLAGS[name]} at {clock_time(places[at])} is {values[at]:g}"
        try:
            replace(settings, **{name: round(values[at]) if _is_whole(name) else values[at]})
        except SettingsError as error:
            raise SettingsError(f"{where}: expected {str(error).rpartition(': expected ')[2]}") from None
        check(name != "iterations" or values[at] >= 1, where, "at least 1")
    check(name != "color" or (values[least] < 0) == (values[most] < 0), "--color below and above 0", "one of the two")
