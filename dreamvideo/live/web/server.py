"""A page with the live image, the numbers and the controls, for a machine without a screen."""

from __future__ import annotations

import ipaddress
import json
import logging
import math
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from threading import Event, Lock, Thread
from typing import Any, Final

from dreamvideo.errors import OutputError, SettingsError
from dreamvideo.live.controls import KEYS, STRENGTHS
from dreamvideo.live.shared_state import SharedState
from dreamvideo.live.web.http_security import (
    RequestRefused,
    body_length,
    check_host,
    check_site,
    content_security_policy,
    is_authorized,
    json_entry,
)
from dreamvideo.live.web.jpegs import JpegCache
from dreamvideo.settings.parsers import Address

log = logging.getLogger(__name__)

PAGE: Final = Path(__file__).with_name("page.html").read_text("utf-8")
POLICY: Final = content_security_policy(PAGE)

MAX_VIEWERS: Final = 8  # of the stream at once
MAX_CONNECTIONS: Final = 64  # at once, each a thread: 8 pages, with the few requests a browser makes beside a stream
SEND_BUFFER: Final = 1 << 18  # bytes on the way to a viewer, about one image: more images would only come late
TIMEOUT: Final = 10.0  # seconds for a request to arrive or an image to be sent
VIEWER_CHECK_INTERVAL: Final = 0.2  # seconds between checks whether a viewer is still connected
WRONG_PASSWORD_DELAY: Final = 0.5  # seconds; wrong passwords wait one after the other
_PART: Final = b"\r\n--image\r\n"


