"""Pictures in files as a stream of frames, read as they are needed."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable
from contextlib import closing, contextmanager
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dreamvideo.errors import SourceError
from dreamvideo.frames import Frame, Frames, Source, StreamInfo
from dreamvideo.media.images import read_still, to_eight_bit
from dreamvideo.media.video_reader import output_size
from dreamvideo.settings.job import ReadSettings, SequenceSettings

log = logging.getLogger(__name__)

Pictures = tuple[Path | None, ...]  # None: it has its place and its time, but is passed over


def picture_name(path: Path, format: str | None) -> str:
    """What the dream of the picture in `path` is called."""
    return path.name if format is None else f"{path.stem}.{format}"


def select_images(pictures: Pictures, read: ReadSettings, fps: Fraction) -> Pictures:
    """Those of the time that `read` names; the n-th is shown from n / `fps` on."""
    first = 0 if read.start is None else -(-read.start * fps // 1)
    last = len(pictures) if read.duration is None else first + -(-read.duration * fps // 1)
    return pictures[first : last if read.frames is None else min(last, first + read.frames)]


@contextmanager
def open_sequence(
    pictures: Pictures,
    read: ReadSettings,
    settings: SequenceSettings,
    to_video: bool,
    resume: Fraction | None = None,
) -> Generator[Source, None, None]:
    """The pictures as frames, each of its own size unless `to_video`, upright, the first of them at time 0.

    What cannot be read is told, counted as lost, and leaves a gap in the times. With `resume` those before the frame of
    that time are passed over.

    Raises:
        SourceError: not one of them can be read; from `source.frames`: never.
    """
    source = Source(StreamInfo(0, 0), _from([]))
    told: set[str] = set()

    def tell(path: Path, what: str, key: str | None = None) -> None:
        if (key or what) not in told:
            log.warning("%s %s", path, what)
            told.add(key or what)

    def stills(begin: int) -> Frames:
        for number, path in enumerate(pictures[begin:], begin):
            if path is None:
                continue
            suffix = "" if to_video else Path(picture_name(path, settings.format)).suffix.lower()
            try:
                image, still, losses = read_still(path, number, suffix)
            except SourceError as error:
                source.lost += 1
                log.warning("%s", error)
                continue
            for loss in losses:
                tell(path, loss)
            yield _brought(Frame(image, Fraction(number) / settings.fps, 1 / settings.fps, still=still), read)

    first = next(stills(0), None)
    if first is None or first.still is None:
        raise SourceError(f"not one of {len(pictures)} pictures can be read")
    height, width = first.image.shape[:2]
    began = first.still.number
    source.info = StreamInfo(width, height, settings.fps, len(pictures) - pictures.count(None), 1 / settings.fps)

    def flow() -> Frames:
        begin = began if resume is None else began + round(resume * settings.fps)
        rest = stills(begin) if begin > began else _from(chain([first], stills(began + 1)))
        size = (height, width)
        with closing(rest):
            for frame in rest:
                assert frame.still is not None
                path = frame.still.path
                if frame.image.shape[:2] != size:
                    now, before = ("x".join(map(str, reversed(each))) for each in (frame.image.shape[:2], size))
                    if to_video:
                        tell(path, f"is {now}: it is resized to {before}, as are others", "size")
                        frame = replace(frame, image=resize_image(frame.image, *size))
                    elif not settings.independent:
                        tell(path, f"is {now}, others {before}: a new size begins a new shot", "size")
                yield replace(frame, time=frame.time - began / settings.fps)

    source.frames = flow()
    yield source


def _from(frames: Iterable[Frame]) -> Frames:
    yield from frames


def _brought(frame: Frame, read: ReadSettings) -> Frame:
    """`frame` at the size that `read` asks for."""
    height, width = frame.image.shape[:2]
    width, height, _ = output_size(width, height, Fraction(1), read.size)
    still = frame.still
    if still is None or still.stored is None:
        return replace(frame, image=resize_image(frame.image, height, width))
    stored = resize_image(still.stored, height, width)
    return replace(
        frame, image=to_eight_bit(np.ascontiguousarray(stored[..., :3])), still=replace(still, stored=stored)
    )


def resize_image(image: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """(height, width, C) of (H, W, C) `image`."""
    if image.shape[:2] == (height, width):
        return image
    smaller = height * width < image.shape[0] * image.shape[1]
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC))
