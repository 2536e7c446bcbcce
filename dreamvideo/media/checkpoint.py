"""What an unfinished output has on disk: finished segments, the carry after the last one, and which job they are of.

    FILM_dream.mp4.checkpoint/
        lock             held by the process that writes the output, see `checkpoint_lock`
        run.json         which process that is, or was
        job.json         what the job is; to resume, all of it must be the same
        000000.packets   the packets of a segment of a video
        000000.images/   or, of a folder of images, the images of a segment that is not finished
        000000.names     the images of a segment that are ours in the output folder
        000000.json      the record of the segment, which makes it a finished one
        000000.carry     the carry after its last frame; of the newest segment only
        joined.mp4       the video, while segments are joined
        1f2e3d4c.worker/ segments of a worker that are not taken over yet, see `worker_folder`
        kept.json        which file beside the output shows what there was when a run ended early

Everything is on the disk before the record, and the record is written atomically: a job can be killed at any time. A
record holds hashes of what belongs to it, so that a byte that changed later is found.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from dreamvideo.errors import OutputError
from dreamvideo.media.atomic_files import read_json, with_ending, write_atomically
from dreamvideo.media.paths import is_image
from dreamvideo.media.remote_path import media_path
from dreamvideo.media.segment_records import RUN_FILE, finished_segments, remove_folder, stored_carry, usable_segments

JOB_FILE: Final = "job.json"
LOCK_FILE: Final = "lock"
KEPT_FILE: Final = "kept.json"

# Names of files of a checkpoint, also while they are written; all else in its folder is somebody's own.
_FILES: Final = re.compile(
    r"(lock|(job|run|kept)\.json|joined\.\w+|\d{6,}\.(json|packets|carry|names))(\.[0-9a-f]{8}\.part)?"
)
_FOLDERS: Final = re.compile(r"\d{6,}\.images")
_WORKERS: Final = re.compile(r"[0-9a-f]{8}\.worker")
_STAYING: Final = (LOCK_FILE, RUN_FILE, KEPT_FILE)  # while the checkpoint is emptied


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where an unfinished output goes on.

    Pass `time` to the reader, as `resume`, and all of it to `dream_video`: the stream then begins with the last frame
    that is finished.
    """

    frames: int  # finished
    time: Fraction  # of the last of them, in seconds
    carry: bytes | None  # stored after it; None: the next frame needs nothing of it
    segment: int  # number of the last segment


def checkpoint_folder(output: Path) -> Path:
    """Return the folder where the segments of an output are kept until it is complete.

    Args:
        output: the video or folder of images that a job makes.
    """
    return with_ending(output, ".checkpoint")


def check_own(folder: Path) -> None:
    """Check that a checkpoint is one: a folder that holds nothing else.

    Args:
        folder: of the checkpoint; it need not exist.

    Raises:
        OutputError: it is a file or a link, or holds files of somebody else.
    """
    if not os.path.lexists(folder):
        return
    if os.path.islink(folder) or not os.path.isdir(folder):
        raise OutputError(f"{folder} is not a folder of dreamvideo: move it, or choose another name with -o")
    try:
        foreign = sorted(name for name in os.listdir(folder) if not _is_own(folder / name))
    except OSError as error:
        raise OutputError(f"{folder} cannot be read: {error.strerror}") from None
    if foreign:
        raise OutputError(
            f"{folder} holds {foreign[0]!r}, which is not of dreamvideo: move it, or choose another name with -o"
        )


def _is_own(path: Path) -> bool:
    if path.is_symlink():
        return False
    if _WORKERS.fullmatch(path.name):
        return path.is_dir() and all(_is_own(each) for each in path.iterdir())
    if _FOLDERS.fullmatch(path.name):
        return path.is_dir() and all(_is_image_file(each) for each in path.iterdir())
    return path.is_file() and _FILES.fullmatch(path.name) is not None


def _is_image_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and (is_image(path) or path.suffix == ".part")


def create_checkpoint(folder: Path, job: Mapping[str, Any]) -> None:
    """Make an empty checkpoint, in place of any other.

    Args:
        folder: of the checkpoint, see `checkpoint_lock`.
        job: what has to be the same when the job is resumed, as JSON holds it.

    Raises:
        OutputError: an old checkpoint cannot be removed.
        OSError: the folder cannot be written.
    """
    remove_checkpoint(folder)
    folder.mkdir(exist_ok=True)
    try:
        write_atomically(folder / JOB_FILE, json.dumps(job, indent=1).encode())
    except OSError:
        with suppress(OutputError):
            remove_checkpoint(folder)
        raise


def stored_job(folder: Path) -> Mapping[str, Any] | None:
    """Return the job of a checkpoint, as `create_checkpoint` got it; None: nothing can be resumed.

    Args:
        folder: of the checkpoint.
    """
    return read_json(folder / JOB_FILE)


def is_resumable(output: Path) -> bool:
    """Return whether an earlier run left a checkpoint of an output.

    Args:
        output: the video or folder of images that a job makes.
    """
    return stored_job(checkpoint_folder(output)) is not None


def is_published(output: Path) -> bool:
    """Return whether a run gave a video its name, and ended before it deleted the checkpoint.

    Args:
        output: the video.
    """
    joined = checkpoint_folder(output) / f"joined{output.suffix.lower()}"
    return joined.is_file() and os.path.isfile(output) and os.path.samefile(joined, output)


def resume_point(output: str | os.PathLike[str]) -> ResumePoint | None:
    """Return where an unfinished output is resumed; None: from the beginning.

    Args:
        output: the video or folder of images that a job makes.
    """
    folder = checkpoint_folder(media_path(output))
    segments = usable_segments(folder, finished_segments(folder))
    if stored_job(folder) is None or not segments:
        return None
    last = segments[-1]
    return ResumePoint(last.through, last.last, stored_carry(folder, last), last.number)


def remove_checkpoint(folder: Path) -> None:
    """Delete what a checkpoint holds, the job first, and then the folder unless it is locked.

    Args:
        folder: of the checkpoint.

    Raises:
        OutputError: it cannot be deleted, or holds files of somebody else.
    """
    check_own(folder)
    if not folder.exists():
        return
    try:
        (folder / JOB_FILE).unlink(missing_ok=True)
        for path in list(folder.iterdir()):
            if path.name not in _STAYING:
                remove_folder(path) if path.is_dir() else path.unlink()
        if not any((folder / name).exists() for name in (LOCK_FILE, KEPT_FILE)):
            (folder / RUN_FILE).unlink(missing_ok=True)
            folder.rmdir()
    except OSError as error:
        raise OutputError(f"{folder} cannot be removed ({error.strerror}): delete it by hand") from None
