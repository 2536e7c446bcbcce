"""Who may use the studio: the attacks on the page of a live dream, over the studio's routes."""

import asyncio
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import studio_fakes
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.testclient import TestClient
from studio_fakes import FakeStudio, fake_studio

from dreamvideo.errors import SourceError
from dreamvideo.live.web import guesses
from dreamvideo.live.web.http_security import RequestRefused
from dreamvideo.studio import request_values, routes
from dreamvideo.studio.access import Access
from dreamvideo.studio.film_folder import FilmFolder

root, studio = studio_fakes.root, studio_fakes.studio

JSON = {"Content-Type": "application/json"}
PATHS = [
    ("GET", "/"),
    ("GET", "/page/main.js"),
    ("GET", "/api/start"),
    ("GET", "/api/files"),
    ("GET", "/api/film?path=film.mp4"),
    ("GET", "/api/strip?path=film.mp4"),
    ("GET", "/api/sound?path=film.mp4"),
    ("POST", "/api/timeline"),
    ("GET", "/api/events?after=0&version=0"),
    ("POST", "/api/jobs"),
    ("POST", "/api/jobs/1/pause"),
    ("PUT", "/api/upload?path=a.mp4"),
    ("GET", "/api/live"),
    ("GET", "/api/live/cameras"),
    ("GET", "/api/live/image?after=0"),
    ("PUT", "/api/live/frame?client=a&mark=1"),
    ("POST", "/api/live/start"),
    ("POST", "/api/live/press"),
    ("POST", "/api/live/set"),
    ("POST", "/api/live/stop"),
    ("GET", "/nothing"),
]
OCTETS = {"Content-Type": "application/octet-stream"}
OUTSIDE = ["../secret.mp4", "/etc/passwd", "a/../../secret.mp4", "..", "..\\secret.mp4", "link.mp4", "links/secret.mp4"]
HIDDEN = [".dreamvideo-studio.json", ".hidden.mp4", "film.mp4.checkpoint/joined.mp4", "a\0.mp4", "x" * 5000, "x" * 300]


def test_without_the_token_nothing_is_answered(studio: FakeStudio) -> None:
    for cookie in ({}, {"Cookie": f"{studio.access.cookie}=wrong"}, {"Cookie": f"{studio.access.cookie}="}):
        for method, path in PATHS:
            answer = studio.stranger().request(method, path, headers=cookie)
            assert answer.status_code == 403 and "token" in answer.text and answer.text.count("\n") == 1, path
    for method, path in PATHS:
        assert studio.browser().request(method, path).status_code not in (401, 403), path


