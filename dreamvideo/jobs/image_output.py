"""Writes frames as a folder of images, which appear there segment by segment."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from dreamvideo.errors import OutputError
from dreamvideo.frames import Frame, Frames, StreamInfo
from dreamvideo.media.atomic_files import make_folder, read_json, write_atomically
from dreamvideo.media.checkpoint import checkpoint_folder, create_checkpoint, is_resumable, remove_checkpoint
from dreamvideo.media.checkpoint_lock import hold_checkpoint
from dreamvideo.media.image_encoder import encode_image
from dreamvideo.media.image_sequence import output_image_name
from dreamvideo.media.images import encode_dream, write_image_bytes
from dreamvideo.media.paths import is_image
from dreamvideo.media.segment_content import hash_images, read_segment
from dreamvideo.media.segment_records import begun_segments, finished_segments, images_folder, remove_folder
from dreamvideo.media.segments import SegmentContent, never, store_segments
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
        folder: to be made for them, in place of an unfinished one.
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
            remove_folder(folder)
            folder.mkdir()

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
            write_atomically(self._folder / name, content)

    def finish(self) -> SegmentContent:
        """Return what there is; each file was brought onto the disk when it was written."""
        with translate_errors(self._folder):
            number = int(self._folder.stem)
            return SegmentContent(0, hash_images(read_segment(self._folder.parent, number)))

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
    overwrite: bool = False,
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
        overwrite: replace images that exist.
        comment, job, resume, should_stop: as for `write_video`.

    Returns:
        How many images were written, earlier runs included.

    Raises:
        OutputError: one cannot be written or exists, another run writes them, the disk is full, or there is no frame.
        Cancelled: `should_stop` returned True.
        Whatever `frames` raises.
    """
    with closing(frames), hold_checkpoint(output) as lock:
        if not (resume and is_resumable(output)):
            begin_images(output, info, job)
        store_images(frames, output, format, comment, metadata, overwrite, lock.run, should_stop=should_stop)
        return finish_images(output)


def store_images(
    frames: Frames,
    output: Path,
    format: str | None,
    comment: str | None,
    metadata: bool,
    overwrite: bool,
    run: str,
    done: int | None = None,
    should_stop: Callable[[], bool] = never,
) -> None:
    """Write frames as segments of images, whose checkpoint this run holds.

    Args:
        frames, output, format, comment, metadata, overwrite, should_stop: as for `write_images`.
        run, done: as for `store_video`.

    Raises:
        OutputError, Cancelled: as `write_images`.
        Whatever `frames` raises.
    """
    folder = checkpoint_folder(output)

    def open_segment(number: int, before: int) -> ImageSegmentWriter:
        return ImageSegmentWriter(images_folder(folder, number), format, comment, before, metadata)

    def publish(number: int) -> None:
        publish_images(images_folder(folder, number), output, overwrite)

    def leave_partial() -> bool:
        begun = begun_segments(folder)
        return bool(begun) and publish_images(images_folder(folder, begun[-1]), output, overwrite) > 0

    store_segments(
        frames,
        output,
        open_segment,
        run=run,
        done=done,
        publish=publish,
        leave_partial=leave_partial,
        should_stop=should_stop,
    )


def finish_images(output: Path) -> int:
    """Delete the checkpoint of images all of which are written; return how many there are.

    Args:
        output: their folder.

    Raises:
        OutputError: it cannot be deleted.
    """
    folder = checkpoint_folder(output)
    count = finished_segments(folder)[-1].through
    remove_checkpoint(folder)
    return count


def begin_images(output: Path, info: StreamInfo, job: Mapping[str, Any] | None) -> None:
    """Make a folder for images, with an empty checkpoint beside it, which this run holds.

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
    make_folder(output)


def publish_images(segment: Path, output: Path, overwrite: bool) -> int:
    """Move the images of a segment into the output folder, which may be on another disk.

    Args:
        segment: their folder; deleted when it is empty.
        output: where to.
        overwrite: replace images that exist. Those that an earlier try has put there are replaced in any case.

    Returns:
        How many there were; 0 if there is no such segment.

    Raises:
        OutputError: one cannot be written or exists, the disk is full, or it is not named like an image.
    """
    if not segment.is_dir():
        return 0
    paths = sorted(segment.iterdir())
    ours = set((read_json(segment.with_suffix(".names")) or {}).get("names", ()))
    for path in paths:
        if not is_image(path):  # a segment may come from a worker
            raise OutputError(f"{path.name!r} is not the name of an image: expected one as images have")
        if not overwrite and path.name not in ours and os.path.lexists(output / path.name):
            raise OutputError(
                f"{output / path.name} exists: use --resume with --overwrite (-y) to replace it, or move it away"
            )
    with translate_errors(output):
        names = sorted(ours | {path.name for path in paths})
        write_atomically(segment.with_suffix(".names"), json.dumps({"names": names}).encode())
    for path in paths:
        write_image_bytes(path.read_bytes(), output / path.name)
        path.unlink()
    segment.rmdir()
    return len(paths)
