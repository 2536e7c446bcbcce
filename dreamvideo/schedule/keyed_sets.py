"""Keyed sets: which names are chosen when, each key replacing the whole set, with a morph from one to the next."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from dreamvideo.errors import SettingsError
from dreamvideo.schedule.curve import share_between
from dreamvideo.schedule.film_clock import FilmClock
from dreamvideo.schedule.heard_sets import parse_heard_sets
from dreamvideo.schedule.keys import ScheduleKey, Transition, resolve_times, split_keys

MORPH: Final = Fraction(1)  # seconds that a set takes to replace the one before, from its key on; chosen by eye
SETTLING: Final = 3 * MORPH  # seconds after a morph in which the picture still changes more than before it; measured
SLOW: Final = MORPH / 2  # seconds that a change takes at least so that the picture morphs; else it flashes. By eye
MOST_SETS: Final = 64  # different ones of a schedule: each is an objective of its own


@dataclass(frozen=True, slots=True)
class KeyedSets:
    """Sets of names over time."""

    times: tuple[Fraction, ...]  # seconds, rising
    sets: tuple[tuple[str, ...], ...]  # different ones, each of names with their weights, such as `lion:0.5`
    chosen: tuple[int, ...]  # the set of each key
    transitions: tuple[Transition | None, ...]  # None: a morph of `MORPH` seconds that begins at the key

    def __call__(self, time: Fraction) -> dict[int, float]:
        """Return the sets that are dreamed, with their shares, which add up to 1.

        Args:
            time: seconds since the beginning of the film, exact.
        """
        place = max(0, bisect_right(self.times, time) - 1)
        begin, settled = self.times[place], self._settled(place)
        shares = {self.chosen[place]: 1.0}
        if begin <= time < settled:
            share = share_between(begin, settled, time, "ease")
            shares = _mixed(self.chosen[place - 1], self.chosen[place], share)
        elif place + 1 < len(self.times) and time >= settled:
            transition = self.transitions[place + 1]
            if transition is not None:
                share = share_between(settled, self.times[place + 1], time, transition)
                shares = _mixed(self.chosen[place], self.chosen[place + 1], share)
        return {index: share for index, share in shares.items() if share > 0}

    def nodes(self) -> tuple[Fraction, ...]:
        """Return the times at which a change begins or ends."""
        return tuple(sorted({*self.times, *(self._settled(place) for place in range(len(self.times)))}))

    def morphs(self, time: Fraction) -> bool:
        """Return whether sets slowly give way to others, or did so less than `SETTLING` seconds ago.

        Args:
            time: as for a call.
        """
        for place in range(min(bisect_right(self.times, time), len(self.times) - 1), 0, -1):
            change = self._change(place)
            if change and (change[0] < time or change == (time, time)):  # the last one that has begun
                begin, end = change
                return end - begin >= SLOW and time < end + SETTLING
        return False

    def _change(self, place: int) -> tuple[Fraction, Fraction] | None:
        """When the set of a key begins to replace the one before, and when it has; None: it is the same."""
        if self.chosen[place] == self.chosen[place - 1]:
            return None
        transition, time = self.transitions[place], self.times[place]
        if transition is None:
            return time, self._settled(place)
        return time if transition == "step" else self._settled(place - 1), time

    def _settled(self, place: int) -> Fraction:
        """When the set of a key is there alone."""
        time = self.times[place]
        if not place or self.transitions[place] is not None:
            return time
        if place + 1 == len(self.times):
            return time + MORPH
        gap = self.times[place + 1] - time
        return time + min(MORPH, gap if self.transitions[place + 1] in (None, "step") else gap / 2)


def _mixed(first: int, second: int, share: float) -> dict[int, float]:
    return {first: 1.0} if first == second else {first: 1 - share, second: share}


def parse_keyed_sets(text: str, clock: FilmClock, where: str) -> KeyedSets:
    """Parse the schedule of a set of names.

    Args:
        text: `TIME:NAME[:WEIGHT]+NAME... [ease|step|linear], ...`. With a word the morph takes the time from the key
            before to this one; without it one second from this key on. Or what `parse_heard_sets` takes.
        clock: of the film.
        where: the option, for messages, such as `--class`.

    Raises:
        SettingsError: it is not such a schedule, or does not fit the film.
    """
    heard = parse_heard_sets(text, where)
    if heard is not None:
        sets, numbers = _numbered([(name, where) for name in heard.names], where)
        at = heard.keys(clock)
        chosen = tuple(numbers[key.number] for key in at)
        return KeyedSets(tuple(key.time for key in at), sets, chosen, tuple(key.transition for key in at))
    keys = split_keys(text, where)
    sets, chosen = _sets_of(keys, where)
    return KeyedSets(resolve_times(keys, clock, where), sets, chosen, tuple(key.transition for key in keys))


def chosen_sets(text: str, where: str) -> tuple[tuple[str, ...], ...]:
    """Return the different sets of a schedule, as `KeyedSets.sets`; nothing is asked of a film.

    Args:
        text: as for `parse_keyed_sets`.
        where: the option, for messages.

    Raises:
        SettingsError: it is not such a schedule.
    """
    heard = parse_heard_sets(text, where)
    if heard is not None:
        return _numbered([(name, where) for name in heard.names], where)[0]
    return _sets_of(split_keys(text, where), where)[0]


def _sets_of(keys: Sequence[ScheduleKey], where: str) -> tuple[tuple[tuple[str, ...], ...], tuple[int, ...]]:
    """The different sets, and the one of each key."""
    return _numbered([(key.value, f"{where} at {key.time.text}") for key in keys], where)


def _numbered(texts: Sequence[tuple[str, str]], where: str) -> tuple[tuple[tuple[str, ...], ...], tuple[int, ...]]:
    """The different sets, and which one each text names; with each its place for messages."""
    known: dict[tuple[str, ...], int] = {}
    chosen = []
    for text, place in texts:
        names = tuple(name.strip() for name in text.split("+"))
        if not all(names):
            raise SettingsError(f"{place}: an empty name: expected NAME or NAME:WEIGHT, joined by +")
        chosen.append(known.setdefault(names, len(known)))
    if len(known) > MOST_SETS:
        raise SettingsError(f"{where}: {len(known)} different sets: expected at most {MOST_SETS}")
    return tuple(known), tuple(chosen)
