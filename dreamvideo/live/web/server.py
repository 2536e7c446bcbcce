"""A page with the live picture, the numbers and the controls, for a machine without a screen."""

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

import cv2
import numpy as np
from numpy.typing import NDArray

from dreamvideo.errors import OutputError, SettingsError
from dreamvideo.live.controls import KEYS, STRENGTHS
from dreamvideo.live.shared_state import LiveState
from dreamvideo.live.web.http_security import (
    RequestRefused,
    body_length,
    check_host,
    check_site,
    content_security_policy,
    entry,
    is_authorized,
)
from dreamvideo.settings.parsers import Address

log = logging.getLogger(__name__)

PAGE: Final = Path(__file__).with_name("page.html").read_text("utf-8")
POLICY: Final = content_security_policy(PAGE)

VIEWERS: Final = 8  # of the stream at once
CONNECTIONS: Final = 64  # at once, each a thread: 8 pages with the few requests that a browser makes beside a stream
QUALITY: Final = 85  # of the JPEGs; by eye the grain of a dream is whole there, at two thirds of the bytes of 95
IN_FLIGHT: Final = 1 << 18  # bytes on their way to a viewer, about a picture: more of them would only be late
PATIENCE: Final = 10.0  # seconds for a request to arrive or a picture to leave
GLANCE: Final = 0.2  # seconds between two looks whether a waiting viewer is still there
WRONG: Final = 0.5  # seconds that a wrong password costs, one after the other
_PART: Final = b"\r\n--picture\r\n"


@contextmanager
def serve_page(desk: LiveState, address: Address, password: str | None) -> Iterator[str]:
    """The url of a page for `desk`, served until the context ends.

    Raises:
        SettingsError: other machines could open the page, and there is no password.
        OutputError: the address is taken, or is none of this machine.
    """
    try:
        family, _, _, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        ip = ipaddress.ip_address(place[0])
        if not password and (password is not None or not ip.is_loopback):
            raise SettingsError(
                f"a page at {address} without a password: expected one, as others could open it: --password"
            )
        server = _Server(desk, address.host if ip.is_loopback else None, password, family, place)
    except (OSError, UnicodeError) as error:
        raise OutputError(
            f"no page at {address}: {getattr(error, 'strerror', error)}: expected an address of this machine with a "
            "free port, such as 8000, or 0 for any"
        ) from None
    host = socket.gethostname() if ip.is_unspecified else address.host
    url = f"http://{Address(host, server.server_address[1])}/"
    if not ip.is_loopback:
        log.warning("%s is not encrypted: who listens on the way sees the pictures and the password", url)
    thread = Thread(target=server.serve_forever, args=(0.1,), name="page")
    thread.start()
    try:
        yield url
    finally:
        server.stop()
        thread.join()


