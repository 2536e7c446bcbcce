"""Times of keys as they are typed: seconds, minutes and seconds, frames, or a percentage of the film."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from dreamvideo.errors import SettingsError
from dreamvideo.schedule.film_clock import FilmClock

_NUMBER: Final = r"(?:[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})"
_TIME: Final = re.compile(
    rf"(?:(?P<hours>{_NUMBER})h)?(?:(?P<minutes>{_NUMBER})m)?(?:(?P<seconds>{_NUMBER})s?)?"
    rf"|(?P<frames>[0-9]{{1,9}})f|(?P<percent>{_NUMBER})%"
)


@dataclass(frozen=True, slots=True)
class KeyTime:
    """A time as it was typed."""

    text: str
    amount: Fraction
    unit: Literal["seconds", "frames", "percent"]

    def resolve(self, clock: FilmClock, where: str) -> Fraction:
        """Return the time in seconds.

        Args:
            clock: of the film.
            where: the schedule, for messages, such as `--step-size`.

        Raises:
            SettingsError: the film's length or frame rate is needed and not known.
        """
        if self.unit == "seconds":
            return self.amount
        if self.unit == "frames":
            if clock.frame_rate is None:
                raise SettingsError(f"{where} at {self.text}: the frame rate is not known: expected seconds")
            return self.amount / clock.frame_rate
        if clock.length is None:
            raise SettingsError(f"{where} at {self.text}: the length of the film is not known: expected seconds")
        return self.amount / 100 * clock.length


def parse_key_time(text: str) -> KeyTime | None:
    """Parse the time of a key.

    Args:
        text: `2`, `2.5s`, `1m30s`, `1h`, `120f` or `50%`.

    Returns:
        None: the text is not a time.
    """
    match = _TIME.fullmatch(text)
    if match is None or not text:
        return None
    if match["frames"]:
        return KeyTime(text, Fraction(int(match["frames"])), "frames")
    if match["percent"]:
        percent = _exact(match["percent"])
        return KeyTime(text, percent, "percent") if percent <= 100 else None
    hours, minutes, seconds = (_exact(match[unit] or "0") for unit in ("hours", "minutes", "seconds"))
    return KeyTime(text, 3600 * hours + 60 * minutes + seconds, "seconds")


def _exact(text: str) -> Fraction:
    return Fraction("0" + text if text.startswith(".") else text)
