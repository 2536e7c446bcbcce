"""Converts 4:2:0 to 4:4:4 and back such that the two invert each other: a frame without a dream comes back as it was.

Each chroma sample is repeated over its 2x2 pixels, and their mean restores it. swscale's smoother filters do not invert
each other: on color bars they cost 4/255 at saturated edges, this costs 1/255.
"""

from __future__ import annotations

from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

# 4:2:0 layout -> (4:4:4 layout it is converted to, bits to shift left)
_UPSAMPLED = {
    "yuv420p": ("yuv444p", 0),
    "yuvj420p": ("yuvj444p", 0),
    "yuv420p10le": ("yuv444p16le", 6),
    "yuv420p12le": ("yuv444p16le", 4),
}


def upsample_chroma(frame: av.VideoFrame) -> av.VideoFrame:
    """Convert a planar 4:2:0 frame to 4:4:4.

    Args:
        frame: decoded frame of any layout.

    Returns:
        A frame with the same color tags; `frame` itself if its layout is not planar 4:2:0 of 8, 10 or 12 bits.
    """
    if frame.format.name not in _UPSAMPLED:
        return frame
    name, shift = _UPSAMPLED[frame.format.name]
    wide = av.VideoFrame(frame.width, frame.height, name)
    luma, *chroma = (plane_samples(frame, number) for number in range(3))
    plane_samples(wide, 0)[:] = luma << shift if shift else luma
    for number, half in enumerate(chroma, 1):
        rows, columns = half.shape
        whole: NDArray[Any] = cv2.resize(half, (2 * columns, 2 * rows), interpolation=cv2.INTER_NEAREST)
        whole = whole[: frame.height, : frame.width]
        plane_samples(wide, number)[:] = whole << shift if shift else whole
    return _tagged(wide, frame)


def subsample_chroma(frame: av.VideoFrame, name: str) -> av.VideoFrame:
    """Convert an 8-bit 4:4:4 frame to 4:2:0.

    Args:
        frame: planar 4:4:4 of 8 bits.
        name: libav's name of an 8-bit 4:2:0 layout.

    Returns:
        A frame with the same color tags.
    """
    narrow = av.VideoFrame(frame.width, frame.height, name)
    plane_samples(narrow, 0)[:] = plane_samples(frame, 0)
    odd = ((0, frame.height % 2), (0, frame.width % 2))
    for number in (1, 2):
        rows, columns = plane_samples(narrow, number).shape
        whole = np.pad(plane_samples(frame, number), odd, mode="edge")
        plane_samples(narrow, number)[:] = cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)
    return _tagged(narrow, frame)


def plane_samples(frame: av.VideoFrame, number: int) -> NDArray[Any]:
    """Return a view of the memory of one plane of planar YUV.

    Args:
        frame: in memory.
        number: of the plane.

    Returns:
        (H, W) uint8 or uint16, writable.
    """
    plane = frame.planes[number]
    kind = np.uint16 if frame.format.components[0].bits > 8 else np.uint8
    rows = np.frombuffer(memoryview(plane), kind).reshape(-1, plane.line_size // np.dtype(kind).itemsize)
    samples: NDArray[Any] = rows[: plane.height, : plane.width]
    return samples


def _tagged(frame: av.VideoFrame, like: av.VideoFrame) -> av.VideoFrame:
    frame.colorspace = like.colorspace
    frame.color_range = like.color_range
    frame.color_trc = like.color_trc
    frame.color_primaries = like.color_primaries
    return frame
