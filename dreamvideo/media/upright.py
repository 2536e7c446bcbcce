"""Decoded frames as upright images of 8-bit RGB."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import av
import numpy as np
from numpy.typing import NDArray

from dreamvideo.frames import HostCopy, StreamInfo
from dreamvideo.media.color import RgbConverter
from dreamvideo.media.decode import in_memory
from dreamvideo.media.rotation import rotate_upright, swaps_axes
from dreamvideo.media.small_picture import SmallPictures


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

    def small(self, frame: av.VideoFrame) -> HostCopy | None:
        """Return the picture of a frame in which cuts are found; None: its image is used."""

    def late(self, frame: av.VideoFrame) -> Callable[[], Any] | None:
        """Return what makes the image of a frame for which a blank one was returned; None: that was the image."""


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
        self._to_small = SmallPictures(*self.stored_size)
        self.shape = info.height, info.width, 3

    def __call__(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        return rotate_upright(self._to_rgb(in_memory(frame)), self._matrix)

    def small(self, frame: av.VideoFrame) -> HostCopy | None:
        """Return the picture of a frame in which cuts are found; None: its image is used."""
        return self._to_small(in_memory(frame))

    def late(self, frame: av.VideoFrame) -> Callable[[], Any] | None:
        """Return None: no image is blank."""
        return None

    @property
    def transparent(self) -> bool:
        """Whether any pixel so far was."""
        return self._to_rgb.transparent


class LateConverter(UprightConverter):
    """Makes blank images, without memory, of frames that have a small picture, in search of a cut; and theirs later.

    Args:
        first, info, matrix, background: as for `UprightConverter`.
    """

    def __init__(
        self, first: av.VideoFrame, info: StreamInfo, matrix: NDArray[np.int32] | None, background: int
    ) -> None:
        super().__init__(first, info, matrix, background)
        self._found: HostCopy | None = None
        self._later = UprightConverter(first, info, matrix, background)  # another thread may call it

    def small(self, frame: av.VideoFrame) -> HostCopy | None:
        """Return the picture of a frame in which cuts are found; None: its image is used."""
        self._found = super().small(frame)
        return self._found

    def __call__(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """Return a blank image for the frame of the last small picture, or its own if there was none."""
        if self._found is None:
            return super().__call__(frame)
        return np.broadcast_to(np.uint8(0), self.shape)

    def late(self, frame: av.VideoFrame) -> Callable[[], Any] | None:
        """Return what makes the image of a frame for which a blank one was returned; None: that was the image."""
        return None if self._found is None else partial(self._later, frame)
