"""The checkpoint of an output elsewhere: kept here while frames are dreamed, and a copy of it beside the output.

Each segment is copied as soon as it is finished, its record last, as it was written here. So a job goes on with
`--resume` on this machine from what it holds, and on another one, as after this one was lost, from the copy.
"""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

from dreamvideo.errors import OutputError
from dreamvideo.media.atomic_files import make_folder, write_atomically
from dreamvideo.media.checkpoint import JOB_FILE, checkpoint_folder
from dreamvideo.media.remote_output import is_object_store
from dreamvideo.media.remote_path import RemotePath
from dreamvideo.media.remote_store import StoreError, open_store, persist
from dreamvideo.media.segment_records import RUN_FILE

log = logging.getLogger(__name__)

_COPIED: Final = re.compile(r"job\.json|\d{6,}\.(json|packets|carry)")
_INTERVAL: Final = 1.0  # seconds between looks at what is finished; a segment takes longer

Version = tuple[int, int]  # size and time of a file here


class CheckpointCopy:
    """Keeps a copy of a checkpoint beside its output, from a thread, until `finish`.

    Args:
        output: elsewhere.
        folder: of its checkpoint, here, which this run holds.

    Raises:
        OutputError: nothing can be written there.
        SettingsError: nothing that is installed writes to the store.
    """

    def __init__(self, output: RemotePath, folder: Path) -> None:
        self._output, self._folder = output, folder
        self._copy = _StoredFolder(output)
        try:  # now, and not when the film is dreamed
            self._copy.write(RUN_FILE, (folder / RUN_FILE).read_bytes())
        except StoreError as error:
            raise OutputError(f"{output} cannot be written: {error}") from None
        self._copied: dict[str, Version] | None = None  # None: what an earlier run has copied is not known
        self._warned = False
        self._ended = Event()
        self._thread = Thread(target=self._run, name="checkpoint copy", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Copy what is finished, or delete the copy if the checkpoint is gone, and end; does nothing twice."""
        if not self._ended.is_set():
            self._ended.set()
            self._thread.join()
            self._update()

    def _run(self) -> None:
        while not self._ended.wait(_INTERVAL):
            self._update()

    def _update(self) -> None:
        """Make the copy what the checkpoint is now; a store that fails is asked again the next time."""
        try:
            if (self._folder / JOB_FILE).exists():
                self._copy_files(_finished_files(self._folder))
            elif self._ended.is_set():
                self._copy.delete()
            if self._ended.is_set():
                self._copy.remove(RUN_FILE)
                self._copy.remove_folder()
        except (StoreError, OSError) as error:
            if not self._warned:
                self._warned = True
                log.warning("%s: finished segments are kept here only for now: %s", self._output, error)

    def _copy_files(self, files: dict[str, Version]) -> None:
        if self._copied is None:
            self._copied = self._same_files(files)
        for name in sorted(self._copied.keys() - files.keys(), key=_belongs_to_record):
            self._copy.remove(name)
            del self._copied[name]
        changed = [name for name, version in files.items() if self._copied.get(name) != version]
        # A record makes a segment a finished one: what belongs to it comes before it.
        for name in sorted(changed, key=lambda each: (not _belongs_to_record(each), each)):
            with suppress(FileNotFoundError):  # the carry of a segment that is no longer the newest
                self._copy.write(name, (self._folder / name).read_bytes())
                self._copied[name] = files[name]

    def _same_files(self, files: dict[str, Version]) -> dict[str, Version]:
        """What the copy has of an earlier run: segments with the same record are the same, since it holds hashes."""
        there = set(self._copy.names())
        records = [name for name in there & files.keys() if not _belongs_to_record(name)]
        same = {name for name in records if self._copy.read(name) == (self._folder / name).read_bytes()}
        stems = {Path(name).stem for name in same}
        return {name: files[name] if name in files and Path(name).stem in stems else (-1, -1) for name in there}


class _StoredFolder:
    """The copy of a checkpoint; all methods raise StoreError where the store fails."""

    def __init__(self, output: RemotePath) -> None:
        self._store: Any
        self._has_folders = not is_object_store(output)
        self._store, self._name = open_store(str(output.with_name(f"{output.name}.checkpoint")))

    def names(self) -> list[str]:
        """Names of its files, and of no others."""
        return persist(self._names)

    def _names(self) -> list[str]:
        self._store.invalidate_cache()
        try:
            entries = self._store.ls(self._name, detail=False)
        except FileNotFoundError:
            return []
        return [name for name in (str(each).rpartition("/")[2] for each in entries) if _COPIED.fullmatch(name)]

    def read(self, name: str) -> bytes:
        return bytes(persist(partial(self._store.cat_file, f"{self._name}/{name}")))

    def write(self, name: str, content: bytes) -> None:
        def write() -> None:
            if self._has_folders:
                self._store.makedirs(self._name, exist_ok=True)
            self._store.pipe_file(f"{self._name}/{name}", content)

        persist(write)

    def remove(self, name: str) -> None:
        def remove() -> None:
            with suppress(FileNotFoundError):
                self._store.rm_file(f"{self._name}/{name}")

        persist(remove)

    def delete(self) -> None:
        for name in sorted(self.names(), key=lambda each: each != JOB_FILE):
            self.remove(name)

    def remove_folder(self) -> None:
        """Remove it if it is empty."""
        if self._has_folders:
            with suppress(Exception):
                self._store.rmdir(self._name)


def _belongs_to_record(name: str) -> bool:
    return not name.endswith(".json") or name == JOB_FILE


def _finished_files(folder: Path) -> dict[str, Version]:
    """Files of finished segments, and that of the job."""
    files: dict[str, Version] = {}
    for path in folder.iterdir():
        is_finished = path.name == JOB_FILE or path.with_suffix(".json").exists()
        if _COPIED.fullmatch(path.name) and is_finished:
            with suppress(FileNotFoundError):
                about = path.stat()
                files[path.name] = about.st_size, about.st_mtime_ns
    return files


def copy_checkpoint(output: Path, folder: Path) -> CheckpointCopy | None:
    """Begin to copy the checkpoint of an output; None: it is here, and needs no copy.

    Args:
        output: here or elsewhere.
        folder: of its checkpoint, here, which this run holds.

    Raises:
        OutputError, SettingsError: as `CheckpointCopy`.
    """
    return CheckpointCopy(output, folder) if isinstance(output, RemotePath) else None


def fetch_checkpoint(output: Path) -> None:
    """Fetch what the copy of a checkpoint has and the one here lacks, if they are of one job; else do nothing.

    Args:
        output: here or elsewhere; no run is at it.

    Raises:
        OutputError: the store cannot be read, or the folder here not be written.
        SettingsError: nothing that is installed reads the store.
    """
    if not isinstance(output, RemotePath):
        return
    copy, folder = _StoredFolder(output), checkpoint_folder(output)
    try:
        names = copy.names()
        if JOB_FILE not in names:
            return
        job, here = copy.read(JOB_FILE), folder / JOB_FILE
        if here.exists() and here.read_bytes() != job:
            return
        make_folder(folder)
        missing = [name for name in names if name != JOB_FILE and not (folder / name).exists()]
        for name in sorted(missing, key=lambda each: not _belongs_to_record(each)):
            write_atomically(folder / name, copy.read(name))
        write_atomically(here, job)
    except StoreError as error:
        raise OutputError(f"{output}: what an earlier run left there cannot be read: {error}") from None
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}") from None
