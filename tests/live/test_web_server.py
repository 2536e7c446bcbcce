import base64
import contextlib
import hashlib
import http.client
import json
import logging
import math
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from page_attacks import ATTACKS, attack

from dreamvideo.errors import OutputError, SettingsError
from dreamvideo.live.controls import KEYS, Controls, Menu
from dreamvideo.live.shared_state import LiveNumbers, MidiLearning, SharedState
from dreamvideo.live.web import guesses, jpegs, places
from dreamvideo.live.web import page_server as serving
from dreamvideo.live.web.guesses import GuessLimit
from dreamvideo.live.web.http_security import MAX_BODY
from dreamvideo.live.web.password import PASSWORD_VARIABLE, page_password
from dreamvideo.live.web.places import network_of
from dreamvideo.live.web.request_reader import MAX_HEAD
from dreamvideo.live.web.server import serve_page
from dreamvideo.settings.live import LiveSettings
from dreamvideo.settings.parsers import Address, parse_address

HERE = Address("127.0.0.1", 0)
JSON = {"Content-Type": "application/json"}
ROUTES = ("/", "/state", "/image.jpg", "/stream", "/press", "/set", "/learn", "/forget", "/nothing")
SOON = 300.0  # seconds after which what has not come is not coming


@pytest.fixture
def shared() -> SharedState:
    return SharedState(Controls(), Menu(("eyes", "leaves"), ("s8b", "s16a"), classes=("owl",)))


@pytest.fixture
def port(shared: SharedState) -> Iterator[int]:
    with serve_page(shared, HERE, None) as url:
        yield port_of(url)


def port_of(url: str) -> int:
    return int(re.fullmatch(r"http://.*:(\d+)/", url)[1])


def ask(port: int, path: str, body: Any = None, headers: Any = None, host: str = "127.0.0.1") -> tuple[Any, Any, Any]:
    """(status, headers, content) of a GET, or of a POST where there is a body."""
    connection = http.client.HTTPConnection(host, port, timeout=SOON)
    try:
        connection.request("GET" if body is None else "POST", path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def post(port: int, path: str, content: Any, headers: Any = JSON) -> tuple[Any, Any, Any]:
    return ask(port, path, content if isinstance(content, bytes) else json.dumps(content).encode(), headers)


def basic(word: str, user: str = "me") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{word}".encode()).decode()}


@contextlib.contextmanager
def viewer(port: int, path: str = "/stream", receive: Any = None) -> Iterator[tuple[Any, Iterator[Any]]]:
    """(status line, parts of the stream) of one who looks."""
    with socket.socket() as connection:
        connection.settimeout(SOON)
        if receive:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        connection.connect(("127.0.0.1", port))
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        with connection.makefile("rb") as file:
            yield file.readline(), parts(file)


def parts(file: Any) -> Generator[Any, None, None]:
    """Each part of a multipart stream as soon as its end has come, read as RFC 2046 has it."""
    head = http.client.parse_headers(file)
    boundary = b"--" + str(head.get_param("boundary")).encode()
    assert (head.get_content_type(), file.readline(), file.readline().strip()) == (
        "multipart/x-mixed-replace",
        b"\r\n",
        boundary,
    )
    while line := file.readline():
        assert line == b"Content-Type: image/jpeg\r\n"
        length = http.client.parse_headers(file)["Content-Length"]
        content = file.read(int(length))
        assert (file.readline(), file.readline().strip()) == (b"\r\n", boundary)
        yield content


def plain(value: Any, height: int = 48, width: int = 64) -> NDArray[Any]:
    return np.full((height, width, 3), value, np.uint8)


def color(jpeg: Any) -> Any:
    """Mean RGB of a JPEG."""
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].mean((0, 1))


def until(holds: Any) -> None:
    end = time.monotonic() + SOON
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


@given(
    st.sampled_from(["127.0.0.1", "localhost", "gpu-box.lan", "0.0.0.0", "::1", "fe80::1%eth0"]), st.integers(0, 65535)
)
def test_an_address_is_read_as_it_is_printed(host: str, port: int) -> None:
    assert parse_address(str(Address(host, port))) == Address(host, port)


