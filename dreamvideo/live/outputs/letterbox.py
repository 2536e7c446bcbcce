"""Fits an image into a frame of another shape, with black bars."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def letterbox(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize an image to the largest that fits into `size`, centered on black.

    Args:
        image: (H, W, 3) uint8.
        size: (height, width) of the result.

    Returns:
        (height, width, 3) uint8; `image` itself if it has that size.
    """
    if image.shape[:2] == size:
        return image
    scale = min(size[0] / image.shape[0], size[1] / image.shape[1])
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    fitted = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    top, start = (size[0] - height) // 2, (size[1] - width) // 2
    boxed = np.zeros((*size, 3), np.uint8)
    boxed[top : top + height, start : start + width] = fitted
    return boxed
