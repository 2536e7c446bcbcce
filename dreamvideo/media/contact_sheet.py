"""Contact sheets: images in rows, each with a line of text under it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

GAP: Final = 6  # pixels between tiles and around them
SHEET_ASPECT: Final = 16 / 9  # width over height that a sheet should come close to: that of a screen

_GROUND: Final = (22, 22, 24)
_INK: Final = (240, 240, 240)
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_CAPITAL: Final = 20.5  # pixels of a capital letter at scale 1, measured; the fonts of OpenCV 4 and 5 agree in it
_MARGIN: Final = 4  # pixels beside a label, both sides together
_OVERSAMPLING: Final = 4  # text is drawn larger and shrunk, since OpenCV places strokes on whole pixels


def contact_sheet(
    tiles: Sequence[NDArray[np.uint8]], labels: Sequence[str], columns: int | None = None
) -> NDArray[np.uint8]:
    """Draw tiles in rows, each with its label below it, light on dark.

    Args:
        tiles: (h, w, 3) RGB each, at least one; cells are as large as the largest.
        labels: one for each tile, ASCII; one that is too wide is drawn smaller, then cut short.
        columns: tiles side by side; None: as `columns_for` chooses.

    Returns:
        (H, W, 3) RGB.

    Raises:
        ValueError: the number of labels is not that of the tiles.
    """
    height, width = (max(tile.shape[side] for tile in tiles) for side in (0, 1))
    line = line_height(width)
    columns = min(columns or columns_for(len(tiles), height + line + GAP, width + GAP), len(tiles))
    rows = -(-len(tiles) // columns)
    sheet = np.full((rows * (height + line + GAP) + GAP, columns * (width + GAP) + GAP, 3), _GROUND, np.uint8)
    for number, (tile, label) in enumerate(zip(tiles, labels, strict=True)):
        row, column = divmod(number, columns)
        y, x = GAP + row * (height + line + GAP), GAP + column * (width + GAP)
        sheet[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
        sheet[y + height : y + height + line, x : x + width] = caption(label, line, width)
    return sheet


def columns_for(count: int, height: int, width: int) -> int:
    """Number of columns that brings `count` cells of this size closest to `SHEET_ASPECT` with few empty cells."""

    def misfit(columns: int) -> float:
        rows = -(-count // columns)
        return abs(math.log(columns * width / (rows * height * SHEET_ASPECT))) + (rows * columns - count) / count

    return min(range(1, count + 1), key=misfit)


def line_height(width: int) -> int:
    """Height in pixels of the label below a tile of this width."""
    return min(28, max(16, width // 10))


def caption(text: str, height: int, width: int) -> NDArray[np.uint8]:
    """(height, width, 3) RGB with `text` in the middle, light on dark."""
    capital = 0.45 * height  # pixels, of a capital letter
    available = width - _MARGIN
    if _width(text, capital) > available:
        capital *= 0.75
    while _width(text, capital) > available and len(text) > 3:
        text = text.removesuffix("..")[:-1] + ".."
    large = np.full((height * _OVERSAMPLING, width * _OVERSAMPLING, 3), _GROUND, np.uint8)
    place = round((width - _width(text, capital)) / 2 * _OVERSAMPLING), round((height + capital) / 2 * _OVERSAMPLING)
    cv2.putText(large, text, place, _FONT, _scale(capital), _INK, _OVERSAMPLING, cv2.LINE_AA)
    return np.asarray(cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _width(text: str, capital: float) -> float:
    return float(cv2.getTextSize(text, _FONT, _scale(capital), _OVERSAMPLING)[0][0]) / _OVERSAMPLING


def _scale(capital: float) -> float:
    return capital * _OVERSAMPLING / _CAPITAL


def shrink_to_side(image: NDArray[np.uint8], side: int, pixel_aspect: Fraction = Fraction(1)) -> NDArray[np.uint8]:  # noqa: B008
    """Shrink an image to fit a tile.

    Args:
        image: (h, w, 3) RGB.
        side: largest height and width of the result, in pixels.
        pixel_aspect: width : height of a pixel as displayed.

    Returns:
        (H, W, 3) RGB with square pixels; never enlarged.
    """
    height, width = image.shape[0], round(image.shape[1] * pixel_aspect)
    scale = min(1.0, side / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
