"""The live part of the studio: its process, its routes, who may send images and how large."""

import base64
import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import cv2
import numpy as np
import pytest
import studio_fakes
from studio_fakes import JPEG, SOON, FakeJob, FakeStudio, fake_studio, until

from dreamvideo.errors import SourceError
from dreamvideo.studio import live_process, live_routes
from dreamvideo.studio.access import Access
from dreamvideo.studio.chosen_look import ChosenLook
from dreamvideo.studio.json_pipes import ChildProcess
from dreamvideo.studio.live_process import run_studio_live

root, studio = studio_fakes.root, studio_fakes.studio

LOOK = {"preset": None, "values": {"model": "dreamnet", "layers": ["s4a"], "octaves": 1, "iterations": 1}}
OWN = {"client": "a", "look": {}}
IMAGE = {"Content-Type": "image/jpeg"}


@pytest.fixture(autouse=True)
def one_webcam(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_routes, "camera_names", lambda: {0: "a webcam"})
    monkeypatch.setattr(live_routes, "IMAGE_SECONDS", 0.01)


@contextlib.contextmanager
def started(studio: FakeStudio, **body: Any) -> Iterator[tuple[Any, FakeJob]]:
    """(browser, process) of a live dream."""
    browser = studio.browser()
    assert browser.post("/api/live/start", json={**OWN, **body}).json()["running"]
    yield browser, studio.started.get(timeout=SOON)


@pytest.mark.parametrize(
    ("body", "camera"), [({}, None), ({"camera": 0}, "0"), ({"film": "film.mp4"}, "film.mp4")], ids=str
)
def test_a_camera_is_chosen(studio: FakeStudio, root: Path, body: dict[str, Any], camera: str | None) -> None:
    offered = studio.browser().get("/api/live/cameras").json()
    assert offered == {"cameras": [{"camera": 0, "name": "a webcam (0)"}], "offered": True}
    with started(studio, **body, look={"preset": "eyes"}) as (browser, child):
        expected = str(root / camera) if body.get("film") else camera
        assert child.spec == {"camera": expected, "look": ChosenLook("eyes").as_json(), "root": str(root)}
        state = browser.get("/api/live").json()
        assert state["title"] == "eyes" and state["sender"] == ("a" if camera is None else None)
        again = browser.post("/api/live/start", json=OWN)
        assert again.status_code == 400 and "stop it first" in again.text
        assert not browser.post("/api/live/stop", json={}).json()["running"] and child.closed
        assert browser.post("/api/live/start", json=OWN).status_code == 200


@pytest.mark.parametrize(
    "body",
    [{"client": ""}, {"client": None}, {"camera": "0"}, {"camera": -1}, {"camera": True}, {"camera": 10**9},
     {"look": {"preset": "nothing"}}, {"film": 3}, {"film": "https://127.0.0.1/a.mp4"}],
)  # fmt: skip
def test_what_is_no_camera_is_refused(studio: FakeStudio, body: dict[str, Any]) -> None:
    answer = studio.browser().post("/api/live/start", json={**OWN, **body})
    assert answer.status_code == 400 and len(answer.text.splitlines()) == 1 and studio.started.empty()


def test_a_page_for_others_offers_no_camera_of_this_machine(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_routes, "camera_names", lambda: pytest.fail("it was asked for cameras"))
    with fake_studio(root, access=Access(None, "correct horse", 8765)) as fake:
        browser = fake.browser()
        assert browser.get("/api/live/cameras").json() == {"cameras": [], "offered": False}
        answer = browser.post("/api/live/start", json={**OWN, "camera": 0})
        assert answer.status_code == 403 and "dreamvideo live --serve" in answer.text and fake.started.empty()
        assert browser.post("/api/live/start", json={**OWN, "film": "film.mp4"}).status_code == 200


