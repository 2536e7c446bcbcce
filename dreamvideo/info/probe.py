"""Reads what a file holds: streams, chapters and tags from its headers, size and colors from a decoded frame."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av

from dreamvideo.errors import SettingsError
from dreamvideo.info.labels import MATRICES, PRIMARIES, ROTATIONS, TRANSFERS, color_name, container_name
from dreamvideo.media.channel_layout import read_layout
from dreamvideo.media.clock import demux_joined
from dreamvideo.media.color import FULL, assume_color, has_alpha
from dreamvideo.media.decode import decode_frames
from dreamvideo.media.demux import best_video, frame_rate, is_cover, open_container, time_base_of
from dreamvideo.media.metadata import settings_in_file
from dreamvideo.media.paths import is_image
from dreamvideo.media.rotation import display_matrix, swaps_axes
from dreamvideo.media.tonemap import HDR_TRANSFERS

# Packets at the beginning whose times tell whether the frame rate is variable: twenty seconds, which are read quickly.
_TIMED_PACKETS = 600
_REORDERED_PACKETS = 16  # the last times read may lie behind others that were not read: the longest reordering of H.264
_DECODED_FRAMES = 3  # that tell whether a video is interlaced


@dataclass(frozen=True, slots=True)
class VideoProbe:
    """A video stream, a cover or an image. What only a decoded frame tells is known of the dreamed stream alone."""

    width: int  # as stored, in pixels
    height: int
    pixel_aspect: Fraction
    shown_width: int  # as displayed: upright, with square pixels
    shown_height: int
    pixels: str | None  # libav's name of the pixel format
    bits: int | None  # per component
    frame_rate: Fraction | None  # average, frames per second
    shortest: Fraction | None = None  # seconds from one frame to the next, among the first ones
    longest: Fraction | None = None
    variable: bool = False
    frames: int | None = None  # counted, else as the file says; None: it does not say
    rotation: str | None = None  # one of `labels.ROTATIONS`; None: stored upright
    matrix: str | None = None  # None: the file does not say
    transfer: str | None = None
    primaries: str | None = None
    assumed: str | None = None  # the matrix that an untagged YUV stream is read with
    full_range: bool = False
    hdr: str | None = None  # PQ or HLG
    interlaced: bool = False
    alpha: bool = False


@dataclass(frozen=True, slots=True)
class AudioProbe:
    """An audio stream."""

    rate: int  # samples per second
    layout: str
    channels: int
    bit_rate: int | None  # bits per second


@dataclass(frozen=True, slots=True)
class StreamProbe:
    """One stream of a file."""

    index: int
    kind: str  # video, image, cover, audio, subtitles, attachment, data
    codec: str | None
    profile: str | None
    language: str | None
    title: str | None
    default: bool
    start: Fraction | None  # seconds
    duration: Fraction | None
    file: str | None = None  # name of an attachment
    video: VideoProbe | None = None
    audio: AudioProbe | None = None


@dataclass(frozen=True, slots=True)
class ChapterProbe:
    """A chapter."""

    start: Fraction  # seconds
    end: Fraction
    title: str


@dataclass(frozen=True, slots=True)
class Probe:
    """What a file holds."""

    container: str
    size: int  # bytes
    duration: Fraction | None  # seconds
    start: Fraction | None
    streams: tuple[StreamProbe, ...]
    dreamed: int | None  # index of the stream that is dreamed on
    chapters: tuple[ChapterProbe, ...]
    tags: Mapping[str, str]
    settings: Mapping[str, Any] | None  # of the dream that made the file, from its comment

    @property
    def dreamed_video(self) -> VideoProbe | None:
        """The stream that is dreamed on."""
        return next((stream.video for stream in self.streams if stream.index == self.dreamed), None)


@dataclass(frozen=True, slots=True)
class _Samples:
    """What is read of the dreamed stream beyond its header."""

    frames: list[av.VideoFrame]  # the first ones, decoded
    times: list[Fraction]  # of the first packets, in seconds, ascending
    complete: bool  # whether those are all packets


def probe_file(path: Path) -> Probe:
    """Read what a video or image file holds.

    Args:
        path: the file.

    Raises:
        SourceError: there is no such file, or it is not a video or image.
    """
    with open_container(path) as container:
        times, complete = _packet_times(container, best_video(container))
    with open_container(path) as container:
        best = best_video(container)
        samples = _Samples(_first_frames(container, best), times, complete)
        streams = [
            _probe_stream(stream, samples if best is not None and stream.index == best.index else None)
            for stream in container.streams
        ]
        is_still = is_image(path)  # for libav a video of one frame
        return Probe(
            container="image" if is_still else container_name(container, path),
            size=path.stat().st_size,
            duration=None if is_still else _seconds(container.duration, Fraction(1, av.time_base)),
            start=_seconds(container.start_time, Fraction(1, av.time_base)),
            streams=tuple(_as_image(stream) if is_still else stream for stream in streams),
            dreamed=None if best is None else best.index,
            chapters=tuple(_chapters(container)),
            tags=dict(container.metadata),
            settings=settings_of_dream(path),
        )


def settings_of_dream(path: Path) -> Mapping[str, Any] | None:
    """Return the settings of the dream that made the file; None if it was made otherwise."""
    try:
        return settings_in_file(path)
    except SettingsError:
        return None


def _probe_stream(stream: av.stream.Stream, samples: _Samples | None) -> StreamProbe:
    context, language = stream.codec_context, stream.metadata.get("language")
    video = _probe_video(cast(av.VideoStream, stream), samples) if stream.type == "video" else None
    kind = {"subtitle": "subtitles"}.get(stream.type, stream.type)
    return StreamProbe(
        index=stream.index,
        kind="cover" if video is not None and is_cover(stream) else kind,
        codec=None if context is None else context.codec.canonical_name,
        profile=stream.profile,
        language=None if language == "und" else language,
        title=stream.metadata.get("title"),
        default=bool(stream.disposition & av.stream.Disposition.default),
        start=_seconds(stream.start_time, stream.time_base),
        duration=_seconds(stream.duration, stream.time_base),
        file=stream.metadata.get("filename"),
        video=video,
        audio=_probe_audio(cast(av.AudioStream, stream)) if stream.type == "audio" and context is not None else None,
    )


def _probe_audio(stream: av.AudioStream) -> AudioProbe:
    context, layout = stream.codec_context, read_layout(stream)
    name = layout.name or {1: "mono", 2: "stereo"}.get(layout.channels, f"{layout.channels} channels")
    return AudioProbe(context.sample_rate, name, layout.channels, context.bit_rate or None)


def _as_image(stream: StreamProbe) -> StreamProbe:
    video = stream.video and replace(stream.video, frame_rate=None, frames=None)
    return replace(stream, kind="image", video=video, duration=None)


def _probe_video(stream: av.VideoStream, samples: _Samples | None) -> VideoProbe | None:
    if stream.codec_context is None:
        return None
    samples = samples or _Samples([], [], False)
    video = _probe_header(stream, samples.frames[0] if samples.frames else None)
    intervals = [after - before for before, after in itertools.pairwise(samples.times)]
    return replace(
        video,
        shortest=min(intervals, default=None),
        longest=max(intervals, default=None),
        variable=_varies(intervals, time_base_of(stream)),
        frames=len(samples.times) if samples.complete else stream.frames or None,
        interlaced=any(frame.interlaced_frame for frame in samples.frames),
    )


def _probe_header(stream: av.VideoStream, frame: av.VideoFrame | None) -> VideoProbe:
    """What a frame tells of sizes and colors, else what the header does."""
    header = stream.codec_context if frame is None else frame
    width, height, layout = header.width, header.height, header.format
    rotation = None if frame is None else display_matrix(frame)
    aspect = Fraction(stream.sample_aspect_ratio or 1)
    shown = round(width * aspect) if aspect > 0 else width, height
    shown_width, shown_height = shown[::-1] if swaps_axes(rotation) else shown
    is_yuv = layout is not None and not layout.is_rgb and not layout.has_palette
    matrix = color_name(MATRICES, header.colorspace) if is_yuv else None
    return VideoProbe(
        width=width,
        height=height,
        pixel_aspect=aspect,
        shown_width=shown_width,
        shown_height=shown_height,
        pixels=None if layout is None else layout.name,
        bits=max((part.bits for part in layout.components), default=None) if layout is not None else None,
        frame_rate=frame_rate(stream),
        rotation=None
        if rotation is None
        else ROTATIONS[cast(tuple[int, int, int, int], tuple(rotation.ravel().tolist()))],
        matrix=matrix,
        transfer=color_name(TRANSFERS, header.color_trc),
        primaries=color_name(PRIMARIES, header.color_primaries),
        assumed=MATRICES[assume_color(height).matrix] if is_yuv and matrix is None else None,
        full_range=header.color_range == FULL,
        hdr=HDR_TRANSFERS.get(header.color_trc),
        alpha=frame is not None and has_alpha(frame),
    )


def _varies(intervals: list[Fraction], unit: Fraction) -> bool:
    """Whether intervals differ by more than rounding the times to `unit`, or to milliseconds, explains."""
    return len(intervals) > 1 and max(intervals) - min(intervals) > 2 * max(unit, Fraction(1, 1000))


def _packet_times(container: av.container.InputContainer, stream: av.VideoStream | None) -> tuple[list[Fraction], bool]:
    """Return the times of the first packets, sorted, and whether those are all packets."""
    times: list[Fraction] = []
    if stream is None:
        return times, False
    try:
        for packet in demux_joined(container, [stream]):
            if packet.pts is not None and packet.size:
                times.append(packet.pts * Fraction(packet.time_base))
            if len(times) == _TIMED_PACKETS:
                return sorted(times)[:-_REORDERED_PACKETS], False
    except av.error.FFmpegError:
        return sorted(times), False
    return sorted(times), True


def _first_frames(container: av.container.InputContainer, stream: av.VideoStream | None) -> list[av.VideoFrame]:
    if stream is None or stream.codec_context is None:
        return []
    with closing(decode_frames(container, stream, lambda why: None)) as frames:
        return list(itertools.islice(frames, _DECODED_FRAMES))


def _chapters(container: av.container.InputContainer) -> list[ChapterProbe]:
    chapters = []
    for chapter in container.chapters():
        base, title = Fraction(chapter["time_base"] or 1), chapter["metadata"].get("title", "")
        chapters.append(ChapterProbe(chapter["start"] * base, chapter["end"] * base, title))
    return chapters


def _seconds(count: int | None, base: Fraction | None) -> Fraction | None:
    return None if count is None or not base else count * Fraction(base)
