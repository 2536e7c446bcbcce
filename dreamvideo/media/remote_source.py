"""Files elsewhere, read in blocks as they are needed: each is fetched again where a connection drops, and checked.

All readers of a file share its blocks, so that what several of them need, such as its header, is fetched once. After
each block the store is asked whether the file is still the one that was opened, so that no film is made of two.
"""

from __future__ import annotations

import errno
import io
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from dreamvideo.errors import SourceError
from dreamvideo.media.remote_store import TRIES, StoreError, open_store, persist
from dreamvideo.settings.addresses import whole_address

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK_BYTES: Final = 1 << 20
log = logging.getLogger(__name__)

FRESH_SECONDS: Final = 10.0  # for which a store is not asked again whether a file has changed, unless a block is read
AWAY_SECONDS: Final = 60.0  # the same for a store that did not answer
_KEPT_BLOCKS: Final = 32  # of a file, in memory
# What stores call the version of a file, the best first.
_VERSIONS: Final = (
    "ETag", "etag", "generation", "md5Hash", "Content-MD5", "Digest", "Last-Modified", "LastModified", "last_modified",
    "modified", "mtime", "updated", "created",
)  # fmt: skip

_sources: dict[str, RemoteSource] = {}  # by whole address
_sources_lock = Lock()


@dataclass(frozen=True, slots=True)
class RemoteState:
    """Which file there is under an address."""

    size: int  # bytes
    version: str  # what the store says, such as an ETag; empty: nothing


class RemoteSource:
    """A file elsewhere, as all readers of it share it.

    Args:
        shown: its address, as `plain_address` returned it.

    Raises:
        FileNotFoundError: there is none.
        SettingsError: its protocol is not known.
        SourceError: the store cannot be asked, or does not tell the size.
    """

    def __init__(self, shown: str) -> None:
        self.shown = shown
        self.fetched = 0  # bytes, in all
        self._store, self._name = open_store(shown)
        self._lock = Lock()
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._file: Any = None
        self._failure: SourceError | None = None
        self._ask_from = 0.0  # time.monotonic() from which on the store is asked again which file there is
        self.state = self._ask_state()

    def is_current(self) -> bool:
        """Return whether it could be read so far, and the store still has the file that was opened."""
        try:
            return self._failure is None and self._ask_state() == self.state
        except FileNotFoundError:
            return False

    def checked_state(self) -> RemoteState:
        """Return which file there is; the store is asked now and then.

        Raises:
            FileNotFoundError: there is none any more.
            SourceError: a block of it could not be fetched.
        """
        if self._failure is not None:
            raise self._failure
        if time.monotonic() > self._ask_from:
            try:
                return self._ask_state(tries=1)
            except SourceError as error:  # what is dreamed now has been read; if it lasts, reading fails
                log.debug("%s", error)
                self._ask_from = time.monotonic() + AWAY_SECONDS
        return self.state

    def block(self, number: int) -> bytes:
        """Return a block of the file.

        Args:
            number: of the block, from 0.

        Raises:
            SourceError: it cannot be fetched, or the file has changed.
        """
        with self._lock:
            if number in self._blocks:
                self._blocks.move_to_end(number)
                return self._blocks[number]
            try:
                content = self._fetch_same(number * BLOCK_BYTES)
            except SourceError as error:
                self._failure = error
                raise
            self._blocks[number] = content
            if len(self._blocks) > _KEPT_BLOCKS:
                self._blocks.popitem(last=False)
            return content

    def _fetch_same(self, start: int) -> bytes:
        """A block of the file that was opened."""
        problem: StoreError | None = None
        try:
            content = persist(lambda: self._fetch(start))
        except StoreError as error:
            problem = error
        try:
            same = self._ask_state() == self.state
        except FileNotFoundError:
            same = False
        if not same:
            raise SourceError(f"{self.shown} has changed since it was opened: restore it, and use --resume")
        if problem is not None:
            raise SourceError(f"{self.shown} cannot be read: {problem}")
        return content

    def _fetch(self, start: int) -> bytes:
        length = min(BLOCK_BYTES, self.state.size - start)
        try:
            if self._file is None:
                self._file = self._store.open(
                    self._name, "rb", block_size=BLOCK_BYTES, cache_type="none", size=self.state.size
                )
            self._file.seek(start)
            content = bytes(self._file.read(length))
        except Exception:
            self._file = None
            raise
        if len(content) != length:
            raise StoreError("the connection ended early", passing=True)
        self.fetched += length
        return content

    def _ask_state(self, tries: int = TRIES) -> RemoteState:
        def ask() -> dict[str, Any]:
            self._store.invalidate_cache()
            return dict(self._store.info(self._name))

        try:
            info = persist(ask, tries)
        except StoreError as error:
            if error.status == 404:
                raise FileNotFoundError(errno.ENOENT, "No such file", self.shown) from None
            raise SourceError(f"{self.shown} cannot be read: {error}") from None
        if info.get("type") == "directory":
            raise SourceError(f"{self.shown} is a folder: expected a video or image file")
        if not isinstance(info.get("size"), int):
            raise SourceError(
                f"{self.shown} cannot be read where it is: its server does not tell its size: download it"
            )
        self._ask_from = time.monotonic() + FRESH_SECONDS
        return RemoteState(info["size"], next((str(info[name]) for name in _VERSIONS if info.get(name)), ""))


def remote_source(shown: str, renew: bool = False) -> RemoteSource:
    """Return the file of an address; it is the same for all readers in this process.

    Args:
        shown: the address, as `plain_address` returned it.
        renew: open it anew if reading it failed before, or another file is there now.

    Raises:
        FileNotFoundError, SettingsError, SourceError: as `RemoteSource`.
    """
    whole = whole_address(shown)
    with _sources_lock:
        source = _sources.get(whole)
        if source is None or (renew and not source.is_current()):
            source = _sources[whole] = RemoteSource(shown)
        return source


def forget_source(shown: str) -> None:
    """Forget what was known of the file of an address, since another is there now.

    Args:
        shown: the address.
    """
    with _sources_lock:
        _sources.pop(whole_address(shown), None)


class RemoteFile(io.RawIOBase):
    """Reads a file elsewhere.

    Args:
        source: the file.
    """

    def __init__(self, source: RemoteSource) -> None:
        self.name = source.shown
        self._source = source
        self._at = 0
        self._ended = False  # it failed: libav, to which that was told, asks again before it ends

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place in the file, and return it."""
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._source.state.size}[whence]
        self._at = max(0, begin + offset)
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read up to the end of a block; raises SourceError where that fails, and is at its end from then on."""
        view = memoryview(buffer).cast("B")
        if self._ended or self._at >= self._source.state.size or not view:
            return 0
        number, skipped = divmod(self._at, BLOCK_BYTES)
        try:
            block = self._source.block(number)
        except SourceError:
            self._ended = True
            raise
        part = memoryview(block)[skipped : skipped + len(view)]
        view[: len(part)] = part
        self._at += len(part)
        return len(part)
