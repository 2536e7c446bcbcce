"""Cameras on the network: the newest picture of a stream, through PyAV."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import closing
from typing import Any

import av
from av.codec.context import Flags

from dreamvideo.errors import SourceError
from dreamvideo.media.color import RgbConverter
from dreamvideo.media.decode import best_video, decoder_for
from dreamvideo.threads import latest

log = logging.getLogger(__name__)

_TIMEOUT = 5.0  # seconds for opening, and for each read

# nobuffer: what is read to find out what the stream is is not shown afterwards, when it is old. UDP loses packets.
_OPTIONS = {
    "rtsp_transport": "tcp",
    "fflags": "nobuffer",
    "flags": "low_delay",
    "analyzeduration": "2000000",  # microseconds; libav's own 5 s are much to wait for a camera
}


def stream_images(url: str, name: str) -> Generator[Any, None, None]:
    """RGB of the newest picture each time: what came while one was converted is passed over; None: nothing new.

    Raises:
        SourceError: it does not open, is no live video, or nothing comes any more; `name` is what it is called.
    """
    maker = RgbConverter(0, 0)
    with closing(latest(_decoded(url, name), timeout=1.0)) as newest:
        for one in newest:
            frame = one.item
            if frame is None:
                yield None
                continue
            if (frame.width, frame.height) != (maker.width, maker.height):
                maker = RgbConverter(frame.width, frame.height)
            try:
                picture = maker(frame)
            except av.error.FFmpegError as error:
                log.debug("%s: %s", name, error)
                picture = None
            yield picture


def _decoded(url: str, name: str) -> Generator[av.VideoFrame, None, None]:
    try:
        # two timeouts, as one number would count for opening alone
        container = av.open(url, options=dict(_OPTIONS), timeout=(_TIMEOUT, _TIMEOUT), metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise SourceError(f"{name} does not open: {_why(error)}. Is it on, and is the address right?") from None
    with container:
        stream = _checked(container, name)
        decoder = decoder_for(stream)
        decoder.flags |= Flags.low_delay
        rate = stream.average_rate or stream.guessed_rate
        told_rate = f", {float(rate):.4g} fps" if rate else ""
        log.info("%s: %dx%d %s %s%s", name, stream.width, stream.height, decoder.name, decoder.pix_fmt, told_rate)
        try:
            for packet in container.demux(stream):
                try:
                    yield from decoder.decode(packet)
                except av.error.EOFError:
                    break
                except av.error.FFmpegError as error:
                    log.debug("%s: %s", name, error)
        except av.error.FFmpegError as error:
            raise SourceError(f"{name} has stopped: {_why(error)}") from None


def _checked(container: av.container.InputContainer, name: str) -> av.VideoStream:
    stream = best_video(container)
    if stream is None or stream.codec_context is None:
        raise SourceError(f"{name} opens, but holds no video that can be decoded")
    if container.size > 0 and (container.duration or container.format.name.endswith("_pipe")):
        raise SourceError(f"{name} is a file, not a live stream: download it and give its name")
    return stream


def _why(error: Exception) -> str:
    if isinstance(error, av.error.ExitError):  # how libav says that it was interrupted
        return f"nothing came for {_TIMEOUT:g} s"
    if isinstance(error, av.error.ProtocolNotFoundError):
        return "this build of PyAV does not know its protocol"
    # not str(error): it holds the address, and with it a password
    return (getattr(error, "strerror", None) or type(error).__name__).lower()
