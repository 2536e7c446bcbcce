"""Opens an input: a video file becomes a `Source`, a picture an array."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av

from dreamvideo.errors import SourceError
from dreamvideo.frames import Frame, Frames, Source, StreamInfo
from dreamvideo.media.color import RgbConverter, output_color
from dreamvideo.media.decode import TimedFrame, best_video, decode_frames, deinterlace, seek, tick_of, with_times
from dreamvideo.media.images import check_readable, read_image
from dreamvideo.media.paths import is_image
from dreamvideo.media.rotation import display_matrix, rotate_upright, swaps_axes
from dreamvideo.media.tonemap import NAMES as HDR
from dreamvideo.settings.job import ReadSettings

__all__ = ["is_image", "open_container", "open_video", "quiet", "read_image"]

log = logging.getLogger(__name__)

# A rate above this is a time base in disguise (a 30 fps Matroska file may claim 1000).
_SANE_RATE = 240
# A search goes this much further back: a filter may want the frames before.
_MARGIN = Fraction(1)
# libav would draw a text file as an ANSI picture.
_NOT_VIDEO = {"tty", "bin", "xbin", "adf", "idf"}


@contextmanager
def open_video(
    path: Path,
    settings: ReadSettings = ReadSettings(),  # noqa: B008
    resume: Fraction | None = None,
    jump: bool = False,
) -> Generator[Source, None, None]:
    """The video in `path`: what is known of it, and its frames, upright, in time, from `settings.start` on.

    With `resume` those before the frame of that time are passed over; they are decoded, so that what is decoded after
    them, and when it is shown, does not change. With `jump` they are not, where the file leads to that very frame.

    Raises:
        SourceError: no such file, or no frame of it can be read; from `source.frames`: never, what fails is counted.
    """
    container = open_container(path)
    try:
        source = _source(container, path, settings, resume, jump)
        try:
            yield source
        finally:
            _close(source.frames)
    finally:
        container.close()


@contextmanager
def quiet() -> Generator[None, None, None]:
    """Nothing is said of inputs inside the block: for one that is opened again, when all was said the first time."""
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def _close(frames: Frames) -> None:
    # A thread may still be decoding: closing the file under it would crash the process.
    while True:
        try:
            return frames.close()
        except ValueError:  # generator already executing
            time.sleep(0.005)


def open_container(path: Path) -> av.container.InputContainer:
    """The file in `path`, to be closed by the caller.

    Raises:
        SourceError: no such file, or it is no video.
    """
    check_readable(path)
    try:
        # absolute, else a colon in the name would read as a protocol; broken tags are no reason to refuse a film
        container = av.open(os.path.abspath(path), metadata_errors="replace")
    except av.error.FFmpegError as error:
        why = "it is encrypted" if is_encrypted(path) else f"{error.strerror}".lower()
        raise SourceError(f"{path} cannot be opened as a video: {why}") from None
    if container.format.name in _NOT_VIDEO:
        container.close()
        raise SourceError(f"{path} cannot be opened as a video: it is text")
    return container


def is_encrypted(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(1 << 20)
    return any(mark in head for mark in (b"encv", b"enca", b"pssh"))


def _source(
    container: av.container.InputContainer, path: Path, settings: ReadSettings, resume: Fraction | None, jump: bool
) -> Source:
    stream = best_video(container)
    if stream is None:
        has = "sound" if container.streams.audio else "no video"
        raise SourceError(f"{path} holds {has} only, no moving picture" if has == "sound" else f"{path} holds no video")
    if stream.codec_context is None:
        raise SourceError(f"{path}: there is no decoder for its video")
    source = Source(StreamInfo(0, 0), _nothing())

    keeping = False  # before the cut nothing is lost: a search may start in the middle of a group of pictures

    def on_loss(why: str) -> None:
        if keeping or not cut_in:
            source.lost += 1
            log.debug("%s: %s", path, why)

    def on_interlaced() -> None:
        log.warning("%s is interlaced: it is deinterlaced frame for frame", path)

    rate = frame_rate(stream)
    step = 1 / rate if rate else Fraction(1, 25)

    def pictures() -> TimedFrame:
        return with_times(deinterlace(decode_frames(container, stream, on_loss), on_interlaced), step)

    began = Fraction(container.start_time or 0, av.time_base)
    cut_in = began + settings.start if settings.start else None
    skipped, first, frames = _first(container, stream, pictures, cut_in)
    keeping = True
    if first is None:
        raise SourceError(_why_no_frame(container, path, settings, source.lost))
    first_frame, first_time = first
    # The first frame kept is at 0, unless the cut lies before all of them: then silence or sound comes first.
    origin = Fraction(0) if cut_in is None else first_time if skipped else cut_in
    end = None
    if settings.duration is not None:
        end = settings.duration + (began if cut_in is None else 0)

    matrix = display_matrix(first_frame)
    turned = swaps_axes(matrix)
    stored = first_frame.width, first_frame.height
    width, height = reversed(stored) if turned else stored
    aspect = Fraction(stream.sample_aspect_ratio or 1)
    width, height, aspect = output_size(width, height, 1 / aspect if turned else aspect, settings.size)
    make_rgb = RgbConverter(*((height, width) if turned else (width, height)))
    if first_frame.color_trc in HDR:
        log.warning("%s is HDR (%s): it is tone-mapped to standard range", path, HDR[first_frame.color_trc])
    if jump and resume:
        frames.close()
        first, frames = _at(container, stream, pictures, origin + resume, began)
    source.info = StreamInfo(
        width,
        height,
        frame_rate=rate,
        frame_count=_frame_count(container, stream, settings, rate),
        time_base=tick_of(stream),
        pixel_aspect=aspect,
        color=output_color(first_frame),
        path=path,
        stream=stream.index,
        origin=origin,
        end=end,
        frame_limit=settings.frames,
    )

    def flow() -> Frames:
        shown = 0
        told_size = told_alpha = told_loss = False
        with closing(frames):
            for frame, time in chain([first], frames):
                if source.lost and not told_loss:
                    told_loss = True
                    log.warning("%s is damaged: what can be decoded of it is kept", path)
                time -= origin
                if end is not None and time >= end:
                    return
                if not told_size and (frame.width, frame.height) != stored:
                    told_size = True
                    log.warning("%s changes its frame size: frames are resized to the first one's", path)
                if resume is not None and time < resume:
                    shown += 1
                    continue
                try:
                    image = rotate_upright(make_rgb(frame), matrix)
                except av.error.FFmpegError as error:
                    on_loss(f"{error.strerror}")
                    continue
                if make_rgb.transparent and not told_alpha:
                    told_alpha = True
                    log.warning("%s is transparent in places: it is laid on white", path)
                duration = frame.duration * tick_of(frame) if frame.duration else step
                yield Frame(image, time, duration if end is None else min(duration, end - time))
                shown += 1
                if shown == settings.frames:
                    return

    source.frames = flow()
    return source


def _nothing() -> Frames:
    yield from ()


def _first(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    pictures: Callable[[], TimedFrame],
    cut_in: Fraction | None,
) -> tuple[bool, tuple[av.VideoFrame, Fraction] | None, TimedFrame]:
    """(whether frames were skipped, the first frame at or after `cut_in` or None, those after it)."""
    if cut_in is None:
        frames = pictures()
        return False, next(frames, None), frames
    seek(container, stream, cut_in)
    frames = pictures()
    first = next(frames, None)
    if first is None or first[1] > cut_in:  # it went too far, or the video begins later: from the start, then
        frames.close()
        seek(container, stream, (stream.start_time or 0) * tick_of(stream))
        frames = pictures()
        first = next(frames, None)
    skipped = False
    while first is not None and first[1] < cut_in:
        skipped = True
        first = next(frames, None)
    return skipped, first, frames


def _at(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    pictures: Callable[[], TimedFrame],
    time: Fraction,
    began: Fraction,
) -> tuple[tuple[av.VideoFrame, Fraction], TimedFrame]:
    """The frame of that time and those after it; where the search does not lead there, the first and all after it."""
    seek(container, stream, max(began, time - _MARGIN))
    frames = pictures()
    for frame in frames:
        if frame[1] == time:
            return frame, frames
        if frame[1] > time:
            break
    frames.close()
    seek(container, stream, (stream.start_time or 0) * tick_of(stream))
    frames = pictures()
    return next(frames), frames


def _why_no_frame(container: av.container.InputContainer, path: Path, settings: ReadSettings, lost: int) -> str:
    if settings.start and not lost:
        length = f"; it is {container.duration / av.time_base:.2f} s long" if container.duration else ""
        return f"{path} has no picture at or after {float(settings.start):g} s{length}: expected an earlier --start"
    why = " (is it encrypted?)" if is_encrypted(path) else ""
    return f"{path} opens, but not one frame of it can be decoded{why}"


def frame_rate(stream: av.VideoStream) -> Fraction | None:
    """Average frames per second; None: the file tells none that makes sense."""
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and rate <= _SANE_RATE:
            return Fraction(rate)
    return None


def _frame_count(
    container: av.container.InputContainer, stream: av.VideoStream, settings: ReadSettings, rate: Fraction | None
) -> int | None:
    """How many frames will come, as far as the file tells."""
    promised = stream.frames or stream.metadata.get("NUMBER_OF_FRAMES", "")
    count = int(promised) if str(promised).isdigit() else None
    length = stream.duration * tick_of(stream) if stream.duration else Fraction(container.duration or 0, av.time_base)
    if count is None and length and rate:
        count = round(length * rate)
    if count is not None and rate and length:
        left = max(length - (settings.start or 0), Fraction(0))
        if settings.duration is not None:
            left = min(left, settings.duration)
        if left < length:
            count = max(1, round(count * left / length))
    if settings.frames is not None:
        count = settings.frames if count is None else min(count, settings.frames)
    return count


def output_size(
    width: int, height: int, aspect: Fraction, size: tuple[int | None, int] | None
) -> tuple[int, int, Fraction]:
    """Width, height and pixel aspect after `--size`; the picture keeps its shape on the screen."""
    if size is None:
        return width, height, aspect
    new_width, new_height = size
    if new_width is None:
        return max(2, 2 * round(width * new_height / height / 2)), new_height, aspect
    new_aspect = Fraction(width, height) * aspect * Fraction(new_height, new_width)
    # 1920x1080 at 854x480 has pixels of 1281:1280, by rounding alone
    new_aspect = Fraction(1) if abs(new_aspect - 1) < Fraction(1, 100) else new_aspect.limit_denominator(1000)
    return new_width, new_height, new_aspect