def test_an_address_without_a_host_is_of_this_machine_alone() -> None:
    assert parse_address("8000") == Address("127.0.0.1", 8000)


@pytest.mark.parametrize(
    "text", ["", ":8000", "box", "box:", "65536", "-1", "::1:80", "[::1]", "http://box:80", "a b:1", "٣"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="expected PORT or HOST:PORT"):
        parse_address(text)


def test_the_page_runs_its_own_script_alone_and_is_never_kept(port: int) -> None:
    status, headers, content = ask(port, "/")
    policy = headers["Content-Security-Policy"]
    assert status == 200 and headers.get_content_type() == "text/html"
    assert "default-src 'none'" in policy and "unsafe" not in policy and "*" not in policy
    for tag in ("script", "style"):
        inside = re.search(f"<{tag}>(.*)</{tag}>".encode(), content, re.DOTALL)[1]
        assert f"{tag}-src 'sha256-{base64.b64encode(hashlib.sha256(inside).digest()).decode()}'" in policy
    for path in ROUTES[:3]:
        headers = ask(port, path)[1]
        assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
        assert headers["Content-Security-Policy"] == policy and "Python" not in headers["Server"]


def test_the_state_is_the_shared_state(shared: SharedState, port: int) -> None:
    shared.numbers = LiveNumbers(29.5, 24.0, 48.0, 61.5, 7, (720, 1280), (360, 640), "cpu", "eyes", "recording")
    shared.press("m")
    state = json.loads(ask(port, "/state")[2])
    assert state["controls"] == json.loads(json.dumps(asdict(shared.controls))) and state["controls"]["mirror"]
    assert state["numbers"] == json.loads(json.dumps(asdict(shared.numbers)))
    menu = {"presets": ["eyes", "leaves"], "layers": ["s8b", "s16a"], "classes": ["owl"], "own": None}
    assert state["menu"] == menu
    keys = [{"name": key.name, "control": key.control, "what": key.what} for key in KEYS.values()]
    assert state["keys"] == keys
    assert {each["name"] for each in state["named"]} > {"strength", "step-size", "amount"}
    assert state["viewing"] is False


@pytest.mark.parametrize("key", KEYS)
def test_every_key_of_the_window_is_one_of_the_page(shared: SharedState, port: int, key: Any) -> None:
    status, _, content = post(port, "/press", {"key": key})
    expected = KEYS[key].change(Controls(), shared.menu, shared.controls.taps[-1] if key == "t" else 0.0)
    assert status == 200 and shared.controls == expected
    assert json.loads(content)["controls"] == json.loads(json.dumps(asdict(expected)))


@pytest.mark.parametrize(
    "name, sent, expected",
    [
        ("strength", 1.4, Controls(strength=1.4)),
        ("strength", 2, Controls(strength=2.0)),
        ("step-size", 0.02, Controls(numbers=(("step_size", 0.02),))),
        ("step-size", None, Controls()),
        ("octaves", 3, Controls(numbers=(("octaves", 3.0),))),
        ("preset", "leaves", Controls(preset="leaves")),
        ("class", "owl+lion:0.5", Controls(classes="owl+lion:0.5")),
        ("black", True, Controls(black=True)),
        ("snapshot", None, Controls(snapshots=1)),
    ],
)
def test_a_control_is_set_by_its_name(shared: SharedState, port: int, name: str, sent: Any, expected: Any) -> None:
    assert post(port, "/set", {"name": name, "value": sent})[0] == 200
    assert shared.controls == expected


def test_a_knob_is_learned_and_forgotten(shared: SharedState, port: int) -> None:
    assert json.loads(ask(port, "/state")[2])["midi"] is None
    shared.learning = MidiLearning("Nano")
    midi = json.loads(post(port, "/learn", {"name": "strength"})[2])["midi"]
    assert midi == {"device": "Nano", "learned": {}, "control": "strength"}
    assert shared.bind("knob 7") and not shared.bind("knob 8")
    assert json.loads(ask(port, "/state")[2])["midi"]["learned"] == {"knob 7": "strength"}
    assert json.loads(post(port, "/forget", {"name": "strength"})[2])["midi"]["learned"] == {}
    post(port, "/learn", {"name": "strength"})
    assert json.loads(post(port, "/learn", {"name": None})[2])["midi"]["control"] is None


@pytest.mark.parametrize(
    "path, body",
    [
        ("/press", b""),
        ("/press", b"{"),
        ("/press", b"\xff\xfe"),
        ("/press", b"[]"),
        ("/press", b"[" * MAX_BODY),
        ("/press", {"key": "y"}),
        ("/press", {"key": ["n"]}),
        ("/press", {"key": 0}),
        ("/press", {"value": "n"}),
        ("/press", {"key": "n", "pad": "x" * MAX_BODY}),
        ("/set", {"name": "strength", "value": "1"}),
        ("/set", {"name": "strength", "value": True}),
        ("/set", {"name": "strength", "value": [1]}),
        ("/set", {"name": "strength", "value": 3.1}),
        ("/set", {"name": "strength", "value": -0.1}),
        ("/set", {"name": "nothing", "value": 1}),
        ("/set", {"name": ["strength"], "value": 1}),
        ("/set", {"value": 1}),
        ("/set", {"name": "black", "value": 0.5}),
        ("/set", {"name": "preset", "value": "sea"}),
        ("/set", {"name": "preset", "value": 1}),
        ("/set", {"name": "class", "value": "owl:heavy"}),
        ("/set", {"name": "class", "value": "+".join("ab" * 9)}),
        ("/set", b'{"name": "strength", "value": NaN}'),
        ("/set", b'{"name": "strength", "value": 1e999}'),
        ("/learn", {"name": "nothing"}),
        ("/learn", {"name": 1}),
        ("/forget", {"name": None}),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line_and_changes_nothing(
    shared: SharedState, port: int, caplog: pytest.LogCaptureFixture, path: str, body: Any
) -> None:
    status, headers, content = post(port, path, body)
    assert status == 400 and headers.get_content_type() == "text/plain" and content.count(b"\n") == 1
    assert shared.controls == Controls() and not caplog.records


@pytest.mark.parametrize("length", ["", "-1", "0x10", "9" * 5000, "1000000000000"])
def test_a_length_that_is_none_is_refused(
    shared: SharedState, port: int, caplog: pytest.LogCaptureFixture, length: str
) -> None:
    status, _, _ = post(port, "/press", b'{"key": "n"}', {**JSON, "Content-Length": length})
    assert status == 400 and shared.controls == Controls() and not caplog.records


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n\r\n",
        b"\x16\x03\x01\x02\r\n\r\n",
        b"GET /" + b"a" * 70000,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PUT / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"GET //[ HTTP/1.1\r\nHost: [\r\n\r\n",
    ],
)
def test_what_is_no_request_leaves_no_trace(
    port: int, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], raw: Any
) -> None:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=SOON) as connection,
        contextlib.suppress(OSError),  # the server may have closed it already
    ):
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
        assert b"200" not in answer.partition(b"\n")[0] and b"Traceback" not in answer
    assert ask(port, "/state")[0] == 200
    assert not caplog.records and capfd.readouterr() == ("", "")


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:81", "[::1]:8000", "127.8.9.1"])
def test_this_machine_is_known_by_its_own_names(port: int, host: str) -> None:
    assert ask(port, "/state", headers={"Host": host})[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example", "192.168.1.5"),
        *("", "[", "localhost@evil.example", "0.0.0.0"),
    ],
)
@pytest.mark.parametrize("path", ["/", "/state", "/stream", "/press"])
def test_a_name_that_was_led_here_is_refused(shared: SharedState, port: int, host: Any, path: str) -> None:
    body = b'{"key": "n"}' if path == "/press" else None
    assert ask(port, path, body, {"Host": host, **JSON})[0] == 403
    assert shared.controls == Controls()


