"""Converts decoded frames to 8-bit RGB as a player shows them: matrix, range, transfer, alpha.

Color tags are numbers of ITU-T H.273, which libav uses too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import cast

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from dreamvideo.frames import BT601, BT709, Color
from dreamvideo.media.chroma import upsample_chroma
from dreamvideo.media.tonemap import HDR_TRANSFERS as HDR
from dreamvideo.media.tonemap import tone_map

LIMITED, FULL = 1, 2
BLACK, WHITE = 0, 255
BT2020 = 9  # primaries

# H.273 number of a matrix -> swscale's number
_SWSCALE = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}

# H.273 number of a matrix -> weights of red and blue in luma
LUMA_WEIGHTS = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}

# FULL_CHR_H_INP and _INT: without them swscale halves the chroma of 4:4:4 input and steps at saturated edges.
SCALING = (
    Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP | Interpolation.FULL_CHR_H_INT
)
_TO_BT709 = {"dst_color_trc": 1, "dst_color_primaries": 1}
_TABLE_SIDE = 65  # steps of a channel


@dataclass(frozen=True, slots=True)
class SourceColor:
    """How the samples of a decoded frame are to be understood."""

    matrix: int  # of H.273, one that is known here
    full_range: bool
    transfer: int
    wide: bool  # the primaries are those of BT.2020

    @property
    def is_hdr(self) -> bool:
        """Whether it is tone-mapped."""
        return self.transfer in HDR


def assume_color(height: int) -> Color:
    """Choose the color of an untagged stream as players do: BT.709 from 720 lines on, else BT.601.

    Args:
        height: of its frames, in pixels.

    Returns:
        The tags that it is decoded by.
    """
    return BT709 if height >= 720 else BT601


def output_color(frame: av.VideoFrame) -> Color:
    """Choose the color tags of a stream that is encoded from the RGB of a frame.

    Args:
        frame: decoded frame of the input.

    Returns:
        The tags of the frame if they are BT.601 or BT.709, BT.709 for HDR and BT.2020, else by `assume_color`.
    """
    if frame.color_trc in HDR or frame.color_primaries == BT2020:
        return BT709
    assumed = assume_color(frame.height)
    if frame.colorspace not in (1, 5, 6):
        return assumed
    own = BT709 if frame.colorspace == 1 else BT601
    # 0 and 3 are reserved, 2 means unspecified
    transfer = own.transfer if frame.color_trc in (0, 2, 3) else frame.color_trc
    primaries = own.primaries if frame.color_primaries in (0, 2, 3) else frame.color_primaries
    return Color(frame.colorspace, transfer, primaries)


def swscale_matrix(color: Color | SourceColor) -> int:
    """swscale's number for the matrix of a color."""
    return _SWSCALE[color.matrix]


def source_color(frame: av.VideoFrame) -> SourceColor:
    """Read the color tags of a decoded frame; what is missing is assumed as players do.

    Args:
        frame: decoded frame of any layout, in memory or on a device.
    """
    known = frame.colorspace in _SWSCALE
    return SourceColor(
        frame.colorspace if known else assume_color(frame.height).matrix,
        frame.color_range == FULL or frame.format.name.startswith("yuvj"),
        frame.color_trc,
        frame.color_primaries == BT2020,
    )


def has_alpha(frame: av.VideoFrame) -> bool:
    """Tell whether the layout of a frame can be transparent.

    Args:
        frame: decoded frame.

    Returns:
        Whether it has an alpha component, or a palette, which may hold alpha.
    """
    return frame.format.name == "pal8" or any(part.is_alpha for part in frame.format.components)


class RgbConverter:
    """Converts decoded frames to RGB arrays of one size.

    All frames share one swscale context: a new one per frame takes twice as long.

    Args:
        width: of the arrays, in pixels.
        height: of the arrays, in pixels.
        background: gray level that transparent pixels are composited on.

    Attributes:
        transparent: whether any pixel of any frame so far was.
    """

    def __init__(self, width: int, height: int, background: int = WHITE) -> None:
        self.width = width
        self.height = height
        self._background = background
        self.transparent = False
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """Convert one frame.

        Args:
            frame: decoded frame of any size and layout.

        Returns:
            (height, width, 3) RGB; transparent pixels are composited on the background.

        Raises:
            av.error.FFmpegError: swscale does not know the layout of the frame.
        """
        color = source_color(frame)
        # Of BT.2020 in standard range swscale converts the primaries, but to RGB of 8 bits by a wrong matrix.
        converts = color.wide and not color.is_hdr
        deep = "rgba64le" if has_alpha(frame) and converts else "rgb48le"
        if (frame.width, frame.height) == (self.width, self.height):
            frame = upsample_chroma(frame)
        alpha = has_alpha(frame)
        rgb = self._reformatter.reformat(
            frame,
            width=self.width,
            height=self.height,
            format=deep if color.is_hdr or converts else "rgba" if alpha else "rgb24",
            src_colorspace=swscale_matrix(color),
            src_color_range=FULL if color.full_range else LIMITED,
            dst_color_range=FULL,
            interpolation=SCALING,
            **(_TO_BT709 if converts else {}),
        )
        if color.is_hdr:
            return tone_map(cast("NDArray[np.uint16]", rgb.to_ndarray()), color.transfer, color.wide)
        values = rgb.to_ndarray()
        # of 16 bits, where swscale's white is 255 * 256
        image = cast(
            "NDArray[np.uint8]",
            ((values.astype(np.uint32) + 128) // 256).clip(0, 255).astype(np.uint8) if converts else values,
        )
        return self._opaque(image) if alpha else image

    def _opaque(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if image[..., 3].min() == 255:
            return np.ascontiguousarray(image[..., :3])
        self.transparent = True
        return composite(image, self._background)


@cache
def bt709_table(transfer: int) -> NDArray[np.float32]:
    """Ask swscale, which takes seconds, what it makes of colors of BT.2020 in standard range.

    Args:
        transfer: of the colors.

    Returns:
        (red, green, blue, 3) RGB of BT.709 in [0, 1], for red, green and blue in equal steps from 0 to 1.
    """
    steps = np.linspace(0, 65535, _TABLE_SIDE).round().astype(np.uint16)
    colors = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1)
    frame = av.VideoFrame.from_ndarray(colors.reshape(-1, _TABLE_SIDE, 3), format="rgb48le")
    frame.color_range, frame.color_trc, frame.color_primaries = FULL, transfer, BT2020
    table = VideoReformatter().reformat(
        frame, format="rgb48le", src_color_range=FULL, dst_color_range=FULL, interpolation=SCALING, **_TO_BT709
    )
    return (table.to_ndarray().reshape(colors.shape) / 65535).astype(np.float32)


def composite(rgba: NDArray[np.uint8], background: int = WHITE) -> NDArray[np.uint8]:
    """(H, W, 3) RGB from (H, W, 4) RGBA with straight alpha, over a gray level (white as on a web page), rounded."""
    alpha = rgba[..., 3:].astype(np.uint16)
    return ((rgba[..., :3] * alpha + background * (255 - alpha) + 127) // 255).astype(np.uint8)
