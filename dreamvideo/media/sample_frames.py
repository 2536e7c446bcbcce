"""A few frames of a video from all over it, each sought by itself: a long film costs no more than a short one."""

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
from dreamvideo.media.video_reader import open_video, silence_reader
from dreamvideo.settings.job import ReadSettings

_EXACT = 1000  # times are whole milliseconds, so that a label says all that --start needs to find the frame again


def sample_frames(path: Path, settings: ReadSettings, count: int) -> Source:
    """`count` frames from the middles of as many equal parts of a video, or of the part that `settings` name.

    Their time is what `--start` finds them by. A video of fewer frames gives all it has. `info.frame_count` is how many
    come.

    Raises:
        SourceError: as `open_source`.
    """
    with open_video(path, settings) as source:
        info = source.info
    begin = settings.start or Fraction(0)
    with silence_reader():  # what there is to warn of was said at the first opening
        times = sample_times(path, settings, info, count)
        indices = [] if times else middle_indices(count_frames(path, settings), count)
    # A video may change its size: all are brought to the first one's.
    one = replace(settings, duration=None, frames=1, size=(info.width, info.height))

    def sought() -> Frames:
        for time in times:
            with silence_reader(), open_video(path, replace(one, start=begin + time)) as found:
                image = next(found.frames).image
            yield Frame(image, begin + time)

    def passed() -> Frames:
        with silence_reader(), open_video(path, settings) as found:
            kept = [frame for index, frame in enumerate(found.frames) if index in indices]
        for frame in kept:
            yield Frame(frame.image, begin + _floor(frame.time))

    return Source(replace(info, frame_count=len(times or indices)), sought() if times else passed())


def read_one_frame(path: Path, start: Fraction | None = None) -> tuple[NDArray[np.uint8], Fraction]:
    """((H, W, 3) RGB, pixel aspect) of a picture, or of a video its frame at `start`; None: in its middle.

    Raises:
        SourceError: as `read_image` and `open_source`.
    """
    if is_image(path):
        return read_image(path), Fraction(1)
    found = sample_frames(path, ReadSettings(start=start, frames=None if start is None else 1), 1)
    with closing(found.frames):
        return next(found.frames).image, found.info.pixel_aspect


def sample_times(path: Path, settings: ReadSettings, info: StreamInfo, count: int) -> list[Fraction]:
    """Seconds after the first frame, by what the file says of itself; empty: it says too little, or it ends before."""
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
    """How many frames there are, by decoding all of them."""
    with open_video(path, settings) as source:
        return sum(1 for _ in source.frames)


def middle_indices(frames: int, count: int) -> list[int]:
    """Indices of the frames in the middle of each of `count` equal parts."""
    count = min(frames, count)
    return [(2 * part + 1) * frames // (2 * count) for part in range(count)]


def _floor(time: Fraction) -> Fraction:
    return Fraction(time * _EXACT // 1, _EXACT)


def format_time(time: Fraction) -> str:
    """`m:ss`, or `h:mm:ss`, with thousandths where there are any: what `--start` reads."""
    thousandths = int(time * _EXACT)
    minutes, rest = divmod(thousandths, 60 * _EXACT)
    seconds = f"{rest // _EXACT:02}" + f".{rest % _EXACT:03}".rstrip("0").rstrip(".")
    return f"{minutes // 60}:{minutes % 60:02}:{seconds}" if minutes >= 60 else f"{minutes}:{seconds}"
