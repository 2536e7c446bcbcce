"""Drives as they are typed: options of a dream follow the sound; `jobs.job_drives` is what they mean for a film."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Protocol

from dreamvideo.schedule.film_clock import clock_time
from dreamvideo.settings.option import MOST_PIXELS, MOST_STEPS, check_fields, option

log = logging.getLogger(__name__)

# Share of its whole span by which a driven option has to move for a turn to count.
_BROAD: Final = 0.25

# The values that a driven option is kept in: what its settings allow, except that every frame is dreamed by a step.
DRIVEN_RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "octaves": (1, 64),
    "iterations": (1, MOST_STEPS),
    "step_size": (0, 10),
    "jitter": (0, MOST_PIXELS),
    "noise": (0, 1),
    "smooth": (0, 100),
    "color": (0, 100),
    "headroom": (0, 0.499),
    "anchor": (0, 1),
    "tv": (0, 100),
    "persistence": (0, 1),
    "warm_iterations": (0, MOST_STEPS),
    "warm_step": (0, 100),
    "amount": (0, 2),
}


@dataclass(frozen=True, slots=True)
class DriveSettings:
    """What follows the sound of a film."""

    drive: tuple[str, ...] = option(
        (),
        "an option follows the sound, repeatable: its value, or schedule, is multiplied by 1 + GAIN * what is heard + "
        "OFFSET; FEATURE is bass, mid, treble, a range in Hz such as 60-120, loudness, onsets or beats",
        action="append",
        metavar="OPTION=audio:FEATURE[*GAIN][+OFFSET][,attack=TIME][,release=TIME]",
    )
    music: str | None = option(
        None,
        "file whose sound becomes that of the output, cut to its length, and is what --drive follows; it begins where "
        "the film begins",
        kind="file",
        metavar="FILE",
    )

    def __post_init__(self) -> None:
        check_fields(self)


class Factor(Protocol):
    """What an option is multiplied by over the time of a film."""

    def __call__(self, time: Fraction) -> float:
        """Return the factor, at least 0, at a time in seconds since the beginning of the film."""
        ...

    @property
    def length(self) -> Fraction:
        """Seconds after which it no longer changes."""
        ...

    def places(self, end: Fraction) -> tuple[Fraction, ...]:
        """Return times up to the last one that matters, at which extremes are found."""
        ...


def driven_value(name: str, base: float, factor: float) -> float:
    """Return the value of an option that is driven, kept in its range.

    Args:
        name: of the field.
        base: its value without the drive.
        factor: at least 0.
    """
    if name == "color" and base < 0:  # colors are as the gradient has them, which is no amount
        return base
    low, high = DRIVEN_RANGES[name]
    return min(max(base * factor, low), high)


def drive_nodes(
    name: str, base: Callable[[Fraction], float], factor: Factor, length: Fraction | None
) -> tuple[Fraction, ...]:
    """Return the times between which a driven option rises or falls; what it does in between by less is left out.

    If its range ends what it does, that is logged in one line.

    Args:
        name: of the field.
        base: its value over the time of the film, without the drive.
        factor: of the drive.
        length: seconds of the film; None: unknown.
    """
    places = factor.places(factor.length if length is None else length)
    wanted = [base(place) * factor(place) for place in places]
    kept = [driven_value(name, base(place), factor(place)) for place in places]
    beyond = next((at for at, value in enumerate(wanted) if value != kept[at]), None)
    if beyond is not None:
        low, high = DRIVEN_RANGES[name]
        text = f"{wanted[beyond]:.4g} at {clock_time(places[beyond])}"
        log.warning("--drive %s: %s: it is kept in %g to %g", name.replace("_", "-"), text, low, high)
    return tuple(places[at] for at in broad_turns(kept))


def broad_turns(values: Sequence[float]) -> tuple[int, ...]:
    """Return the first index, those at which a curve turns for a movement of a quarter of its span, and the last.

    Args:
        values: of the curve, at least one.
    """
    least = _BROAD * (max(values) - min(values))
    if not least:
        return (0, len(values) - 1)
    turns = [0]
    low = high = 0  # indices of the extremes since the last turn
    way = 0  # 1: it rises, -1: it falls, 0: not known yet
    for at, value in enumerate(values):
        high, low = (at if value > values[high] else high), (at if value < values[low] else low)
        if way >= 0 and values[high] - value >= least:
            turns.append(high)
            way, low = -1, at
        elif way <= 0 and value - values[low] >= least:
            turns.append(low)
            way, high = 1, at
    return tuple(sorted({*turns, len(values) - 1}))