def test_a_name_of_our_own_for_this_machine_is_known(shared: SharedState, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: plain("127.0.0.1", *rest, **more))
    with serve_page(shared, Address("Box", 0), None) as url:
        assert url.startswith("http://Box:")
        assert ask(port_of(url), "/state", headers={"Host": "box:1"})[0] == 200
        assert ask(port_of(url), "/state", headers={"Host": "bax:1"})[0] == 403


@pytest.mark.parametrize("password", [None, "password"])
@pytest.mark.parametrize(
    "headers",
    [
        {**JSON, "Origin": "http://evil.example"},
        {**JSON, "Origin": "null"},
        {**JSON, "Origin": "http://127.0.0.1:1"},
        {**JSON, "Sec-Fetch-Site": "cross-site"},
        {**JSON, "Sec-Fetch-Site": "same-site"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "text/plain; application/json"},
        {},
    ],
)
def test_no_other_site_presses_a_key(shared: SharedState, password: str | None, headers: dict[Any, Any]) -> None:
    with serve_page(shared, HERE, password) as url:
        status, _, _ = post(port_of(url), "/press", {"key": "n"}, {**headers, **basic(password)})
    assert status in (403, 415) and shared.controls == Controls()


def test_the_page_itself_does(shared: SharedState, port: int) -> None:
    own = {"Origin": f"http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"}
    assert post(port, "/press", {"key": "n"}, {"Content-Type": "application/json; charset=utf-8", **own})[0] == 200
    assert shared.controls.preset == "eyes"


