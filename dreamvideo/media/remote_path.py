"""Paths of files elsewhere, which fsspec reads: each is a `Path`, so that readers need not know where a file is."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from pathlib import Path
from typing import IO, Any

from dreamvideo.media.remote_source import RemoteFile, remote_source
from dreamvideo.settings.addresses import is_address, plain_address

_BUFFER = 1 << 16  # bytes that one read of libav asks for at most, and a little more


class RemotePath(Path):
    """The path of a file elsewhere, such as s3://bucket/film.mp4, without what is secret in its address."""

    _flavour = getattr(type(Path()), "_flavour", None)  # what Python 3.11 lacks in subclasses

    def __str__(self) -> str:
        protocol, _, rest = super().__str__().replace("\\", "/").partition(":")
        return f"{protocol}://{rest.lstrip('/')}"

    def __fspath__(self) -> str:
        return str(self)

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Return its size, and instead of the time of its change a number that stands for its version.

        Raises:
            FileNotFoundError: there is none.
            SourceError: the store cannot be asked, or reading failed.
        """
        state = remote_source(str(self)).checked_state()
        version = int.from_bytes(hashlib.sha256(state.version.encode()).digest()[:7])
        return os.stat_result((stat.S_IFREG, 0, 0, 1, 0, 0, state.size, 0, 0, 0), {"st_mtime_ns": version})

    def open(self, mode: str = "r", *_: Any, **__: Any) -> IO[Any]:  # type: ignore[override]  # for bytes alone
        """Open it for reading bytes.

        Raises:
            FileNotFoundError: there is none.
            SourceError: the store cannot be asked.
        """
        if mode != "rb":
            raise ValueError(f"{self}: expected the mode 'rb', got {mode!r}")
        return io.BufferedReader(RemoteFile(remote_source(str(self), renew=True)), _BUFFER)

    def exists(self, **_: Any) -> bool:
        """Return whether it is there."""
        try:
            self.stat()
        except FileNotFoundError:
            return False
        return True

    def is_dir(self, **_: Any) -> bool:
        """Return False: folders elsewhere are not read."""
        return False

    def is_file(self, **_: Any) -> bool:
        """Return whether it is there."""
        return self.exists()

    def is_symlink(self) -> bool:
        """Return False."""
        return False

    def absolute(self) -> RemotePath:
        """Return it as it is."""
        return self

    def resolve(self, strict: bool = False) -> RemotePath:
        """Return it as it is."""
        return self

    def samefile(self, other_path: str | os.PathLike[str]) -> bool:
        """Return whether another path is the same address."""
        return self == other_path


def media_path(word: str | os.PathLike[str]) -> Path:
    """Return the path that a word stands for: of an address one whose file is read where it is.

    Args:
        word: as typed; what is secret in an address is kept, and is in no path.

    Raises:
        SettingsError: it is an address of a kind that cannot be read.
    """
    if isinstance(word, Path):
        return word
    text = os.fspath(word)
    if not is_address(text):
        return Path(text)
    shown = plain_address(text)
    protocol, _, rest = shown.partition("://")
    return Path("/", rest) if protocol in ("file", "local") else RemotePath(shown)


def is_there(path: Path) -> bool:
    """Return whether a name is taken, be it by a broken link.

    Args:
        path: here or elsewhere.

    Raises:
        SourceError: the store cannot be asked.
    """
    return path.exists() if isinstance(path, RemotePath) else os.path.lexists(path)
