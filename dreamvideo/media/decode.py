"""Decodes a video stream into frames in order, with their times; a bad packet costs only its own frames."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import av
from av.filter import Graph

from dreamvideo.media.clock import demux_joined, may_jump
from dreamvideo.media.demux import time_base_of
from dreamvideo.media.local_files import open_local

if TYPE_CHECKING:
    from dreamvideo.media.video_encoder import Packet

log = logging.getLogger(__name__)

DecodedFrames = Generator[av.VideoFrame, None, None]

KEPT = "damaged frame, kept"  # the reason of a loss that is not one of a whole frame

# A demuxer that fails this often in a row does not recover: the file ends there.
_DEMUX_FAILURES = 8


def decoder_for(stream: av.VideoStream) -> av.VideoCodecContext:
    """Choose the decoder of a stream: libvpx for VP8 and VP9 with alpha, which libav's own decoders drop.

    Args:
        stream: a video stream of an open file.

    Returns:
        Its decoder; libav's own use several threads.
    """
    decoder = stream.codec_context
    tags = {key.lower(): value for key, value in stream.metadata.items()}
    if tags.get("alpha_mode") == "1" and decoder.name in ("vp8", "vp9"):
        with_alpha = av.CodecContext.create(f"libvpx{'-vp9' if decoder.name == 'vp9' else ''}", "r")
        with_alpha.extradata = decoder.extradata
        return cast(av.VideoCodecContext, with_alpha)
    if decoder.is_hwaccel:
        decoder.thread_count = 1  # each thread of libav would keep surfaces of the device
    elif not decoder.is_open:
        decoder.thread_type = "AUTO"
    return decoder


def decode_frames(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    on_loss: Callable[[str], None],
    on_jump: Callable[[], None] = lambda: None,
) -> DecodedFrames:
    """Decode every frame that can be decoded, from where the container stands.

    Args:
        container: an open file.
        stream: a video stream of it.
        on_loss: called with the reason each time a packet or frame is lost or damaged.
        on_jump: called where the clock of the file jumps; times go on as `join_clocks` says.

    Yields:
        Frames in presentation order.
    """
    decoder = decoder_for(stream)
    slots: deque[int] | None = deque() if container.format.name == "avi" else None
    last: av.VideoFrame | None = None
    packets = lost = count = 0  # sent to the decoder, those refused by it, and frames that came of the others
    for packet in _packets(container, stream, on_loss, on_jump):
        if not packet.size:
            continue  # demux ends with an empty packet; the flush is below
        packets += 1
        if slots is not None and packet.dts is not None:
            slots.append(packet.dts)
        try:
            frames = decoder.decode(packet)
        except av.error.FFmpegError as error:
            lost += 1
            if slots:
                slots.popleft()
            on_loss(error.strerror or "undecodable packet")
            continue
        count, last = count + len(frames), frames[-1] if frames else last
        yield from _checked(frames, stream, on_loss, slots)
    with suppress(av.error.FFmpegError):
        frames = decoder.decode(None)
        count, last = count + len(frames), frames[-1] if frames else last
        yield from _checked(frames, stream, on_loss, slots)
    if count + lost < packets and decoder is stream.codec_context and decoder.thread_count != 1:
        yield from _decode_end(container.name, stream, (count, lost), last, on_loss, slots)


def _decode_end(
    name: str,
    stream: av.VideoStream,
    before: tuple[int, int],
    last: av.VideoFrame | None,
    on_loss: Callable[[str], None],
    slots: deque[int] | None,
) -> DecodedFrames:
    """Decode the frames after `last` in one thread; `before`: how many frames and losses there were before.

    A decoder with several threads holds back frames of as many packets; where one of these is broken, PyAV returns none
    of those after it. Files whose packets are not all shown come here in vain, which costs the last group of pictures.
    """
    count, lost = before
    passed = None if last is None or slots is not None else last.pts
    with open_local(name) as container:
        again = next(each for each in container.streams.video if each.index == stream.index)
        decoder = again.codec_context
        decoder.thread_count = 1
        if passed is not None and not may_jump(container):
            seek(container, again, passed * time_base_of(again))
        for packet in _packets(container, again, lambda why: None):
            time = packet.pts if packet.pts is not None else packet.dts
            try:
                frames = decoder.decode(packet if packet.size else None)
            except av.error.EOFError:
                return
            except av.error.FFmpegError as error:
                lost -= 1
                if lost < 0 if passed is None or time is None else time > passed:
                    if slots:
                        slots.popleft()
                    on_loss(error.strerror or "undecodable packet")
                continue
            for frame in frames:
                count -= 1
                if count < 0 if frame.pts is None or passed is None else frame.pts > passed:
                    yield from _checked([frame], stream, on_loss, slots)


def _checked(
    frames: list[av.VideoFrame], stream: av.VideoStream, on_loss: Callable[[str], None], slots: deque[int] | None
) -> DecodedFrames:
    """Frames with what they lack; `slots` are the times of AVI, which knows packets, not when frames are shown."""
    for frame in frames:
        if frame.time_base is None or not frame.time_base:
            frame.time_base = stream.time_base
        if slots:
            frame.pts = slots.popleft()
        if frame.is_corrupt:
            on_loss(KEPT)
        yield frame


def _packets(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    on_loss: Callable[[str], None],
    on_jump: Callable[[], None] = lambda: None,
) -> Iterator[Packet]:
    failures = 0
    while failures < _DEMUX_FAILURES:
        try:
            for packet in demux_joined(container, [stream], on_jump):
                failures = 0
                yield packet
            return
        except av.error.FFmpegError as error:
            failures += 1
            if failures == 1:
                on_loss(error.strerror or "unreadable packet")


def deinterlace(frames: DecodedFrames, on_first: Callable[[], None]) -> DecodedFrames:
    """Deinterlace with bwdif from the first interlaced frame on; one frame out for each frame in, at its time.

    Args:
        frames: decoded frames; closed when the result is.
        on_first: called before the first interlaced frame is filtered.

    Yields:
        Progressive frames.
    """
    graph: Graph | None = None
    shape: tuple[int, int, str] | None = None
    waiting: deque[av.VideoFrame] = deque()  # frames in the filter, whose times its output takes over
    with closing(frames):
        for frame in frames:
            if graph is None and not frame.interlaced_frame:
                yield frame
                continue
            if graph is None:
                on_first()
            frame = in_memory(frame)
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


# layout of planes on a device -> the same samples in planes that filters and `media.chroma` take
_IN_MEMORY = {"nv12": "yuv420p", "p010le": "yuv420p10le", "p012le": "yuv420p12le"}


def in_memory(frame: av.VideoFrame) -> av.VideoFrame:
    """Copy a frame that lies on a device to memory.

    Args:
        frame: decoded frame.

    Returns:
        A frame with the same samples and tags; `frame` itself if it lies in memory.
    """
    if frame.sw_format is None:
        return frame
    return frame.reformat(format=_IN_MEMORY.get(frame.sw_format.name, frame.sw_format.name))


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


def seek(container: av.container.InputContainer, stream: av.VideoStream, time: Fraction) -> None:
    """Seek to the last key frame at or before a time; files that cannot be sought in stay where they are.

    Args:
        container: an open file.
        stream: the stream whose key frames count.
        time: seconds in the file.
    """
    try:
        container.seek(int(time / time_base_of(stream)), stream=stream)
    except av.error.FFmpegError as error:
        log.debug("cannot seek: %s", error)