class _Jpegs:
    """The newest picture as JPEG, made when it is first asked for and once for all who ask."""

    def __init__(self, desk: LiveState) -> None:
        self._desk = desk
        self._lock = Lock()
        self._made = (0, b"")

    def newest(self, after: int, timeout: float) -> tuple[int, bytes] | None:
        """(number, JPEG) as of `Desk.newest`."""
        found = self._desk.newest(after, timeout)
        if found is None:
            return None
        with self._lock:
            if found[0] > self._made[0]:
                self._made = found[0], _jpeg(found[1])
            return self._made


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    _, code = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return bytes(code)


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them
    request_queue_size = CONNECTIONS  # with the usual 5 a page that opens several at once may wait seconds for one
    allow_reuse_address = sys.platform != "win32"  # there it would share a port that is in use

    def __init__(self, desk: LiveState, alone: str | None, password: str | None, family: int, place: Any) -> None:
        """`alone`: the name under which this machine alone is served; None: others are as well."""
        self.desk = desk
        self.alone = alone
        self.password = password
        self.jpegs = _Jpegs(desk)
        self.looking: list[str] = []  # the name of each viewer of the stream
        self.lock = Lock()  # of `looking`
        self.wrong = Lock()
        self.closing = Event()
        self._open: set[socket.socket] = set()
        self.address_family = family
        super().__init__(place, _Handler)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's asks the network for our own name, which can take seconds

    def process_request(self, request: Any, client_address: Any) -> None:
        if len(self._open) >= CONNECTIONS:
            self.shutdown_request(request)
            return
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # who goes away goes quietly
            log.error("the page failed", exc_info=True)

    @contextmanager
    def viewer(self, name: str) -> Iterator[None]:
        """A place among the viewers.

        Raises:
            Refused: all are taken.
        """
        with self.lock:
            if len(self.looking) >= VIEWERS:
                raise RequestRefused(HTTPStatus.SERVICE_UNAVAILABLE, f"{VIEWERS} are looking already")
            self.looking.append(name)
        try:
            yield
        finally:
            with self.lock:
                self.looking.remove(name)

    def stop(self) -> None:
        """Let everybody go, and return once their threads have ended."""
        self.closing.set()
        self.shutdown()
        for connection in tuple(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = PATIENCE
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(message)s\n"

    def do_GET(self) -> None:
        self._guarded({"/": self._page, "/state": self._state, "/picture.jpg": self._picture, "/stream": self._stream})

    def do_POST(self) -> None:
        self._guarded({"/press": self._press, "/strength": self._strength})

    def _guarded(self, routes: dict[str, Callable[[], None]]) -> None:
        path = self.path.partition("?")[0]
        try:
            if self.server.alone is not None:
                check_host(self.headers, self.server.alone)
            check_site(self.headers, path == "/")
            self._check_password()
            if path not in routes:
                raise RequestRefused(HTTPStatus.NOT_FOUND, "there is nothing here")
            routes[path]()
        except RequestRefused as refused:
            self._answer("text/plain; charset=utf-8", f"{refused.why}\n".encode(), refused.status)

    def _check_password(self) -> None:
        if self.server.password is None or is_authorized(self.headers, self.server.password):
            return
        if "Authorization" in self.headers:
            with self.server.wrong:
                self.server.closing.wait(WRONG)
        raise RequestRefused(HTTPStatus.UNAUTHORIZED, "the password, please; any user name will do")

    def _page(self) -> None:
        self._answer("text/html; charset=utf-8", PAGE.encode())

    def _state(self) -> None:
        desk = self.server.desk
        state = {
            "numbers": asdict(desk.numbers),
            "controls": asdict(desk.controls),
            "menu": asdict(desk.menu),
            "keys": [{"name": key.name, "what": key.what} for key in KEYS.values()],
            "strengths": STRENGTHS,
            "looking": self._name() in self.server.looking,  # no browser tells a page that its stream has ended
        }
        self._answer("application/json", json.dumps(state).encode())

    def _picture(self) -> None:
        newest = self.server.jpegs.newest(0, 0)
        if newest is None:
            raise RequestRefused(HTTPStatus.SERVICE_UNAVAILABLE, "there is no picture yet")
        self._answer("image/jpeg", newest[1])

    def _stream(self) -> None:
        with self.server.viewer(self._name()):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, IN_FLIGHT)
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
            self.end_headers()
            self.wfile.write(_PART)
            number = 0
            while not self.server.closing.is_set() and not self._gone():
                newest = self.server.jpegs.newest(number, GLANCE)
                if newest:
                    number, jpeg = newest
                    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    self.wfile.write(head.encode() + jpeg + _PART)  # browsers show a part once it has ended

    def _name(self) -> str:
        """What the viewer calls itself, behind the question mark."""
        return self.path.partition("?")[2]

    def _gone(self) -> bool:
        """Whether the viewer has closed the connection, which shows of itself only when the next picture is sent."""
        self.connection.settimeout(0)
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        finally:
            self.connection.settimeout(PATIENCE)

    def _press(self) -> None:
        key = self._posted("key")
        if not isinstance(key, str) or key not in KEYS:
            raise RequestRefused(HTTPStatus.BAD_REQUEST, f"no such key: expected one of {' '.join(KEYS)}")
        self.server.desk.press(key)
        self._state()

    def _strength(self) -> None:
        value = self._posted("value")
        if not isinstance(value, float) or not math.isfinite(value):
            raise RequestRefused(HTTPStatus.BAD_REQUEST, "no strength: expected a number")
        self.server.desk.set_strength(value)
        self._state()

    def _posted(self, name: str) -> object:
        return entry(self.rfile.read(body_length(self.headers)), name)

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
