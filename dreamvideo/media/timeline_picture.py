"""Draws a timeline as a picture: one row for each option, its curve or its names over the time of the film."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dreamvideo.media.contact_sheet import caption
from dreamvideo.schedule.curve import Curve
from dreamvideo.schedule.film_clock import clock_time
from dreamvideo.schedule.keyed_sets import KeyedSets

WIDTH: Final = 1280  # pixels of a picture
ROW: Final = 120  # pixels, the height of an option's row
LEFT: Final = 150  # pixels of the names of options
RIGHT: Final = 24  # pixels
TICKS: Final = 10  # times below the rows, about

_GROUND: Final = (22, 22, 24)
_PANEL: Final = (34, 34, 38)
_GRID: Final = (60, 60, 66)
_LINE: Final = (250, 190, 90)
_KEY: Final = (255, 240, 220)
_SETS: Final = ((72, 110, 150), (150, 92, 84), (84, 134, 92), (136, 96, 150), (150, 128, 70), (80, 134, 140))
_TEXT: Final = 22  # pixels, the height of a line of text

Image = NDArray[np.uint8]


def draw_timeline(rows: Mapping[str, Curve | KeyedSets], length: Fraction) -> Image:
    """Draw schedules below one another.

    Args:
        rows: name of an option -> its schedule, at least one.
        length: seconds that are drawn, above 0.

    Returns:
        (H, `WIDTH`, 3) RGB.
    """
    picture: Image = np.full((len(rows) * ROW + _TEXT + 12, WIDTH, 3), _GROUND, np.uint8)
    for number, (name, schedule) in enumerate(rows.items()):
        top = number * ROW
        picture[top + ROW // 2 - _TEXT // 2 :][:_TEXT, :LEFT] = caption(name, _TEXT, LEFT)
        panel = picture[top + 8 : top + ROW - 4, LEFT : WIDTH - RIGHT]
        panel[:] = _PANEL
        for time in _ticks(length):
            panel[:, _place(time, length, panel.shape[1])] = _GRID
        if isinstance(schedule, Curve):
            _draw_curve(panel, schedule, length)
        else:
            _draw_sets(panel, schedule, length)
    for time in _ticks(length):
        _write(
            picture, clock_time(time), len(rows) * ROW + 2, LEFT + _place(time, length, WIDTH - LEFT - RIGHT) - 40, 80
        )
    return picture


def _draw_curve(panel: Image, curve: Curve, length: Fraction) -> None:
    """A line, its keys, and the largest and the smallest value."""
    height, width = panel.shape[:2]
    times = [length * column / (width - 1) for column in range(width)]
    values = np.array([curve(time) for time in times])
    low, high = float(values.min()), float(values.max())
    span = high - low or 1.0

    def row(value: float) -> float:
        return float(height - 14 - (value - low) / span * (height - 28) if high > low else height / 2)

    points = np.array([[column, row(value)] for column, value in enumerate(values)])
    cv2.polylines(panel, [np.round(points * 16).astype(np.int32)], False, _LINE, 2, cv2.LINE_AA, 4)
    for time in curve.times:
        if len(curve.times) <= width // 8 and time <= length:
            place = _place(time, length, width), round(row(curve(time)))
            cv2.circle(panel, place, 4, _KEY, -1, cv2.LINE_AA)
    _write(panel, f"{high:.4g}", 2, 4, 76)
    if high > low:
        _write(panel, f"{low:.4g}", height - _TEXT - 2, 4, 76)


def _draw_sets(panel: Image, sets: KeyedSets, length: Fraction) -> None:
    """The share of each set as the height of its color, and its names where it begins."""
    height, width = panel.shape[:2]
    for column in range(width):
        bottom = float(height)
        for index, share in sorted(sets(length * column / (width - 1)).items()):
            top = bottom - share * height
            panel[round(top) : round(bottom), column] = _SETS[index % len(_SETS)]
            bottom = top
    ends = [*sets.times[1:], length]
    for time, end, chosen in zip(sets.times, ends, sets.chosen, strict=True):
        left, right = (_place(min(each, length), length, width) for each in (time, end))
        if right - left > 40 and len(sets.times) <= width // 40:
            _write(panel, " + ".join(sets.sets[chosen]), height // 2 - _TEXT // 2, left + 4, right - left - 8)


def _write(picture: Image, text: str, top: int, left: int, width: int) -> None:
    """Text on the ground that is there, inside the picture."""
    left = min(max(0, left), picture.shape[1] - width)
    letters = caption(text, _TEXT, width).astype(np.int16) - np.array(_GROUND, np.int16)
    part = picture[top : top + _TEXT, left : left + width]
    part[:] = np.clip(part + letters[: len(part)], 0, 255)


def _place(time: Fraction, length: Fraction, width: int) -> int:
    """The column of a time."""
    return round(float(time / length) * (width - 1))


def _ticks(length: Fraction) -> Sequence[Fraction]:
    """Round times, about `TICKS` of them."""
    steps = [Fraction(base, 100) * 10**power for power in range(6) for base in (1, 2, 5)]
    steps += [Fraction(seconds) for seconds in (15, 30, 60, 120, 300, 600, 1800, 3600)]
    step = min(steps, key=lambda each: abs(length / each - TICKS))
    return [number * step for number in range(int(length / step) + 1)]
