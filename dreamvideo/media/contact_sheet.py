"""Contact sheets: pictures in rows, each with a line of text under it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

GAP: Final = 6  # pixels between tiles and around them
SHEET_ASPECT: Final = 16 / 9  # width over height that a sheet is to have, about: a screen's

_GROUND: Final = (22, 22, 24)
_INK: Final = (240, 240, 240)
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_CAPITAL: Final = 20.5  # pixels of a capital letter at scale 1, measured; OpenCV 4 and 5 have other fonts, of one size
_MARGIN: Final = 4  # pixels beside a label, both sides together
_FINER: Final = 4  # text is drawn so much larger and shrunk: OpenCV places strokes on whole pixels


def contact_sheet(
    tiles: Sequence[NDArray[np.uint8]], labels: Sequence[str], columns: int | None = None
) -> NDArray[np.uint8]:
    """(H, W, 3) RGB of the tiles in rows, white on dark under each its label.

    Args:
        tiles: (h, w, 3) RGB each, at least one; a cell is as large as the largest.
        labels: one for each tile, ASCII; what is too wide for its tile is written smaller, then cut short.
        columns: tiles side by side; None: see `columns_for`.

    Raises:
        ValueError: another number of labels.
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
    """Pixels of the line under a tile of this width."""
    return min(28, max(16, width // 10))


def caption(text: str, height: int, width: int) -> NDArray[np.uint8]:
    """(height, width, 3) RGB: `text` in the middle, light on dark."""
    capital = 0.45 * height  # pixels, of a capital letter
    room = width - _MARGIN
    if _width(text, capital) > room:
        capital *= 0.75
    while _width(text, capital) > room and len(text) > 3:
        text = text.removesuffix("..")[:-1] + ".."
    large = np.full((height * _FINER, width * _FINER, 3), _GROUND, np.uint8)
    place = round((width - _width(text, capital)) / 2 * _FINER), round((height + capital) / 2 * _FINER)
    cv2.putText(large, text, place, _FONT, _scale(capital), _INK, _FINER, cv2.LINE_AA)
    return np.asarray(cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _width(text: str, capital: float) -> float:
    return float(cv2.getTextSize(text, _FONT, _scale(capital), _FINER)[0][0]) / _FINER


def _scale(capital: float) -> float:
    return capital * _FINER / _CAPITAL


def shrink_to_side(image: NDArray[np.uint8], side: int, pixel_aspect: Fraction = Fraction(1)) -> NDArray[np.uint8]:  # noqa: B008
    """(H, W, 3) RGB with square pixels, and a larger side of at most `side`."""
    height, width = image.shape[0], round(image.shape[1] * pixel_aspect)
    scale = min(1.0, side / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