def test_images_go_both_ways_with_their_marks(studio: FakeStudio) -> None:
    with started(studio) as (browser, child):
        sent = browser.put("/api/live/frame?client=a&mark=12.5", content=b"jpeg", headers=IMAGE)
        assert sent.status_code == 200
        assert child.spec == {"frame": base64.b64encode(b"jpeg").decode(), "mark": 12.5}
        assert browser.get("/api/live/image?after=0").status_code == 204
        child.messages.put({"image": JPEG, "mark": 12.5})
        until(lambda: studio.live.image(0, SOON))
        answer = browser.get("/api/live/image?after=0")
        assert answer.content == base64.b64decode(JPEG) and answer.headers["Live-Mark"] == "12.5"
        assert answer.headers["Cache-Control"] == "no-store"
        assert browser.get(f"/api/live/image?after={answer.headers['Live-Number']}").status_code == 204


def test_images_of_other_browsers_and_kinds_and_sizes_are_refused(
    studio: FakeStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_routes, "MOST_FRAME", 1000)
    with started(studio) as (browser, child):
        child.spec = {}

        def put(client: str, content: Any, kind: str = "image/jpeg") -> int:
            answer = browser.put(f"/api/live/frame?client={client}", content=content, headers={"Content-Type": kind})
            return int(answer.status_code)

        assert put("b", b"x") == put("", b"x") == 409
        assert put("a", b"x", "text/plain") == put("a", b"x", "image/png") == 415
        assert put("a", b"x" * 1001) == put("a", (b"x" * 100 for _ in range(20))) == 413
        assert child.spec == {}
        assert put("a", b"x" * 1000) == 200
        browser.post("/api/live/stop", json={})
        assert put("a", b"x") == 409
    with started(studio, film="film.mp4"):
        assert put("a", b"x") == 409


def test_images_come_at_a_limited_rate(studio: FakeStudio, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("dreamvideo.studio.live_routes.time.monotonic", lambda: 100.0)
    monkeypatch.setattr("dreamvideo.studio.live_routes.asyncio.sleep", sleep)
    with started(studio) as (browser, _):
        for _ in range(3):
            browser.put("/api/live/frame?client=a", content=b"x", headers=IMAGE)
    assert waits[0] < 0 and waits[1:] == pytest.approx([live_routes.FRAME_INTERVAL] * 2)


def test_controls_reach_the_dream_and_its_state_the_page(studio: FakeStudio) -> None:
    browser = studio.browser()
    assert "start it" in browser.post("/api/live/press", json={"key": "r"}).text
    with started(studio, film="film.mp4") as (browser, child):
        assert browser.post("/api/live/press", json={"key": "r"}).status_code == 200 and child.spec == {"press": "r"}
        assert browser.post("/api/live/set", json={"name": "strength", "value": 2}).status_code == 200
        assert child.spec == {"set": ["strength", 2]}
        keys: list[Any] = ["q", "Q", "", None, 3, []]
        controls: list[Any] = [{}, {"name": 3}, {"name": "strength", "value": [1]}]
        wrong = [*(("press", {"key": key}) for key in keys), *(("set", body) for body in controls)]
        assert {browser.post(f"/api/live/{path}", json=body).status_code for path, body in wrong} == {400}
        assert child.spec == {"set": ["strength", 2]}
        child.messages.put({"note": "camera 0 gives black images only"})
        child.messages.put({"state": {"numbers": {"message": ""}, "controls": {"strength": 2.0}}})
        until(lambda: "controls" in browser.get("/api/live").json())
        state = browser.get("/api/live").json()
        assert state["controls"] == {"strength": 2.0} and "black" in state["message"]


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([{"error": "camera 0 does not open: another program may be using it"}, None], "another program"),
        ([{"ended": True}, None], ""),
        ([None], "its process has ended"),
    ],
    ids=["an error", "the end", "a crash"],
)
def test_how_it_ended_is_said_and_another_can_be_started(studio: FakeStudio, messages: list[Any], said: str) -> None:
    with started(studio) as (browser, child):
        for message in messages:
            child.messages.put(message)
        until(lambda: not browser.get("/api/live").json()["running"])
        message = browser.get("/api/live").json()["message"]
        assert said in message if said else not message
        assert child.closed and studio.live.sender is None
        assert browser.put("/api/live/frame?client=a", content=b"x", headers=IMAGE).status_code == 409
    with started(studio) as (browser, _):
        assert browser.get("/api/live").json()["message"] == ""


