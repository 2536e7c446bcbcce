"""Writes frames as a video with the sound of their source; a file stands under its name only when it is complete."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import av
import numpy as np

from dreamvideo.errors import OutputError
from dreamvideo.frames import Frame, Frames, StreamInfo
from dreamvideo.media.images import write_image
from dreamvideo.media.paths import is_image
from dreamvideo.media.video_encoder import CONTAINERS, VideoEncoder, container_of
from dreamvideo.media.video_file import Muxer, translate_errors
from dreamvideo.settings.job import EncodeSettings

__all__ = ["check_encoder", "check_output", "default_output", "default_sheet", "write_image", "write_video"]

T = TypeVar("T")


def default_output(path: Path, folder: Path | None = None) -> Path:
    """`NAME_dream.EXT` beside `path`, or in `folder`; what cannot be written as EXT becomes .mp4."""
    suffix = path.suffix if is_image(path) or path.suffix.lower() in CONTAINERS else ".mp4"
    return (folder or path.parent) / f"{path.stem}_dream{suffix}"


def default_sheet(path: Path, folder: Path | None = None, *, word: str) -> Path:
    """`NAME_word.png` beside `path`, or in `folder`."""
    return (folder or path.parent) / f"{path.stem}_{word}.png"


def check_output(output: Path, inputs: Sequence[Path], overwrite: bool) -> None:
    """Whether `output` may be written, decided before any work.

    Raises:
        OutputError: it is a folder or one of `inputs`, is there already, or its folder or suffix will not do.
    """
    if output.is_dir():
        raise OutputError(f"{output} is a folder: expected a file name, such as {output / 'dream.mp4'}")
    if not is_image(output):
        container_of(output)
    for source in inputs:
        if _same_file(output, source):
            raise OutputError(f"{output} is the input itself: choose another name with -o")
    folder = output.parent
    if not folder.is_dir():
        raise OutputError(f"{folder} is no folder: make it first, or choose another with -o")
    if output.exists() and not overwrite:
        raise OutputError(f"{output} exists: use --overwrite (-y) to replace it, or choose another name with -o")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{folder} is read-only: choose another folder with -o")


def _same_file(output: Path, source: Path) -> bool:
    try:
        return output.samefile(source)
    except OSError:
        return output.resolve() == source.resolve()


def check_encoder(
    output: Path,
    settings: EncodeSettings,
    info: StreamInfo = StreamInfo(256, 256, Fraction(25)),  # noqa: B008
    live: bool = False,
) -> None:
    """Whether `settings.codec` can be used for `output`, found out by encoding one picture.

    Raises:
        OutputError: it cannot; the message names it and what to type.
    """
    container = container_of(output)
    with av.open(io.BytesIO(), "w", format=container.format) as trial:
        encoder = VideoEncoder(trial, container, info, settings, live)
        encoder.open()
        gray = np.full((info.height, info.width, 3), 128, np.uint8)
        packets = encoder.encode(gray, Fraction(0), Fraction(1, 25)) + encoder.flush()
        trial.mux(packets)


def write_video(
    frames: Frames,
    output: Path,
    info: StreamInfo,
    settings: EncodeSettings = EncodeSettings(),  # noqa: B008
    signature: str | None = None,
) -> int:
    """Write `frames` to `output` with what else `info.path` holds; returns how many frames were written.

    `signature` is a line for the comment of the file, see `signature.sign`.

    Until the file is complete it is called `output` + '.part'. After an interruption that file is finished, so that
    it plays, and kept if it holds any frame.

    Raises:
        OutputError: the file cannot be written, the disk is full, the encoder cannot be used, or there was no frame.
    """
    with closing(frames):
        film = Muxer(output, info, settings, signature)
        count = 0
        try:
            for frame, duration in with_durations(frames, lambda frame: frame):
                with translate_errors(output):
                    packets = film.encoder.encode(frame.image, frame.time, duration)
                film.add(packets)
                count += 1
            if not count:
                raise OutputError(f"{output} was not written: there was no frame")
            with translate_errors(output):
                packets = film.encoder.flush()
            film.finish(packets, whole=count != info.frame_limit)
        except BaseException as error:
            if isinstance(error, OutputError) or not film.keep():
                film.abandon()
            raise
        film.publish()
        return count


def with_durations(items: Iterable[T], frame_of: Callable[[T], Frame]) -> Iterator[tuple[T, Fraction | None]]:
    """Each item and how long its frame is shown: until the next; the last as it says itself, else as the one before."""
    held: T | None = None
    interval: Fraction | None = None
    for item in items:
        if held is not None:
            interval = frame_of(item).time - frame_of(held).time
            yield held, interval
        held = item
    if held is not None:
        yield held, frame_of(held).duration or interval
