"""An exclusive hold on the checkpoint of an output, so that no two runs write one output.

The lock is the operating system's, by `filelock`: it ends with the process that holds it, however that ends, and
reaches as far as the file system carries locks. `run.json` beside it says who holds it.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from dreamvideo.errors import OutputError
from dreamvideo.media.atomic_files import check_name_length, make_folder, read_json, write_atomically
from dreamvideo.media.checkpoint import JOB_FILE, KEPT_FILE, LOCK_FILE, check_own, checkpoint_folder
from dreamvideo.media.remote_checkpoint import CheckpointCopy, copy_checkpoint
from dreamvideo.media.segment_records import RUN_FILE

_TRIES: Final = 20  # another run may be about to delete the folder, or to say who it is
_WAIT: Final = 0.05  # seconds between them


class CheckpointLock:
    """Holds the checkpoint of an output, whose folder it makes, until `release`.

    Args:
        output: the video or folder of images that is to be written.

    Raises:
        OutputError: another run holds it, or the folder is not a checkpoint or cannot be written.
    """

    def __init__(self, output: Path) -> None:
        check_name_length(output)
        self.folder = checkpoint_folder(output)
        self.run = secrets.token_hex(8)  # identifies this run in the records of its segments
        self._copy: CheckpointCopy | None = None  # beside an output that is elsewhere
        self._made = make_folder(self.folder.parent)
        # Not bound to a thread: inputs are opened in one, and outputs finished in another.
        self._lock = FileLock(self.folder / LOCK_FILE, timeout=0, thread_local=False)
        try:
            self._acquire(output)
            about = {"run": self.run, "process": os.getpid(), "host": socket.gethostname()}
            write_atomically(self.folder / RUN_FILE, json.dumps(about).encode())
            self._copy = copy_checkpoint(output, self.folder)
        except (OSError, NotImplementedError) as error:
            self.release()
            if isinstance(error, OutputError):
                raise
            raise OutputError(f"{self.folder} cannot be written: {getattr(error, 'strerror', None) or error}") from None

    def _acquire(self, output: Path) -> None:
        for _ in range(_TRIES):
            check_own(self.folder)
            self.folder.mkdir(exist_ok=True)
            try:
                self._lock.acquire()
                return
            except FileNotFoundError:
                continue  # the run that ended has just deleted the folder
            except Timeout:
                if (who := holder(self.folder)) is not None:
                    raise OutputError(
                        f"{output} is being written by {who}: wait for it, or choose another name with -o"
                    ) from None
                time.sleep(_WAIT)
        raise OutputError(f"{output} is being written by another run: wait for it, or choose another name with -o")

    def release(self) -> None:
        """Let go of the checkpoint, and delete its folder if nothing in it can be resumed; does nothing twice."""
        if not self._lock.is_locked:
            return
        if self._copy is not None:
            self._copy.finish()
        if not any((self.folder / name).exists() for name in (JOB_FILE, KEPT_FILE)):
            with suppress(OSError):
                (self.folder / RUN_FILE).unlink(missing_ok=True)
                if os.name == "nt":  # what is open cannot be deleted there
                    self._lock.release()
                (self.folder / LOCK_FILE).unlink(missing_ok=True)
                for folder in (self.folder, *self._made):  # what is not empty stays
                    folder.rmdir()
        self._lock.release()


@contextmanager
def hold_checkpoint(output: Path) -> Generator[CheckpointLock, None, None]:
    """Hold the checkpoint of an output inside the block.

    Args:
        output: the video or folder of images that is to be written.

    Raises:
        OutputError: as `CheckpointLock`.
    """
    lock = CheckpointLock(output)
    try:
        yield lock
    finally:
        lock.release()


def check_free(output: Path) -> None:
    """Check that no other run writes an output now, before any work.

    Args:
        output: the video or folder of images that is to be written.

    Raises:
        OutputError: one does, or the folder of its checkpoint holds files of somebody else.
    """
    folder = checkpoint_folder(output)
    check_own(folder)
    if (folder / LOCK_FILE).exists():
        with _locked(folder):
            pass


def move_checkpoint(folder: Path, target: Path) -> None:
    """Rename a checkpoint, so that it is that of another output.

    Args:
        folder: of the checkpoint.
        target: its new name, which does not exist.

    Raises:
        OutputError: a run holds it, or it cannot be renamed.
    """
    check_own(folder)
    with _locked(folder) as lock:
        if os.name == "nt":  # a folder with an open file cannot be renamed there
            lock.release()
        folder.rename(target)


@contextmanager
def _locked(folder: Path) -> Generator[FileLock, None, None]:
    try:
        with FileLock(folder / LOCK_FILE, timeout=0, thread_local=False) as lock:
            yield lock
    except Timeout:
        raise OutputError(f"{folder} is in use by {holder(folder) or 'another run'}: wait for it") from None
    except OSError as error:
        raise OutputError(f"{folder} cannot be used: {error.strerror or error}") from None


def holder(folder: Path) -> str | None:
    """Return which process holds a checkpoint that is locked, for messages; None: it has not said so yet.

    Args:
        folder: of the checkpoint.
    """
    about = read_json(folder / RUN_FILE)
    return None if about is None else f"process {about.get('process')} on {about.get('host')}"
