"""What becomes of each stream of an input in a kind of output: decided here once, for who writes and for who tells."""

from __future__ import annotations

import io
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import av

from dreamvideo.frames import StreamInfo
from dreamvideo.media.demux import is_cover
from dreamvideo.media.video_encoder import Container, container_of

log = logging.getLogger(__name__)

Action = Literal["dreamed", "kept", "transcoded", "left out"]

# What has a place for chapters: Matroska and what is like it, and QuickTime and what is like it.
_CHAPTERED = ("mp4", "mov", "matroska", "webm")
_COVERED = ("mp4", "mov")


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """What becomes of one stream."""

    stream: int  # index in the input
    what: str  # kind, codec and language
    deed: Action
    why: str = ""  # of what is not kept as it is
    codec: str | None = None  # what it becomes: libav's name of the encoder
    level: int = logging.DEBUG  # at which it is logged

    @property
    def said(self) -> str:
        """The fate as one line."""
        if self.deed == "transcoded":
            return f"{self.what} {self.why}: it becomes {self.codec}"
        return f"{self.deed}: {self.what}" + (f", {self.why}" if self.why else "")


def plan_streams(
    source: av.container.InputContainer, container: Container, dreamed: int | None, audio: bool
) -> list[StreamPlan]:
    """The fate of each stream of `source`, in order, in an output that is a `container`.

    Args:
        dreamed: index of the stream that is dreamed on.
        audio: whether sound is wanted.
    """
    return [_fate(stream, container, dreamed, audio) for stream in source.streams]


def warn_of_lost_streams(info: StreamInfo, output: Path, audio: bool) -> None:
    """Say what of `info.path` becomes something else in `output`, or is left out."""
    if info.path is None:
        return
    try:
        with av.open(os.path.abspath(info.path), metadata_errors="replace") as source:
            describe_plan(plan_streams(source, container_of(output), info.stream, audio))
    except av.error.FFmpegError as error:
        log.debug("%s cannot be opened once more: %s", info.path, error.strerror)  # it is told where it is written


def describe_plan(fates: list[StreamPlan]) -> list[StreamPlan]:
    """The same fates, said."""
    for fate in fates:
        if fate.deed != "kept":
            log.log(fate.level, "%s", fate.said)
    return fates


def holds_chapters(container: Container) -> bool:
    """Whether chapters have a place in a `container`."""
    return container.format in _CHAPTERED


def _fate(stream: av.stream.Stream, container: Container, dreamed: int | None, audio: bool) -> StreamPlan:
    what, refused = stream_label(stream), f"which does not go into a {container.format} file"

    def left_out(why: str = refused, what: str = what, level: int = logging.WARNING) -> StreamPlan:
        return StreamPlan(stream.index, what, "left out", why, level=level)

    if stream.index == dreamed:
        return StreamPlan(stream.index, what, "dreamed")
    if stream.type == "audio" and not audio:
        return left_out("as no sound is wanted", level=logging.DEBUG)
    if stream.type == "video" and not is_cover(stream):
        return left_out("as only the best video stream is dreamed on")
    if stream.type == "data":
        return left_out("", level=logging.INFO)
    if stream.type == "attachment":
        return StreamPlan(stream.index, what, "kept") if container.format == "matroska" else left_out()
    if stream.type == "video" and container.format not in _COVERED:
        return left_out(f"which a {container.format} file holds no place for", "the cover picture")
    if stream.type in ("audio", "subtitle", "video"):
        if _can_copy(stream, container):
            return StreamPlan(stream.index, what, "kept")
        if stream.type == "audio" and container.format != "gif" and stream.codec_context is not None:
            why = f"does not go into a {container.format} file"
            return StreamPlan(stream.index, what, "transcoded", why, container.audio[0], logging.WARNING)
    return left_out()


def stream_label(stream: av.stream.Stream) -> str:
    """Kind, codec and language of `stream`."""
    codec = stream.codec_context.name if stream.codec_context is not None else "of unknown kind"
    language = stream.metadata.get("language", "und")
    kind = {"audio": "sound", "subtitle": "subtitles"}.get(stream.type, stream.type)
    return f"{kind} {codec}" + ("" if language == "und" else f" ({language})")


def _can_copy(stream: av.stream.Stream, container: Container) -> bool:
    """Whether the muxer takes `stream` as it is: found out by writing a header in memory."""
    try:
        with av.open(io.BytesIO(), "w", format=container.format) as trial:
            trial.add_stream_from_template(stream, opaque=True)
            trial.start_encoding()
    except (av.error.FFmpegError, ValueError):
        return False
    return True
