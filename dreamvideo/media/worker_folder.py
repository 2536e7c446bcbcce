"""Where a worker that sees the checkpoint writes its segments: a folder in it that nobody else writes.

    FILM_dream.mp4.checkpoint/
        1f2e3d4c.worker/     of one assignment of work, with segments as in the checkpoint itself

Who holds the checkpoint takes each segment over, by renaming its files, when the worker reports it. A worker that was
given up, and goes on writing, writes into its own folder only; that goes when its work is given to another.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from dreamvideo.media.atomic_files import read_json, write_atomically
from dreamvideo.media.segment_records import (
    RUN_FILE,
    Segment,
    carry_path,
    forget_segment,
    images_folder,
    remove_folder,
    segment_path,
)


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
    """Return a folder for an assignment; it is not made yet.

    Args:
        checkpoint: its folder.
        run: that holds it.
    """
    return WorkerFolder(checkpoint, run, secrets.token_hex(4))


def keep_carry(folder: Path, segment: Segment, carry: bytes | None) -> Segment:
    """Write the carry after a segment beside it, and return its record, which says so.

    Args:
        folder: of the worker.
        segment: which the worker has written there.
        carry: after its last frame; None: the next frame needs none.
    """
    if carry is None:
        return segment
    write_atomically(carry_path(folder, segment.number), carry)
    return replace(segment, carry=hashlib.sha256(carry).hexdigest())


def take_over(folder: WorkerFolder, segment: Segment) -> None:
    """Move the files of a segment from a worker's folder into the checkpoint, in place of what is there of it.

    Args:
        folder: of the worker.
        segment: its record.

    Raises:
        OSError: they are not there.
    """
    number = segment.number
    forget_segment(folder.checkpoint, number)
    kept = [segment_path if segment.packets else images_folder, *([] if segment.carry is None else [carry_path])]
    for path in kept:
        path(folder.path, number).rename(path(folder.checkpoint, number))


def remove_worker_folder(folder: WorkerFolder) -> None:
    """Delete the folder of a worker; if the worker still writes there, as much of it as goes.

    Args:
        folder: of the worker.
    """
    with suppress(OSError):
        remove_folder(folder.path)