def test_the_token_is_not_kept_in_the_address_and_the_cookie_is_for_this_page_alone(studio: FakeStudio) -> None:
    answer = studio.stranger().get("/", params={"token": studio.access.token})
    assert answer.status_code == 303 and answer.headers["Location"] == "/"
    cookie = answer.headers["Set-Cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and studio.access.token not in answer.headers.values()


@pytest.mark.parametrize("host", ["evil.example:8765", "127.0.0.1.evil.example", "192.0.2.7:80", "", "localhost.evil"])
def test_another_host_is_refused_even_with_the_token(studio: FakeStudio, host: str) -> None:
    browser = studio.browser()
    assert browser.get("/api/start", headers={"Host": host}).status_code == 403
    assert studio.stranger().get("/", params={"token": studio.access.token}, headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost:8765", "localhost:9000", "127.0.0.1:9000", "[::1]:80"])
def test_a_tunnel_may_have_any_port(studio: FakeStudio, host: str) -> None:
    assert studio.browser().get("/api/start", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:1", "null"])
def test_another_origin_is_refused(studio: FakeStudio, origin: str) -> None:
    browser = studio.browser()
    for method, path in PATHS:
        assert browser.request(method, path, headers={"Origin": origin}).status_code == 403, path


def test_what_another_page_embeds_is_refused_and_a_form_cannot_post(studio: FakeStudio) -> None:
    browser = studio.browser()
    for site in ("cross-site", "same-site"):
        assert browser.get("/api/film?path=film.mp4", headers={"Sec-Fetch-Site": site}).status_code == 403
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain", ""):
        body = b'{"paths": ["film.mp4"], "look": {}}'
        assert browser.post("/api/jobs", content=body, headers={"Content-Type": kind}).status_code == 415
        for path in ("start", "stop", "press", "set"):
            answer = browser.post(f"/api/live/{path}", content=b'{"client": "a"}', headers={"Content-Type": kind})
            assert answer.status_code == 415
        for path in ("upload?path=a.mp4", "live/frame?client=a"):
            assert browser.put(f"/api/{path}", content=b"x", headers={"Content-Type": kind}).status_code == 415
    assert studio.started.empty()
    assert studio.jobs.jobs() == [] and os.listdir(studio.folder.root) == ["film.mp4"]


@pytest.fixture
def secrets(root: Path) -> Iterator[list[Path]]:
    """Files that must be neither read nor changed, and links to them."""
    outside = [root.parent / "secret.mp4", root / ".hidden.mp4"]
    for path in outside:
        path.write_bytes(b"secret")
    (root / "link.mp4").symlink_to(outside[0])
    (root / "links").symlink_to(root.parent)
    (root / "film.mp4.checkpoint").mkdir()
    (root / "film.mp4.checkpoint" / "joined.mp4").write_bytes(b"secret")
    yield outside
    assert all(path.read_bytes() == b"secret" for path in outside)
    assert {path.name for path in root.parent.iterdir()} == {"films", "secret.mp4"}


def sends(browser: TestClient, name: str) -> list[Any]:
    """A request with `name` in every field that holds a path."""
    look, masked = ({"values": {field: name}} for field in ("guide", "mask"))
    tiles = {"client": "a", "kind": "tiles", "path": name, "looks": [{"id": "a", "look": {}}]}
    posts: dict[str, list[Any]] = {
        "look": [{"path": name, "look": {}}, {"path": "film.mp4", "look": look}],
        "timeline": [
            {"path": name, "look": {}, "edit": {"do": "put", "time": 0, "values": {"color": 1}}},
            {"path": "film.mp4", "look": {}, "edit": {"do": "load", "film": name}},
        ],
        "pictures": [tiles, {**tiles, "path": "film.mp4", "looks": [{"id": "a", "look": look}]}],
        "jobs": [
            {"paths": [name], "look": {}},
            {"paths": ["film.mp4"], "look": look},
            {"paths": ["film.mp4"], "look": masked},
            {"resume": name, "source": "film.mp4"},
            {"resume": "film_dream.mp4", "source": name},
        ],
        "live/start": [
            {"client": "a", "film": name, "look": {}},
            {"client": "a", "film": "film.mp4", "look": look},
        ],
    }
    upload = browser.put("/api/upload", params={"path": name}, content=b"evil", headers=OCTETS)
    read = ("frame", "report", "film", "strip", "sound")
    gets = [browser.get(f"/api/{each}", params={"path": name, "side": 64}) for each in read]
    return [
        *gets,
        browser.get("/api/film", params={"path": name, "download": "1"}),
        upload,
        *(browser.post(f"/api/{path}", json=body) for path, bodies in posts.items() for body in bodies),
    ]


@pytest.mark.parametrize("name", [*OUTSIDE, *HIDDEN])
def test_no_path_leads_out_of_the_folder_in_any_field(studio: FakeStudio, secrets: list[Path], name: str) -> None:
    for answer in sends(studio.browser(), name):
        assert answer.status_code == 400 and b"secret\n" not in answer.content, answer.request.url
        assert len(answer.text.splitlines()) == 1 and len(answer.text) < 500
    assert not studio.jobs.jobs() and not studio.dreamer.tasks and studio.started.empty()


def test_folders_that_lead_out_are_not_listed(studio: FakeStudio, secrets: list[Path]) -> None:
    browser = studio.browser()
    assert [entry["name"] for entry in browser.get("/api/files").json()["entries"]] == ["film.mp4"]
    for folder in ("..", "/", "links", "film.mp4.checkpoint", "../films/.."):
        assert browser.get("/api/files", params={"folder": folder}).status_code == 400


def test_names_that_are_not_unicode_are_refused_or_left_out(studio: FakeStudio, root: Path) -> None:
    browser = studio.browser()
    for path in ("\ud800.mp4", "a\udcff/b.mp4", "\u202egnp.mp4"):
        answer = browser.post("/api/look", content=json.dumps({"path": path, "look": {}}), headers=JSON)
        assert answer.status_code == 400 and answer.text.isprintable()
    if os.name == "posix":
        (root / os.fsdecode(b"\xff.mp4")).touch()
        assert [entry["name"] for entry in browser.get("/api/files").json()["entries"]] == ["film.mp4"]


@given(st.text(alphabet=st.sampled_from("a./\\~%:\0é "), max_size=20))
def test_a_name_is_in_the_folder_or_refused(name: str) -> None:
    folder = FilmFolder(Path("/nowhere/films"))
    try:
        path = folder.find(name)
    except SourceError:
        return
    assert path == folder.root or folder.root in path.parents


def test_1000_wrong_passwords_are_refused_at_the_rate_of_the_live_page(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("dreamvideo.studio.access.asyncio.sleep", sleep)
    with fake_studio(root, access=Access(None, "correct horse", 8765)) as fake:
        browser = fake.stranger("192.0.2.7:8765")
        codes = [browser.get("/api/start", auth=("me", f"guess {n}")).status_code for n in range(1000)]
        assert set(codes) == {401, 429} and codes.count(401) >= guesses.MAX_AHEAD
        assert max(waits) <= guesses.MAX_AHEAD / guesses.GUESSES_PER_SECOND + 1 and len(waits) == 1000
        tokens = [browser.get("/", params={"token": f"guess {n}"}).status_code for n in range(20)]
        assert set(tokens) <= {401, 429}
        assert browser.get("/api/start").headers["WWW-Authenticate"].startswith("Basic")


def test_the_password_lets_in_from_elsewhere_and_sets_a_cookie(root: Path) -> None:
    with fake_studio(root, access=Access(None, "correct horse", 8765)) as fake:
        browser = fake.stranger("gpu-box.lan:8765")
        assert browser.get("/", auth=("me", "correct horse")).status_code == 303
        assert browser.get("/api/start").status_code == 200
        assert fake.stranger("gpu-box.lan:8765").get("/api/start", auth=("", "correct horse")).status_code == 200


def test_every_answer_forbids_other_hosts_and_scripts(studio: FakeStudio) -> None:
    browser = studio.browser()
    answers = [browser.request(method, path) for method, path in PATHS] + [studio.stranger().get("/")]
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy and "*" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff" and "Cache-Control" in answer.headers


def test_the_page_names_no_other_host_and_no_script_of_its_own() -> None:
    for path in routes.PAGE.iterdir():
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|//[a-z]+\.", text), path.name
    page = (routes.PAGE / "index.html").read_text("utf-8")
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|style=", page)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 60000, b'{"a":' * 9000])
def test_what_makes_no_sense_is_refused_in_a_line(studio: FakeStudio, body: bytes) -> None:
    paths = ("look", "pictures", "jobs", "jobs/1/pause", "timeline", "live/start", "live/press", "live/set")
    for path in paths:
        answer = studio.browser().post(f"/api/{path}", content=body, headers=JSON)
        assert answer.status_code == 400 and len(answer.text.splitlines()) == 1


def test_a_body_is_64_kilobytes_at_most_and_has_a_deadline(studio: FakeStudio, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = studio.browser()
    assert browser.post("/api/look", content=b" " * (request_values.MOST_BODY + 1), headers=JSON).status_code == 413
    monkeypatch.setattr(request_values, "BODY_SECONDS", 0.05)

    async def silence() -> Any:
        await asyncio.sleep(30)

    scope = {"type": "http", "headers": [(b"content-type", b"application/json")]}
    with pytest.raises(RequestRefused, match="in time"):
        asyncio.run(request_values.json_body(Request(scope, silence)))