def test_another_site_may_link_to_the_page_but_take_nothing_from_it(port: int) -> None:
    status = {path: ask(port, path, headers={"Sec-Fetch-Site": "cross-site"})[0] for path in ROUTES[:4]}
    assert status == {"/": 200, "/state": 403, "/image.jpg": 403, "/stream": 403}
    assert ask(port, "/")[1]["Cross-Origin-Resource-Policy"] == "same-origin"


def test_a_password_stands_before_every_route(shared: SharedState) -> None:
    with serve_page(shared, HERE, "wörd:2345") as url:
        for path in ROUTES:
            for body in (None, b"{}"):
                status, headers, _ = ask(port_of(url), path, body)
                assert status == 401 and headers["WWW-Authenticate"].startswith("Basic ")
        assert ask(port_of(url), "/state", headers=basic("wörd:2345"))[0] == 200
        assert post(port_of(url), "/press", {"key": "m"}, {**JSON, **basic("wörd:2345", "")})[0] == 200
    assert shared.controls == Controls(mirror=True)


@pytest.mark.parametrize(
    "header",
    [
        *("Basic", "Basic !", "Basic AAAAA", "Bearer word", "Basic " + base64.b64encode(b"password").decode()),
        *(
            basic(word)["Authorization"]
            for word in ("", "Password", "password ", "passwor", "password:", "passw\xf6rd")
        ),
        basic("password")["Authorization"].replace("Basic", "Digest"),
    ],
)
def test_a_wrong_password_does_not_do(shared: SharedState, monkeypatch: pytest.MonkeyPatch, header: Any) -> None:
    monkeypatch.setattr(guesses, "GUESSES_PER_SECOND", 1e9)
    with serve_page(shared, HERE, "password") as url:
        assert ask(port_of(url), "/state", headers={"Authorization": header})[0] == 401


def test_a_wrong_password_costs_time_but_only_those_who_give_it(
    shared: SharedState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guesses, "GUESSES_PER_SECOND", 1e-3)
    monkeypatch.setattr(guesses, "MAX_AHEAD", 2)
    with (
        serve_page(shared, HERE, "password") as url,
        socket.create_connection(("127.0.0.1", port_of(url)), SOON) as guesser,
    ):
        guesser.sendall(
            f"GET /state HTTP/1.1\r\nAuthorization: {basic('w')['Authorization']}\r\nHost: localhost\r\n\r\n".encode()
        )
        assert ask(port_of(url), "/state", headers=basic("password"))[0] == 200
        assert ask(port_of(url), "/state")[0] == 401
        guesser.settimeout(0.3)
        with pytest.raises(TimeoutError):
            guesser.recv(1)


