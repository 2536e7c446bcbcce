"""The small picture of a decoded frame, in which cuts are found: made of its planes, without converting all of it.

Who looks for cuts and dreams nothing needs no more than this; who dreams finds the cuts in the same pixels.
"""

from __future__ import annotations

from typing import cast

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from dreamvideo.frames import CUT_SIDE, NOISE_ROWS, HostCopy
from dreamvideo.media.chroma import plane_samples
from dreamvideo.media.color import FULL, LIMITED, has_alpha, source_color, swscale_matrix

_SHRINKING = Interpolation.AREA | Interpolation.ACCURATE_RND


class SmallPictures:
    """Makes the small pictures of a stream, all of one size; they share one swscale context.

    Args:
        width, height: of the first frame as it is stored, px.
    """

    def __init__(self, width: int, height: int) -> None:
        scale = min(1.0, CUT_SIDE / max(width, height))
        self._width, self._height = max(1, round(width * scale)), max(1, round(height * scale))
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> HostCopy | None:
        """Return the small picture of a frame.

        Args:
            frame: decoded frame, in memory.

        Returns:
            At most `CUT_SIDE` pixels a side, as it is stored. None: its layout has no luma, or is transparent, or it is
            tone-mapped, so that the whole image has to be converted.
        """
        color, layout = source_color(frame), frame.format
        has_luma = layout.is_planar and not layout.is_rgb and not has_alpha(frame)
        if not has_luma or color.wide or color.is_hdr or layout.is_big_endian:
            return None
        small = self._reformatter.reformat(
            frame,
            width=self._width,
            height=self._height,
            format="rgb24",
            src_colorspace=swscale_matrix(color),
            src_color_range=FULL if color.full_range else LIMITED,
            dst_color_range=FULL,
            interpolation=_SHRINKING,
        )
        return HostCopy(cast("NDArray[np.uint8]", small.to_ndarray()), _noise_of(frame, color.full_range))


def _noise_of(frame: av.VideoFrame, full_range: bool) -> float:
    """Mean difference of neighboring pixels, in gray levels of RGB."""
    if frame.width == 1:
        return 0.0
    luma = plane_samples(frame, 0)[::NOISE_ROWS]
    levels = (255 if full_range else 219) << (frame.format.components[0].bits - 8)
    return float(np.abs(np.diff(luma.astype(np.int32), axis=1)).mean() * 255 / levels)
