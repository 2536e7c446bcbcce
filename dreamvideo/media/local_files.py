"""Opens local media files; a playlist among them reads files of its own folder only.

libav takes a file for a playlist (HLS, DASH, concat) by its content, whatever its name, and reads every file that it
lists: a film from somewhere else could thus show any video of this computer in the output.
"""

from __future__ import annotations

import errno
import os
import re
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import av

# By these, in lower case, libav knows files that name others; it looks for them in the first megabyte.
_MARKS: Final = (b"#extm3u", b"ffconcat", b"<mpd", b"<compositionplaylist", b"c=in ip")
_PROBED_BYTES: Final = 1 << 20
_READ_ONLY: Final = 1  # AVIO_FLAG_READ

_REASON: Final = "it is a playlist that names something outside of its own folder"


def open_local(path: str | os.PathLike[str], **options: Any) -> av.container.InputContainer:
    """Open a local file with libav.

    Args:
        path: of the file; a colon in it is not taken for a protocol.
        options: of `av.open`.

    Raises:
        av.error.FFmpegError: libav cannot open it, or it is a playlist that names a file outside of its own folder, or
            an address.
        OSError: it cannot be read.
    """
    absolute = os.path.abspath(path)
    if _may_be_playlist(absolute):
        options["io_open"] = partial(_open_beside, Path(absolute).resolve().parent)
    return cast(av.container.InputContainer, av.open(absolute, metadata_errors="replace", **options))


def _may_be_playlist(path: str) -> bool:
    with open(path, "rb") as file:
        head = file.read(_PROBED_BYTES).lower()
    return any(mark in head for mark in _MARKS)


def _open_beside(folder: Path, url: str, flags: int, options: Any) -> BinaryIO:
    """Open a file that libav asks for, if it is in `folder` or below it."""
    name = re.sub(r"^file:(//(?=/))?", "", url)
    path = Path(name).resolve()
    if flags != _READ_ONLY or re.match(r"[\w+.,-]{2,}:", name) or not path.is_relative_to(folder):
        raise av.error.PermissionError(errno.EPERM, _REASON, url)
    return path.open("rb")
