"""From an open container to decoded frames in order; what can be decoded is kept, one bad packet ends nothing."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from fractions import Fraction
from typing import Any, cast

import av
from av.filter import Graph

from dreamvideo.media.demux import time_base_of

log = logging.getLogger(__name__)

DecodedFrames = Generator[av.VideoFrame, None, None]

# A demuxer that fails this often in a row will not recover: the file ends here.
_DEMUX_FAILURES = 8
# Flushing a decoder gives at most the frames it holds back: 16 reordered, and one for each thread.
_FLUSH_FAILURES = 64


def decoder_for(stream: av.VideoStream) -> av.VideoCodecContext:
    """The decoder of `stream`; for VP8 and VP9 with transparency libvpx, as libav's own decoders drop it."""
    decoder = stream.codec_context
    tags = {key.lower(): value for key, value in stream.metadata.items()}
    if tags.get("alpha_mode") == "1" and decoder.name in ("vp8", "vp9"):
        with_alpha = av.CodecContext.create(f"libvpx{'-vp9' if decoder.name == 'vp9' else ''}", "r")
        with_alpha.extradata = decoder.extradata
        return cast(av.VideoCodecContext, with_alpha)
    if not decoder.is_open:
        decoder.thread_type = "AUTO"
    return decoder


def decode_frames(
    container: av.container.InputContainer, stream: av.VideoStream, on_loss: Callable[[str], None]
) -> DecodedFrames:
    """Every frame of `stream` that can be decoded, from where `container` stands; `on_loss` is told of each failure."""
    decoder = decoder_for(stream)
    for packet in _packets(container, stream, on_loss):
        if not packet.size:
            continue  # demux ends with an empty packet; the flush is below
        try:
            frames = decoder.decode(packet)
        except av.error.FFmpegError as error:
            on_loss(error.strerror or "undecodable packet")
            continue
        yield from _whole(frames, stream, on_loss)
    for _ in range(_FLUSH_FAILURES):
        try:
            yield from _whole(decoder.decode(None), stream, on_loss)
            return
        except av.error.EOFError:
            return
        except av.error.FFmpegError as error:
            on_loss(error.strerror or "undecodable packet")


def _whole(frames: list[av.VideoFrame], stream: av.VideoStream, on_loss: Callable[[str], None]) -> DecodedFrames:
    for frame in frames:
        if frame.time_base is None or not frame.time_base:
            frame.time_base = stream.time_base
        if frame.is_corrupt:
            on_loss("damaged frame, kept")
        yield frame


def _packets(
    container: av.container.InputContainer, stream: av.VideoStream, on_loss: Callable[[str], None]
) -> Iterator[av.Packet[Any]]:
    failures = 0
    while failures < _DEMUX_FAILURES:
        try:
            for packet in container.demux(stream):
                failures = 0
                yield packet
            return
        except av.error.FFmpegError as error:
            failures += 1
            if failures == 1:
                on_loss(error.strerror or "unreadable packet")


def deinterlace(frames: DecodedFrames, on_first: Callable[[], None]) -> DecodedFrames:
    """The same frames at the same times; from the first interlaced one on they pass through bwdif."""
    graph: Graph | None = None
    shape: tuple[int, int, str] | None = None
    waiting: deque[av.VideoFrame] = deque()  # whose times the frames that leave the filter take over
    with closing(frames):
        for frame in frames:
            if graph is None and not frame.interlaced_frame:
                yield frame
                continue
            if graph is None:
                on_first()
            if graph is None or shape != (frame.width, frame.height, frame.format.name):
                if graph is not None:
                    yield from _drained(graph, waiting, flush=True)
                shape = (frame.width, frame.height, frame.format.name)
                graph = _bwdif(frame)
            waiting.append(frame)
            graph.vpush(frame)
            yield from _drained(graph, waiting)
        if graph is not None:
            yield from _drained(graph, waiting, flush=True)


def _bwdif(frame: av.VideoFrame) -> Graph:
    graph = Graph()
    color = f":colorspace={frame.colorspace}:range={frame.color_range}"
    size = f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base={frame.time_base}"
    nodes = [
        graph.add("buffer", size + color),
        graph.add("bwdif", "mode=send_frame:deint=interlaced"),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*nodes).configure()
    return graph


def _drained(graph: Graph, waiting: deque[av.VideoFrame], flush: bool = False) -> DecodedFrames:
    if flush:
        graph.vpush(None)
    while True:
        try:
            frame = graph.vpull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        source = waiting.popleft()
        frame.time_base = source.time_base  # before pts, which it rescales
        frame.pts = source.pts
        frame.duration = source.duration
        yield frame


def frame_time(frame: av.VideoFrame) -> Fraction | None:
    """Presentation time in seconds, exact; None: the file gives none."""
    return None if frame.pts is None else frame.pts * time_base_of(frame)


TimedFrames = Generator[tuple[av.VideoFrame, Fraction], None, None]


def with_times(frames: DecodedFrames, step: Fraction) -> TimedFrames:
    """Each frame with its time in seconds, strictly increasing: `step` after the last where the file tells no time."""
    last: Fraction | None = None
    with closing(frames):
        for frame in frames:
            time = frame_time(frame)
            if time is None:
                time = Fraction(0) if last is None else last + step
            if last is not None and time <= last:
                time = last + time_base_of(frame)
            last = time
            yield frame, time


def seek(container: av.container.InputContainer, stream: av.VideoStream, time: Fraction) -> None:
    """To the last key frame at or before `time` seconds, or nowhere if the file cannot be sought in."""
    try:
        container.seek(int(time / time_base_of(stream)), stream=stream)
    except av.error.FFmpegError as error:
        log.debug("cannot seek: %s", error)
