"""The HTTP server of the page of a live dream, and what it answers to each request."""

from __future__ import annotations

import io
import json
import logging
import secrets
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from threading import Event, Lock
from typing import Any, Final

from dreamvideo.errors import DreamVideoError
from dreamvideo.live.controls import KEYS
from dreamvideo.live.named_controls import CONTROLS
from dreamvideo.live.shared_state import SharedState
from dreamvideo.live.web.guesses import GuessLimit
from dreamvideo.live.web.http_security import (
    RequestRefused,
    body_length,
    check_host,
    check_site,
    content_security_policy,
    has_session,
    is_authorized,
    json_entries,
)
from dreamvideo.live.web.jpegs import JpegCache
from dreamvideo.live.web.places import MAX_NEWCOMERS, Places, network_of
from dreamvideo.live.web.request_reader import RequestReader

log = logging.getLogger(__name__)

PAGE: Final = Path(__file__).with_name("page.html").read_text("utf-8")
POLICY: Final = content_security_policy(PAGE)

MAX_VIEWERS: Final = 8  # of the stream at once
SEND_BUFFER: Final = 1 << 18  # bytes on the way to a viewer, about one image: more images would only come late
TIMEOUT: Final = 10.0  # seconds for a whole request to arrive, or for an image to be sent
TOO_MANY_GUESSES_DELAY: Final = 1.0  # seconds until a password that is not looked at is answered
VIEWER_CHECK_INTERVAL: Final = 0.2  # seconds between checks whether a viewer is still connected
_PART: Final = b"\r\n--image\r\n"


class PageServer(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them
    request_queue_size = MAX_NEWCOMERS  # with the default of 5 a browser that opens several may wait seconds for one
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
        self.guesses = GuessLimit()
        self.session = secrets.token_urlsafe(24)  # a cookie of those who gave the password, whom guessers cannot delay
        self.places = Places()
        self.closing = Event()
        self.address_family = family
        super().__init__(place, _PageHandler)

    @property
    def cookie(self) -> str:
        """The name of the cookie: browsers send cookies of all ports of a host."""
        return f"dreamvideo_{self.server_address[1]}"

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's looks our name up in the network, which can take seconds

    def process_request(self, request: Any, client_address: Any) -> None:
        self.places.enter(request, network_of(client_address[0]))
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.places.leave(request)
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
        self.places.shut_down()
        self.server_close()


class _PageHandler(BaseHTTPRequestHandler):
    server: PageServer
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(message)s\n"

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.rfile = io.BufferedReader(RequestReader(self.connection, TIMEOUT))

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except RequestRefused as refused:  # while it was read
            self.requestline = self.request_version = ""
            self._refuse(refused)

    def do_GET(self) -> None:
        self._guarded({"/": self._page, "/state": self._state, "/image.jpg": self._image, "/stream": self._stream})

    def do_POST(self) -> None:
        self._guarded({"/press": self._press, "/set": self._set, "/learn": self._learn, "/forget": self._forget})

    def _guarded(self, routes: dict[str, Callable[[], None]]) -> None:
        path = self.path.partition("?")[0]
        try:
            if self.server.local_name is not None:
                check_host(self.headers, self.server.local_name)
            check_site(self.headers, path == "/")
            self._check_password()
            if not self.server.places.admit(self.connection):
                raise RequestRefused(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections")
            if path not in routes:
                raise RequestRefused(HTTPStatus.NOT_FOUND, "nothing here")
            routes[path]()
        except RequestRefused as refused:
            self._refuse(refused)

    def _refuse(self, refused: RequestRefused) -> None:
        self._answer("text/plain; charset=utf-8", f"{refused.reason}\n".encode(), refused.status)

    def _check_password(self) -> None:
        password, guesses = self.server.password, self.server.guesses
        if password is None or has_session(self.headers, self.server.cookie, self.server.session):
            return
        if "Authorization" in self.headers:
            network = network_of(self.client_address[0])
            if not guesses.allows(network):
                self._hold(TOO_MANY_GUESSES_DELAY)
                raise RequestRefused(HTTPStatus.TOO_MANY_REQUESTS, "too many wrong passwords: try again in a moment")
            if is_authorized(self.headers, password):
                return
            self._hold(guesses.add(network))
        raise RequestRefused(HTTPStatus.UNAUTHORIZED, "expected the password, with any user name")

    def _hold(self, seconds: float) -> None:
        """Wait, but not for a client that has gone or was pushed out."""
        self.connection.settimeout(seconds)
        with suppress(OSError):
            self.connection.recv(1, socket.MSG_PEEK)

    def _page(self) -> None:
        self._answer("text/html; charset=utf-8", PAGE.encode(), session=self.server.password is not None)

    def _state(self) -> None:
        shared = self.server.shared
        menu, learning = shared.menu, shared.learning
        state = {
            "numbers": asdict(shared.numbers),
            "controls": asdict(shared.controls),
            "menu": {name: getattr(menu, name) for name in ("presets", "layers", "classes", "own")},
            "keys": [{"name": key.name, "control": key.control, "what": key.what} for key in KEYS.values()],
            "named": [asdict(control) for control in CONTROLS.values() if control.kind == "number"],
            "midi": None if learning is None else asdict(learning),
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
            self.connection.settimeout(TIMEOUT)
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
        key = self._posted("key")["key"]
        if not isinstance(key, str) or key not in KEYS:
            raise RequestRefused(HTTPStatus.BAD_REQUEST, f"no such key: expected one of {' '.join(KEYS)}")
        self.server.shared.press(key)
        self._state()

    def _set(self) -> None:
        posted = self._posted("name", "value")
        name, value = posted["name"], posted["value"]
        if not isinstance(name, str) or not (value is None or isinstance(value, float | str | bool)):
            raise RequestRefused(HTTPStatus.BAD_REQUEST, "expected the name of a control and its value")
        try:
            self.server.shared.set(name, value)
        except DreamVideoError as error:
            raise RequestRefused(HTTPStatus.BAD_REQUEST, str(error)) from None
        self._state()

    def _learn(self) -> None:
        name = self._posted("name")["name"]
        self.server.shared.learn(None if name is None else self._control(name))
        self._state()

    def _forget(self) -> None:
        self.server.shared.forget(self._control(self._posted("name")["name"]))
        self._state()

    def _control(self, name: object) -> str:
        if not isinstance(name, str) or name not in CONTROLS:
            raise RequestRefused(HTTPStatus.BAD_REQUEST, "expected the name of a control")
        return name

    def _posted(self, *names: str) -> dict[str, object]:
        return json_entries(self.rfile.read(body_length(self.headers)), *names)

    def _answer(self, kind: str, content: bytes, status: HTTPStatus = HTTPStatus.OK, *, session: bool = False) -> None:
        self.connection.settimeout(TIMEOUT)
        self.send_response(status)
        if status == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="dreamvideo", charset="UTF-8"')
        if session:
            cookie = f"{self.server.cookie}={self.server.session}; HttpOnly; SameSite=Strict; Path=/"
            self.send_header("Set-Cookie", cookie)
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