def test_the_live_dream_ends_with_the_studio(root: Path) -> None:
    with fake_studio(root) as fake, started(fake) as (browser, child):
        fake.live.close()
        assert child.closed
        assert browser.post("/api/live/start", json=OWN).status_code == 400


def test_a_process_that_does_not_read_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deaf.py").write_text("import time; time.sleep(600)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    child = ChildProcess("deaf")
    sender = threading.Thread(target=child.send, args=({"frame": "x" * (1 << 21)},))
    sender.start()
    until(child._lock.locked)
    child.close(0.1)
    sender.join(SOON)
    assert not sender.is_alive() and child._process.returncode


class Page:
    """The page of a live dream that runs in this process; `say` is asked what to send after each image."""

    def __init__(self, say: Callable[[int], list[Any]]) -> None:
        self.images: list[dict[str, Any]] = []
        self.states: list[dict[str, Any]] = []
        self.messages: SimpleQueue[Any] = SimpleQueue()
        self._say = say

    def send(self, message: dict[str, Any]) -> None:
        if "state" in message:
            self.states.append(message["state"])
        if "image" in message:
            self.images.append(message)
            for each in self._say(len(self.images)):
                self.messages.put(each)

    def shapes(self) -> set[tuple[int, ...]]:
        codes = (np.frombuffer(base64.b64decode(each["image"]), np.uint8) for each in self.images)
        return {cv2.imdecode(code, cv2.IMREAD_COLOR).shape for code in codes}


def test_a_film_is_dreamed_live_and_recorded_into_the_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_process, "STATE_INTERVAL", 0.0)

    steps = [  # (what is sent, what the state then says)
        ({"set": ["preset", "nothing"]}, "preset 'nothing': expected one of"),
        ({"set": ["strength", 2.0]}, ""),
        ({"press": "r"}, "recording"),
        ({"press": "s"}, "snapshot"),
        ({"press": "q"}, ""),
    ]
    said = [""]

    def say(number: int) -> list[Any]:
        if not page.states or not steps or not page.states[-1]["numbers"]["message"].startswith(said[-1]):
            return []
        message, expected = steps.pop(0)
        said.append(expected)
        return [message]

    page = Page(say)
    run_studio_live({"camera": str(root / "film.mp4"), "look": LOOK, "root": str(root)}, page.messages.get, page.send)
    assert page.shapes() == {(48, 64, 3)} and {each["mark"] for each in page.images} == {None}
    assert page.states[-1]["numbers"]["camera_size"] == (48, 64)
    assert page.states[0]["controls"]["strength"] == 1.0 and page.states[-1]["controls"]["strength"] == 2.0
    assert not steps
    made = sorted(path.suffix for path in root.iterdir() if path.name != "film.mp4")
    assert made == [".mkv", ".png"]


def test_images_of_a_browser_are_dreamed_and_come_back_with_their_marks(root: Path) -> None:
    def frame(mark: float) -> dict[str, Any]:
        image = np.random.default_rng(1).integers(0, 255, (36, 64, 3), np.uint8)
        return {"frame": base64.b64encode(cv2.imencode(".jpg", image)[1].tobytes()).decode(), "mark": mark}

    page = Page(lambda number: [frame(number + 1.0)] if number < 4 else [None])  # the parent ends
    page.messages.put(frame(1.0))
    run_studio_live({"camera": None, "look": LOOK, "root": str(root)}, page.messages.get, page.send)
    assert page.shapes() == {(36, 64, 3)}
    marks = [each["mark"] for each in page.images if each["mark"] is not None]
    assert marks[0] == 1.0 and marks == sorted(marks) and len(set(marks)) > 1


def test_a_camera_that_does_not_open_is_said(root: Path) -> None:
    page = Page(lambda number: [])
    with pytest.raises(SourceError, match="nothing.mp4"):
        run_studio_live({"camera": str(root / "nothing.mp4"), "look": LOOK, "root": str(root)}, lambda: None, page.send)
