"""Stamps numbers into images as black and white squares, so that the latency of a frame can be read from its pixels."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

BITS: Final = 12  # per number, most significant first; a parity bit follows
SQUARE: Final = 24  # squares per image height


def stamp(image: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """Return a copy of an image with a number along its upper edge.

    Args:
        image: (H, W, 3) uint8.
        number: less than 2**`BITS`.
    """
    stamped = image.copy()
    for where, bit in zip(stamp_squares(image.shape[0]), number_bits(number), strict=True):
        stamped[where] = 255 * bit
    return stamped


def read_stamp(image: NDArray[np.uint8]) -> int | None:
    """Return the number stamped into (H, W, 3) `image`, or None if its parity is wrong."""
    lit = [bool(image[where].mean() > 127) for where in stamp_squares(image.shape[0])]
    number = sum(bit << place for place, bit in enumerate(reversed(lit[:BITS])))
    return number if lit == number_bits(number) else None


def number_bits(number: int) -> list[bool]:
    """Return the `BITS` bits of a number and their parity bit."""
    bits = [bool(number >> place & 1) for place in reversed(range(BITS))]
    return [*bits, sum(bits) % 2 == 1]


def stamp_squares(height: int) -> list[tuple[slice, slice]]:
    """Return (rows, columns) of the square of each bit, in an image of `height` rows."""
    side = height // SQUARE
    return [(slice(0, side), slice(i * side, (i + 1) * side)) for i in range(BITS + 1)]
