"""What a schedule has to know of a film: how long it is, how many frames it has a second, and what is heard when."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias

Sections: TypeAlias = tuple[tuple[Fraction, int], ...]  # when each begins, seconds, and its kind; the first at 0


@dataclass(frozen=True, slots=True)
class FilmClock:
    """The time of a film, in seconds since its beginning, whatever part of it is read."""

    length: Fraction | None = None  # seconds; None: unknown, so that there is no percentage of it
    frame_rate: Fraction | None = None  # frames per second; None: unknown, so that times have no frame numbers
    beats: tuple[Fraction, ...] | None = None  # of its music, seconds, rising; None: it is not listened to
    sections: Mapping[int, Sections] = field(default_factory=dict)  # of its music, by how many kinds there are

    def beat(self, time: Fraction) -> float:
        """Return how many beats there were, and how much of the time to the next one has passed.

        Args:
            time: seconds.

        Returns:
            0 at the first beat, 2.5 in the middle between the third and the fourth. Before the first and after the last
            the beat goes on as it does beside them; always 0 with fewer than two beats.
        """
        beats = self.beats or ()
        if len(beats) < 2:
            return 0.0
        before = min(max(0, bisect_right(beats, time) - 1), len(beats) - 2)
        return before + float((time - beats[before]) / (beats[before + 1] - beats[before]))


def clock_time(seconds: Fraction | float) -> str:
    """Return a time as messages name it.

    Args:
        seconds: since the beginning of the film.

    Returns:
        `mm:ss` or `h:mm:ss`, with hundredths where there are any.
    """
    hundredths = round(seconds * 100)
    minutes, rest = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    whole, part = divmod(rest, 100)
    text = f"{minutes:02}:{whole:02}" + (f".{part:02}" if part else "")
    return f"{hours}:{text}" if hours else text