@contextmanager
def serve_page(shared: SharedState, address: Address, password: str | None) -> Iterator[str]:
    """Serve a page until the `with` block ends.

    Args:
        shared: the image, numbers and controls of the page.
        address: of this machine; port 0 is any free port.
        password: required to open the page; None: no password, for this machine only.

    Yields:
        The URL of the page.

    Raises:
        SettingsError: other machines could open the page, and no password is set.
        OutputError: the address is in use, or does not belong to this machine.
    """
    try:
        family, _, _, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        ip = ipaddress.ip_address(place[0])
        if not password and (password is not None or not ip.is_loopback):
            raise SettingsError(f"a page at {address} could be opened by others: expected a password (--password WORD)")
        server = _Server(shared, address.host if ip.is_loopback else None, password, family, place)
    except (OSError, UnicodeError) as error:
        raise OutputError(
            f"no page at {address}: {getattr(error, 'strerror', error)}: expected an address of this machine with a "
            "free port, such as 8000, or 0 for any"
        ) from None
    host = socket.gethostname() if ip.is_unspecified else address.host
    url = f"http://{Address(host, server.server_address[1])}/"
    if not ip.is_loopback:
        log.warning("%s is not encrypted: images and password can be read on the network", url)
    thread = Thread(target=server.serve_forever, args=(0.1,), name="page")
    thread.start()
    try:
        yield url
    finally:
        server.stop()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them
    request_queue_size = MAX_CONNECTIONS  # with the default of 5 a browser that opens several may wait seconds for one
    allow_reuse_address = sys.platform != "win32"  # on Windows it would share a port that is in use

    def __init__(
        self, shared: SharedState, local_name: str | None, password: str | None, family: int, place: Any
    ) -> None:
        """`local_name`: the host name of a page for this machine only; None: other machines may open it."""
        self.shared = shared
        self.local_name = local_name
        self.password = password
        self.jpegs = JpegCache(shared)
        self.viewers: list[str] = []  # the name of each viewer of the stream
        self._viewers_lock = Lock()
        self.wrong_password_lock = Lock()
        self.closing = Event()
        self._open: set[socket.socket] = set()
        self.address_family = family
        super().__init__(place, _Handler)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's looks our name up in the network, which can take seconds

    def process_request(self, request: Any, client_address: Any) -> None:
        if len(self._open) >= MAX_CONNECTIONS:
            self.shutdown_request(request)
            return
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # clients that disconnect are not errors
            log.error("the page failed", exc_info=True)

    @contextmanager
    def viewer(self, name: str) -> Iterator[None]:
        """Count as a viewer inside the block.

        Raises:
            RequestRefused: there are `MAX_VIEWERS` already.
        """
        with self._viewers_lock:
            if len(self.viewers) >= MAX_VIEWERS:
                raise RequestRefused(HTTPStatus.SERVICE_UNAVAILABLE, f"{MAX_VIEWERS} viewers are connected already")
            self.viewers.append(name)
        try:
            yield
        finally:
            with self._viewers_lock:
                self.viewers.remove(name)

    def stop(self) -> None:
        """Close all connections, and return once their threads have ended."""
        self.closing.set()
        self.shutdown()
        for connection in tuple(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = TIMEOUT
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(message)s\n"

    def do_GET(self) -> None:
        self._guarded({"/": self._page, "/state": self._state, "/image.jpg": self._image, "/stream": self._stream})

    def do_POST(self) -> None:
        self._guarded({"/press": self._press, "/strength": self._strength})

    def _guarded(self, routes: dict[str, Callable[[], None]]) -> None:
        path = self.path.partition("?")[0]
        try:
            if self.server.local_name is not None:
                check_host(self.headers, self.server.local_name)
            check_site(self.headers, path == "/")
            self._check_password()
            if path not in routes:
                raise RequestRefused(HTTPStatus.NOT_FOUND, "nothing here")
            routes[path]()
        except RequestRefused as refused:
            self._answer("text/plain; charset=utf-8", f"{refused.reason}\n".encode(), refused.status)

    def _check_password(self) -> None:
        if self.server.password is None or is_authorized(self.headers, self.server.password):
            return
        if "Authorization" in self.headers:
            with self.server.wrong_password_lock:
                self.server.closing.wait(WRONG_PASSWORD_DELAY)
        raise RequestRefused(HTTPStatus.UNAUTHORIZED, "expected the password, with any user name")

    def _page(self) -> None:
        self._answer("text/html; charset=utf-8", PAGE.encode())

    def _state(self) -> None:
        shared = self.server.shared
        state = {
            "numbers": asdict(shared.numbers),
            "controls": asdict(shared.controls),
            "menu": asdict(shared.menu),
            "keys": [{"name": key.name, "what": key.what} for key in KEYS.values()],
            "strengths": STRENGTHS,
            "viewing": self._name() in self.server.viewers,  # a browser does not tell a page that its stream has ended
        }
        self._answer("application/json", json.dumps(state).encode())

    def _image(self) -> None:
        newest = self.server.jpegs.newest(0, 0)
        if newest is None:
            raise RequestRefused(HTTPStatus.SERVICE_UNAVAILABLE, "no image yet")
        self._answer("image/jpeg", newest[1])

    def _stream(self) -> None:
        with self.server.viewer(self._name()):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=image")
            self.end_headers()
            self.wfile.write(_PART)
            number = 0
            while not self.server.closing.is_set() and not self._gone():
                newest = self.server.jpegs.newest(number, VIEWER_CHECK_INTERVAL)
                if newest:
                    number, jpeg = newest
                    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    self.wfile.write(head.encode() + jpeg + _PART)  # browsers show a part when it ends

    def _name(self) -> str:
        """The name of the viewer: the query of the URL."""
        return self.path.partition("?")[2]

    def _gone(self) -> bool:
        """Whether the viewer has closed the connection; writing would notice it only with the next image."""
        self.connection.settimeout(0)
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        finally:
            self.connection.settimeout(TIMEOUT)

    def _press(self) -> None:
        key = self._posted("key")
        if not isinstance(key, str) or key not in KEYS:
            raise RequestRefused(HTTPStatus.BAD_REQUEST, f"no such key: expected one of {' '.join(KEYS)}")
        self.server.shared.press(key)
        self._state()

    def _strength(self) -> None:
        value = self._posted("value")
        if not isinstance(value, float) or not math.isfinite(value):
            raise RequestRefused(HTTPStatus.BAD_REQUEST, "expected a number as the strength")
        self.server.shared.set_strength(value)
        self._state()

    def _posted(self, name: str) -> object:
        return json_entry(self.rfile.read(body_length(self.headers)), name)

    def _answer(self, kind: str, content: bytes, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        if status == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="dreamvideo", charset="UTF-8"')
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def end_headers(self) -> None:
        for name, value in POLICY.items():
            self.send_header(name, value)
        super().end_headers()

    def version_string(self) -> str:
        return "dreamvideo"

    def log_message(self, format: str, *args: object) -> None:
        log.debug("%s: %r", self.client_address[0], format % args)
