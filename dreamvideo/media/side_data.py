"""Names what a video says of itself beside its picture and what the output does not: PyAV cannot write side data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import av

_LOST: Final = {
    "SPHERICAL": "is a 360° video: the output is not marked as one",
    "STEREO3D": "is stereoscopic: the output is not marked so",
    "MASTERING_DISPLAY_METADATA": "describes its mastering display: the output, of standard range, does not",
    "CONTENT_LIGHT_LEVEL": "states its light level: the output, of standard range, does not",
    "DOVI_METADATA": "is Dolby Vision: the output is not",
    "DYNAMIC_HDR_PLUS": "is HDR10+: the output is not",
}


def lost_side_data(frame: av.VideoFrame, stream: av.VideoStream) -> list[str]:
    """List what is lost of the side data of a video.

    Args:
        frame: its first one.
        stream: that it comes from; the stereo mode of Matroska is a tag, which is copied.

    Returns:
        For each kind, words that follow the name of the file.
    """
    side_data: Iterable[Any] = frame.side_data  # its stubs have another type
    found = {data.type.name for data in side_data}
    if "stereo_mode" in stream.metadata:
        found.discard("STEREO3D")
    return [words for kind, words in _LOST.items() if kind in found]
