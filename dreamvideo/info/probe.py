"""What a file holds: its streams, chapters and tags as the file tells them, and its picture as one frame shows it."""

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
from dreamvideo.media.color import FULL, assume_color, has_alpha
from dreamvideo.media.decode import decode_frames
from dreamvideo.media.demux import best_video, frame_rate, is_cover, open_container, time_base_of
from dreamvideo.media.metadata import settings_in_file
from dreamvideo.media.paths import is_image
from dreamvideo.media.rotation import display_matrix, swaps_axes
from dreamvideo.media.tonemap import HDR_TRANSFERS as HDR

# Packets from the beginning whose times tell whether the frame rate is variable: twenty seconds, read in no time.
_TIMED = 600
_FIRST = 3  # frames that tell whether a video is interlaced


@dataclass(frozen=True, slots=True)
class VideoProbe:
    """A video stream or a cover. What only a decoded frame tells is known of the stream that is dreamed on alone."""

    width: int  # as stored, in pixels
    height: int
    pixel_aspect: Fraction
    shown_width: int  # as displayed: turned, with square pixels
    shown_height: int
    pixels: str | None  # libav's name of the layout
    bits: int | None  # per component
    frame_rate: Fraction | None  # average, frames per second
    shortest: Fraction | None = None  # seconds from one frame to the next, among the first ones
    longest: Fraction | None = None
    variable: bool = False
    frames: int | None = None  # counted, else as the file promises; None: it does not
    turn: str | None = None
    matrix: str | None = None  # None: the file does not say
    transfer: str | None = None
    primaries: str | None = None
    assumed: str | None = None  # what an untagged YUV stream is taken for
    full_range: bool = False
    hdr: str | None = None  # PQ or HLG
    interlaced: bool = False
    alpha: bool = False


@dataclass(frozen=True, slots=True)
class AudioProbe:
    """A sound stream."""

    rate: int  # samples per second
    layout: str
    channels: int
    bit_rate: int | None  # bits per second


@dataclass(frozen=True, slots=True)
class StreamProbe:
    """One stream of a file."""

    index: int
    kind: str  # video, picture, cover, sound, subtitles, attachment, data
    codec: str | None
    profile: str | None
    language: str | None
    title: str | None
    default: bool
    start: Fraction | None  # seconds
    duration: Fraction | None
    file: str | None = None  # name of an attachment
    picture: VideoProbe | None = None
    sound: AudioProbe | None = None


@dataclass(frozen=True, slots=True)
class ChapterProbe:
    """A part of a film."""

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
    settings: Mapping[str, Any] | None  # of an old dream, out of the comment


def probe_file(path: Path) -> Probe:
    """What the file in `path` holds.

    Raises:
        SourceError: no such file, or it is no video.
    """
    with open_container(path) as container:
        best = best_video(container)
        times, ended = _times(container, best)
    with open_container(path) as container:
        best = best_video(container)
        first = _first_frames(container, best)
        streams = []
        for stream in container.streams:
            whole = stream is best or (best is not None and stream.index == best.index)
            picture = None
            if stream.type == "video":
                video = cast(av.VideoStream, stream)
                picture = _picture(video, first, times, ended) if whole else _picture(video, [], [], False)
            streams.append(_stream(stream, picture))
        still = is_image(path)  # to libav a video of one frame
        return Probe(
            container="picture" if still else container_name(container, path),
            size=path.stat().st_size,
            duration=None if still else _seconds(container.duration, Fraction(1, av.time_base)),
            start=_seconds(container.start_time, Fraction(1, av.time_base)),
            streams=tuple(_still(each) for each in streams) if still else tuple(streams),
            dreamed=None if best is None else best.index,
            chapters=tuple(_chapters(container)),
            tags=dict(container.metadata),
            settings=settings_of_dream(path),
        )


def settings_of_dream(path: Path) -> Mapping[str, Any] | None:
    """The settings of the dream that made the file; None: it was made otherwise."""
    try:
        return settings_in_file(path)
    except SettingsError:
        return None


