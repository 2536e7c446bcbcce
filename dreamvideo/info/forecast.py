"""What becomes of a file: decided, warned of and encoded by those who would do it, on its first frames."""

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
from dreamvideo.media.demux import open_container
from dreamvideo.media.stream_policy import StreamPlan, holds_chapters, plan_streams
from dreamvideo.media.video_encoder import Container, VideoEncoder, container_of
from dreamvideo.media.video_reader import open_video
from dreamvideo.media.video_writer import check_output
from dreamvideo.settings.job import EncodeSettings, ReadSettings

log = logging.getLogger("dreamvideo")


@dataclass(frozen=True, slots=True)
class Forecast:
    """What becomes of a file."""

    output: Path
    container: str  # libav's name of the format
    fates: tuple[StreamPlan, ...]  # of each stream
    chapters: bool  # whether they are kept, if there are any
    codec: str
    encoder: str
    crf: int
    width: int  # as written
    height: int
    pixels: str
    color: str | None  # its matrix, if it has one
    frame_count: int | None  # None: the file does not tell
    warnings: tuple[str, ...]


@contextmanager
def collect_warnings() -> Generator[list[str], None, None]:
    """What the library warns of inside the block, each once, instead of being logged."""
    said: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.WARNING and record.getMessage() not in said:
                said.append(record.getMessage())

    before, level, propagate = log.handlers, log.level, log.propagate
    log.handlers, log.propagate = [Ear()], False
    log.setLevel(logging.WARNING)
    try:
        yield said
    finally:
        log.handlers, log.propagate = before, propagate
        log.setLevel(level)


def forecast_output(
    path: Path, output: Path, read: ReadSettings, encode: EncodeSettings, count: int, held: int | None = None
) -> tuple[Forecast, list[Frame]]:
    """What becomes of `path` in `output`, and its first frames, at most `count`.

    Args:
        held: frames that the file holds, where that is known better than it says itself.

    Raises:
        SourceError: no frame of it can be read.
        OutputError: there is no such kind of file, or the encoder cannot be used.
    """
    container = container_of(output)
    with collect_warnings() as warnings:
        with open_video(path, read) as source:
            info = source.info
            with closing(source.frames) as frames:
                first = list(itertools.islice(frames, count))
        with open_container(path) as opened:
            decided = plan_streams(opened, container, info.stream, encode.audio)
        size, encoder, codec, pixels = _encoded(container, info, encode)
    try:
        check_output(output, [path], overwrite=False)
    except OutputError as error:
        warnings.append(str(error))
    known = len(first) if len(first) < count else min(filter(None, (info.frame_count, held)), default=None)
    return Forecast(
        output=output,
        container=container.format,
        fates=tuple(decided),
        chapters=holds_chapters(container),
        codec=codec,
        encoder=encoder,
        crf=encode.crf,
        width=size[0],
        height=size[1],
        pixels=pixels,
        color=MATRICES[info.color.matrix] if pixels.startswith(("yuv", "nv")) else None,
        frame_count=known,
        warnings=tuple(_shortened(warning, path) for warning in warnings),
    ), first


def _encoded(container: Container, info: StreamInfo, settings: EncodeSettings) -> tuple[tuple[int, int], str, str, str]:
    """((width, height), encoder, codec, pixel format) of what would be written."""
    with av.open(io.BytesIO(), "w", format=container.format) as trial:
        encoder = VideoEncoder(trial, container, info, settings)
        encoder.open()
        context = encoder.stream.codec_context
        assert context.pix_fmt is not None
        return (context.width, context.height), context.name, context.codec.canonical_name, context.pix_fmt


def _shortened(warning: str, path: Path) -> str:
    """`warning` without the folder of the file, under whose name it stands."""
    return warning.replace(str(path), path.name)
