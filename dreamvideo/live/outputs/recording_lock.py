"""A hold on the file of a recording, so that no two runs write to one file; the system ends it with the process."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from dreamvideo.errors import OutputError
from dreamvideo.media.atomic_files import make_folder


class RecordingLock:
    """Holds a file that is about to be written until `release`, by a hidden file beside it.

    Args:
        path: the recording.

    Raises:
        OutputError: another recording holds it, or nothing can be written beside it.
    """

    def __init__(self, path: Path) -> None:
        # Not bound to a thread: the recorder opens the file in one thread and ends it in another.
        self._lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0, thread_local=False)
        make_folder(path.parent)
        try:
            self._lock.acquire()
        except Timeout:
            raise OutputError(f"{path} is being recorded by another run: end that, or choose another name") from None
        except (OSError, NotImplementedError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OutputError(f"{path} cannot be written: {reason}") from None

    def release(self) -> None:
        """Let go of the file; does nothing twice."""
        if not self._lock.is_locked:
            return
        if os.name == "nt":  # what is open cannot be deleted there
            self._lock.release()
        with suppress(OSError):
            os.unlink(self._lock.lock_file)
        self._lock.release()