def test_other_machines_need_a_password_and_are_warned_once(
    shared: SharedState, caplog: pytest.LogCaptureFixture
) -> None:
    for host in ("0.0.0.0", "192.0.2.1"):
        with pytest.raises(SettingsError, match="--password"), serve_page(shared, Address(host, 0), None):
            pass
    for short in ("", "7 chars"):
        with pytest.raises(SettingsError, match="expected 8 or more"), serve_page(shared, HERE, short):
            pass
    assert not caplog.records
    with serve_page(shared, Address("0.0.0.0", 0), "s3cret-word") as url:
        assert socket.gethostname() in url
        for _ in range(2):
            assert ask(port_of(url), "/state", headers={"Host": "gpu-box.lan", **basic("s3cret-word")})[0] == 200
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "not encrypted" in caplog.text and "s3cret-word" not in caplog.text


@pytest.mark.parametrize("address", [None, Address("192.0.2.1", 0), Address("b" * 64, 0)])
def test_where_no_page_can_be_is_said_in_a_line(shared: SharedState, port: int, address: Address | None) -> None:
    address = address or Address("127.0.0.1", port)
    with (
        pytest.raises(OutputError, match="expected an address of this machine") as caught,
        serve_page(shared, address, "password"),
    ):
        pass
    assert "\n" not in str(caught.value) and str(address) in str(caught.value)


def test_the_port_is_free_again_at_once(shared: SharedState, port: int) -> None:
    with serve_page(shared, HERE, None) as url:
        ask(port_of(url), "/")
    with serve_page(shared, Address("127.0.0.1", port_of(url)), None) as again:
        assert again == url and ask(port_of(url), "/state")[0] == 200


def test_the_newer_internet_too(shared: SharedState) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    with serve_page(shared, parse_address("[::1]:0"), None) as url:
        assert url.startswith("http://[::1]:")
        assert ask(port_of(url), "/state", host="::1")[0] == 200


def test_the_newest_picture_in_its_colors(shared: SharedState, port: int) -> None:
    assert ask(port, "/image.jpg")[0] == 503
    shared.show(plain((200, 100, 20))[:, ::-1])
    status, headers, content = ask(port, "/image.jpg")
    assert status == 200 and headers.get_content_type() == "image/jpeg"
    assert np.abs(color(content) - (200, 100, 20)).max() < 3


def test_each_picture_is_encoded_once_and_only_when_somebody_looks(
    shared: SharedState, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def encode(image: NDArray[np.uint8]) -> bytes:
        made.append(int(image[0, 0, 0]))
        return bytes(made[-1:])

    monkeypatch.setattr(jpegs, "encode_jpeg", encode)
    shared.show(plain(1))
    shared.show(plain(2))
    assert not made
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(viewer(port))[1] for _ in range(3)]
        assert [next(stream) for stream in streams] == [b"\2"] * 3
        for value in (3, 4, 5):
            shared.show(plain(value))
            assert [next(stream) for stream in streams] == [bytes([value])] * 3
            assert ask(port, "/image.jpg")[2] == bytes([value])
    until(lambda: not threads())
    shared.show(plain(6))
    assert made == [2, 3, 4, 5]


def threads() -> list[Any]:
    return [thread for thread in threading.enumerate() if "process_request" in thread.name]


def test_a_slow_viewer_skips_to_the_newest(shared: SharedState, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpegs, "encode_jpeg", lambda picture: bytes(picture[0, 0, :1]) * 100_000)
    sent = 200  # pictures, of which about 5 are on their way
    with viewer(port, receive=1 << 14) as (_, slow), viewer(port) as (_, quick):
        for value in range(1, sent + 1):
            shared.show(plain(value, 1, 1))
            assert next(quick)[0] == value
        seen: list[int] = []
        while not seen or seen[-1] < sent:
            seen.append(next(slow)[0])
    assert seen == sorted(set(seen)) and len(seen) < 20


def test_who_goes_away_makes_room_for_another(shared: SharedState, port: int, caplog: pytest.LogCaptureFixture) -> None:
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(contextlib.ExitStack())
        lines = [
            (first if i == 0 else stack).enter_context(viewer(port, f"/stream?{i}"))[0]
            for i in range(serving.MAX_VIEWERS)
        ]
        assert all(b" 200 " in line for line in lines)
        assert ask(port, "/stream")[0] == 503
        assert json.loads(ask(port, "/state?0")[2])["viewing"]
        first.close()  # while no picture comes that could not be sent
        until(lambda: not json.loads(ask(port, "/state?0")[2])["viewing"])
        assert b" 200 " in stack.enter_context(viewer(port))[0]
        shared.show(plain(1))
    until(lambda: not threads())
    assert not caplog.records


