"""Writes frames as a folder of images, which appear there segment by segment."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from dreamvideo.errors import OutputError
from dreamvideo.frames import Frame, Frames, StreamInfo
from dreamvideo.media.checkpoint import (
    checkpoint_folder,
    create_checkpoint,
    finished_segments,
    images_folder,
    is_resumable,
    remove_checkpoint,
)
from dreamvideo.media.image_encoder import encode_image
from dreamvideo.media.image_sequence import output_image_name
from dreamvideo.media.images import encode_dream, write_image_bytes
from dreamvideo.media.paths import is_image
from dreamvideo.media.segments import never, store_segments
from dreamvideo.media.video_file import translate_errors

log = logging.getLogger(__name__)


def numbered_name(number: int, format: str | None) -> str:
    """Return the file name of a frame of a video.

    Args:
        number: of the frame, from 1 on.
        format: the suffix without its dot; None: png.
    """
    return f"frame_{number:06}.{format or 'png'}"


class ImageSegmentWriter:
    """Keeps the images of one segment in a folder of the checkpoint, under their final names.

    Args:
        folder: to be made for them.
        format: of all of them; None: each that of its input, frames of a video png.
        comment: a line for the comment of each that can hold one; None: none.
        before: frames before this segment.
        metadata: keep what the inputs say of themselves, and write `comment`.

    Raises:
        OutputError: the folder cannot be made.
    """

    def __init__(
        self, folder: Path, format: str | None, comment: str | None, before: int, metadata: bool = True
    ) -> None:
        self._folder, self._format, self._count, self._metadata = folder, format, before, metadata
        self._comment = comment if metadata else None
        with translate_errors(folder):
            folder.mkdir(exist_ok=True)

    def add(self, frame: Frame) -> None:
        """Encode and write a frame."""
        self._count += 1
        still = frame.still
        if still is None:
            name = numbered_name(self._count, self._format)
            content = encode_image(frame.image, Path(name), self._comment)
        else:
            name = output_image_name(still.path, self._format)
            content = encode_dream(frame.image, still, Path(name), self._comment, self._metadata)
        with translate_errors(self._folder):
            (self._folder / name).write_bytes(content)

    def finish(self) -> int:
        """Return 0: there are no packets."""
        return 0

    def close(self) -> None:
        """Do nothing: each file was closed when it was written."""


def write_images(
    frames: Frames,
    output: Path,
    info: StreamInfo,
    format: str | None = None,
    *,
    comment: str | None = None,
    metadata: bool = True,
    job: Mapping[str, Any] | None = None,
    resume: bool = False,
    should_stop: Callable[[], bool] = never,
) -> int:
    """Write frames as images, named like their inputs, or by number if they are of a video.

    The images of a segment appear in the folder when the segment is finished; if the frames end early, those of the
    unfinished one appear, too, and will be replaced when it is resumed.

    Args:
        frames: of any sizes; closed at the end. To resume: those after `resume_point(output).frames`.
        output: the folder; made if it does not exist.
        info: of the frames, as their reader returned it.
        format: suffix of all images without its dot; None: each that of its input, frames of a video png.
        metadata: keep what the inputs say of themselves, and write `comment`.
        comment, job, resume, should_stop: as for `write_video`.

    Returns:
        How many images were written, earlier runs included.

    Raises:
        OutputError: one cannot be written, the disk is full, or there is no frame.
        Cancelled: `should_stop` returned True.
        Whatever `frames` raises.
    """
    folder = checkpoint_folder(output)

    def open_segment(number: int, before: int) -> ImageSegmentWriter:
        return ImageSegmentWriter(images_folder(folder, number), format, comment, before, metadata)

    def publish(number: int) -> None:
        publish_images(images_folder(folder, number), output)

    def leave_partial() -> bool:
        unfinished = images_folder(folder, len(finished_segments(folder)))
        return publish_images(unfinished, output) > 0

    with closing(frames):
        if not (resume and is_resumable(output)):
            begin_images(output, info, job)
        store_segments(
            frames,
            output,
            open_segment,
            publish=publish,
            leave_partial=leave_partial,
            should_stop=should_stop,
        )
    count = finished_segments(folder)[-1].through
    remove_checkpoint(folder)
    return count


def begin_images(output: Path, info: StreamInfo, job: Mapping[str, Any] | None) -> None:
    """Make a folder for images, with an empty checkpoint beside it.

    Args:
        output: the folder.
        info: of the frames.
        job: stored with the segments; None: nothing.

    Raises:
        OutputError: one of them cannot be made.
    """
    if info.pixel_aspect != 1:
        log.warning("pixels are %.4g times as wide as high: images hold them as they are", info.pixel_aspect)
    with translate_errors(output):
        create_checkpoint(checkpoint_folder(output), job or {})
        output.mkdir(exist_ok=True)


def publish_images(segment: Path, output: Path) -> int:
    """Move the images of a segment into the output folder, which may be on another disk.

    Args:
        segment: their folder; deleted when it is empty.
        output: where to.

    Returns:
        How many there were; 0 if there is no such segment.

    Raises:
        OutputError: one cannot be written, the disk is full, or it is not named like an image.
    """
    if not segment.is_dir():
        return 0
    paths = sorted(segment.iterdir())
    for path in paths:
        if not is_image(path):  # a segment may come from a worker
            raise OutputError(f"{path.name!r} is not the name of an image: expected one as images have")
        write_image_bytes(path.read_bytes(), output / path.name)
        path.unlink()
    segment.rmdir()
    return len(paths)
