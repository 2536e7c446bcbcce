"""The size to dream at, chosen from measured times so that frames are shown in time and the dream still grows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final

# Pixels of the shorter side; each has about 1.3 times the area of the one before. Smaller dreams are a blur: by eye.
DREAM_SIDES: Final = (144, 168, 192, 216, 240, 272, 312, 360, 408, 464, 528, 600, 688, 784, 896, 1024)
FIRST_SIDE: Final = 192

# Shares of the time between two frames for moving the dream and showing it; the rest is a margin. Chosen by use.
MAX_SHARE: Final = 0.85  # above it the dream becomes smaller
TARGET_SHARE: Final = 0.7

# Where what no smaller dream saves takes more than 1 / FIXED_INTERVALS of the time, the dream may take as long as that,
# and frames come later: a dream that is a blur would hardly show them sooner. Chosen by eye.
FIXED_INTERVALS: Final = 2.0

# Ascents per second; with fewer a dream trails behind what moves. Chosen by eye.
MIN_ASCENTS: Final = 8.0
TARGET_ASCENTS: Final = 11.0

TWO_STEP_ASCENTS: Final = 40.0  # ascents per second above which each may be of two steps, where no larger size is left

SETTLING: Final = 0.3  # seconds after a change whose times are not counted
WINDOW: Final = 1.0  # seconds of measuring before the next decision
MIN_SAMPLES: Final = 4  # frames, and ascents, that must have been measured by then
PATIENCE: Final = 10.0  # seconds after shrinking before it may grow: a change of size costs detail


@dataclass(frozen=True, slots=True)
class Workload:
    """How much is done for each frame."""

    side: int  # pixels of the shorter side that is dreamed
    steps: int = 1  # of each ascent

    def size(self, camera: tuple[int, int]) -> tuple[int, int]:
        """(height, width) to dream a (height, width) image at: never larger than the image."""
        scale = min(1.0, self.side / min(camera))
        height, width = (max(1, round(side * scale)) for side in camera)
        return height, width


@dataclass(frozen=True, slots=True)
class MeasuredTimes:
    """Seconds that the work took, at one workload."""

    frame: float  # moving the dream to one frame and showing it
    ascent: float  # one ascent
    fixed: float = 0.0  # the part of `frame` that does not depend on the size that is dreamed at


class SizeController:
    """Measures how long frames and ascents take, and chooses the workload that fits."""

    def __init__(self, workload: Workload, now: float, *, fixed: bool = False) -> None:
        """
        Args:
            workload: to begin with.
            now: seconds, as of all later calls.
            fixed: keep it, however long it takes.
        """
        self.workload = workload
        self._fixed = fixed
        self._changed_at = now
        self._shrank_at = -PATIENCE
        self._frame_seconds: list[float] = []  # measured at the present workload
        self._fixed_seconds: list[float] = []
        self._ascent_seconds: list[float] = []

    def add_frame(self, now: float, seconds: float, fixed: float = 0.0) -> None:
        """A frame was shown at `now`, after `seconds` of work, of which `fixed` do not depend on the size."""
        if now - self._changed_at > SETTLING:
            self._frame_seconds.append(seconds)
            self._fixed_seconds.append(fixed)

    def add_ascents(self, now: float, seconds: Iterable[float]) -> None:
        """Ascents that took `seconds` each have ended by `now`."""
        if now - self._changed_at > SETTLING:  # earlier ones were started at the previous workload
            self._ascent_seconds.extend(seconds)

    def update(self, now: float, interval: float, camera: tuple[int, int]) -> None:
        """Decide anew, if enough was measured.

        Args:
            now: seconds.
            interval: seconds between two frames.
            camera: (height, width) of the camera's images.
        """
        measured = min(len(self._frame_seconds), len(self._ascent_seconds))
        if self._fixed or now - self._changed_at <= SETTLING + WINDOW or measured < MIN_SAMPLES:
            return
        fixed = median(self._fixed_seconds)
        times = MeasuredTimes(median(self._frame_seconds), fmean(self._ascent_seconds), fixed)
        workload = adjust_workload(self.workload, times, interval, camera)
        if workload.side < self.workload.side:
            self._shrank_at = now
        elif now - self._shrank_at < PATIENCE:
            workload = self.workload
        self.workload, self._changed_at = workload, now
        self._frame_seconds, self._fixed_seconds, self._ascent_seconds = [], [], []


def adjust_workload(workload: Workload, times: MeasuredTimes, interval: float, camera: tuple[int, int]) -> Workload:
    """The workload that fits, given what the present one takes.

    What of both times is not known to be fixed is taken to be proportional to the area.

    Args:
        workload: the present one.
        times: measured at it.
        interval: seconds between two frames.
        camera: (height, width) of the camera's images.
    """
    if not _fits(times, 1.0, interval, MAX_SHARE, MIN_ASCENTS):
        smaller = [side for side in DREAM_SIDES if side < workload.side]
        fitting = [
            side
            for side in smaller
            if _fits(times, (side / workload.side) ** 2, interval, TARGET_SHARE, TARGET_ASCENTS)
        ]
        if workload.steps > 1 and _in_time(times, 1.0, interval, MAX_SHARE):
            return Workload(workload.side, workload.steps - 1)
        return Workload(max(fitting, default=DREAM_SIDES[0]) if smaller else workload.side)
    larger = next((side for side in DREAM_SIDES if side > workload.side), None)
    if larger is None or workload.side >= min(camera):
        can_do_two = times.ascent * TWO_STEP_ASCENTS < 1
        return Workload(workload.side, 2) if can_do_two and workload.steps == 1 else workload
    grows = _fits(times, (larger / workload.side) ** 2, interval, TARGET_SHARE, TARGET_ASCENTS)
    return Workload(larger) if grows else workload


def _fits(times: MeasuredTimes, area: float, interval: float, share: float, ascents: float) -> bool:
    """Whether `area` times the work leaves frames in time, and `ascents` per second."""
    return _in_time(times, area, interval, share) and times.ascent * area * ascents <= 1


def _in_time(times: MeasuredTimes, area: float, interval: float, share: float) -> bool:
    frame = times.fixed + (times.frame - times.fixed) * area
    return frame <= share * max(interval, FIXED_INTERVALS * times.fixed)
