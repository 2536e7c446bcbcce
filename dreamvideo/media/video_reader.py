"""Reads a video file as a stream of frames: upright, 8-bit RGB, at exact times."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import closing, contextmanager
from fractions import Fraction
from functools import partial
from itertools import chain, count
from pathlib import Path
from time import sleep

import av
from av.codec.hwaccel import HWAccel

from dreamvideo.errors import SourceError
from dreamvideo.frames import Frame, Frames, Source, StreamInfo
from dreamvideo.media.clock import can_seek, film_begin, first_time, may_jump
from dreamvideo.media.color import WHITE, output_color
from dreamvideo.media.decode import KEPT, decode_frames, deinterlace, seek
from dreamvideo.media.demux import (
    declared_frame_count,
    film_length,
    frame_rate,
    is_encrypted,
    is_raw,
    missing_frames,
    open_container,
    require_video,
    start_time,
    time_base_of,
)
from dreamvideo.media.reader_log import log
from dreamvideo.media.remote_path import media_path
from dreamvideo.media.resize import output_size
from dreamvideo.media.rotation import display_matrix, swaps_axes
from dreamvideo.media.side_data import lost_side_data, side_data_of
from dreamvideo.media.timed_frames import TimedFrame, TimedFrames, from_shown, with_times
from dreamvideo.media.tonemap import HDR_TRANSFERS
from dreamvideo.media.upright import ConverterFactory, FrameConverter, UprightConverter
from dreamvideo.settings.job import ReadSettings

SEEK_MARGIN = Fraction(1)  # seconds that a seek goes further back: a filter may need the frames before
_DEFAULT_DURATION = Fraction(1, 25)  # seconds on screen of a frame, where neither it nor the file tells


@contextmanager
def open_video(
    path: str | os.PathLike[str],
    settings: ReadSettings = ReadSettings(),  # noqa: B008  (frozen)
    resume: Fraction | None = None,
    jump: bool = False,
    background: int = WHITE,
    accelerator: HWAccel | None = None,
    converter: ConverterFactory = UprightConverter,
) -> Generator[Source, None, None]:
    """Open a video file as a stream of frames; closing the block closes the stream and the file.

    The first frame at or after `settings.start` is at time 0. Nothing is raised while `source.frames` is consumed:
    what cannot be decoded is counted in `source.lost`.

    Args:
        path: file to read.
        settings: which part of it is read, and at what size.
        resume: seconds; frames before the one shown then are decoded but not yielded, the rest is as in a full read.
        jump: with `resume`, seek instead of decoding what is before it, if the file can be sought in exactly.
        background: gray level that transparent pixels are composited on; a warning is logged if it is white.
        accelerator: decodes where it can, and may leave frames on its device; None: the CPU decodes.
        converter: makes the images of `source.frames`; `yuv.upright_tensors` makes tensors.

    Yields:
        The source: what is known of the stream, and its frames.

    Raises:
        SourceError: the file is missing, is not a video, or not one frame of it can be decoded.
    """
    path = media_path(path)
    container = open_container(path, accelerator)
    try:
        source = _VideoReader(container, path, settings, background, converter, bool(accelerator)).open(resume, jump)
        try:
            yield source
        finally:
            _close(source.frames)
    finally:
        container.close()


def _close(frames: Frames) -> None:
    # A thread may still be decoding: closing the file under it would crash the process.
    while True:
        try:
            return frames.close()
        except ValueError:  # generator already executing
            sleep(0.005)


class _VideoReader:
    """One pass over a video stream: `open` finds the first frame and returns the source that yields the frames."""

    def __init__(
        self,
        container: av.container.InputContainer,
        path: Path,
        settings: ReadSettings,
        background: int,
        converter: ConverterFactory,
        accelerated: bool,
    ) -> None:
        self._container = container
        self._path = path
        self._settings = settings
        self._background = background
        self._converter = converter
        self._accelerated = accelerated
        self._stream = require_video(container, path)
        self._rate = frame_rate(self._stream)
        self._interval = 1 / self._rate if self._rate else _DEFAULT_DURATION
        self._file_start = start_time(container)
        self._video_start = (self._stream.start_time or 0) * time_base_of(self._stream)
        self._cut = film_begin(container) + settings.start if settings.start else None  # seconds in the file
        self._counts_losses = self._cut is None
        self._counts_all = self._cut is None  # no frame of the file is passed over
        self._count = count(1)  # of the frames since `settings.start`, those that are skipped included
        self._damaged = 0  # frames that are damaged and kept; they are among the losses, too
        self._warned: set[str] = set()
        self._source = Source(StreamInfo(0, 0), (frame for frame in list[Frame]()))

    def open(self, resume: Fraction | None, jump: bool) -> Source:
        """Find the first frame and describe the stream by it; see `open_video` for the arguments."""
        skipped, first, rest = self._first_frame()
        # A seek may start in the middle of a group of pictures: what fails before the cut is not lost.
        self._counts_losses = True
        if first is None:
            raise SourceError(self._why_no_frame())
        origin = self._origin(first[1], skipped)
        matrix = display_matrix(first[0])
        self._source.info = self._describe(first[0], swaps_axes(matrix), origin)
        convert = self._converter(first[0], self._source.info, matrix, self._background)
        if first[0].color_trc in HDR_TRANSFERS:
            self._warn_once(f"is HDR ({HDR_TRANSFERS[first[0].color_trc]}): it is tone-mapped to standard range")
        for words in lost_side_data(side_data_of(first[0]) or (), self._stream):
            self._warn_once(words)
        if jump and resume:
            self._counts_all = False
            rest.close()
            first, rest = self._frame_at(origin + resume)
        self._source.frames = self._flow(first, rest, convert, resume)
        return self._source

    def _origin(self, first: Fraction, skipped: bool) -> Fraction:
        """Seconds in the file that are time 0; see `_first_frame` for `skipped`, `first` is the time of that frame."""
        if self._cut is not None:
            return first if skipped else self._cut  # before all frames: silence or sound comes first
        if is_raw(self._container):
            return first
        # Frames before 0 would be lost.
        return first_time(self._container) if first < 0 else film_begin(self._container)

    def _first_frame(self) -> tuple[bool, TimedFrame | None, TimedFrames]:
        """(whether frames before the cut were skipped, the first frame at or after it or None, the frames after)."""
        if self._cut is None:
            frames = self._decode()
            return False, next(frames, None), frames
        first, frames = self._frame_after_seek(self._cut, self._cut)
        skipped = False
        while first is not None and first[1] < self._cut:
            skipped = True
            first = next(frames, None)
        return skipped, first, frames

    def _frame_at(self, time: Fraction) -> tuple[TimedFrame, TimedFrames]:
        """A frame that is not after `time`, and those after it; where seeking does not lead there, all frames."""
        frame, frames = self._frame_after_seek(max(self._file_start, time - SEEK_MARGIN), time)
        assert frame is not None  # the file has one: it was opened by it
        return frame, frames

    def _frame_after_seek(self, target: Fraction, time: Fraction) -> tuple[TimedFrame | None, TimedFrames]:
        """The first frame after a seek to `target`, and those after it; if it is after `time` or inexact, all frames.

        Where pictures are refreshed bit by bit, decoders may take one for whole before it is: it is no key frame.
        """
        sought = can_seek(self._path)
        if sought:
            seek(self._container, self._stream, target)
        frames = self._decode()
        first = next(frames, None)
        if first is None or first[1] > time or (sought and not first[0].key_frame):
            frames.close()
            frames = self._rewind()
            first = next(frames, None)
        return first, frames

    def _decode(self) -> TimedFrames:
        """Frames with their times in the file, from where the container stands."""
        on_jump = partial(self._warn_once, "has a clock that jumps: picture and sound go on without a gap")
        where = ", on the CPU" if self._accelerated else ""
        on_interlaced = partial(self._warn_once, f"is interlaced: it is deinterlaced frame for frame{where}")
        decoded = decode_frames(self._container, self._stream, self._on_loss, on_jump)
        return with_times(deinterlace(decoded, on_interlaced), self._interval, self._video_start)

    def _rewind(self) -> TimedFrames:
        # Transport streams are sought by decoding times, and the first of these lies before the time of its frame.
        seek(self._container, self._stream, self._video_start - (SEEK_MARGIN if may_jump(self._container) else 0))
        return self._decode()

    def _describe(self, first: av.VideoFrame, swapped: bool, origin: Fraction) -> StreamInfo:
        """What the headers and the first frame say of the stream; `swapped`: it is shown turned by a quarter."""
        settings, stream = self._settings, self._stream
        width, height = first.width, first.height
        pixel_aspect = Fraction(stream.sample_aspect_ratio or 1)
        if swapped:
            width, height, pixel_aspect = height, width, 1 / pixel_aspect
        width, height, pixel_aspect = output_size(width, height, pixel_aspect, settings.size)
        return StreamInfo(
            width,
            height,
            frame_rate=self._rate,
            frame_count=declared_frame_count(self._container, stream, settings),
            time_base=time_base_of(stream),
            pixel_aspect=pixel_aspect,
            color=output_color(first),
            path=self._path,
            stream=stream.index,
            origin=origin,
            end=settings.duration,
            film_start=Fraction(0) if self._cut is None else origin - film_begin(self._container),
            film_length=film_length(self._container, stream),
            frame_limit=settings.frames,
        )

    def _flow(
        self,
        first: TimedFrame,
        rest: TimedFrames,
        convert: FrameConverter,
        resume: Fraction | None,
    ) -> Frames:
        source, info = self._source, self._source.info
        decoded: TimedFrames = (each for each in chain([first], rest))
        del first  # else it would stay in memory as long as the stream
        if resume is not None:
            decoded = from_shown(decoded, info.origin + resume, partial(next, self._count))
        end = Fraction(0)
        with closing(rest):
            for frame, time in decoded:
                if source.lost:
                    self._warn_once("is damaged: what can be decoded of it is kept")
                end = time + (frame.duration * time_base_of(frame) if frame.duration else self._interval)
                time -= info.origin
                if info.end is not None and time >= info.end:
                    return
                if (frame.width, frame.height) != convert.stored_size:
                    self._warn_once("changes its frame size: frames are resized to the first one's")
                try:
                    small, image = convert.small(frame), convert(frame)
                except av.error.FFmpegError as error:
                    self._on_loss(f"{error.strerror}")
                    continue
                if convert.transparent and self._background == WHITE:
                    self._warn_once("is transparent in places: it is composited on white")
                duration = (end if info.end is None else min(end, info.end + info.origin)) - info.origin - time
                yield Frame(image, time, duration, small=small, late=convert.late(frame))
                if next(self._count) == self._settings.frames:
                    return
        read = next(self._count) - 1 + source.lost - self._damaged
        if self._counts_all and (missing := missing_frames(self._stream, read, end)):
            source.lost += missing
            self._warn_once(f"ends early: {missing} of {info.frame_count} frames are missing")

    def _on_loss(self, reason: str) -> None:
        if self._counts_losses:
            self._source.lost += 1
            self._damaged += reason == KEPT
            log.debug("%s: %s", self._path, reason)

    def _warn_once(self, what: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            log.warning("%s %s", self._path, what)

    def _why_no_frame(self) -> str:
        if self._settings.start and not self._source.lost:
            seconds = (self._container.duration or 0) / av.time_base
            where = f"{float(self._settings.start):g} s" + (f"; it is {seconds:.2f} s long" if seconds else "")
            return f"{self._path} has no frame at or after {where}: expected an earlier --start"
        hint = " (is it encrypted?)" if is_encrypted(self._path) else ""
        return f"{self._path} opens, but not one frame of it can be decoded{hint}"
