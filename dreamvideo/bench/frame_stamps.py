"""Numbers in pictures, as black and white squares: how late a picture is can be read from the picture."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

BITS: Final = 12  # of a number, the highest first; then one that makes their sum even
SQUARE: Final = 24  # squares in a picture's height


def stamp(image: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """A copy of (H, W, 3) `image` that bears `number`, less than 2**`BITS`, along its upper edge."""
    stamped = image.copy()
    for where, bit in zip(stamp_squares(image.shape[0]), number_bits(number), strict=True):
        stamped[where] = 255 * bit
    return stamped


def read_stamp(image: NDArray[np.uint8]) -> int | None:
    """The number that a picture bears, or None if it cannot be read."""
    lit = [bool(image[where].mean() > 127) for where in stamp_squares(image.shape[0])]
    number = sum(bit << place for place, bit in enumerate(reversed(lit[:BITS])))
    return number if lit == number_bits(number) else None


def number_bits(number: int) -> list[bool]:
    """Those of a number, and the one that makes their sum even."""
    found = [bool(number >> place & 1) for place in reversed(range(BITS))]
    return [*found, sum(found) % 2 == 1]


def stamp_squares(height: int) -> list[tuple[slice, slice]]:
    """Rows and columns of each bit's square, in a picture of `height` rows."""
    side = height // SQUARE
    return [(slice(0, side), slice(i * side, (i + 1) * side)) for i in range(BITS + 1)]
