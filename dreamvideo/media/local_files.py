"""Opens media files; a playlist among them reads files of its own folder only, and one from elsewhere is refused.

libav takes a file for a playlist (HLS, DASH, concat) by its content, whatever its name, and reads every file that it
lists: a film from somewhere else could thus show any video of this computer in the output.
"""

from __future__ import annotations

import errno
import logging
import os
import re
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import av

from dreamvideo.errors import SourceError
from dreamvideo.media.remote_path import RemotePath, media_path

log = logging.getLogger(__name__)

# By these, in lower case, libav knows files that name others; it looks for them in the first megabyte.
_MARKS: Final = (b"#extm3u", b"ffconcat", b"<mpd", b"<compositionplaylist", b"c=in ip")
_PROBED_BYTES: Final = 1 << 20
_LONGEST_LIST: Final = 1 << 24  # bytes
_READ_ONLY: Final = 1  # AVIO_FLAG_READ

_REASON: Final = "it is a playlist that names something outside of its own folder"


def open_local(path: str | os.PathLike[str], **options: Any) -> av.container.InputContainer:
    """Open a file with libav; one elsewhere is read in ranges.

    Args:
        path: of the file; a colon in it is not taken for a protocol of libav.
        options: of `av.open`.

    Raises:
        av.error.FFmpegError: libav cannot open it, or it is a playlist that names a file outside of its own folder, or
            an address.
        OSError: it cannot be read.
        SourceError: a file elsewhere cannot be read, or is a playlist.
    """
    path = media_path(path)
    if isinstance(path, RemotePath):
        return _open_elsewhere(path, **options)
    absolute = os.path.abspath(path)
    if not _may_be_playlist(Path(absolute)):
        return cast(av.container.InputContainer, av.open(absolute, metadata_errors="replace", **options))
    folder = _Folder(Path(absolute).resolve().parent)
    try:
        container = av.open(absolute, metadata_errors="replace", io_open=folder.open, **options)
    except (av.error.FFmpegError, ValueError):
        folder.check(absolute)
        raise
    try:
        folder.check(absolute)
    except av.error.FFmpegError:
        container.close()
        raise
    return cast(av.container.InputContainer, container)


def _open_elsewhere(path: RemotePath, **options: Any) -> av.container.InputContainer:
    if _may_be_playlist(path):
        raise SourceError(f"{path} may be a playlist, and leads anywhere: expected a film")
    file = path.open("rb")
    container = av.open(file, metadata_errors="replace", io_open=lambda *asked: BytesIO(), **options)
    return cast(av.container.InputContainer, container)


def _may_be_playlist(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_PROBED_BYTES).lower()
    return any(mark in head for mark in _MARKS)


def _is_hls(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(7) == b"#EXTM3U"


def _ended(playlist: Path) -> BinaryIO:
    """Return a playlist with its end: libav reads one without it again and again, for minutes, waiting for more."""
    with playlist.open("rb") as file:
        return BytesIO(file.read(_LONGEST_LIST) + b"\n#EXT-X-ENDLIST\n")


class _Folder:
    """The folder of a playlist, from which libav may read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._refused = False

    def open(self, url: str, flags: int, options: Any) -> BinaryIO:
        """Open a file that libav asks for; others are empty, since PyAV prints what is raised here."""
        name = re.sub(r"^file:(//(?=/))?", "", url)
        try:
            path = Path(name).resolve()
            if flags == _READ_ONLY and not re.match(r"[\w+.,-]{2,}:", name) and path.is_relative_to(self._path):
                return _ended(path) if _is_hls(path) else path.open("rb")
            self._refused = True
            log.debug("%s: refused", url)
        except (OSError, ValueError) as error:
            log.debug("%s: %s", url, error)
        return BytesIO()

    def check(self, playlist: str) -> None:
        """Raise a PermissionError if libav asked for anything else."""
        if self._refused:
            raise av.error.PermissionError(errno.EPERM, _REASON, playlist)