def test_who_goes_away_in_the_middle_of_a_picture_goes_quietly(
    shared: SharedState,
    port: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(jpegs, "encode_jpeg", lambda picture: bytes(10_000_000))
    shared.show(plain(1))
    with viewer(port) as (line, _):
        assert b" 200 " in line
    until(lambda: not threads())
    assert not caplog.records and capfd.readouterr() == ("", "")


def silent(stack: contextlib.ExitStack, port: int, origin: str = "127.0.0.1") -> socket.socket:
    """A connection that says nothing, of an address of this machine."""
    return stack.enter_context(socket.create_connection(("127.0.0.1", port), SOON, (origin, 0)))


def test_a_newcomer_pushes_out_the_oldest_of_those_who_have_said_nothing(
    shared: SharedState, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "MAX_NEWCOMERS_OF_ADDRESS", 3)
    shared.show(plain(1))
    with contextlib.ExitStack() as stack:
        line, stream = stack.enter_context(viewer(port))
        assert b" 200 " in line and next(stream)
        crowd = [silent(stack, port) for _ in range(3)]
        assert ask(port, "/state")[0] == 200
        assert crowd[0].recv(1) == b""
        shared.show(plain(2))
        assert next(stream)  # who was admitted stays
    until(lambda: not threads())
    assert ask(port, "/state")[0] == 200


def test_the_address_with_the_most_connections_makes_room(
    shared: SharedState, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "MAX_NEWCOMERS", 3)
    with contextlib.ExitStack() as stack:
        single = silent(stack, port, "127.0.0.1")
        crowd = [silent(stack, port, "127.0.0.2") for _ in range(3)]
        assert crowd[0].recv(1) == b""
        single.sendall(b"GET /state HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert single.recv(15) == b"HTTP/1.0 200 OK"


def test_a_request_has_one_deadline_however_slowly_it_comes(
    shared: SharedState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "TIMEOUT", 0.4)
    with (
        serve_page(shared, HERE, None) as url,
        socket.create_connection(("127.0.0.1", port_of(url)), SOON) as connection,
    ):
        started = time.monotonic()
        connection.sendall(b"GET /state HTTP/1.1\r\nX: ")
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < started + SOON:
                connection.sendall(b"x")
                time.sleep(0.1)
        assert time.monotonic() < started + SOON


@pytest.mark.parametrize(
    "head",
    [b"A: " + b"x" * 2 * MAX_HEAD, b"".join(b"A%d: %s\r\n" % (number, b"x" * 1000) for number in range(20)), b"\r\n"],
)
def test_headers_are_16_kilobytes_in_all(port: int, head: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), SOON) as connection:
        request = b"GET /state HTTP/1.1\r\nHost: localhost\r\n" + head
        connection.sendall(request[: MAX_HEAD + MAX_BODY])
        answer = connection.recv(15)
    assert answer == (b"HTTP/1.0 200 OK" if head == b"\r\n" else b"HTTP/1.0 431 Re")


def test_who_has_been_let_in_is_not_delayed_by_guessers(shared: SharedState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guesses, "MAX_AHEAD", -math.inf)
    monkeypatch.setattr(serving, "TOO_MANY_GUESSES_DELAY", 0.01)
    with serve_page(shared, HERE, "password") as url:
        port = port_of(url)
        assert ask(port, "/", headers=basic("password"))[0] == 429  # passwords of this address are not looked at
        monkeypatch.setattr(guesses, "MAX_AHEAD", 1)
        status, headers, _ = ask(port, "/", headers=basic("password"))
        monkeypatch.setattr(guesses, "MAX_AHEAD", -math.inf)
        cookie, *attributes = headers["Set-Cookie"].split("; ")
        assert status == 200 and {"HttpOnly", "SameSite=Strict"} <= set(attributes)
        assert ask(port, "/state", headers={"Cookie": f"other=1; {cookie}", **basic("wrong")})[0] == 200
        for wrong in (cookie[:-1], f"{cookie}a", cookie.partition("=")[0] + "=", "=", ""):
            assert ask(port, "/state", headers={"Cookie": wrong})[0] == 401
    with serve_page(shared, Address("127.0.0.1", port), "password"):
        assert ask(port, "/state", headers={"Cookie": cookie})[0] == 401


def test_guesses_are_as_many_as_the_rate_allows_for_each_network_alone() -> None:
    now = 0.0
    limit = GuessLimit(lambda: now)

    def count() -> int:
        held = []
        while limit.allows("a"):
            held.append(limit.add("a"))
        assert np.allclose(np.diff(held), 1 / guesses.GUESSES_PER_SECOND) and max(held) > 4.9
        return len(held)

    assert abs(count() - guesses.MAX_AHEAD) <= 1 and limit.allows("b")
    now = 1.0
    assert abs(count() - guesses.GUESSES_PER_SECOND) <= 1


def test_a_network_is_what_one_owner_has() -> None:
    assert network_of("192.0.2.7") == network_of("::ffff:192.0.2.7") != network_of("192.0.2.8")
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:2%eth0") != network_of("2001:db8:0:1::1")


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS)
def test_no_attack_shuts_out_the_owner_or_takes_memory(name: str) -> None:
    damage = attack(name, 8)
    assert damage.answered == damage.asked > 20 and damage.grown < 20, damage


