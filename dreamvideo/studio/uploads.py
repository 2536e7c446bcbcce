"""Files that a browser sends, written to the disk as they arrive."""

from __future__ import annotations

import asyncio
import shutil
from http import HTTPStatus
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from dreamvideo.errors import OutputError
from dreamvideo.live.web.http_security import RequestRefused
from dreamvideo.studio.film_folder import FilmFolder, Upload

MOST_AT_ONCE: Final = 4
RESERVE: Final = 1 << 30  # bytes of the disk that stay free
STALL_SECONDS: Final = 60.0  # without a byte, after which an upload is given up
WRITE_BYTES: Final = 1 << 20  # that are gathered before they are written


class Uploads:
    """Receives uploads within limits.

    Args:
        most_bytes: of a file.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._open = 0

    async def receive(self, request: Request, folder: FilmFolder) -> str:
        """Write the body of a request into a file, `path` in its query.

        Args:
            request: its body is the file.
            folder: where it goes.

        Returns:
            The name that the file got.

        Raises:
            RequestRefused: it is too large, or there are too many at once.
            SourceError, OutputError: the name will not do, or the file cannot be written.
        """
        if request.headers.get("Content-Type", "") != "application/octet-stream":
            raise RequestRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected application/octet-stream")
        if self._open >= MOST_AT_ONCE:
            raise RequestRefused(HTTPStatus.TOO_MANY_REQUESTS, f"{MOST_AT_ONCE} files are arriving already: wait")
        length = request.headers.get("Content-Length", "")
        self._check_size(int(length) if length.isdecimal() else 0)
        _check_disk(folder, int(length) if length.isdecimal() else 0)
        upload = folder.begin_upload(request.query_params.get("path"))
        self._open += 1
        complete = False
        try:
            await self._write(request, upload, folder)
            complete = True
        except OSError as error:
            raise OutputError(f"{upload.target.name} cannot be written: {error.strerror}") from None
        except (ClientDisconnect, TimeoutError):
            raise RequestRefused(HTTPStatus.REQUEST_TIMEOUT, "the file did not arrive") from None
        finally:
            self._open -= 1
            name = await run_in_threadpool(folder.end_upload, upload, complete)
        return name

    async def _write(self, request: Request, upload: Upload, folder: FilmFolder) -> None:
        count, buffer = 0, bytearray()
        stream = aiter(request.stream())
        while True:
            async with asyncio.timeout(STALL_SECONDS):
                chunk = await anext(stream, None)
            buffer += chunk or b""
            count += len(chunk or b"")
            if chunk is None or len(buffer) >= WRITE_BYTES:
                self._check_size(count)
                _check_disk(folder, len(buffer))
                await run_in_threadpool(upload.file.write, bytes(buffer))
                buffer.clear()
            if chunk is None:
                return

    def _check_size(self, count: int) -> None:
        if count > self._most:
            raise RequestRefused(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected at most {self._most / 1e9:g} GB, see --most-upload"
            )


def _check_disk(folder: FilmFolder, count: int) -> None:
    if shutil.disk_usage(folder.root).free < RESERVE + count:
        raise RequestRefused(HTTPStatus.INSUFFICIENT_STORAGE, "the disk is nearly full")
