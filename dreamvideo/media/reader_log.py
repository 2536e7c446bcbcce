"""The log of the video reader, and how it is silenced."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock

log = logging.getLogger(__name__)

_open_blocks = 0  # of `silence_reader`, in all threads; they may end in any order
_lock = Lock()


@contextmanager
def silence_reader() -> Generator[None, None, None]:
    """Log nothing about videos inside the block; for a file that is opened again after its warnings were logged."""
    _count(1)
    try:
        yield
    finally:
        _count(-1)


def _count(change: int) -> None:
    global _open_blocks
    with _lock:
        _open_blocks += change
        log.disabled = _open_blocks > 0
