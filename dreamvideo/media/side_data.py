"""Names what a video says of itself beside its picture and what the output does not: PyAV cannot write side data."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, cast

import av

from dreamvideo.media.decode import in_memory

_SMALL = (16, 16)
_YUV = ("yuv", "nv", "p0")  # how the names of layouts begin that no PNG has

_LOST: Final = {
    "SPHERICAL": "is a 360° video: the output is not marked as one",
    "STEREO3D": "is stereoscopic: the output is not marked so",
    "MASTERING_DISPLAY_METADATA": "describes its mastering display: the output, of standard range, does not",
    "CONTENT_LIGHT_LEVEL": "states its light level: the output, of standard range, does not",
    "DOVI_METADATA": "is Dolby Vision: the output is not",
    "DYNAMIC_HDR_PLUS": "is HDR10+: the output is not",
}


def side_data_of(frame: av.VideoFrame) -> dict[str, bytes] | None:
    """Read the side data of a frame.

    Args:
        frame: a decoded frame.

    Returns:
        Kind -> content; None: it cannot be read.
    """
    if not (frame.sw_format or frame.format).name.startswith(_YUV):
        return None  # the color profile of a PNG has a name, which PyAV 18 frees twice once its side data was looked at
    try:
        # A frame and its side data hold each other until garbage is collected, so a small copy is looked at. PyAV's
        # stubs call side_data a dictionary; it is a sequence.
        return {data.type.name: bytes(data) for data in cast(Any, in_memory(frame).reformat(*_SMALL).side_data)}
    except ValueError:  # PyAV 18 has no name for the newest kinds of side data and then shows none at all
        return None


def lost_side_data(kinds: Collection[str], stream: av.VideoStream) -> list[str]:
    """List what is lost of the side data of a video.

    Args:
        kinds: of its first frame, see `side_data_of`.
        stream: that it comes from; the stereo mode of Matroska is a tag, which is copied.

    Returns:
        For each kind, words that follow the name of the file.
    """
    found = set(kinds)
    if "stereo_mode" in stream.metadata:
        found.discard("STEREO3D")
    return [words for kind, words in _LOST.items() if kind in found]
