"""Decides whether each stream of an input is copied, transcoded or dropped; used by the writer and by `info`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import av

from dreamvideo.frames import StreamInfo
from dreamvideo.media.audio import AudioFormat
from dreamvideo.media.channel_layout import read_layout
from dreamvideo.media.demux import is_cover
from dreamvideo.media.local_files import open_local
from dreamvideo.media.stream_trial import AudioCopy, PacketSample, can_copy, read_packet_samples, try_audio
from dreamvideo.media.subtitles import text_codec
from dreamvideo.media.video_encoder import Container, container_of

log = logging.getLogger(__name__)

Action = Literal["dreamed", "copied", "transcoded", "converted", "dropped"]

# libav's names of the formats that hold chapters and cover art.
_WITH_CHAPTERS = ("mp4", "mov", "matroska", "webm")
_WITH_STEREO = ("matroska", "webm")  # in which how a picture holds those of both eyes is a tag
_WITH_COVERS = ("mp4", "mov")


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """What is done with one stream."""

    stream: int  # index in the input
    label: str  # kind, codec and language
    action: Action
    reason: str = ""  # for being transcoded or dropped
    codec: str | None = None  # libav's name of the encoder that it is encoded with
    log_level: int = logging.DEBUG  # at which the plan is logged
    audio_format: AudioFormat | AudioCopy | None = None  # how sound is transcoded or copied

    @property
    def description(self) -> str:
        """The plan as one line."""
        if self.action in ("transcoded", "converted"):
            return f"{self.action} to {self.codec}: {self.label}, {self.reason}"
        return f"{self.action}: {self.label}" + (f", {self.reason}" if self.reason else "")


def plan_streams(
    path: Path, container: Container, dreamed: int | None, audio: bool, music: Path | None = None
) -> list[StreamPlan]:
    """Plan what is done with each stream of an input; whether it can be done is tried in memory.

    Args:
        path: the input.
        container: the kind of output.
        dreamed: index of the video stream that is dreamed on; None: none is.
        audio: whether sound is written.
        music: file whose sound is written instead of that of the input; None: the input's own is.

    Returns:
        One plan for each stream of the input, in order.

    Raises:
        av.error.FFmpegError: it cannot be opened.
    """
    with open_local(path) as source:
        planner = _StreamPlanner(source, container, audio, music)
        return [planner.plan(stream, dreamed) for stream in source.streams]


def plan_music(path: Path, container: Container) -> list[StreamPlan]:
    """Plan what is done with the sound of a file of which nothing else is wanted.

    Args:
        path: the file; of several tracks the one that a player would choose.
        container: the kind of output.

    Returns:
        One plan; none if the file has no sound.

    Raises:
        av.error.FFmpegError: it cannot be opened.
    """
    with open_local(path) as source:
        track = source.streams.best("audio")
        return [] if track is None else [_StreamPlanner(source, container, True).plan(track, None)]


def warn_of_lost_streams(info: StreamInfo, output: Path, audio: bool) -> None:
    """Log which streams of an input will be transcoded or dropped.

    Args:
        info: of the input; nothing is logged if it comes from no file.
        output: file that will be written; its suffix decides.
        audio: whether sound is written.

    Raises:
        OutputError: the suffix is not that of a video format.
    """
    container = container_of(output)
    try:
        if info.path is not None:
            plans = plan_streams(info.path, container, info.stream, audio, info.music)
            if audio and info.music is not None and any(plan.label.startswith("audio") for plan in plans):
                log.warning("%s: its own sound is left out: that of %s takes its place", info.path, info.music)
            log_plans(plans)
        if audio and info.music is not None:
            log_plans(plan_music(info.music, container))
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


class _StreamPlanner:
    """Plans the streams of an open input."""

    def __init__(
        self, source: av.container.InputContainer, container: Container, audio: bool, music: Path | None = None
    ) -> None:
        self._source = source
        self._container = container
        self._audio = audio
        self._music = music
        self._samples: dict[int, list[PacketSample]] | None = None
        self._unsupported = f"since a {container.format} file cannot hold it"

    def plan(self, stream: av.stream.Stream, dreamed: int | None) -> StreamPlan:
        """Plan one stream; `dreamed` is the index of the one that is dreamed on."""
        label, container = stream_label(stream), self._container
        if stream.index == dreamed:
            if "stereo_mode" not in stream.metadata or container.format in _WITH_STEREO:
                return StreamPlan(stream.index, label, "dreamed")
            reason = f"a {container.format} file does not get the mark that it is stereoscopic"
            return StreamPlan(stream.index, label, "dreamed", reason, log_level=logging.WARNING)
        if stream.type == "data":
            return self._drop(stream, "", logging.INFO)
        if stream.type == "audio":
            return self._plan_audio(cast(av.AudioStream, stream), label)
        if stream.type == "attachment":
            return self._copy(stream) if container.format == "matroska" else self._drop(stream)
        if stream.type == "video":
            if not is_cover(stream):
                return self._drop(stream, "since only the best video stream is dreamed on")
            if container.format == "matroska":
                return self._copy(stream)  # as an attachment
            if container.format not in _WITH_COVERS:
                return StreamPlan(
                    stream.index, "the cover picture", "dropped", self._unsupported, log_level=logging.WARNING
                )
        if stream.type in ("subtitle", "video") and can_copy(stream, container):
            return self._copy(stream)
        if (codec := text_codec(stream, container.format)) is not None:
            return StreamPlan(stream.index, label, "converted", self._unsupported, codec)
        return self._drop(stream)

    def _plan_audio(self, stream: av.AudioStream, label: str) -> StreamPlan:
        if not self._audio:
            return self._drop(stream, "since --no-audio leaves the sound out", logging.DEBUG)
        if self._music is not None:
            return self._drop(stream, f"since that of {self._music.name} takes its place", logging.DEBUG)
        if self._container.format == "gif":
            return self._drop(stream)
        if stream.codec_context is None:
            return self._drop(stream, "since libav has no decoder for it")
        verdict = try_audio(stream, self._container, lambda: self._samples_of(stream))
        if verdict is None:
            return self._drop(
                stream, f"since it can neither be copied into a {self._container.format} file nor decoded"
            )
        if isinstance(verdict, AudioCopy):
            return StreamPlan(stream.index, label, "copied", audio_format=verdict)
        mixed = f", mixed to {verdict.layout}" if verdict.channels < read_layout(stream).channels else ""
        reason = self._unsupported + mixed
        return StreamPlan(stream.index, label, "transcoded", reason, verdict.codec, logging.WARNING, verdict)

    def _samples_of(self, stream: av.stream.Stream) -> list[PacketSample]:
        if self._samples is None:
            self._samples = read_packet_samples(self._source, self._source.streams.audio)
        return self._samples[stream.index]

    def _copy(self, stream: av.stream.Stream) -> StreamPlan:
        return StreamPlan(stream.index, stream_label(stream), "copied")

    def _drop(self, stream: av.stream.Stream, reason: str | None = None, level: int = logging.WARNING) -> StreamPlan:
        why = self._unsupported if reason is None else reason
        return StreamPlan(stream.index, stream_label(stream), "dropped", why, log_level=level)


def stream_label(stream: av.stream.Stream) -> str:
    """Kind, codec and language of a stream, for messages."""
    codec = stream.codec_context.name if stream.codec_context is not None else "of unknown kind"
    language = stream.metadata.get("language", "und")
    kind = "subtitles" if stream.type == "subtitle" else stream.type
    return f"{kind} {codec}" + ("" if language == "und" else f" ({language})")
