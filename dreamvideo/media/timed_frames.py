"""Decoded frames with their times."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from fractions import Fraction

import av

from dreamvideo.media.decode import DecodedFrames
from dreamvideo.media.demux import time_base_of

TimedFrame = tuple[av.VideoFrame, Fraction]
TimedFrames = Generator[TimedFrame, None, None]


def frame_time(frame: av.VideoFrame) -> Fraction | None:
    """Presentation time in seconds, exact; None: the file does not declare one."""
    return None if frame.pts is None else frame.pts * time_base_of(frame)


def with_times(frames: DecodedFrames, interval: Fraction, start: Fraction = Fraction(0)) -> TimedFrames:
    """Pair frames with strictly increasing times.

    Args:
        frames: decoded frames; closed when the result is.
        interval: seconds after the last frame at which a frame without a time is placed.
        start: seconds at which a first frame without a time is placed.

    Yields:
        (frame, seconds); a time that does not increase is replaced by one time base after the last.
    """
    last: Fraction | None = None
    with closing(frames):
        for frame in frames:
            time = frame_time(frame)
            if time is None:
                time = start if last is None else last + interval
            if last is not None and time <= last:
                time = last + time_base_of(frame)
            last = time
            yield frame, time


def from_shown(frames: TimedFrames, time: Fraction, on_skip: Callable[[], None]) -> TimedFrames:
    """Skip frames before the one that is shown at a time; closes them at the end.

    Args:
        frames: times ascending.
        time: seconds, on their clock.
        on_skip: called for each frame that is skipped.
    """
    with closing(frames):
        shown = next(frames, None)
        for frame in frames:
            if frame[1] > time:
                if shown is not None:
                    yield shown
                    shown = None
                yield frame
            else:
                shown = frame
                on_skip()
        if shown is not None:
            yield shown
