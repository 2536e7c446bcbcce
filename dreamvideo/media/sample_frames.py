"""Samples frames evenly from a video; each is sought by itself, so that a long video costs no more than a short one."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dreamvideo.errors import SourceError
from dreamvideo.frames import Frame, Frames, Source, StreamInfo
from dreamvideo.media.images import read_image
from dreamvideo.media.paths import is_image
from dreamvideo.media.reader_log import silence_reader
from dreamvideo.media.video_reader import open_video
from dreamvideo.settings.job import ReadSettings

_PER_SECOND = 1000  # times are whole milliseconds, so that a label is a --start that finds the frame again


def sample_frames(path: Path, settings: ReadSettings, count: int) -> Source:
    """Read frames from the middles of equal parts of a video.

    Args:
        path: a video.
        settings: the part of it that is sampled, and the size of the frames.
        count: number of frames; a shorter video gives all it has.

    Returns:
        The source, whose `info.frame_count` is exact. The time of a frame is what `--start` finds it by.

    Raises:
        SourceError: as `open_video`.
    """
    with open_video(path, settings) as source:
        info = source.info
    begin = settings.start or Fraction(0)
    with silence_reader():  # the first opening has logged the warnings
        times = sample_times(path, settings, info, count)
        indices = [] if times else middle_indices(count_frames(path, settings), count)
    # A video may change its size: all frames are brought to the first one's.
    single = replace(settings, duration=None, frames=1, size=(info.width, info.height))

    def seek_each() -> Frames:
        for time in times:
            with silence_reader(), open_video(path, replace(single, start=begin + time)) as source:
                image = next(source.frames).image
            yield Frame(image, begin + time)

    def decode_all() -> Frames:
        with silence_reader(), open_video(path, settings) as source:
            sampled = [frame for index, frame in enumerate(source.frames) if index in indices]
        for frame in sampled:
            yield Frame(frame.image, begin + _floor(frame.time))

    return Source(replace(info, frame_count=len(times or indices)), seek_each() if times else decode_all())


def read_one_frame(path: Path, start: Fraction | None = None) -> tuple[NDArray[np.uint8], Fraction]:
    """Read an image, or one frame of a video.

    Args:
        path: an image or a video.
        start: seconds into the video; None: its middle.

    Returns:
        ((H, W, 3) RGB, pixel aspect).

    Raises:
        SourceError: as `read_image` and `open_video`.
    """
    if is_image(path):
        return read_image(path), Fraction(1)
    source = sample_frames(path, ReadSettings(start=start, frames=None if start is None else 1), 1)
    with closing(source.frames):
        return next(source.frames).image, source.info.pixel_aspect


def sample_times(path: Path, settings: ReadSettings, info: StreamInfo, count: int) -> list[Fraction]:
    """Seconds after the first frame, by the headers; empty if they do not tell, or the video ends before the last."""
    if not info.frame_count or not info.frame_rate:
        return []
    times = [_floor(index / info.frame_rate) for index in middle_indices(info.frame_count, count)]
    last = replace(settings, start=(settings.start or 0) + times[-1], duration=None, frames=1)
    try:
        with open_video(path, last):
            return times
    except SourceError:
        return []


def count_frames(path: Path, settings: ReadSettings) -> int:
    """Number of frames, by decoding all of them."""
    with open_video(path, settings) as source:
        return sum(1 for _ in source.frames)


def middle_indices(frames: int, count: int) -> list[int]:
    """Indices of the frames in the middle of each of `count` equal parts of `frames` frames."""
    count = min(frames, count)
    return [(2 * part + 1) * frames // (2 * count) for part in range(count)]


def _floor(time: Fraction) -> Fraction:
    return Fraction(time * _PER_SECOND // 1, _PER_SECOND)


def format_time(time: Fraction) -> str:
    """Write a time as `--start` reads it.

    Args:
        time: seconds.

    Returns:
        `m:ss` or `h:mm:ss`, with thousandths where they are not 0.
    """
    thousandths = int(time * _PER_SECOND)
    minutes, rest = divmod(thousandths, 60 * _PER_SECOND)
    seconds = f"{rest // _PER_SECOND:02}" + f".{rest % _PER_SECOND:03}".rstrip("0").rstrip(".")
    return f"{minutes // 60}:{minutes % 60:02}:{seconds}" if minutes >= 60 else f"{minutes}:{seconds}"
