"""What a schedule has to know of a film: how long it is, and how many frames it has a second."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class FilmClock:
    """The time of a film, in seconds since its beginning, whatever part of it is read."""

    length: Fraction | None = None  # seconds; None: unknown, so that there is no percentage of it
    frame_rate: Fraction | None = None  # frames per second; None: unknown, so that times have no frame numbers


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
