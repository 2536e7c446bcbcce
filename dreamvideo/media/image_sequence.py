"""Reads image files as a stream of frames, each file when its frame is needed."""

from __future__ import annotations

import logging
import math
from collections.abc import Generator, Iterable
from contextlib import closing, contextmanager
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from pathlib import Path

from dreamvideo.errors import SourceError
from dreamvideo.frames import Frame, Frames, Source, StreamInfo
from dreamvideo.media.images import read_still, resize_still
from dreamvideo.media.paths import WRITTEN_SUFFIXES
from dreamvideo.media.resize import resize_image
from dreamvideo.settings.job import ReadSettings, SequenceSettings

log = logging.getLogger(__name__)

ImagePaths = tuple[Path | None, ...]  # None: a place in the sequence, and in time, that is skipped


def output_image_name(path: Path, format: str | None) -> str:
    """Name the file that the dreamed image is written to.

    Args:
        path: the input image.
        format: suffix of the output without its dot; None: that of the input, or jpg for a format that is only read.

    Returns:
        A file name without a folder.
    """
    if format is None and path.suffix.lower() in WRITTEN_SUFFIXES:
        return path.name
    return f"{path.stem}.{format or 'jpg'}"


def select_images(paths: ImagePaths, read: ReadSettings, fps: Fraction) -> ImagePaths:
    """Select the images of a part of a sequence.

    Args:
        paths: the whole sequence; image n is shown from n / `fps` seconds on.
        read: the part, as start, duration and number of frames; its size is not used.
        fps: images per second.

    Returns:
        The images that begin in that part.
    """
    first = 0 if read.start is None else -(-read.start * fps // 1)
    end = len(paths) if read.duration is None else first + -(-read.duration * fps // 1)
    return paths[first : end if read.frames is None else min(end, first + read.frames)]


@contextmanager
def open_sequence(
    paths: ImagePaths,
    read: ReadSettings,
    settings: SequenceSettings,
    to_video: bool,
    resume: Fraction | None = None,
) -> Generator[Source, None, None]:
    """Open image files as a stream of frames, upright, the first readable one at time 0.

    An image that cannot be read is logged, counted in `source.lost`, and leaves a gap in the times; nothing is raised
    while `source.frames` is consumed.

    Args:
        paths: the images in order.
        read: the size to bring them to; `select_images` has applied the rest.
        settings: frame rate, output format and whether the images are independent of each other.
        to_video: all frames are resized to the first one, as a video needs; else each keeps its size, and what
            `settings.format` can hold besides 8-bit RGB is kept in `Frame.still`.
        resume: a time, in seconds; images before the one that is shown then are not read.

    Yields:
        The source: what is known of the stream, and its frames.

    Raises:
        SourceError: not one of the images can be read.
    """
    yield _SequenceReader(paths, read, settings, to_video).open(resume)


class _SequenceReader:
    """One pass over a sequence: `open` reads the first image and returns the source that yields the frames."""

    def __init__(self, paths: ImagePaths, read: ReadSettings, settings: SequenceSettings, to_video: bool) -> None:
        self._paths = paths
        self._read_settings = read
        self._settings = settings
        self._to_video = to_video
        self._warned: set[str] = set()
        self._source = Source(StreamInfo(0, 0), _generator([]))

    def open(self, resume: Fraction | None) -> Source:
        """Find the first image that can be read; see `open_sequence` for `resume`."""
        fps = self._settings.fps
        first = next(self._frames_from(0), None)
        if first is None or first.still is None:
            raise SourceError(f"not one of {len(self._paths)} images can be read")
        first_number = first.still.number
        height, width = first.image.shape[:2]
        count = len(self._paths) - self._paths.count(None)
        begins = -(-(self._read_settings.start or 0) * fps // 1) / fps  # of the images that were asked for
        length = None if self._read_settings.duration or self._read_settings.frames else begins + len(self._paths) / fps
        self._source.info = StreamInfo(
            width, height, fps, count, 1 / fps, film_start=begins + first_number / fps, film_length=length
        )
        begin = first_number if resume is None else first_number + math.floor(resume * fps)
        if begin > first_number:
            frames = self._frames_from(begin)
        else:
            frames = _generator(chain([first], self._frames_from(first_number + 1)))
        self._source.frames = self._flow(frames, (height, width), first_number / fps)
        return self._source

    def _frames_from(self, begin: int) -> Frames:
        """Frames of the images from number `begin` on; image n is at n / fps."""
        fps = self._settings.fps
        for number, path in enumerate(self._paths[begin:], begin):
            if path is None:
                continue
            suffix = "" if self._to_video else Path(output_image_name(path, self._settings.format)).suffix.lower()
            try:
                image, still, losses = read_still(path, number, suffix)
            except SourceError as error:
                self._source.lost += 1
                log.warning("%s", error)
                continue
            for loss in losses:
                self._warn_once(path, loss)
            image, still = resize_still(image, still, self._read_settings.size)
            yield Frame(image, Fraction(number) / fps, 1 / fps, still=still)

    def _flow(self, frames: Frames, size: tuple[int, int], start: Fraction) -> Frames:
        """`frames` with `start` as their time 0, and of one `size` (height, width) if they go to a video."""
        with closing(frames):
            for frame in frames:
                if frame.image.shape[:2] != size:
                    frame = self._at_size(frame, size)
                yield replace(frame, time=frame.time - start)

    def _at_size(self, frame: Frame, size: tuple[int, int]) -> Frame:
        assert frame.still is not None
        got, expected = ("x".join(map(str, reversed(each))) for each in (frame.image.shape[:2], size))
        if self._to_video:
            self._warn_once(frame.still.path, f"is {got}: it is resized to {expected}, as are others", "size")
            return replace(frame, image=resize_image(frame.image, *size))
        if not self._settings.independent:
            self._warn_once(frame.still.path, f"is {got}, others {expected}: a new size begins a new shot", "size")
        return frame

    def _warn_once(self, path: Path, what: str, key: str | None = None) -> None:
        if (key or what) not in self._warned:
            self._warned.add(key or what)
            log.warning("%s %s", path, what)


def _generator(frames: Iterable[Frame]) -> Frames:
    yield from frames
