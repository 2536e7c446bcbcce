"""stdout and stderr that outlast their terminal or pipe: what cannot be printed is dropped, and the work goes on."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any, TextIO


class LastingStream:
    """A text stream whose `write` and `flush` never fail; in all else it is the stream that it wraps.

    Args:
        stream: stdout or stderr.
    """

    def __init__(self, stream: TextIO) -> None:
        self.is_lost = False  # nothing more can be printed
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text; what the encoding of the stream lacks is written as an escape."""
        if self.is_lost:
            return len(text)
        try:
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                encoding = self._stream.encoding or "ascii"
                self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        except (OSError, ValueError):  # a broken pipe, a terminal that is gone, a closed file, a full disk
            self._lose()
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        if not self.is_lost:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._lose()

    def _lose(self) -> None:
        """Drop what is written from now on. What Python buffered would fail again at exit, so it goes to nowhere."""
        self.is_lost = True
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def lasting_output() -> Generator[None, None, None]:
    """Let stdout and stderr outlast their terminal or pipe inside the block."""
    before = sys.stdout, sys.stderr
    # Either is None in a process without a console, such as pythonw.
    sys.stdout, sys.stderr = (stream and LastingStream(stream) for stream in before)  # type: ignore[assignment]
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, LastingStream):
                stream.flush()
        sys.stdout, sys.stderr = before
