"""Draws what is heard in a sound over time: waveform, onsets, beats, and each band, one lane below the other."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dreamvideo.media.sample_frames import format_time
from dreamvideo.sound.features import Curve, SoundFeatures
from dreamvideo.sound.windows import CURVE_RATE

Color = tuple[int, int, int]  # RGB

_GROUND: Final[Color] = (24, 24, 28)
_RULE: Final[Color] = (58, 58, 66)
_TEXT: Final[Color] = (200, 200, 205)
_WAVE: Final[Color] = (120, 170, 210)
_BEAT: Final[Color] = (235, 120, 90)
_ONSET: Final[Color] = (240, 210, 110)
_LEVEL: Final[Color] = (130, 200, 140)

_WAVE_HEIGHT: Final = 96  # pixels
_LANE_HEIGHT: Final = 48
_AXIS_HEIGHT: Final = 22
_FONT: Final = (cv2.FONT_HERSHEY_SIMPLEX, 0.4)
_STEPS: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 3600)  # seconds between two marks
_LABEL_WIDTH: Final = 80  # pixels that a time and the space around it take


def draw_sound_strip(
    features: SoundFeatures, width: int, begin: float = 0, end: float | None = None
) -> NDArray[np.uint8]:
    """Draw a part of a sound; time is linear, from the left edge to the right one.

    Args:
        features: of the sound; those levels, onsets and beats are drawn that it has.
        width: of the image, in pixels.
        begin: seconds at the left edge.
        end: seconds at the right edge; None: the end of the sound. A sound may end before.

    Returns:
        (H, width, 3) RGB: the waveform with beats as lines and onsets as marks at its foot, as high as they are strong;
        a lane for each level; and the times.
    """
    end = features.duration if end is None else end
    end = max(end, begin + 1 / CURVE_RATE)
    height = _WAVE_HEIGHT + _LANE_HEIGHT * len(features.levels) + _AXIS_HEIGHT
    image = np.full((height, width, 3), _GROUND, np.uint8)
    edges = np.linspace(begin, end, width + 1) * CURVE_RATE
    _draw_marks(image, begin, end)
    _draw_events(image[:_WAVE_HEIGHT], features, begin, end)
    top = _WAVE_HEIGHT
    for name, level in features.levels.items():
        lane = image[top : top + _LANE_HEIGHT]
        inner = _LANE_HEIGHT - 4
        _fill(lane, np.zeros(width), inner * column_extremes(level, edges)[1], _LANE_HEIGHT - 2, _LEVEL)
        lane[0] = _RULE
        _write(lane, name, (6, 14))
        top += _LANE_HEIGHT
    image[top] = _RULE
    return image


def _draw_events(image: NDArray[np.uint8], features: SoundFeatures, begin: float, end: float) -> None:
    """Waveform, beats behind it and onsets before it."""
    height, width = image.shape[:2]
    scale = (height / 2 - 4) / max(features.loudest, 1e-3)
    edges = np.linspace(begin, end, width + 1) * CURVE_RATE
    for x in _columns(features.beats, begin, end, width)[0]:
        image[:, x] = _BEAT
    low, high = column_extremes(features.lowest, edges)[0], column_extremes(features.highest, edges)[1]
    _fill(image, low * scale, high * scale, height // 2, _WAVE)
    columns, which = _columns(features.onsets, begin, end, width)
    if features.onset_strengths is not None:
        for x, strength in zip(columns, features.onset_strengths[which], strict=True):
            image[height - 2 - round(12 * float(strength)) :, x] = _ONSET
    words = ["sound"] if features.duration else ["no sound"]
    words += [] if features.beats is None else [f"{len(features.beats)} beats"]
    words += [] if features.onsets is None else [f"{len(features.onsets)} onsets"]
    _write(image, ", ".join(words), (6, 14))


def _columns(
    times: NDArray[np.float64] | None, begin: float, end: float, width: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(columns, indices) of the times that are in the image."""
    if times is None:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    columns = np.floor((times - begin) / (end - begin) * width).astype(np.intp)
    inside = np.flatnonzero((columns >= 0) & (columns < width))
    return columns[inside], inside


def column_extremes(curve: Curve, edges: NDArray[np.float64]) -> tuple[Curve, Curve]:
    """Return the lowest and the highest value of a curve in each column; 0 where it has ended.

    Args:
        curve: (n,) values.
        edges: (width + 1,) of the columns, rising, in values of the curve.

    Returns:
        Two arrays of (width,).
    """
    padded = np.append(curve, np.float32(0))
    bounds = np.clip(np.rint(edges), 0, len(curve)).astype(np.intp)
    # Where a column is narrower than a value, it shows the one that is nearest.
    low, high = (each.reduceat(padded, bounds[:-1]) for each in (np.minimum, np.maximum))
    # The last column would go on to the end of the curve.
    last = padded[bounds[-2] : max(bounds[-1], bounds[-2] + 1)]
    low[-1], high[-1] = last.min(), last.max()
    return low, high


def _fill(
    image: NDArray[np.uint8], low: NDArray[np.floating], high: NDArray[np.floating], zero: int, color: Color
) -> None:
    """Fill each column from `low` to `high`, in pixels above row `zero`."""
    rows = np.arange(image.shape[0])[:, None]
    image[(rows >= zero - np.rint(high)) & (rows <= zero - np.rint(low))] = color


def _draw_marks(image: NDArray[np.uint8], begin: float, end: float) -> None:
    height, width = image.shape[:2]
    most = max(1, width // _LABEL_WIDTH)
    step = next((each for each in _STEPS if (end - begin) / each <= most), end - begin)
    for number in range(int(np.ceil(begin / step)), int(end / step) + 1):
        x = int((number * step - begin) / (end - begin) * width)
        if x < width:
            image[:, x] = _RULE
            if x + _LABEL_WIDTH // 2 < width:
                _write(image, format_time(Fraction(round(number * step * 1000), 1000)), (x + 4, height - 7))


def _write(image: NDArray[np.uint8], text: str, place: tuple[int, int]) -> None:
    """Write with the left end of the baseline at `place`, (x, y), on a ground that is darkened."""
    (width, height), _ = cv2.getTextSize(text, *_FONT, 1)
    x, y = place
    image[max(0, y - height - 3) : y + 4, max(0, x - 3) : x + width + 3] //= 3
    cv2.putText(image, text, place, *_FONT, _TEXT, 1, cv2.LINE_AA)
