"""Cameras on the network, through PyAV: always the newest frame of the stream."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import closing
from typing import Any, Final

import av
from av.codec.context import Flags

from dreamvideo.errors import SourceError
from dreamvideo.live.cameras.same_host import open_stream
from dreamvideo.media.color import RgbConverter
from dreamvideo.media.decode import decoder_for
from dreamvideo.media.demux import best_video
from dreamvideo.threads import latest

log = logging.getLogger(__name__)

_TIMEOUT = 5.0  # seconds for opening, and for each read

# nobuffer: frames that libav reads to detect the format are old by then and are not shown. TCP: UDP loses packets.
_OPTIONS: Final = {
    "rtsp_transport": "tcp",
    "fflags": "nobuffer",
    "flags": "low_delay",
    "analyzeduration": "2000000",  # microseconds; libav's default of 5 s is long to wait for a camera
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


def _decoded(url: str, name: str, follow: bool) -> Generator[av.VideoFrame, None, None]:
    try:
        container = open_stream(url, follow, _OPTIONS, (_TIMEOUT, _TIMEOUT))
    except (av.error.FFmpegError, ValueError) as error:
        raise SourceError(f"{name} does not open: {_reason(error)}. Is it on, and is the address right?") from None
    with container:
        stream = _video_stream(container, name)
        decoder = decoder_for(stream)
        decoder.flags |= Flags.low_delay
        rate = stream.average_rate or stream.guessed_rate
        rate_text = f", {float(rate):.4g} fps" if rate else ""
        log.info("%s: %dx%d %s %s%s", name, stream.width, stream.height, decoder.name, decoder.pix_fmt, rate_text)
        try:
            for packet in container.demux(stream):
                try:
                    yield from decoder.decode(packet)
                except av.error.EOFError:
                    break
                except av.error.FFmpegError as error:
                    log.debug("%s: %s", name, error)
        except av.error.FFmpegError as error:
            raise SourceError(f"{name} has stopped: {_reason(error)}") from None


def _video_stream(container: av.container.InputContainer, name: str) -> av.VideoStream:
    stream = best_video(container)
    if stream is None or stream.codec_context is None:
        raise SourceError(f"{name} opens, but holds no video that can be decoded")
    if container.size > 0 and (container.duration or container.format.name.endswith("_pipe")):
        raise SourceError(f"{name} is a file, not a live stream: download it and give its name")
    return stream


def _reason(error: Exception) -> str:
    if isinstance(error, av.error.ExitError):  # libav's word for being interrupted by a timeout
        return f"nothing came for {_TIMEOUT:g} s"
    if isinstance(error, av.error.ProtocolNotFoundError):
        return "this build of PyAV does not know its protocol"
    # str(error) would show the address, and with it a password.
    return (getattr(error, "strerror", None) or type(error).__name__).lower()
