"""Where the copies of an endless photo lie at each frame of a zoom film, whose center may move.

A copy comes in about the center of its time, and then moves with all that is seen. While the center stays, copies lie
in each other alike, and one period later all is as before.
"""

from __future__ import annotations

import math
from typing import Final, TypeAlias

from dreamvideo.motion.similarity import Similarity, zoom_about
from dreamvideo.video.zoom_path import ZoomPath

Copies: TypeAlias = tuple[Similarity, ...]  # each of a photo that fills the frame; it lies over those before it

SEEN_PERIODS: Final = 3.5  # for which a copy is seen: of four at a time the smallest comes in, the largest is hidden


def place_copies(
    path: ZoomPath, period: float, spiral: float, size: tuple[int, int], seamless: bool = False
) -> tuple[Copies, ...]:
    """Return the copies that are seen at frame 0, 1, ... and at the one after the last, the largest first.

    Args:
        path: of the film.
        period: natural logarithm of the size of a copy over that of the next smaller one.
        spiral: clockwise turn from a copy to the next larger one, radians.
        size: (height, width) px of the frame.
        seamless: the film zooms by a whole number of periods, and is a loop: it begins as it ends.
    """
    periods = round(path.log_zooms[-1] / period) if seamless else 0
    rounds = 1 + math.ceil(SEEN_PERIODS / abs(periods)) if periods else 1
    places: dict[int, Similarity] = {}
    for _ in range(rounds):
        frames = []
        places = {copy - periods: place for copy, place in places.items()}
        for frame in range(path.count + 1):
            places = _next_places(places, path, frame, period, spiral)
            # While the center stays, the largest but one covers the frame: it is 1.7 times as large, or more.
            larger, *others = places.values()
            frames.append(tuple(others) if covers(others[0], size) else (larger, *others))
    return tuple(frames)


def _next_places(
    before: dict[int, Similarity], path: ZoomPath, frame: int, period: float, spiral: float
) -> dict[int, Similarity]:
    """Where copies lie at a frame, by their numbers, each smaller than the one before it."""
    log_zoom, turn = path.pose(frame)
    step = path.step(frame) if frame else Similarity()
    nearest = round(log_zoom / period)
    places = {}
    for copy in range(nearest - 2, nearest + 2):
        own = log_zoom - copy * period
        if own <= -period:
            break  # too small to be seen
        if copy in before:
            places[copy] = step.after(before[copy])
        else:
            places[copy] = zoom_about(path.centers[frame], own, turn - copy * spiral)
    return places


def covers(copy: Similarity, size: tuple[int, int]) -> bool:
    """Return whether a copy covers the frame.

    Args:
        copy: where it lies.
        size: (height, width) px of the frame.
    """
    height, width = size
    corners = [complex(x, y) for x in (0, width - 1) for y in (0, height - 1)]
    inside = [copy.inverse().of(corner) for corner in corners]
    return all(-0.5 <= at.real <= width - 0.5 and -0.5 <= at.imag <= height - 0.5 for at in inside)
