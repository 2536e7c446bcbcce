"""The newest image as JPEG, encoded on demand and once for all viewers."""

from __future__ import annotations

from threading import Lock
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dreamvideo.live.shared_state import SharedState

QUALITY: Final = 85  # of the JPEGs; by eye it keeps the grain of a dream, at two thirds of the bytes of 95


class JpegCache:
    """Encodes the image of a `SharedState` when it is first asked for."""

    def __init__(self, shared: SharedState) -> None:
        self._shared = shared
        self._lock = Lock()
        self._encoded = (0, b"")

    def newest(self, after: int, timeout: float) -> tuple[int, bytes] | None:
        """Return (number, JPEG), see `SharedState.newest`."""
        newest = self._shared.newest(after, timeout)
        if newest is None:
            return None
        with self._lock:
            if newest[0] > self._encoded[0]:
                self._encoded = newest[0], encode_jpeg(newest[1])
            return self._encoded


def encode_jpeg(image: NDArray[np.uint8]) -> bytes:
    """Encode an image.

    Args:
        image: (H, W, 3) RGB.
    """
    _, code = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return bytes(code)