def test_a_password_comes_from_a_file_or_the_environment(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "secret"
    path.write_text("from a file\nnot this\n")
    path.chmod(0o600)
    environment = {PASSWORD_VARIABLE: "from the environment"}
    assert page_password(LiveSettings(), {}) is None
    assert page_password(LiveSettings(), environment) == "from the environment"
    assert page_password(LiveSettings(password_file=str(path)), environment) == "from a file"
    assert page_password(LiveSettings(password="from here", password_file=str(path)), environment) == "from here"
    assert not caplog.records
    path.chmod(0o644)
    page_password(LiveSettings(password_file=str(path)), {})
    assert "chmod 600" in caplog.text or os.name != "posix"


def test_a_password_that_is_short_or_cannot_be_read_is_refused(tmp_path: Path) -> None:
    empty, binary = tmp_path / "empty", tmp_path / "binary"
    empty.touch(0o600)
    binary.write_bytes(b"\xff" * 20)
    for settings, environment, message in (
        (LiveSettings(password="7 chars"), {}, "got a password of 7 characters"),
        (LiveSettings(), {PASSWORD_VARIABLE: ""}, "got a password of 0 characters"),
        (LiveSettings(password_file=str(empty)), {}, "got a password of 0 characters"),
        (LiveSettings(password_file=str(tmp_path / "none")), {}, "No such file"),
        (LiveSettings(password_file=str(tmp_path)), {}, "expected a file"),
        (LiveSettings(password_file=str(binary)), {}, "not text"),
    ):
        with pytest.raises(SettingsError, match=message):
            page_password(settings, environment)


def test_closing_waits_for_nobody(
    shared: SharedState, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(serving, "TIMEOUT", 1000)
    monkeypatch.setattr(guesses, "GUESSES_PER_SECOND", 1e-3)
    monkeypatch.setattr(jpegs, "encode_jpeg", lambda picture: bytes(10_000_000))
    with contextlib.ExitStack() as stack:
        page = contextlib.ExitStack()
        port = port_of(page.enter_context(serve_page(shared, HERE, "password")))
        known, wrong = (
            f"Host: localhost\r\nAuthorization: {basic(word)['Authorization']}\r\n" for word in ("password", "w")
        )
        for request in (
            "",  # says nothing
            f"GET /stream HTTP/1.1\r\n{known}\r\n",  # reads nothing
            f"GET /stream HTTP/1.1\r\n{wrong}\r\n",
            f"POST /press HTTP/1.1\r\n{known}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n",  # no body
        ):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), SOON))
            connection.sendall(request.encode())
        shared.show(plain(1))
        until(lambda: len(threads()) == 4)
        closing = threading.Thread(target=page.close, daemon=True)
        closing.start()
        closing.join(SOON)
        assert not closing.is_alive() and not threads() and not caplog.records
    with pytest.raises(OSError):
        ask(port, "/")


