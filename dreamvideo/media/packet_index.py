"""The times and the key frames of a video stream, read from its packets: nothing is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av

from dreamvideo.media.clock import can_seek
from dreamvideo.media.demux import is_raw, open_container, time_base_of

# Formats whose packets do not all say when their frames are shown, or whose frames are drawn onto those before.
_INEXACT: Final = {"avi": "AVI", "mpeg": "MPEG program streams", "gif": "GIF", "apng": "APNG", "webp_anim": "WebP"}


@dataclass(frozen=True, slots=True)
class PacketIndex:
    """What the packets of a video stream say."""

    times: tuple[Fraction, ...]  # of the frames, in seconds in the file, ascending
    keys: tuple[Fraction, ...]  # of those among them at which decoding can begin
    inexact: str | None = None  # why a seek may lead to other frames than decoding all of it; None: it does not


def read_packet_index(path: Path, stream_index: int) -> PacketIndex:
    """Read the packets of a stream.

    Args:
        path: of a video that can be opened.
        stream_index: of the stream.

    Raises:
        SourceError: the file cannot be opened any more.
    """
    times: list[Fraction] = []
    keys: list[Fraction] = []
    with open_container(path) as container:
        stream = container.streams[stream_index]
        assert isinstance(stream, av.VideoStream)
        if is_raw(container):
            return PacketIndex((), (), "its frames have no times")
        if (name := _INEXACT.get(container.format.name)) is not None:
            return PacketIndex((), (), f"one cannot seek in {name} exactly")
        if not can_seek(path):
            return PacketIndex((), (), "its clock jumps")
        unit = time_base_of(stream)
        try:
            for packet in container.demux(stream):
                if not packet.size:
                    continue
                if packet.pts is None or packet.is_corrupt:
                    return PacketIndex((), (), "it is damaged, or has frames without times")
                times.append(packet.pts * unit)
                if packet.is_keyframe:
                    keys.append(packet.pts * unit)
        except av.error.FFmpegError:
            return PacketIndex((), (), "it is damaged")
    if len(set(times)) < len(times):
        return PacketIndex((), (), "several of its frames have one time")
    return PacketIndex(tuple(sorted(times)), tuple(sorted(keys)))
