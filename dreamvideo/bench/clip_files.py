"""Reads and writes the clips of a benchmark; apart from `synthetic`, which needs no PyAV."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from fractions import Fraction
from itertools import islice
from pathlib import Path

from dreamvideo.bench.synthetic import RATE, frame_stream
from dreamvideo.errors import SourceError
from dreamvideo.frames import Frame, StreamInfo
from dreamvideo.media.video_reader import open_video
from dreamvideo.media.video_writer import write_video
from dreamvideo.settings.job import EncodeSettings, ReadSettings


def read_clip(path: Path, height: int, width: int, count: int) -> list[Frame]:
    """Read the first frames of a video.

    Args:
        path: of the video.
        height, width: to which the frames are resized, in pixels.
        count: number of frames.

    Raises:
        SourceError: it cannot be read, or has fewer frames.
    """
    with open_video(path, ReadSettings(frames=count, size=(width, height))) as source, closing(source.frames) as stream:
        frames = list(islice(stream, count))
    if len(frames) < count:
        raise SourceError(f"{path} has {len(frames)} frames: expected {count}; use a longer clip, or fewer --frames")
    return frames


def write_clip(frames: Sequence[Frame], path: Path, encode: EncodeSettings = EncodeSettings()) -> None:  # noqa: B008
    """Write the frames as a video at `RATE` frames per second."""
    height, width = frames[0].image.shape[:2]
    info = StreamInfo(width, height, Fraction(RATE), len(frames), Fraction(1, RATE))
    write_video(frame_stream(frames), path, info, encode, overwrite=True)
