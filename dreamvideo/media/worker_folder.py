"""Where a worker that sees the checkpoint writes its segments: a folder in it that nobody else writes.

    FILM_dream.mp4.checkpoint/
        1f2e3d4c.worker/     of one assignment of work, with segments as in the checkpoint itself

Who holds the checkpoint takes each segment over, by renaming its files, when the worker reports it. A worker that was
given up, and goes on writing, writes into its own folder only; that goes when its work is given to another.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dreamvideo.media.atomic_files import read_json
from dreamvideo.media.segment_records import (
    RUN_FILE,
    Segment,
    carry_path,
    check_run,
    forget_segment,
    images_folder,
    record_path,
    remove_folder,
    segment_path,
)
from dreamvideo.media.segments import PARTS


@dataclass(frozen=True, slots=True)
class WorkerFolder:
    """The folder of one assignment of work."""

    checkpoint: Path
    run: str  # that holds the checkpoint
    name: str

    @property
    def path(self) -> Path:
        """Of the folder."""
        return self.checkpoint / f"{self.name}.worker"

    def is_visible(self) -> bool:
        """Return whether this process sees the checkpoint, as that run holds it, and may write there."""
        holder = read_json(self.checkpoint / RUN_FILE) or {}
        return holder.get("run") == self.run and os.access(self.checkpoint, os.W_OK)


def new_worker_folder(checkpoint: Path, run: str) -> WorkerFolder:
    """Return a folder for an assignment, which the worker makes.

    Args:
        checkpoint: its folder.
        run: that holds it.
    """
    return WorkerFolder(checkpoint, run, secrets.token_hex(4))


def take_over(folder: WorkerFolder, segment: Segment, publish: Callable[[], None] = lambda: None) -> None:
    """Move the files of a segment from a worker's folder into the checkpoint, in place of what is there of it.

    Args:
        folder: of the worker, who has written all of them, see `segment_records.write_record`.
        segment: its record.
        publish: is called when the content is there, before the record makes it a finished segment.

    Raises:
        OutputError: another run has taken over the checkpoint.
        OSError: they are not there.
    """
    number = segment.number
    check_run(folder.checkpoint, folder.run)
    if not segment.packets or record_path(folder.checkpoint, number).exists():
        forget_segment(folder.checkpoint, number)
    for path in (segment_path if segment.packets else images_folder, *([carry_path] if segment.carry else [])):
        path(folder.path, number).rename(path(folder.checkpoint, number))
    publish()
    record_path(folder.path, number).rename(record_path(folder.checkpoint, number))
    if number % PARTS:  # the first segment after a cut needs no carry
        carry_path(folder.checkpoint, number - 1).unlink(missing_ok=True)


def remove_worker_folder(folder: WorkerFolder) -> None:
    """Delete the folder of a worker; if the worker still writes there, as much of it as goes.

    Args:
        folder: of the worker.
    """
    try:
        folder.path.rmdir()  # it is empty unless its work was given up
    except OSError:
        with suppress(OSError):
            remove_folder(folder.path)
