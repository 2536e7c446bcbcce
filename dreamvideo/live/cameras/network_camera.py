"""Cameras on the network, through PyAV: the newest frame of the stream, or of one that comes in pieces the one due."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import av
from av.codec.context import Flags

from dreamvideo.errors import SourceError
from dreamvideo.live.cameras.bursts import BurstClock
from dreamvideo.live.cameras.same_host import open_stream
from dreamvideo.media.color import RgbConverter
from dreamvideo.media.decode import decoder_for
from dreamvideo.media.demux import best_video
from dreamvideo.threads import latest, prefetch

log = logging.getLogger(__name__)

_TIMEOUT = 5.0  # seconds for opening, and for each read

_IN_PIECES: Final = ("hls", "dash")
_PLAYLISTS: Final = (".m3u8", ".mpd")
_PIECE_TIMEOUT: Final = 30.0  # seconds for each read of these: nothing comes for the length of a piece, up to 10 s
_NO_TIMES: Final = 0x80  # AVFMT_NOTIMESTAMPS: libav numbers the frames instead, at a rate of its own
_MAX_WAITING: Final = 1024  # packets, half a minute; a piece is held undecoded, which takes a hundredth of the memory
_STEP: Final = 0.1  # seconds after which a wait can be ended

# nobuffer: frames that libav reads to detect the format are old by then and are not shown. TCP: UDP loses packets.
_OPTIONS: Final = {
    "rtsp_transport": "tcp",
    "fflags": "nobuffer",
    "flags": "low_delay",
    "live_start_index": "-1",  # of HLS: the newest piece, not the third before it
    "analyzeduration": "2000000",  # microseconds; libav's default of 5 s is long to wait for a camera
    "fpsprobesize": "0",  # frames; libav would look at 20 of them, most of a second, to tell a rate that is not needed
}


def stream_images(url: str, name: str, follow: bool = False) -> Generator[Any, None, None]:
    """Yield the newest image of a stream each time; frames that arrive during a conversion are skipped.

    Args:
        url: the address, with user and password if the camera needs them.
        name: the address without them, for messages.
        follow: it may lead to other hosts, see `same_host`.

    Yields:
        (H, W, 3) uint8 RGB; None where there is nothing new, or a frame is damaged.

    Raises:
        SourceError: the stream does not open, is not live video, or has stopped.
    """
    converter = RgbConverter(0, 0)
    with closing(latest(_decoded(url, name, follow), timeout=1.0)) as newest:
        for latest_frame in newest:
            frame = latest_frame.item
            if frame is None:
                yield None
                continue
            if (frame.width, frame.height) != (converter.width, converter.height):
                converter = RgbConverter(frame.width, frame.height)
            try:
                image = converter(frame)
            except av.error.FFmpegError as error:
                log.debug("%s: %s", name, error)
                image = None
            yield image


def _decoded(url: str, name: str, follow: bool) -> Generator[av.VideoFrame | None, None, None]:
    """Frames when they are due; None while one is waited for."""
    clock: BurstClock | None = None
    with closing(prefetch(_arrivals(url, name, follow), _MAX_WAITING)) as arrivals:
        for arrival in arrivals:
            clock = clock or BurstClock(arrival.in_pieces)
            for frame in _frames(arrival, name):
                if arrival.has_times and frame.time is not None:
                    yield from _wait_until(clock.due(arrival.time, frame.time))
                yield frame


@dataclass(frozen=True, slots=True)
class _Arrival:
    packet: Any  # av.Packet, which is generic for type checkers alone
    time: float  # of `time.monotonic` when it came
    decoder: av.VideoCodecContext
    in_pieces: bool  # by the format: each piece is a file
    has_times: bool  # in the stream, in place of such that libav counts


def _frames(arrival: _Arrival, name: str) -> list[av.VideoFrame]:
    try:
        return list(arrival.decoder.decode(arrival.packet))
    except av.error.EOFError:
        return []
    except av.error.FFmpegError as error:
        log.debug("%s: %s", name, error)
        return []


def _wait_until(due: float) -> Generator[None, None, None]:
    while (remaining := due - time.monotonic()) > 0:
        time.sleep(min(remaining, _STEP))
        if remaining > _STEP:
            yield None


def _arrivals(url: str, name: str, follow: bool) -> Generator[_Arrival, None, None]:
    read_timeout = _PIECE_TIMEOUT if urlsplit(url).path.lower().endswith(_PLAYLISTS) else _TIMEOUT
    try:
        container = open_stream(url, follow, _OPTIONS, (_TIMEOUT, read_timeout))
    except (av.error.FFmpegError, ValueError) as error:
        raise SourceError(f"{name} does not open: {_reason(error)}. Is it on, and is the address right?") from None
    with container:
        stream = _video_stream(container, name)
        decoder = decoder_for(stream)
        decoder.flags |= Flags.low_delay
        in_pieces = container.format.name.partition(",")[0] in _IN_PIECES
        has_times = not container.format.flags & _NO_TIMES
        rate = stream.average_rate or stream.guessed_rate
        rate_text = f", {float(rate):.4g} fps" if rate else ""
        log.info("%s: %dx%d %s %s%s", name, stream.width, stream.height, decoder.name, decoder.pix_fmt, rate_text)
        try:
            for packet in container.demux(stream):
                yield _Arrival(packet, time.monotonic(), decoder, in_pieces, has_times)
        except av.error.FFmpegError as error:
            raise SourceError(f"{name} has stopped: {_reason(error, read_timeout)}") from None


def _video_stream(container: av.container.InputContainer, name: str) -> av.VideoStream:
    stream = best_video(container)
    if stream is None or stream.codec_context is None:
        raise SourceError(f"{name} opens, but holds no video that can be decoded")
    if container.size > 0 and (container.duration or container.format.name.endswith("_pipe")):
        raise SourceError(f"{name} is a file, not a live stream: download it and give its name")
    return stream


def _reason(error: Exception, timeout: float | None = None) -> str:
    if isinstance(error, av.error.ExitError):  # libav's word for being interrupted by a timeout
        return f"nothing came for {timeout or _TIMEOUT:g} s"
    if isinstance(error, av.error.ProtocolNotFoundError):
        return "this build of PyAV does not know its protocol"
    # str(error) would show the address, and with it a password.
    return (getattr(error, "strerror", None) or type(error).__name__).lower()
