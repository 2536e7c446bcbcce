"""Decides whether each stream of an input is copied, transcoded or dropped; used by the writer and by `info`."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import av

from dreamvideo.frames import StreamInfo
from dreamvideo.media.demux import is_cover
from dreamvideo.media.local_files import open_local
from dreamvideo.media.video_encoder import Container, container_of

log = logging.getLogger(__name__)

Action = Literal["dreamed", "copied", "transcoded", "dropped"]

# libav's names of the formats that hold chapters and cover art.
_WITH_CHAPTERS = ("mp4", "mov", "matroska", "webm")
_WITH_COVERS = ("mp4", "mov")


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """What is done with one stream."""

    stream: int  # index in the input
    label: str  # kind, codec and language
    action: Action
    reason: str = ""  # for being transcoded or dropped
    codec: str | None = None  # libav's name of the encoder that it is transcoded with
    log_level: int = logging.DEBUG  # at which the plan is logged

    @property
    def description(self) -> str:
        """The plan as one line."""
        if self.action == "transcoded":
            return f"transcoded to {self.codec}: {self.label}, {self.reason}"
        return f"{self.action}: {self.label}" + (f", {self.reason}" if self.reason else "")


def plan_streams(
    source: av.container.InputContainer, container: Container, dreamed: int | None, audio: bool
) -> list[StreamPlan]:
    """Plan what is done with each stream of an input.

    Args:
        source: the open input.
        container: the kind of output.
        dreamed: index of the video stream that is dreamed on; None: none is.
        audio: whether sound is written.

    Returns:
        One plan for each stream of `source`, in order.
    """
    return [_plan_stream(stream, container, dreamed, audio) for stream in source.streams]


def warn_of_lost_streams(info: StreamInfo, output: Path, audio: bool) -> None:
    """Log which streams of an input will be transcoded or dropped.

    Args:
        info: of the input; nothing is logged if it comes from no file.
        output: file that will be written; its suffix decides.
        audio: whether sound is written.

    Raises:
        OutputError: the suffix is not that of a video format.
    """
    if info.path is None:
        return
    try:
        with open_local(info.path) as source:
            log_plans(plan_streams(source, container_of(output), info.stream, audio))
    except av.error.FFmpegError as error:
        log.debug("%s cannot be opened again: %s", info.path, error.strerror)  # the writer warns of it


def log_plans(plans: Sequence[StreamPlan]) -> None:
    """Log the plans of streams that are not copied, each at its level."""
    for plan in plans:
        if plan.action != "copied":
            log.log(plan.log_level, "%s", plan.description)


def holds_chapters(container: Container) -> bool:
    """Tell whether a format holds chapters.

    Args:
        container: the kind of output.

    Returns:
        Whether it does.
    """
    return container.format in _WITH_CHAPTERS


def _plan_stream(stream: av.stream.Stream, container: Container, dreamed: int | None, audio: bool) -> StreamPlan:
    index, label = stream.index, stream_label(stream)
    unsupported = f"since a {container.format} file cannot hold it"

    def drop(reason: str = unsupported, level: int = logging.WARNING) -> StreamPlan:
        return StreamPlan(index, label, "dropped", reason, log_level=level)

    if index == dreamed:
        return StreamPlan(index, label, "dreamed")
    if stream.type == "data":
        return drop("", logging.INFO)
    if stream.type == "audio" and not audio:
        return drop("since --no-audio leaves the sound out", logging.DEBUG)
    if stream.type == "attachment":
        return StreamPlan(index, label, "copied") if container.format == "matroska" else drop()
    if stream.type == "video":
        if not is_cover(stream):
            return drop("since only the best video stream is dreamed on")
        if container.format not in _WITH_COVERS:
            return StreamPlan(index, "the cover picture", "dropped", unsupported, log_level=logging.WARNING)
    if stream.type in ("audio", "subtitle", "video") and _can_copy(stream, container):
        return StreamPlan(index, label, "copied")
    if stream.type == "audio" and container.format != "gif" and stream.codec_context is not None:
        return StreamPlan(index, label, "transcoded", unsupported, container.audio[0], logging.WARNING)
    return drop()


def stream_label(stream: av.stream.Stream) -> str:
    """Kind, codec and language of a stream, for messages."""
    codec = stream.codec_context.name if stream.codec_context is not None else "of unknown kind"
    language = stream.metadata.get("language", "und")
    kind = "subtitles" if stream.type == "subtitle" else stream.type
    return f"{kind} {codec}" + ("" if language == "und" else f" ({language})")


def _can_copy(stream: av.stream.Stream, container: Container) -> bool:
    """Whether the muxer accepts `stream` as it is, by writing a header in memory."""
    try:
        with av.open(io.BytesIO(), "w", format=container.format) as trial:
            trial.add_stream_from_template(stream, opaque=True)
            trial.start_encoding()
    except (av.error.FFmpegError, ValueError):
        return False
    return True
