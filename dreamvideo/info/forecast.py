"""Forecasts what a dream keeps of a file, by the code that would do it: stream policy, encoder and warnings.

Only the first frames are read, and nothing is written.
"""

from __future__ import annotations

import io
import itertools
import logging
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import av

from dreamvideo.errors import OutputError
from dreamvideo.frames import Frame, StreamInfo
from dreamvideo.info.labels import MATRICES
from dreamvideo.media.stream_policy import StreamPlan, holds_chapters, plan_streams
from dreamvideo.media.video_encoder import Container, VideoEncoder, container_of
from dreamvideo.media.video_reader import open_video
from dreamvideo.media.video_writer import check_output
from dreamvideo.settings.job import EncodeSettings, ReadSettings

log = logging.getLogger("dreamvideo")


@dataclass(frozen=True, slots=True)
class Forecast:
    """The output that would be written."""

    path: Path
    container: str  # libav's name of the format
    streams: tuple[StreamPlan, ...]  # of each stream of the input
    chapters: bool  # whether the container holds chapters
    codec: str
    encoder: str
    crf: int
    width: int  # as written
    height: int
    pixels: str
    color: str | None  # name of the matrix; None: not YUV
    frame_count: int | None  # None: unknown
    warnings: tuple[str, ...]


@contextmanager
def collect_warnings() -> Generator[list[str], None, None]:
    """Collect the warnings of the library inside the block in place of logging them.

    Returns:
        A list that grows; each message is in it once.
    """
    messages: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.WARNING and record.getMessage() not in messages:
                messages.append(record.getMessage())

    before, level, propagate = log.handlers, log.level, log.propagate
    log.handlers, log.propagate = [Collector()], False
    log.setLevel(logging.WARNING)
    try:
        yield messages
    finally:
        log.handlers, log.propagate = before, propagate
        log.setLevel(level)


def forecast_output(
    path: Path, output: Path, read: ReadSettings, encode: EncodeSettings, count: int, counted: int | None = None
) -> tuple[Forecast, list[Frame]]:
    """Forecast the output of a video.

    Args:
        path: the video.
        output: where it would be written; its suffix names the container.
        read, encode: how it would be read and written.
        count: how many frames are read, at most.
        counted: frames in the file if they were counted; the file itself may be wrong.

    Returns:
        The forecast and the frames that were read.

    Raises:
        SourceError: no frame can be read.
        OutputError: there is no such container, or the encoder cannot be used.
    """
    container = container_of(output)
    with collect_warnings() as warnings:
        with open_video(path, read) as source:
            info = source.info
            with closing(source.frames) as frames:
                first = list(itertools.islice(frames, count))
        streams = plan_streams(path, container, info.stream, encode.audio)
        size, encoder, codec, pixels = _encoder_facts(container, info, encode)
    try:
        check_output(output, [path], overwrite=False)
    except OutputError as error:
        warnings.append(str(error))
    known = len(first) if len(first) < count else min(filter(None, (info.frame_count, counted)), default=None)
    return Forecast(
        path=output,
        container=container.format,
        streams=tuple(streams),
        chapters=holds_chapters(container),
        codec=codec,
        encoder=encoder,
        crf=encode.crf,
        width=size[0],
        height=size[1],
        pixels=pixels,
        color=MATRICES[info.color.matrix] if pixels.startswith(("yuv", "nv")) else None,
        frame_count=known,
        warnings=tuple(_without_folder(warning, path) for warning in warnings),
    ), first


def _encoder_facts(
    container: Container, info: StreamInfo, settings: EncodeSettings
) -> tuple[tuple[int, int], str, str, str]:
    """Return ((width, height), encoder, codec, pixel format) of the output."""
    with av.open(io.BytesIO(), "w", format=container.format) as trial:
        encoder = VideoEncoder(trial, container, info, settings)
        encoder.open()
        context = encoder.stream.codec_context
        assert context.pix_fmt is not None
        return (context.width, context.height), context.name, context.codec.canonical_name, context.pix_fmt


def _without_folder(warning: str, path: Path) -> str:
    """Shorten the path of the file to its name; the warning is shown below the path."""
    return warning.replace(str(path), path.name)
