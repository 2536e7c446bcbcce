"""What an unfinished output has on disk: finished segments, the carry after the last one, and which job they are of.

    FILM_dream.mp4.checkpoint/
        job.json         what the job is; to resume, all of it must be the same
        000000.packets   the packets of a segment of a video
        000000.images/   or, of a folder of images, the images of a segment that is not finished
        000000.json      the record of the segment, which makes it a finished one
        000000.carry     the carry after its last frame; of the newest segment only

Everything is on the disk before the record, and the record is written atomically: a job can be killed at any time.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from dreamvideo.errors import OutputError

JOB_FILE = "job.json"


@dataclass(frozen=True, slots=True)
class Segment:
    """The record of a finished segment."""

    number: int
    before: int  # frames of all segments before it
    frames: int
    packets: int  # of a video; of images 0
    last: Fraction  # time of its last frame, in seconds

    @property
    def through(self) -> int:
        """Frames up to its end."""
        return self.before + self.frames


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where an unfinished output goes on.

    Pass `time` to the reader, as `resume`, and all of it to `dream_video`: the stream then begins with the last frame
    that is finished.
    """

    frames: int  # finished
    time: Fraction  # of the last of them, in seconds
    carry: bytes | None  # stored after it; None: the next frame needs nothing of it


def checkpoint_folder(output: Path) -> Path:
    """Return the folder where the segments of an output are kept until it is complete.

    Args:
        output: the video or folder of images that a job makes.
    """
    return output.with_name(output.name + ".checkpoint")


def create_checkpoint(folder: Path, job: Mapping[str, Any]) -> None:
    """Make an empty checkpoint, in place of any other.

    Args:
        folder: of the checkpoint.
        job: what has to be the same when the job is resumed, as JSON holds it.

    Raises:
        OutputError: an old checkpoint cannot be removed.
        OSError: the folder cannot be written.
    """
    remove_checkpoint(folder)
    folder.mkdir()
    try:
        write_atomically(folder / JOB_FILE, json.dumps(job, indent=1).encode())
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def stored_job(folder: Path) -> Mapping[str, Any] | None:
    """Return the job of a checkpoint, as `create_checkpoint` got it; None: nothing can be resumed.

    Args:
        folder: of the checkpoint.
    """
    return _read_json(folder / JOB_FILE)


def is_resumable(output: Path) -> bool:
    """Return whether an earlier run left a checkpoint of an output.

    Args:
        output: the video or folder of images that a job makes.
    """
    return stored_job(checkpoint_folder(output)) is not None


def resume_point(output: str | os.PathLike[str]) -> ResumePoint | None:
    """Return where an unfinished output is resumed; None: from the beginning.

    Args:
        output: the video or folder of images that a job makes.
    """
    folder = checkpoint_folder(Path(output))
    segments = finished_segments(folder)
    if stored_job(folder) is None or not segments:
        return None
    last = segments[-1]
    return ResumePoint(last.through, last.last, stored_carry(folder, last))


def segment_path(folder: Path, number: int) -> Path:
    """Return the file of the packets of a segment.

    Args:
        folder: of the checkpoint.
        number: of the segment.
    """
    return folder / f"{number:06}.packets"


def images_folder(folder: Path, number: int) -> Path:
    """Return the folder of the images of a segment.

    Args:
        folder: of the checkpoint.
        number: of the segment.
    """
    return folder / f"{number:06}.images"


def read_segment(folder: Path, number: int) -> dict[str, bytes]:
    """Return the content of a segment, to be sent elsewhere.

    Args:
        folder: where it was written.
        number: of the segment.

    Returns:
        The content of each of its files by name: one file of packets, or images.
    """
    path = segment_path(folder, number)
    paths = [path] if path.exists() else sorted(images_folder(folder, number).iterdir())
    return {path.name: path.read_bytes() for path in paths}


def delete_segment(folder: Path, number: int) -> None:
    """Delete the content of a segment.

    Args:
        folder: where it was written.
        number: of the segment.
    """
    segment_path(folder, number).unlink(missing_ok=True)
    shutil.rmtree(images_folder(folder, number), ignore_errors=True)


def write_segment(folder: Path, number: int, files: Mapping[str, bytes], images: bool) -> None:
    """Write a segment that was made elsewhere.

    Args:
        folder: of the checkpoint.
        number: of the segment.
        files: what `read_segment` returned there.
        images: it is one of images.

    Raises:
        OutputError: a name would lead out of the folder.
        OSError: the folder cannot be written.
    """
    target = images_folder(folder, number) if images else folder
    target.mkdir(exist_ok=True)
    for name, content in files.items():
        is_file_name = name == Path(name).name and name not in ("", ".", "..")
        if not is_file_name or (not images and name != segment_path(folder, number).name):
            raise OutputError(f"{name!r} is not the name of a file of segment {number}: a worker sent something else")
        write_atomically(target / name, content)


def finished_segments(folder: Path) -> list[Segment]:
    """Return the finished segments from the first on, up to the first gap.

    Args:
        folder: of the checkpoint.
    """
    segments: list[Segment] = []
    while (segment := segment_from_record(folder, len(segments))) is not None:
        segments.append(segment)
    return segments


def segment_from_record(folder: Path, number: int) -> Segment | None:
    """Return the record of a segment; None: it is not finished.

    Args:
        folder: of the checkpoint.
        number: of the segment.
    """
    record = _read_json(folder / f"{number:06}.json")
    return None if record is None else Segment(**{**record, "last": Fraction(record["last"])})


def record_segment(folder: Path, segment: Segment, carry: bytes | None) -> None:
    """Make a segment whose content is on the disk a finished one, and delete the carry of the segment before it.

    Args:
        folder: of the checkpoint.
        segment: the record.
        carry: what the frame after it needs; None: nothing.

    Raises:
        OSError: the folder cannot be written.
    """
    if carry is not None:
        write_atomically(_carry_path(folder, segment.number), carry)
    record = {**asdict(segment), "last": str(segment.last)}
    write_atomically(folder / f"{segment.number:06}.json", json.dumps(record).encode())
    _carry_path(folder, segment.number - 1).unlink(missing_ok=True)


def stored_carry(folder: Path, segment: Segment) -> bytes | None:
    """Return the carry after the last frame of a segment; None: the next frame needs none.

    Args:
        folder: of the checkpoint.
        segment: a finished one.
    """
    try:
        return _carry_path(folder, segment.number).read_bytes()
    except FileNotFoundError:
        return None


def remove_checkpoint(folder: Path) -> None:
    """Delete a checkpoint, if there is one.

    Args:
        folder: of the checkpoint.

    Raises:
        OutputError: it cannot be deleted.
    """
    if folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        raise OutputError(f"{folder} cannot be removed: delete it by hand")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file by way of a temporary one, fsync and rename: after a crash it is whole or absent.

    Args:
        path: of the file.
        content: of the file.

    Raises:
        OSError: it cannot be written.
    """
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def _carry_path(folder: Path, number: int) -> Path:
    return folder / f"{number:06}.carry"


def _read_json(path: Path) -> Mapping[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
