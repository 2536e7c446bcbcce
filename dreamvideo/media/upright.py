"""Decoded frames as upright images of 8-bit RGB."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import av
import numpy as np
from numpy.typing import NDArray

from dreamvideo.frames import StreamInfo
from dreamvideo.media.color import RgbConverter
from dreamvideo.media.decode import in_memory
from dreamvideo.media.rotation import rotate_upright, swaps_axes


class FrameConverter(Protocol):
    """Makes the images of a stream of its decoded frames."""

    @property
    def stored_size(self) -> tuple[int, int]:
        """(width, height) of the first frame as it is stored."""

    @property
    def transparent(self) -> bool:
        """Whether any pixel so far was."""

    def __call__(self, frame: av.VideoFrame) -> Any:
        """Convert one frame to an image, (H, W, 3) uint8 RGB, upright."""


# Makes a converter of the first frame, the stream, the display matrix and the gray level behind what is transparent.
ConverterFactory = Callable[[av.VideoFrame, StreamInfo, NDArray[np.int32] | None, int], FrameConverter]


class UprightConverter:
    """Converts decoded frames to (H, W, 3) uint8 RGB, upright, of the size of the stream; all turned like the first.

    Args:
        first: the first frame.
        info: of the stream.
        matrix: its display matrix, see `rotation.display_matrix`; None: it is upright.
        background: gray level behind what is transparent.
    """

    def __init__(
        self, first: av.VideoFrame, info: StreamInfo, matrix: NDArray[np.int32] | None, background: int
    ) -> None:
        self.stored_size = first.width, first.height
        self._matrix = matrix
        size = (info.height, info.width) if swaps_axes(matrix) else (info.width, info.height)
        self._to_rgb = RgbConverter(*size, background)

    def __call__(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        return rotate_upright(self._to_rgb(in_memory(frame)), self._matrix)

    @property
    def transparent(self) -> bool:
        """Whether any pixel so far was."""
        return self._to_rgb.transparent
