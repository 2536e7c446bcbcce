"""Files that appear at once or not at all, never through a link, and never in place of another unless asked for.

A neighbor in a shared folder, or a second run, may put a file or a link under any name at any time. So every new file
is created with O_EXCL and O_NOFOLLOW under a name of its own, and gets its final name by a rename or a hard link.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import secrets
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

from dreamvideo.errors import OutputError
from dreamvideo.media.remote_output import check_writable_store, publish_elsewhere, work_folder, work_path
from dreamvideo.media.remote_path import RemotePath

_DEFAULT_LIMIT: Final = 255  # bytes of a file name, where the system does not tell
# On Windows a virus scanner opens what was just written, for a moment, and what is open cannot be renamed or replaced.
_RENAME_TRIES: Final = 20
_RENAME_WAIT: Final = 0.1  # seconds between them
# Characters of a whole path on Windows, where long ones are not enabled, less what a checkpoint adds to it.
_PATH_LIMIT: Final = 260 - 60
_CREATE: Final = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_EXCL
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


def name_limit(folder: Path) -> int:
    """Return how many bytes the name of a file in a folder may have.

    Args:
        folder: need not exist; then its nearest parent that does is asked.
    """
    nearest = next((each for each in (folder, *folder.absolute().parents) if os.path.isdir(each)), folder)
    try:
        return os.pathconf(nearest, "PC_NAME_MAX")
    except (OSError, ValueError, AttributeError):
        return _DEFAULT_LIMIT


def check_name_length(path: Path) -> None:
    """Check that the name of a file is not too long for its folder.

    Args:
        path: of the file. On Windows the whole of it counts, too.

    Raises:
        OutputError: it is.
    """
    length, limit = len(os.fsencode(path.name)), name_limit(path.parent)
    if length > limit:
        raise OutputError(
            f"{path.name[:40]}...: a name of {length} bytes, expected at most {limit}: choose one with -o"
        )
    whole = len(os.path.abspath(path))
    if sys.platform == "win32" and whole > _PATH_LIMIT and not _has_long_paths():
        raise OutputError(
            f"...{str(path)[-40:]}: a path of {whole} characters, expected at most {_PATH_LIMIT}: choose another "
            "folder with -o, or enable long paths in Windows (LongPathsEnabled)"
        )


def _has_long_paths() -> bool:
    import winreg

    place = r"SYSTEM\CurrentControlSet\Control\FileSystem"
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, place) as key:  # type: ignore[attr-defined,unused-ignore]
            return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])  # type: ignore[attr-defined,unused-ignore]
    except OSError:
        return False


def with_ending(path: Path, ending: str) -> Path:
    """Return a name beside a file: NAME + ending, with a hash in place of the end of NAME where that is too long.

    Args:
        path: of the file; of one elsewhere the name is in the folder here in which it is made.
        ending: such as ".part".
    """
    path = work_path(path)
    name, limit = os.fsencode(path.name + ending), name_limit(path.parent)
    if len(name) <= limit:
        return path.with_name(path.name + ending)
    mark = "~" + hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]
    kept = os.fsencode(path.name)[: limit - len(mark) - len(os.fsencode(ending))]
    return path.with_name(kept.decode(errors="ignore") + mark + ending)


def check_folder(folder: Path) -> None:
    """Check that files can be written into a folder, or that it can be made.

    Args:
        folder: of an output.

    Raises:
        OutputError: it, or the nearest above it that exists, is a file or read-only.
    """
    if isinstance(folder, RemotePath):
        check_writable_store(folder)
        return
    nearest = next((each for each in (folder, *folder.absolute().parents) if os.path.lexists(each)), folder)
    if not os.path.isdir(nearest):
        raise OutputError(f"{nearest} is not a folder: expected one, choose another with -o")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise OutputError(f"{nearest} is read-only: choose another folder with -o")


def make_folder(folder: Path) -> list[Path]:
    """Make a folder and those above it, unless they exist.

    Args:
        folder: of an output; for one elsewhere it is the folder here in which the output is made.

    Returns:
        The folders that were made, the innermost first.

    Raises:
        OutputError: it cannot be made, such as where a file has its name.
    """
    if isinstance(folder, RemotePath):
        folder = work_folder(folder)
    missing = list(itertools.takewhile(lambda each: not os.path.lexists(each), (folder, *folder.parents)))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise OutputError(f"{folder} is a file, or below one: expected a folder, choose another with -o") from None
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror}") from None
    return missing


def create_file(path: Path) -> IO[bytes]:
    """Create a file and open it for writing.

    Args:
        path: of the file; not of one that exists, nor of a link.

    Raises:
        OSError: it exists, or cannot be created.
    """
    return os.fdopen(os.open(path, _CREATE, 0o666), "wb")


def write_atomically(path: Path, content: bytes, overwrite: bool = True) -> None:
    """Write a file by way of a temporary one, fsync and rename: after a crash it is whole or absent.

    Args:
        path: of the file.
        content: of the file.
        overwrite: replace an existing one.

    Raises:
        FileExistsError: it exists, and must not be replaced.
        OSError: it cannot be written.
    """
    part = with_ending(path, f".{secrets.token_hex(4)}.part")
    try:
        with create_file(part) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        publish_file(part, path, overwrite)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def flush_to_disk(path: Path) -> None:
    """Bring a file that another program has written onto the disk.

    Args:
        path: of the file.

    Raises:
        OSError: that fails, such as where the disk is full.
    """
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def publish_file(part: Path, path: Path, overwrite: bool) -> None:
    """Give a complete file its final name; without `overwrite` it may keep its old one, too.

    Args:
        part: the file, on the same disk as `path` unless that is elsewhere.
        path: its final name.
        overwrite: replace an existing file.

    Raises:
        FileExistsError: it exists, and must not be replaced.
        OSError: the file cannot be renamed, or not be uploaded.
    """
    if isinstance(path, RemotePath):
        publish_elsewhere(part, path, overwrite)
        return
    if overwrite:
        _replace(part, path)
        return
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOSPC, errno.EROFS, errno.ENAMETOOLONG):
            raise
        # FAT and some network file systems have no hard links: take the name first, then replace what is ours.
        create_file(path).close()
        try:
            _replace(part, path)
        except OSError:
            path.unlink(missing_ok=True)
            raise


def _replace(part: Path, path: Path) -> None:
    for _ in range(_RENAME_TRIES if sys.platform == "win32" else 0):
        try:
            os.replace(part, path)
            return
        except PermissionError:
            time.sleep(_RENAME_WAIT)
    try:
        os.replace(part, path)
    except PermissionError as error:
        if sys.platform == "win32":
            error.strerror = "it is open in another program: close that"
        raise


def read_json(path: Path) -> Mapping[str, Any] | None:
    """Return the object that a file of JSON holds; None: there is no such file, or it holds something else.

    Args:
        path: of the file.
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
