"""Beats that were tapped: by a key, a button, OSC or MIDI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor
from typing import Final

_PAUSE: Final = 2.0  # seconds: taps further apart are of two tempos


@dataclass(frozen=True, slots=True)
class TappedBeat:
    """Beats at a steady tempo."""

    anchor: float  # seconds of one of them
    period: float  # seconds between two

    def last_before(self, now: float) -> float:
        """Return the seconds that the last beat is ago."""
        passed = now - self.anchor
        return passed - floor(passed / self.period) * self.period


def tapped_beat(taps: Sequence[float]) -> TappedBeat | None:
    """Return the beat of taps: the tempo of the last that lie together, from the last one on.

    A single tap after a pause keeps the tempo before it, and moves the beat there.

    Args:
        taps: seconds, rising.

    Returns:
        None: there is no tempo yet.
    """
    runs: list[list[float]] = []
    for tap in taps:
        if runs and tap - runs[-1][-1] <= _PAUSE:
            runs[-1].append(tap)
        else:
            runs.append([tap])
    timed = [run for run in runs if len(run) > 1 and run[-1] > run[0]]
    if not timed:
        return None
    return TappedBeat(taps[-1], (timed[-1][-1] - timed[-1][0]) / (len(timed[-1]) - 1))
