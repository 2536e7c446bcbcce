"""Opens a media file and reads what its headers declare: streams, frame rate, duration, number of frames."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
from av.codec.hwaccel import HWAccel

from dreamvideo.errors import SourceError
from dreamvideo.media.accelerators import open_accelerated
from dreamvideo.media.free_memory import check_fits
from dreamvideo.media.paths import check_readable
from dreamvideo.settings.job import ReadSettings

# A rate above this is a time base in disguise: a 30 fps Matroska file may claim 1000.
_MAX_FRAME_RATE = 240
_NO_TIMESTAMPS = 0x80  # libav's flag of raw streams, such as those of recorders
# libav would draw a text file as an ANSI image.
_TEXT_FORMATS = {"tty", "bin", "xbin", "adf", "idf"}
# Bytes a pixel at the peak of decoding, measured as the growth of the resident set with GIFs: 19.
_PIXEL_BYTES = 24


def open_container(path: Path, accelerator: HWAccel | None = None) -> av.container.InputContainer:
    """Open a media file for demuxing.

    Args:
        path: file to open.
        accelerator: decodes its streams where it can; None: the CPU does.

    Returns:
        The open container; the caller closes it.

    Raises:
        SourceError: the file is missing, cannot be opened as a video, or its frames are larger than memory.
    """
    check_readable(path)
    if size := _size_in_header(path):  # libav decodes a frame of these to open them
        check_fits(path, *size, _PIXEL_BYTES)
    try:
        container = open_accelerated(path, accelerator)
    except av.error.FFmpegError as error:
        reason = "it is encrypted" if is_encrypted(path) else f"{error.strerror}".lower()
        raise SourceError(f"{path} cannot be opened as a video: {reason}") from None
    if container.format.name in _TEXT_FORMATS:
        container.close()
        raise SourceError(f"{path} cannot be opened as a video: it is text")
    try:
        stream = best_video(container)
        if stream is not None and stream.codec_context is not None:
            check_fits(path, stream.codec_context.width, stream.codec_context.height, _PIXEL_BYTES)
    except SourceError:
        container.close()
        raise
    return container


def _size_in_header(path: Path) -> tuple[int, int] | None:
    """(width, height) of a GIF or PNG; None: of another kind."""
    with path.open("rb") as file:
        begin = file.read(24)
    if len(begin) == 24 and begin.startswith(b"GIF8"):
        return struct.unpack_from("<HH", begin, 6)
    if len(begin) == 24 and begin.startswith(b"\x89PNG"):
        return struct.unpack_from(">II", begin, 16)
    return None


def is_encrypted(path: Path) -> bool:
    """Whether the first MiB of a file holds one of the boxes of MPEG Common Encryption."""
    with path.open("rb") as file:
        head = file.read(1 << 20)
    return any(mark in head for mark in (b"encv", b"enca", b"pssh"))


def best_video(container: av.container.InputContainer) -> av.VideoStream | None:
    """Choose the video stream that a player would show: the best one by libav's rules, never cover art.

    Args:
        container: an open file.

    Returns:
        The stream, or None if the file has no video.
    """
    candidates = [stream for stream in container.streams.video if not is_cover(stream)]
    best = container.streams.best("video")
    if best is not None and best not in candidates:
        best = max(candidates, key=lambda stream: stream.width * stream.height, default=None)
    return best


def require_video(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    """The stream of `best_video`.

    Raises:
        SourceError: there is no video stream, or libav cannot decode it; `path` is named.
    """
    stream = best_video(container)
    if stream is None:
        has = "holds sound only" if container.streams.audio else "holds no video"
        raise SourceError(f"{path} {has}: expected a file with a video stream")
    if stream.codec_context is None:
        raise SourceError(f"{path}: libav has no decoder for its video: convert it to another codec first")
    return stream


def is_cover(stream: av.stream.Stream) -> bool:
    """Tell whether a stream is cover art.

    Args:
        stream: any stream of an open file.

    Returns:
        Whether the stream has the disposition `attached_pic`.
    """
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def is_raw(container: av.container.Container) -> bool:
    """Tell whether a file is a bare stream without times, as some recorders write it."""
    return bool(container.format.flags & _NO_TIMESTAMPS)


def time_base_of(timed: av.VideoFrame | av.VideoStream) -> Fraction:
    """Read the time base of a frame or stream.

    Args:
        timed: a decoded frame, or a stream of an open file.

    Returns:
        Seconds; one microsecond if the file declares no time base.
    """
    return Fraction(timed.time_base or Fraction(1, av.time_base))


def frame_rate(stream: av.VideoStream) -> Fraction | None:
    """Read the average frame rate that the file declares.

    Args:
        stream: a video stream of an open file.

    Returns:
        Frames per second, or None if no plausible rate is declared.
    """
    rates = [stream.average_rate, stream.guessed_rate]
    if is_raw(stream.container):
        rates.reverse()  # of a file without times libav's average is always 25; its guess is what the frames say
    for rate in rates:
        if rate and rate <= _MAX_FRAME_RATE:
            return Fraction(rate)
    return None


def declared_frame_count(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    settings: ReadSettings = ReadSettings(),  # noqa: B008  (frozen)
) -> int | None:
    """Number of frames in a part of a video, by its headers, which may be wrong.

    Args:
        container: an open file.
        stream: a video stream of it.
        settings: the part; the count is scaled by its share of the duration.

    Returns:
        The count, or None if the headers do not tell.
    """
    rate = frame_rate(stream)
    duration = stream.duration * time_base_of(stream) if stream.duration else _seconds(container.duration)
    count = _stated_frames(stream)
    if count is None and duration and rate:
        count = round(duration * rate)
    if count is not None and rate and duration:
        kept = max(duration - (settings.start or 0), Fraction(0))
        if settings.duration is not None:
            kept = min(kept, settings.duration)
        if kept < duration:
            count = max(1, round(count * kept / duration))
    if settings.frames is not None:
        count = settings.frames if count is None else min(count, settings.frames)
    return count


def film_length(container: av.container.InputContainer, stream: av.VideoStream) -> Fraction | None:
    """Return how long a film is, by its headers, which may be wrong; None: they do not tell.

    Args:
        container: an open file.
        stream: a video stream of it.
    """
    rate, count = frame_rate(stream), declared_frame_count(container, stream)
    return None if not rate or not count else count / rate


def missing_frames(stream: av.VideoStream, read: int, end: Fraction) -> int:
    """Number of frames that the header of a stream promised and that were not there, as in a file that was cut short.

    Args:
        stream: a video stream of an open file.
        read: how many were read, those that could not be decoded included.
        end: seconds at which the last one ends. It must lie before the end of the stream, too, since a header also
            counts frames that an edit list leaves out.

    Returns:
        The number; 0 if the header promised none.
    """
    promised, unit = _stated_frames(stream), time_base_of(stream)
    if not promised or not stream.duration:
        return 0
    duration = stream.duration * unit
    is_short = (stream.start_time or 0) * unit + duration - end > duration / promised
    return max(0, promised - read) if is_short else 0


def _stated_frames(stream: av.VideoStream) -> int | None:
    declared = stream.frames or stream.metadata.get("NUMBER_OF_FRAMES", "")
    return int(declared) if str(declared).isdigit() else None


def start_time(container: av.container.InputContainer) -> Fraction:
    """Seconds at which the first stream of a container begins."""
    return _seconds(container.start_time)


def stream_end(stream: av.stream.Stream) -> Fraction | None:
    """Seconds at which a stream ends, by its header; None: it does not tell."""
    unit = Fraction(stream.time_base or 0)
    if stream.duration:
        return ((stream.start_time or 0) + stream.duration) * unit
    parts = stream.metadata.get("DURATION", "").split(":")  # as Matroska states it
    try:
        hours, minutes, seconds = map(Fraction, parts)
    except ValueError:
        return None
    return hours * 3600 + minutes * 60 + seconds


def _seconds(microseconds: int | None) -> Fraction:
    return Fraction(microseconds or 0, av.time_base)
