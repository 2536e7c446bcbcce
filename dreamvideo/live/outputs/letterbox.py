"""A picture in the middle of black, where what it goes into has one size and the picture another."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def letterbox(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """`picture` as large as fits.

    Args:
        picture: (H, W, 3) RGB.
        size: (height, width) of the result.

    Returns:
        (height, width, 3); `picture` itself where it has that size.
    """
    if picture.shape[:2] == size:
        return picture
    scale = min(size[0] / picture.shape[0], size[1] / picture.shape[1])
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    fitted = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    boxed = np.zeros((*size, 3), np.uint8)
    boxed[top : top + height, left : left + width] = fitted
    return boxed
