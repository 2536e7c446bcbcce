"""At what size it dreams, so that pictures are shown in time and the dream still grows: chosen by measured times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Pixels of the shorter side. Each has about 1.3 times the area of the one before. Smaller dreams are a blur: by eye.
DREAM_SIDES: Final = (144, 168, 192, 216, 240, 272, 312, 360, 408, 464, 528, 600, 688, 784, 896, 1024)
FIRST_SIDE: Final = 192

# Shares of the time between two pictures that moving and showing one may take; the rest is for what cannot be foreseen.
FULL: Final = 0.85  # above it, it dreams smaller
TARGET_SHARE: Final = 0.7

# Ascents a second: with fewer a dream trails behind what moves. By eye.
MIN_STEPS: Final = 8.0
ENOUGH_STEPS: Final = 11.0

TWO_STEPS: Final = 40.0  # ascents a second above which each may be of two steps, where it cannot dream larger


@dataclass(frozen=True, slots=True)
class SizeChoice:
    """How much is done for each picture."""

    side: int  # pixels of the shorter side that it dreams at
    steps: int = 1  # of an ascent

    def size(self, camera: tuple[int, int]) -> tuple[int, int]:
        """(height, width) to dream a (height, width) picture at: its own, if that is smaller."""
        scale = min(1.0, self.side / min(camera))
        height, width = (max(1, round(side * scale)) for side in camera)
        return height, width


@dataclass(frozen=True, slots=True)
class MeasuredTimes:
    """What was measured at a pace, in seconds."""

    picture: float  # moving the dream along with one picture and showing it
    ascent: float  # one ascent


def adjust_size(pace: SizeChoice, times: MeasuredTimes, interval: float, camera: tuple[int, int]) -> SizeChoice:
    """The pace to go on at, with pictures `interval` seconds apart.

    Both times are taken to grow like the area; what does not makes a step up less bold than it could be.
    """
    if not _fits(times, 1.0, interval, FULL, MIN_STEPS):
        smaller = [side for side in DREAM_SIDES if side < pace.side]
        good = [side for side in smaller if _fits(times, (side / pace.side) ** 2, interval, TARGET_SHARE, ENOUGH_STEPS)]
        if pace.steps > 1 and times.picture <= FULL * interval:
            return SizeChoice(pace.side, pace.steps - 1)
        return SizeChoice(max(good, default=DREAM_SIDES[0]) if smaller else pace.side)
    larger = next((side for side in DREAM_SIDES if side > pace.side), None)
    if larger is None or pace.side >= min(camera):
        many = times.ascent * TWO_STEPS < 1
        return SizeChoice(pace.side, 2) if many and pace.steps == 1 else pace
    return SizeChoice(larger) if _fits(times, (larger / pace.side) ** 2, interval, TARGET_SHARE, ENOUGH_STEPS) else pace


def _fits(times: MeasuredTimes, growth: float, interval: float, share: float, ascents: float) -> bool:
    return times.picture * growth <= share * interval and times.ascent * growth * ascents <= 1
