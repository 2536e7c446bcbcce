"""A folder of pictures as one film, as `dreamvideo frames` takes it: its pictures, its frames, what is in it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dreamvideo.errors import SourceError
from dreamvideo.frames import Source
from dreamvideo.media.image_sequence import open_sequence, select_images
from dreamvideo.media.images import read_image
from dreamvideo.media.paths import expand_paths, is_image
from dreamvideo.media.sample_frames import read_one_frame
from dreamvideo.media.video_reader import open_video
from dreamvideo.settings.job import ReadSettings, SequenceSettings


def folder_pictures(folder: Path) -> tuple[Path, ...]:
    """Return the pictures of a folder in the order of their numbers.

    Raises:
        SourceError: there is none, or the folder cannot be read.
    """
    return expand_paths((folder,), is_image, "pictures").paths


def source_frame(path: Path, time: Fraction | None, fps: Fraction) -> tuple[NDArray[np.uint8], Fraction]:
    """Read a photo, a frame of a film, or a picture of a folder.

    Args:
        path: of the source.
        time: seconds; None: the middle.
        fps: pictures per second of a folder.

    Returns:
        ((H, W, 3) RGB, pixel aspect).

    Raises:
        SourceError: it cannot be read; of a film also: it has ended by then.
    """
    if not path.is_dir():
        return read_one_frame(path, time)
    pictures = folder_pictures(path)
    number = len(pictures) // 2 if time is None else round(time * fps)
    return read_image(pictures[min(number, len(pictures) - 1)]), Fraction(1)


@contextmanager
def open_source(path: Path, read: ReadSettings, sequence: SequenceSettings) -> Generator[Source, None, None]:
    """Open a film, or a folder of pictures as one.

    Args:
        path: of the film or folder.
        read: which part of it, in which size.
        sequence: the pictures per second of a folder.

    Raises:
        SourceError: it cannot be read, or the part is empty.
    """
    if not path.is_dir():
        with open_video(path, read) as source:
            yield source
        return
    pictures = select_images(folder_pictures(path), read, sequence.fps)
    if not pictures:
        raise SourceError(f"{path.name} has no picture in that part: expected an earlier --start")
    with open_sequence(pictures, read, sequence, True) as source:
        yield source


def report_folder(folder: Path) -> dict[str, Any]:
    """Return what the page shows of a folder of pictures, in the form of `info.file_report`.

    Args:
        folder: of pictures.

    Raises:
        SourceError: not one of them can be read.
    """
    pictures, sequence = folder_pictures(folder), SequenceSettings()
    with open_sequence(pictures, ReadSettings(), sequence, True) as source:
        info = source.info
    suffixes = sorted({path.suffix.lower().removeprefix(".") for path in pictures})
    video = {"shown_width": info.width, "shown_height": info.height, "frame_rate": None}  # the look has it
    size = sum(path.stat().st_size for path in pictures)
    stream = {"index": 0, "kind": f"{len(pictures)} pictures", "codec": ", ".join(suffixes), "video": video}
    length = float(len(pictures) / sequence.fps)
    about = {"container": "folder of pictures", "size": size, "duration": length, "chapters": [], "dreamed": 0}
    plan = {"stream": 0, "action": "dreamed", "reason": "", "codec": None}
    return {"input": {**about, "streams": [stream]}, "output": {"streams": [plan], "warnings": []}, "time": None}
