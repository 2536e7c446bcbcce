"""The size that frames and images are brought to, and how they are resized."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def output_size(
    width: int, height: int, pixel_aspect: Fraction, size: tuple[int | None, int] | None
) -> tuple[int, int, Fraction]:
    """Apply `--size`; what is shown keeps its shape, by the pixel aspect if not by the size.

    Args:
        width: of the input, upright, in pixels.
        height: of the input, in pixels.
        pixel_aspect: width : height of one pixel as displayed.
        size: (width, height) in pixels; a width of None follows from the height; None: the size of the input.

    Returns:
        (width, height, pixel aspect) of the output.
    """
    if size is None:
        return width, height, pixel_aspect
    new_width, new_height = size
    if new_width is None:
        return max(2, 2 * round(width * new_height / height / 2)), new_height, pixel_aspect
    new_aspect = Fraction(width, height) * pixel_aspect * Fraction(new_height, new_width)
    # 1920x1080 at 854x480 has pixels of 1281:1280, by rounding alone.
    new_aspect = Fraction(1) if abs(new_aspect - 1) < Fraction(1, 100) else new_aspect.limit_denominator(1000)
    return new_width, new_height, new_aspect


def resize_image(image: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """(height, width, C) from (H, W, C): by area where it shrinks, bicubic where it grows; itself at its own size."""
    if image.shape[:2] == (height, width):
        return image
    shrinks = height * width < image.shape[0] * image.shape[1]
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC))
