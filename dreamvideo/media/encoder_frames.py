"""Makes an encoder's frames of RGB images: of arrays here, by swscale; of tensors by a function that is passed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol, cast

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from dreamvideo.frames import Color
from dreamvideo.media.chroma import subsample_chroma
from dreamvideo.media.color import FULL, LIMITED, SCALING, swscale_matrix
from dreamvideo.media.gif_palette import GifPalette

# 4:2:0 layout -> (4:4:4 layout that is halved, layout that this gives)
_HALVED = {
    "yuv420p": ("yuv444p", "yuv420p"),
    "yuvj420p": ("yuvj444p", "yuvj420p"),
    "nv12": ("yuv444p", "yuv420p"),
}


@dataclass(frozen=True, slots=True)
class FrameTarget:
    """What an encoder takes; sizes are (width, height) in pixels."""

    format: str  # libav's name of the layout of the planes
    source: tuple[int, int]  # of the images
    size: tuple[int, int]  # that they are scaled to
    padded: tuple[int, int]  # that they are padded to, by repeating their edges
    color: Color
    full_range: bool = False
    reads: str | None = None  # kind of device from whose memory the encoder reads, see `Codec.reads`

    @property
    def is_yuv(self) -> bool:
        """Whether its planes are YUV."""
        return self.format.startswith(("yuv", "nv", "p0"))

    @property
    def averages_chroma(self) -> bool:
        """Whether a sample of chroma is the mean of its 2x2 pixels; in other layouts swscale filters it."""
        return self.format in _HALVED or self.format == "p010le"

    def tag(self, tagged: av.VideoFrame | av.VideoCodecContext) -> None:
        """Set the color tags of a frame, or of its encoder.

        Args:
            tagged: of YUV.
        """
        tagged.colorspace = self.color.matrix
        tagged.color_range = FULL if self.full_range else LIMITED
        tagged.color_trc = self.color.transfer
        tagged.color_primaries = self.color.primaries


# Waits for what was started and returns the frame, or the image as (H, W, 3) uint8 where no planes are made of it.
PendingFrame = Callable[[], "av.VideoFrame | NDArray[np.uint8]"]


class FrameMaker(Protocol):
    """Makes frames of images that are tensors; `yuv.encoder_planes` has one."""

    @property
    def kind(self) -> str:
        """The kind of its device: `cpu`, `cuda`, `rocm`, `mps`."""

    def __call__(self, image: Any, target: FrameTarget) -> PendingFrame:
        """Start to make a frame of an image, (H, W, 3) uint8 RGB, a tensor or an array."""


class ArrayFrames:
    """Makes frames of images that are arrays.

    Args:
        target: what the encoder takes.
        palette_unit: seconds, the unit of a GIF's times; None: it is none.
    """

    def __init__(self, target: FrameTarget, palette_unit: Fraction | None = None) -> None:
        self._target = target
        self._reformatter = VideoReformatter()
        self._palettes = None if palette_unit is None else GifPalette(*target.padded, palette_unit)

    def __call__(self, image: NDArray[np.uint8]) -> av.VideoFrame:
        """Convert an image.

        Args:
            image: (H, W, 3) uint8 RGB, of the size in the target.

        Returns:
            A frame in memory, without times.
        """
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        target = self._target
        if target.size != target.source:
            frame = self._reformatter.reformat(frame, *target.size, format="rgb24", interpolation=SCALING)
        if target.padded != target.size:
            (wide, high), (padded_wide, padded_high) = target.size, target.padded
            rgb = cast("NDArray[np.uint8]", frame.to_ndarray())
            padded = np.pad(rgb, ((0, padded_high - high), (0, padded_wide - wide), (0, 0)), mode="edge")
            frame = av.VideoFrame.from_ndarray(padded, format="rgb24")
        if self._palettes is not None:
            return self._palettes(frame)
        if not target.is_yuv:
            return self._reformatter.reformat(frame, format=target.format, interpolation=SCALING)
        return self._planes(frame)

    def _planes(self, frame: av.VideoFrame) -> av.VideoFrame:
        target = self._target
        matrix = swscale_matrix(target.color)
        whole, halved = _HALVED.get(target.format, (target.format, None))
        frame = self._reformatter.reformat(
            frame,
            format=whole,
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=FULL,
            dst_color_range=FULL if target.full_range else LIMITED,
            interpolation=SCALING,
        )
        if halved is not None:
            frame = subsample_chroma(frame, halved)
        if halved is not None and halved != target.format:  # the same samples, interleaved
            frame = self._reformatter.reformat(frame, format=target.format)
        frame.color_trc = target.color.transfer
        frame.color_primaries = target.color.primaries
        return frame
