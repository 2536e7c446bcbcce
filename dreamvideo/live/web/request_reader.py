"""Reads a request within a deadline and a size, however it is cut into packets."""

from __future__ import annotations

import io
import socket
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from dreamvideo.live.web.http_security import MAX_BODY, RequestRefused

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_HEAD: Final = 16 << 10  # bytes of the request line and all headers; browsers send about 1 kB


class RequestReader(io.RawIOBase):
    """The bytes of one request.

    Args:
        connection: where they come from.
        seconds: for all of them.
    """

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection = connection
        self._deadline = time.monotonic() + seconds
        self._left = MAX_HEAD + MAX_BODY

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read what has come, or wait for it.

        Raises:
            TimeoutError: the deadline has passed.
            RequestRefused: the request is too large.
        """
        if not self._left:
            raise RequestRefused(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"expected at most {MAX_HEAD} bytes of headers"
            )
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        self._connection.settimeout(remaining)
        count = self._connection.recv_into(memoryview(buffer)[: self._left])
        self._left -= count
        return count
