"""Where the copies of an endless photo lie at each frame of a zoom film, whose center may move.

A copy comes in about the center of its time, and then moves with all that is seen. While the center stays, copies lie
in each other alike, and one period later all is as before.
"""

from __future__ import annotations

from typing import TypeAlias

from dreamvideo.motion.similarity import Similarity, zoom_about
from dreamvideo.video.zoom_path import ZoomPath

Copies: TypeAlias = tuple[Similarity, ...]  # each of a photo that fills the frame; it lies over those before it


def place_copies(path: ZoomPath, period: float, spiral: float, size: tuple[int, int]) -> tuple[Copies, ...]:
    """Return the copies that are seen at frame 0, 1, ... and at the one after the last, the largest first.

    Args:
        path: of the film.
        period: natural logarithm of the size of a copy over that of the next smaller one.
        spiral: clockwise turn from a copy to the next larger one, radians.
        size: (height, width) px of the frame.
    """
    places: dict[int, Similarity] = {}  # number of a copy -> where it lies; each is smaller than the one before it
    frames = []
    for frame in range(path.count + 1):
        log_zoom, turn = path.pose(frame)
        nearest = round(log_zoom / period)
        before, places = places, {}
        for copy in range(nearest - 2, nearest + 2):
            own = log_zoom - copy * period
            if copy in before:
                places[copy] = path.step(frame).after(before[copy])
            elif own > -period:  # else it is too small to be seen
                places[copy] = zoom_about(path.centers[frame], own, turn - copy * spiral)
        # While the center stays, the largest but one covers the frame: it is 1.7 times as large, or more.
        largest = nearest - 1 if covers(places[nearest - 1], size) else nearest - 2
        frames.append(tuple(place for copy, place in places.items() if copy >= largest))
    return tuple(frames)


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
