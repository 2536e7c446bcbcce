"""A file server that fails as servers and networks do, so that reading over HTTP can be tested without either."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Fault = int | str  # a status; or "refuse", "drop", "whole", see `_Handler`


@dataclass
class FaultyServer:
    """What is served, and what goes wrong.

    Attributes:
        files: content by name.
        fault: returns what happens to the request for a part of a file with this number, from 0; None: nothing.
        heads: returns the same for requests for headers.
        sent: bytes of files that were sent.
        requests: for parts of files.
        auth: the value of the header Authorization of each request.
    """

    files: dict[str, bytes]
    fault: Callable[[int], Fault | None] = lambda number: None
    heads: Callable[[int], Fault | None] = lambda number: None
    sent: int = 0
    requests: int = 0
    asked: int = 0
    tells_size: bool = True
    tells_version: bool = True
    auth: list[str | None] = field(default_factory=list)
    port: int = 0

    def url(self, name: str, user: str = "", query: str = "") -> str:
        return f"http://{user}127.0.0.1:{self.port}/{name}{query}"


@contextmanager
def serve(**files: bytes) -> Generator[FaultyServer, None, None]:
    """Serve files, whose names have an underscore where a dot is meant."""
    server = FaultyServer({name.replace("_", "."): content for name, content in files.items()})
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": server}))
    http.daemon_threads = True
    server.port = http.server_port
    threading.Thread(target=http.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()


class _Handler(BaseHTTPRequestHandler):
    state: FaultyServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits for the client to acknowledge its headers

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.state.asked += 1
        if not self._fails(self.state.heads(self.state.asked - 1)):
            self._answer(200, len(self._content() or b""))

    def do_GET(self) -> None:
        state, content = self.state, self._content()
        asked = self.headers.get("Range")
        if asked is None and state.requests == 0:  # for headers, where HEAD has failed
            return self.do_HEAD()
        number, state.requests = state.requests, state.requests + 1
        fault = state.fault(number)
        if self._fails(fault) or content is None:
            return None
        start, end = map(int, asked.removeprefix("bytes=").split("-")) if asked and fault != "whole" else (0, 1 << 60)
        part = content[start : end + 1]
        self._answer(206 if fault != "whole" else 200, len(part), f"bytes {start}-{end}/{len(content)}")
        if fault == "drop":
            part = part[: len(part) // 2]
            self.close_connection = True
        state.sent += len(part)
        self.wfile.write(part)
        return None

    def _fails(self, fault: Fault | None) -> bool:
        """Answer with an error, or not at all."""
        self.state.auth.append(self.headers.get("Authorization"))
        if fault == "refuse":
            self.close_connection = True
            return True
        if isinstance(fault, int) or self._content() is None:
            self._answer(fault if isinstance(fault, int) else 404, 0)
            return True
        return False

    def _content(self) -> bytes | None:
        return self.state.files.get(self.path.partition("?")[0].lstrip("/"))

    def _answer(self, status: int, length: int, part: str | None = None) -> None:
        self.send_response(status)
        if self.state.tells_size or status != 200:
            self.send_header("Content-Length", str(length))
        else:
            self.close_connection = True
        if part is not None and status == 206:
            self.send_header("Content-Range", part)
        if self.state.tells_version and (content := self._content()) is not None:
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()[:16]}"')
        self.end_headers()
