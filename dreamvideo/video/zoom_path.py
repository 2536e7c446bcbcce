"""The path of a zoom film: how far it has zoomed and turned at each frame, and about which point it does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

from dreamvideo.errors import SettingsError
from dreamvideo.motion.similarity import Similarity, zoom_about

Curve = Callable[[float], float]  # seconds -> a number

PERIOD = math.log(3)  # of the endless photo, where nothing else decides. Chosen by eye: things return every few seconds
LEAST_ZOOM = math.log(1.2)  # of a whole film, below which the endless photo cannot close it in a loop

_PARTS = 8  # of a frame, in which a speed is integrated by Simpson's rule: exact for polynomials up to the third degree


@dataclass(frozen=True, slots=True)
class ZoomPath:
    """Zoom and turn at each frame."""

    centers: tuple[complex, ...]  # px, about which frame 0, 1, ... and the one after the last are reached
    log_zooms: tuple[float, ...]  # natural logarithm, of frame 0 (0.0), 1, ... and of the one after the last
    turns: tuple[float, ...]  # radians, clockwise

    @property
    def count(self) -> int:
        """Frames of the film."""
        return len(self.log_zooms) - 1

    def pose(self, frame: int) -> tuple[float, float]:
        """Return zoom and turn of a frame; those before frame 0 are as before the end of the film, for a loop.

        Args:
            frame: its index, from -count to count.
        """
        if frame >= 0:
            return self.log_zooms[frame], self.turns[frame]
        index = frame + self.count
        return self.log_zooms[index] - self.log_zooms[-1], self.turns[index] - self.turns[-1]

    def step(self, frame: int) -> Similarity:
        """Return the motion from the frame before to a frame.

        Args:
            frame: its index, above -count.
        """
        (before, turned), (log_zoom, turn) = self.pose(frame - 1), self.pose(frame)
        center = self.centers[frame if frame > 0 else frame + self.count]
        return zoom_about(center, log_zoom - before, turn - turned)

    def repeats(self, seamless: bool) -> tuple[float, float]:
        """Return after how much zoom the endless photo repeats, and how far it has turned then.

        Args:
            seamless: the whole film is to be a whole number of repetitions.

        Returns:
            Natural logarithm of a zoom; clockwise turn, radians.

        Raises:
            SettingsError: so little zoom, or such a turn, makes no loop.
        """
        zoom, turn = self.log_zooms[-1], self.turns[-1]
        if abs(zoom) < LEAST_ZOOM:
            whole = math.isclose(math.remainder(turn, math.tau), 0, abs_tol=1e-6)
            if seamless and (zoom or not whole):
                raise SettingsError(
                    f"--seamless with a zoom of {math.exp(zoom):.3g} and {math.degrees(turn):.4g} degrees in the whole "
                    f"film: expected a factor of at least {math.exp(LEAST_ZOOM):.2g}, or no zoom and whole turns"
                )
            return PERIOD, 0.0
        times = max(1.0, round(abs(zoom) / PERIOD)) if seamless else abs(zoom) / PERIOD
        return abs(zoom) / times, math.copysign(turn, turn * zoom) / times


def zoom_path(
    zoom_speed: Curve, turn_speed: Curve, center: Callable[[float], complex], fps: float, count: int
) -> ZoomPath:
    """Integrate speeds.

    Args:
        zoom_speed: natural logarithm of the zoom, per second.
        turn_speed: radians per second, clockwise.
        center: seconds -> the point that stays where it is, px.
        fps: frames per second.
        count: frames of the film.
    """
    zooms, turns = (
        tuple(accumulate((_integral(speed, n / fps, (n + 1) / fps) for n in range(count)), initial=0.0))
        for speed in (zoom_speed, turn_speed)
    )
    return ZoomPath(tuple(center(max(0.0, n - 0.5) / fps) for n in range(count + 1)), zooms, turns)


def _integral(curve: Curve, start: float, end: float) -> float:
    points = [curve(start + (end - start) * i / (2 * _PARTS)) for i in range(2 * _PARTS + 1)]
    total = points[0] + points[-1] + 4 * sum(points[1::2]) + 2 * sum(points[2:-1:2])
    return total * (end - start) / (6 * _PARTS)
