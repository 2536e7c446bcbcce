"""Downloads a file: at most so long, at most so large, and kept only if its hash is the expected one."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

from tqdm import tqdm

SILENCE: Final = 30.0  # seconds without a byte
LONGEST: Final = 3 * 3600.0  # seconds: the largest weights of torchvision at 2 Mbit/s
LARGEST: Final = 4 << 30  # bytes; the largest weights of torchvision have 2.5 GB

_CHUNK: Final = 1 << 18


def download_file(
    url: str, path: Path, digest: str, *, progress: bool = False, clock: Callable[[], float] = time.monotonic
) -> None:
    """Download a file to its place, atomically.

    Args:
        url: from where.
        path: its place; the folder must exist.
        digest: first digits of its SHA-256, in hexadecimal.
        progress: show a bar on stderr.
        clock: the present, in seconds.

    Raises:
        OSError: no connection, an answer that is no file, `SILENCE`, `LONGEST` or `LARGEST` passed, or a disk that is
            full.
        ValueError: another hash than expected.
        http.client.HTTPException: the answer breaks off.
    """
    handle, name = tempfile.mkstemp(".part", f"{path.name}.", path.parent)
    part = Path(name)
    try:
        request = Request(url, headers={"User-Agent": "dreamvideo"})
        with open(handle, "wb") as file, urlopen(request, None, SILENCE) as answer:
            found = _copy(answer, file.write, clock() + LONGEST, progress, clock)
            file.flush()
            os.fsync(file.fileno())
        if not found.startswith(digest):
            raise ValueError(f"invalid hash value (expected {digest}, got {found[: len(digest)]})")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _copy(answer: Any, write: Callable[[bytes], Any], end: float, progress: bool, clock: Callable[[], float]) -> str:
    """Copy an answer; returns the SHA-256 of its bytes."""
    declared = answer.headers.get("Content-Length", "")
    size = int(declared) if declared.isdecimal() else None
    _check_size(size or 0)
    digest, count = hashlib.sha256(), 0
    with tqdm(total=size, disable=not progress, unit="B", unit_scale=True, unit_divisor=1024, file=sys.stderr) as bar:
        while chunk := answer.read1(_CHUNK):
            count += len(chunk)
            _check_size(count)
            if clock() > end:
                raise TimeoutError(f"it takes longer than {LONGEST / 3600:g} hours")
            digest.update(chunk)
            write(chunk)
            bar.update(len(chunk))
    if size is not None and count < size:
        raise OSError(f"the connection ended after {count} of {size} bytes")
    return digest.hexdigest()


def _check_size(count: int) -> None:
    if count > LARGEST:
        raise OSError(f"it is larger than {LARGEST >> 30} GB, which no weights are")


def check_hash(path: Path, digest: str) -> None:
    """Check that a file is the one that was published; the same file is read once in a process.

    Args:
        path: an existing file.
        digest: first digits of its SHA-256, in hexadecimal.

    Raises:
        OSError: it cannot be read.
        ValueError: it has another hash.
    """
    state = path.stat()
    found = _file_hash(path, state.st_size, state.st_mtime_ns, state.st_ino)
    if not found.startswith(digest):
        raise ValueError(f"got SHA-256 {found[:12]}..., expected {digest[:12]}...")


@cache
def _file_hash(path: Path, *state: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
