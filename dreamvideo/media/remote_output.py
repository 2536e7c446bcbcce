"""Outputs elsewhere: made in a folder here, and uploaded when they are complete; they appear at once or not at all.

A store such as S3 shows an upload when its last part is there. In others the file has another name until it is whole.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from dreamvideo.errors import OutputError
from dreamvideo.media.remote_path import RemotePath
from dreamvideo.media.remote_source import forget_source
from dreamvideo.media.remote_store import StoreError, open_store, persist

# Stores of objects, in which a file that is uploaded appears when it is complete.
_OBJECTS: Final = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci", "r2", "memory")
_READ_ONLY: Final = ("http", "https")


def work_folder(folder: RemotePath) -> Path:
    """Return the folder here in which outputs that go into a folder elsewhere are made.

    Args:
        folder: elsewhere.
    """
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "dreamvideo" / hashlib.sha256(str(folder).encode()).hexdigest()[:16]


def work_path(path: Path) -> Path:
    """Return where a file is made: itself, or in the folder here for one that is elsewhere.

    Args:
        path: here or elsewhere.
    """
    return work_folder(path.parent) / path.name if isinstance(path.parent, RemotePath) else path


def is_object_store(path: RemotePath) -> bool:
    """Return whether what is uploaded to a store appears when it is complete, in folders that need not exist.

    Args:
        path: in the store.
    """
    return str(path).partition("://")[0] in _OBJECTS


def check_writable_store(folder: RemotePath) -> None:
    """Check that files can be written to where a folder elsewhere is.

    Args:
        folder: of an output.

    Raises:
        OutputError: its protocol is one for reading only.
        SettingsError: nothing that is installed writes to addresses of its protocol.
    """
    protocol = str(folder).partition("://")[0]
    if protocol in _READ_ONLY:
        raise OutputError(f"{folder} cannot be written to over {protocol}://: choose a file with -o, here or on s3://")
    open_store(str(folder))


def publish_elsewhere(part: Path, path: RemotePath, overwrite: bool) -> None:
    """Upload a complete file; it appears under its name when all of it is there.

    Args:
        part: the file, which stays.
        path: its name elsewhere.
        overwrite: replace an existing file.

    Raises:
        FileExistsError: it exists, and must not be replaced.
        OutputError: it cannot be uploaded.
    """
    store, name = open_store(str(path))
    try:
        if is_object_store(path):
            persist(lambda: _upload(store, part, name, overwrite))
        else:
            _upload_and_rename(store, part, name, overwrite)
    except StoreError as error:
        if error.status == 412 and not overwrite:
            raise FileExistsError(errno.EEXIST, "File exists", str(path)) from None
        raise OutputError(f"{path} cannot be written: {error}; what is finished is kept, use --resume") from None
    finally:
        forget_source(str(path))


def _upload(store: Any, part: Path, name: str, overwrite: bool) -> None:
    if overwrite:
        store.put_file(str(part), name)
        return
    try:
        store.put_file(str(part), name, mode="create")
    except NotImplementedError:  # of a store that cannot promise it
        _check_free(store, name)
        store.put_file(str(part), name)


def _upload_and_rename(store: Any, part: Path, name: str, overwrite: bool) -> None:
    unfinished = f"{name}.{secrets.token_hex(4)}.part"
    try:
        persist(lambda: store.put_file(str(part), unfinished))
        if not overwrite:
            persist(lambda: _check_free(store, name))
        persist(lambda: store.mv(unfinished, name))
    except StoreError:
        with suppress(Exception):
            store.rm_file(unfinished)
        raise


def _check_free(store: Any, name: str) -> None:
    if store.exists(name):
        raise FileExistsError(errno.EEXIST, "File exists")