@contextlib.contextmanager
def dreaming(shared: Any) -> Iterator[None]:
    """A thread that shows pictures as the controls want them: as bright as it is strong, the left darker."""
    stop = threading.Event()

    def dream() -> None:
        while not stop.wait(0.03):
            controls = shared.controls
            picture = plain(round(60 * controls.strength), 90, 160)
            picture[:, :80] //= 2
            shared.show(picture[:, ::-1] if controls.mirror else picture)

    thread = threading.Thread(target=dream)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium and chromium-driver")
def test_the_page_as_a_user_has_it(shared: SharedState) -> None:
    from selenium import webdriver
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    driver = shutil.which("chromedriver")
    assert driver, "chromium is here without its driver: install chromium-driver"
    browser = webdriver.Chrome(options, webdriver.ChromeService(driver))

    def one(selector: Any) -> Any:
        return browser.find_element("css selector", selector)

    def halves() -> NDArray[Any]:
        """Brightness on the screen of the left and the right of the picture."""
        shot = cv2.imdecode(np.frombuffer(one("#image").screenshot_as_png, np.uint8), cv2.IMREAD_GRAYSCALE)
        height, width = shot.shape
        middle = shot[height // 2 - 20 : height // 2 + 20]
        return np.array([middle[:, width // 4].mean(), middle[:, width * 3 // 4].mean()])

    def shows(left: Any, right: Any) -> None:
        until(lambda: np.abs(halves() - (left, right)).max() < 6)

    def type_(keys: Any) -> None:
        ActionChains(browser).send_keys(keys).perform()

    try:
        with dreaming(shared):
            with serve_page(shared, HERE, None) as url:
                browser.get(url)
                shows(30, 60)
                slider = one("#strength")
                ActionChains(browser).drag_and_drop_by_offset(slider, slider.size["width"] // 4, 0).perform()
                until(lambda: shared.controls.strength > 2)
                shows(30 * shared.controls.strength, 60 * shared.controls.strength)
                shared.set("strength", 2)
                until(lambda: one("#strength-value").text == "2.00")
                one("[data-key=m]").click()
                shows(120, 60)
                until(lambda: one("[data-key=m]").get_attribute("aria-pressed") == "true")
                shared.learning = MidiLearning("Nano")
                until(lambda: one("#learn").is_displayed())
                one("#learn").click()
                one("[data-key=b]").click()
                until(lambda: shared.learning.control == "black")
                assert shared.bind("knob 7") and not shared.controls.black
                one("#learn").click()
                until(lambda: shared.learning.control is None)
                one("#class").send_keys("owl" + Keys.ENTER)
                until(lambda: shared.controls.classes == "owl")
                one("summary").click()
                tv = one("#number-tv")
                ActionChains(browser).drag_and_drop_by_offset(tv, tv.size["width"] // 4, 0).perform()
                until(lambda: dict(shared.controls.numbers).get("tv", 0) > 1)
                one("summary").click()
                shared.set("tv", None)
                one("[data-key=n]").click()
                until(lambda: one("#preset").text == "eyes")
                type_("] r")
                until(lambda: shared.controls.recording)
                expected = Controls(strength=2, mirror=True, preset="eyes", layer="s8b", frozen=True, recording=True)
                assert shared.controls == expected  # the space bar froze, and did not click the last button again
                shared.numbers = replace(shared.numbers, message="<b>saved</b>", working_size=(360, 640))
                until(lambda: one("#message").text == "<b>saved</b>")
                assert "640 × 360" in one("#numbers").text
                for key in ("q", Keys.ESCAPE):
                    type_(key)
                    browser.switch_to.alert.dismiss()
                assert shared.controls == expected
                assert not browser.get_log("browser")  # nothing that its own policy forbade
            until(lambda: "No connection" in one("#lost").text)
            shared.set("strength", 1)
            with serve_page(shared, Address("127.0.0.1", port_of(url)), None):
                until(lambda: not one("#lost").is_displayed())
                shows(60, 30)
                type_("q")
                browser.switch_to.alert.accept()
                until(lambda: not shared.controls.running)
            until(lambda: "ended" in one("#lost").text)
    finally:
        browser.quit()
