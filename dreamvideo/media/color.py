"""Converts decoded frames to 8-bit RGB as a player shows them: matrix, range, transfer, alpha.

Color tags are numbers of ITU-T H.273, which libav uses too.
"""

from __future__ import annotations

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

# FULL_CHR_H_INP and _INT: without them swscale halves the chroma of 4:4:4 input and steps at saturated edges.
SCALING = (
    Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP | Interpolation.FULL_CHR_H_INT
)


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


def swscale_matrix(color: Color) -> int:
    """swscale's number for the matrix of BT.601 or BT.709."""
    return _SWSCALE[color.matrix]


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
        source_matrix = _SWSCALE.get(frame.colorspace, _SWSCALE[assume_color(frame.height).matrix])
        high_range = frame.color_trc in HDR
        wide = frame.color_primaries == BT2020
        # Of BT.2020 in standard range swscale converts the primaries.
        target = {"dst_color_trc": 1, "dst_color_primaries": 1} if wide and not high_range else {}
        if (frame.width, frame.height) == (self.width, self.height):
            frame = upsample_chroma(frame)
        alpha = has_alpha(frame)
        rgb = self._reformatter.reformat(
            frame,
            width=self.width,
            height=self.height,
            format="rgb48le" if high_range else "rgba" if alpha else "rgb24",
            src_colorspace=source_matrix,
            src_color_range=FULL if frame.color_range == FULL or frame.format.name.startswith("yuvj") else LIMITED,
            dst_color_range=FULL,
            interpolation=SCALING,
            **target,
        )
        if high_range:
            return tone_map(cast("NDArray[np.uint16]", rgb.to_ndarray()), frame.color_trc, wide)
        image = cast("NDArray[np.uint8]", rgb.to_ndarray())
        return self._opaque(image) if alpha else image

    def _opaque(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if image[..., 3].min() == 255:
            return np.ascontiguousarray(image[..., :3])
        self.transparent = True
        return composite(image, self._background)


def composite(rgba: NDArray[np.uint8], background: int = WHITE) -> NDArray[np.uint8]:
    """(H, W, 3) RGB from (H, W, 4) RGBA with straight alpha, over a gray level (white as on a web page), rounded."""
    alpha = rgba[..., 3:].astype(np.uint16)
    return ((rgba[..., :3] * alpha + background * (255 - alpha) + 127) // 255).astype(np.uint8)
