"""Joins the clocks of recordings: in MPEG transport and program streams the time may jump, back or forth.

A broadcast begins at any time, and where recordings were joined, or an advertisement was put in, it goes on at another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import av

from dreamvideo.media.demux import best_video, is_cover
from dreamvideo.media.local_files import open_local

if TYPE_CHECKING:
    from dreamvideo.media.video_encoder import Packet

_TS_DISCONT = 0x200  # libav's flag of formats whose time may jump
_BACKWARD = Fraction(1, 10)  # seconds by which a stream may go back; libav's programs take the same
_FORWARD = Fraction(10)  # seconds for which all streams may pause


def may_jump(container: av.container.InputContainer) -> bool:
    """Whether the format of a file is one whose clock begins anywhere and may jump."""
    return bool(container.format.flags & _TS_DISCONT)


def first_time(container: av.container.InputContainer) -> Fraction:
    """Exact time, in seconds, at which the first audio or video stream of a file begins; 0: the file does not tell."""
    streams = [each for each in container.streams if each.type in ("audio", "video") and not is_cover(each)]
    starts = [(stream.start_time, stream.time_base) for stream in streams]
    return min((count * Fraction(unit) for count, unit in starts if count is not None and unit), default=Fraction(0))


def demux_joined(
    container: av.container.InputContainer,
    streams: Sequence[av.stream.Stream],
    on_jump: Callable[[], None] = lambda: None,
) -> Iterator[Packet]:
    """Demux some streams of a file; where its clock jumps, all of them go on where the latest of them ended.

    Args:
        container: an open file.
        streams: those whose packets are returned.
        on_jump: called at each jump.

    Yields:
        Packets, the empty ones that end each stream included.
    """
    if not may_jump(container):
        yield from container.demux(*streams)
        return
    wanted = {stream.index for stream in streams}
    # Sound and picture tell of a jump whatever is wanted: every reader of the file must find the same clock.
    telling = [stream for stream in container.streams if stream.type in ("audio", "video") or stream.index in wanted]
    for packet in join_clocks(container.demux(*telling), on_jump):
        if packet.stream.index in wanted:
            yield packet


def join_clocks(packets: Iterable[Packet], on_jump: Callable[[], None] = lambda: None) -> Iterator[Packet]:
    """Move packets so that the time of no stream jumps.

    Args:
        packets: of all audio and video streams of a file, in file order.
        on_jump: called at each jump.

    Yields:
        The packets. The first one after a jump sets an offset that the other streams take over when they jump, too.
    """
    newest = Fraction(0)  # offset of the part of the file after the last jump
    offsets: dict[int, Fraction] = {}  # of each stream: packets of two parts may be interleaved
    ends: dict[int, Fraction] = {}  # time at which the last packet of each stream ends
    for packet in packets:
        index, stamp = packet.stream.index, packet.dts if packet.dts is not None else packet.pts
        if stamp is None:
            yield packet
            continue
        unit = Fraction(packet.time_base)
        time, offset = stamp * unit, offsets.get(index, newest)
        if packet.stream.type in ("audio", "video"):
            if index in ends and _is_jump(time + offset, ends[index], max(ends.values())):
                if offset == newest or abs(time + newest - ends[index]) > _FORWARD:
                    newest = max(ends.values()) - time
                    on_jump()
                offset = newest
            ends[index] = time + offset + (packet.duration or 0) * unit
        offsets[index] = offset
        if shift := round(offset / unit):
            packet.pts = None if packet.pts is None else packet.pts + shift
            packet.dts = None if packet.dts is None else packet.dts + shift
        yield packet


def _is_jump(time: Fraction, end: Fraction, latest: Fraction) -> bool:
    return time < end - _BACKWARD or time > max(end, latest) + _FORWARD


def can_seek(path: Path) -> bool:
    """Whether times in a file are what a seek in it goes by: its clock does not jump, and packets have times.

    Args:
        path: a video that can be opened. Of a format whose clock may jump, the whole file is read, once.
    """
    status = path.stat()
    return not _misleads(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _misleads(path: Path, size: int, modified: int) -> bool:
    jumps: list[bool] = []
    try:
        with open_local(path) as container:
            if container.format.name == "mpeg":
                return True  # a program stream: after a seek the first packets have times that are guessed
            if not may_jump(container):
                return False
            streams = [stream for stream in container.streams if stream.type in ("audio", "video")]
            for _ in join_clocks(container.demux(*streams), lambda: jumps.append(True)):
                if jumps:
                    return True
    except av.error.FFmpegError:
        return bool(jumps)
    return False


def film_begin(container: av.container.InputContainer) -> Fraction:
    """Return the seconds on the clock of a file that are time 0 of the film, by its headers.

    That is where its first stream begins: recorders start their clock anywhere, and FLV moves all times until the first
    packet that a decoder takes lies at 0. Only what is before 0, as the first packet of sound often is, does not count,
    unless pictures are, too.

    Args:
        container: an open file; without a video its sound begins at time 0.
    """
    first, video = first_time(container), best_video(container)
    if video is None or may_jump(container) or (video.start_time or 0) < 0:
        return first
    return max(first, Fraction(0))