def _stream(stream: av.stream.Stream, picture: VideoProbe | None) -> StreamProbe:
    kind = {"audio": "sound", "subtitle": "subtitles"}.get(stream.type, stream.type)
    if picture is not None and is_cover(stream):
        kind = "cover"
    language = stream.metadata.get("language")
    sound = None
    if stream.type == "audio" and stream.codec_context is not None:
        context = cast(av.AudioStream, stream).codec_context
        layout = {1: "mono", 2: "stereo"}.get(context.channels, context.layout.name)
        sound = AudioProbe(context.sample_rate, layout, context.channels, context.bit_rate or None)
    return StreamProbe(
        index=stream.index,
        kind=kind,
        codec=None if stream.codec_context is None else stream.codec_context.codec.canonical_name,
        profile=stream.profile,
        language=None if language == "und" else language,
        title=stream.metadata.get("title"),
        default=bool(stream.disposition & av.stream.Disposition.default),
        start=_seconds(stream.start_time, stream.time_base),
        duration=_seconds(stream.duration, stream.time_base),
        file=stream.metadata.get("filename"),
        picture=picture,
        sound=sound,
    )


def _still(stream: StreamProbe) -> StreamProbe:
    picture = stream.picture and replace(stream.picture, frame_rate=None, frames=None)
    return replace(stream, kind="picture", picture=picture, duration=None)


def _picture(
    stream: av.VideoStream, first: list[av.VideoFrame], times: list[Fraction], ended: bool
) -> VideoProbe | None:
    context = stream.codec_context
    if context is None:
        return None
    frame = first[0] if first else None
    matrix = None if frame is None else display_matrix(frame)
    aspect = Fraction(stream.sample_aspect_ratio or 1)
    width, height = (context.width, context.height) if frame is None else (frame.width, frame.height)
    shown = round(width * aspect) if aspect > 0 else width, height
    intervals = [after - before for before, after in itertools.pairwise(times)]
    layout = context.format if frame is None else frame.format
    tags = context if frame is None else frame
    yuv = layout is not None and not layout.is_rgb and not layout.has_palette
    return VideoProbe(
        width=width,
        height=height,
        pixel_aspect=aspect,
        shown_width=shown[1] if swaps_axes(matrix) else shown[0],
        shown_height=shown[0] if swaps_axes(matrix) else shown[1],
        pixels=None if layout is None else layout.name,
        bits=None if layout is None or not layout.components else max(part.bits for part in layout.components),
        frame_rate=frame_rate(stream),
        shortest=min(intervals, default=None),
        longest=max(intervals, default=None),
        variable=_varies(intervals, time_base_of(stream)),
        frames=len(times) if ended else stream.frames or None,
        turn=None if matrix is None else ROTATIONS[cast(tuple[int, int, int, int], tuple(matrix.ravel().tolist()))],
        matrix=color_name(MATRICES, tags.colorspace) if yuv else None,
        transfer=color_name(TRANSFERS, tags.color_trc),
        primaries=color_name(PRIMARIES, tags.color_primaries),
        assumed=_assumed(tags.colorspace, height) if yuv else None,
        full_range=tags.color_range == FULL,
        hdr=HDR.get(tags.color_trc),
        interlaced=any(each.interlaced_frame for each in first),
        alpha=frame is not None and has_alpha(frame),
    )


def _assumed(matrix: int, height: int) -> str | None:
    return None if color_name(MATRICES, matrix) else MATRICES[assume_color(height).matrix]


def _varies(intervals: list[Fraction], unit: Fraction) -> bool:
    """More than times rounded to `unit` do, or to milliseconds."""
    return len(intervals) > 1 and max(intervals) - min(intervals) > 2 * max(unit, Fraction(1, 1000))


def _times(container: av.container.InputContainer, stream: av.VideoStream | None) -> tuple[list[Fraction], bool]:
    """Times of the first frames in their order, undecoded, and whether those are all."""
    times: list[Fraction] = []
    if stream is None:
        return times, False
    try:
        for packet in container.demux(stream):
            if packet.pts is not None and packet.size:
                times.append(packet.pts * Fraction(packet.time_base))
            if len(times) == _TIMED:
                # the last ones may have others before them that were not read
                return sorted(times)[: _TIMED - 16], False
    except av.error.FFmpegError:
        return sorted(times), False
    return sorted(times), True


def _first_frames(container: av.container.InputContainer, stream: av.VideoStream | None) -> list[av.VideoFrame]:
    if stream is None or stream.codec_context is None:
        return []
    with closing(decode_frames(container, stream, lambda why: None)) as frames:
        return list(itertools.islice(frames, _FIRST))


def _chapters(container: av.container.InputContainer) -> list[ChapterProbe]:
    found = []
    for chapter in container.chapters():
        base = Fraction(chapter["time_base"] or 1)
        found.append(ChapterProbe(chapter["start"] * base, chapter["end"] * base, chapter["metadata"].get("title", "")))
    return found


def _seconds(count: int | None, base: Fraction | None) -> Fraction | None:
    return None if count is None or not base else count * Fraction(base)
