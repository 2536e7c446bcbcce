"""Sets of names that follow the music of a film: one for each kind of section, or some that flash at its beats.

`audio:sections A, B` goes from set to set where the music changes: passages that sound alike have the same set.
`audio:beats A, B` dreams A, and at each beat B, which gives way to A again.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from dreamvideo.errors import SettingsError
from dreamvideo.schedule.film_clock import FilmClock
from dreamvideo.schedule.keys import Transition

HEARD: Final = "audio:"
FLASH: Final = Fraction(2, 5)  # seconds from a beat until its flash is over; chosen by eye
FLASH_SHARE: Final = Fraction(4, 5)  # of the time to the next beat, that it takes at most
MOST_KINDS: Final = 16  # of sections


@dataclass(frozen=True, slots=True)
class HeardKey:
    """From when on a set holds."""

    time: Fraction  # seconds
    number: int  # of the set, in the order of the text
    transition: Transition | None = None  # as of `ScheduleKey`


@dataclass(frozen=True, slots=True)
class HeardSets:
    """Sets that follow the music."""

    by: Literal["sections", "beats"]
    names: tuple[str, ...]  # each a set, its names joined by +

    def keys(self, clock: FilmClock) -> tuple[HeardKey, ...]:
        """Return when which set holds.

        Args:
            clock: of the film. What is not heard in it does not happen: then the first set holds throughout.
        """
        if self.by == "sections":
            found = clock.sections.get(len(self.names), ())
            return tuple(HeardKey(time, kind) for time, kind in found) or (HeardKey(Fraction(0), 0),)
        keys = [HeardKey(Fraction(0), 0)]
        beats = [beat for beat in clock.beats or () if beat > 0]
        for number, beat in enumerate(beats):
            following = beats[number + 1 : number + 2]
            gap = min([FLASH, *(FLASH_SHARE * (each - beat) for each in following)])
            keys.append(HeardKey(beat, 1 + number % (len(self.names) - 1), "step"))
            keys.append(HeardKey(beat + gap, 0, "ease"))
        return tuple(keys)


def parse_heard_sets(text: str, where: str) -> HeardSets | None:
    """Parse sets that follow the music; None: it is another schedule.

    Args:
        text: `audio:sections NAME+NAME:WEIGHT, NAME, ...` or `audio:beats NAME, NAME, ...`.
        where: the option, for messages, such as `--class`.

    Raises:
        SettingsError: what is to be followed is unknown, or there are too few sets, or too many.
    """
    kind, colon, rest = text.strip().partition(":")
    if not colon or f"{kind}:" != HEARD:
        return None
    by, _, listed = rest.strip().partition(" ")
    names = tuple(name.strip() for name in listed.split(","))
    if by not in ("sections", "beats"):
        raise SettingsError(
            f"{where} {HEARD}{by[:40]}: expected {HEARD}sections or {HEARD}beats, and sets of names: "
            f"{HEARD}sections A, B"
        )
    if not 2 <= len(names) <= MOST_KINDS or not all(names):
        raise SettingsError(
            f"{where} {HEARD}{by} with {len([name for name in names if name])} sets: expected 2 to {MOST_KINDS}, with "
            f"commas between them, such as {HEARD}{by} A, B"
        )
    return HeardSets("sections" if by == "sections" else "beats", names)
