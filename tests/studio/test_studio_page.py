"""What the page asks for: files, reports, frames, uploads, pictures of looks; by several browsers at once."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import studio_fakes
from clips import make_clip
from starlette.testclient import TestClient
from studio_fakes import JPEG, SOON, FakeStudio, until

from dreamvideo.studio import picture_queue, routes, uploads
from dreamvideo.studio.picture_queue import PictureQueue

root, studio = studio_fakes.root, studio_fakes.studio

OCTETS = {"Content-Type": "application/octet-stream"}


def test_a_folder_lists_films_photos_and_folders(studio: FakeStudio, root: Path) -> None:
    (root / "more").mkdir()
    make_clip(root / "more" / "film.mkv")
    for name in ("notes.txt", ".hidden.mp4"):
        (root / name).touch()
    cv2.imwrite(str(root / "photo.png"), np.zeros((20, 30, 3), np.uint8))
    browser = studio.browser()
    entries = {entry["name"]: entry["kind"] for entry in browser.get("/api/files").json()["entries"]}
    assert entries == {"film.mp4": "film", "more": "folder", "photo.png": "photo"}
    inside = browser.get("/api/files", params={"folder": "more"}).json()
    assert inside["folder"] == "more" and [each["name"] for each in inside["entries"]] == ["more/film.mkv"]
    assert browser.get("/api/files", params={"folder": "less"}).text == "less cannot be read: No such file or directory"


def test_a_film_is_reported_with_what_is_lost(studio: FakeStudio, root: Path) -> None:
    make_clip(root / "film.gif")
    browser = studio.browser()
    report = browser.get("/api/report", params={"path": "film.mp4"}).json()
    assert [plan["action"] for plan in report["output"]["streams"]] == ["dreamed", "copied"]
    assert report["input"]["streams"][0]["video"]["shown_width"] == 64 and report["time"] is None
    (root / "broken.mp4").write_bytes(b"nothing")
    answer = browser.get("/api/report", params={"path": "broken.mp4"})
    assert answer.status_code == 400 and "broken.mp4" in answer.text and len(answer.text.splitlines()) == 1


def test_a_folder_of_pictures_is_one_film(studio: FakeStudio, root: Path) -> None:
    shots, browser = root / "shots", studio.browser()
    shots.mkdir()
    for number in range(12):
        cv2.imwrite(str(shots / f"{number}.png"), np.full((20, 30, 3), 20 * number, np.uint8))
    report = browser.get("/api/report", params={"path": "shots"}).json()
    assert report["input"]["duration"] == 12 / 25 and report["input"]["streams"][0]["kind"] == "12 pictures"
    for fps, seconds, level in ((25, 0.4, 200), (5, 0.4, 40), (5, 99, 220), (5, "", 120)):
        query: dict[str, Any] = {"path": "shots", "side": 64, "fps": fps, "time": seconds}
        image = cv2.imdecode(np.frombuffer(browser.get("/api/frame", params=query).content, np.uint8), 1)
        assert image.shape == (20, 30, 3) and abs(float(image.mean()) - level) < 3
    look = browser.post("/api/look", json={"path": "shots", "look": {}}).json()
    assert (
        look["command"] == f"dreamvideo frames {shots} -o {root / 'shots_dream.mp4'}" and look["values"]["fps"] == "25"
    )
    assert browser.post("/api/jobs", json={"paths": ["shots"], "look": {}}).status_code == 200
    spec = studio.started.get(timeout=SOON).spec
    assert spec["source"] == str(shots) and spec["output"] == str(root / "shots_dream.mp4")
    assert browser.get("/api/film", params={"path": "shots"}).status_code == 400


def test_folders_that_are_no_film_are_refused(studio: FakeStudio, root: Path) -> None:
    (root / "none").mkdir()
    (root / "shots").mkdir()
    cv2.imwrite(str(root.parent / "secret.png"), np.zeros((20, 30, 3), np.uint8))
    cv2.imwrite(str(root / "shots" / "1.png"), np.zeros((20, 30, 3), np.uint8))
    (root / "shots" / "2.png").symlink_to(root.parent / "secret.png")
    browser = studio.browser()
    for name, said in (("none", "no pictures"), ("shots", "outside"), ("", "neither a film")):
        for path in ("report", "frame"):
            answer = browser.get(f"/api/{path}", params={"path": name, "side": 64})
            assert answer.status_code == 400 and said in answer.text and len(answer.text.splitlines()) == 1
        assert browser.post("/api/jobs", json={"paths": [name], "look": {}}).status_code == 400
    assert browser.get("/api/frame", params={"path": "film.mp4", "side": 64, "fps": "0"}).status_code == 400


def test_a_frame_is_small_and_of_its_time(studio: FakeStudio, root: Path) -> None:
    def flat(number: int, width: int, height: int) -> Any:
        return np.full((height, width, 3), 20 * number, np.uint8)

    make_clip(root / "gray.mp4", image=flat)
    browser = studio.browser()

    def gray(**parameters: Any) -> tuple[Any, int]:
        answer = browser.get("/api/frame", params={"path": "gray.mp4", "side": 32, **parameters})
        assert answer.headers["Content-Type"] == "image/jpeg" and "max-age" in answer.headers["Cache-Control"]
        image = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
        return image.shape, round(float(image.mean()))

    for number in (0, 5, 10):
        shape, level = gray(time=number / 25)
        assert shape == (24, 32, 3) and abs(level - 20 * number) < 6
    assert gray()[0] == gray(time=99)[0]  # beyond its end: its middle
    for wrong in ({"side": 5}, {"side": 99999}, {"side": "x"}, {"time": "nan"}, {"time": -1}, {"time": "1e999"}):
        answer = browser.get("/api/frame", params={"path": "gray.mp4", "side": 32, **wrong})
        assert answer.status_code == 400 and len(answer.text.splitlines()) == 1


def test_a_film_is_played_in_parts_and_downloaded(studio: FakeStudio, root: Path) -> None:
    content, browser = (root / "film.mp4").read_bytes(), studio.browser()
    part = browser.get("/api/film", params={"path": "film.mp4"}, headers={"Range": "bytes=10-19"})
    assert part.status_code == 206 and part.content == content[10:20]
    whole = browser.get("/api/film", params={"path": "film.mp4", "download": "1"})
    assert whole.content == content and "attachment" in whole.headers["Content-Disposition"]


def upload(browser: TestClient, name: str, content: Any) -> Any:
    return browser.put("/api/upload", params={"path": name}, content=content, headers=OCTETS)


def test_an_upload_is_written_as_it_comes_and_replaces_nothing(studio: FakeStudio, root: Path) -> None:
    content, browser = (root / "film.mp4").read_bytes(), studio.browser()
    names = [upload(browser, "film.mp4", content).json()["name"] for _ in range(2)]
    assert names == ["film_2.mp4", "film_3.mp4"]
    assert all((root / name).read_bytes() == content for name in names)
    assert upload(browser, "notes.html", b"x").status_code == upload(browser, "none/a.mp4", b"x").status_code == 400
    assert {path.name for path in root.iterdir()} == {"film.mp4", *names}


def test_what_is_too_large_or_breaks_off_leaves_nothing(
    root: Path, studio: FakeStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "WRITE_BYTES", 1000)
    browser = studio.browser()
    assert upload(browser, "a.mp4", b"x" * 1_000_001).status_code == 413
    assert upload(browser, "a.mp4", (b"x" * 10_000 for _ in range(200))).status_code == 413  # of unknown length
    monkeypatch.setattr(uploads, "RESERVE", 1 << 60)
    assert upload(browser, "a.mp4", b"x").status_code == 507
    monkeypatch.setattr(uploads, "MOST_AT_ONCE", 0)
    assert upload(browser, "a.mp4", b"x").status_code == 429
    assert [path.name for path in root.iterdir()] == ["film.mp4"]


def ask(browser: TestClient, client: str = "a", kind: str = "tiles", **changes: Any) -> Any:
    looks = [{"id": name, "look": {"preset": name}} for name in ("eyes", "leaves")]
    return browser.post(
        "/api/pictures", json={"client": client, "kind": kind, "path": "film.mp4", "looks": looks, **changes}
    )


def events(browser: TestClient, client: str, until_done: int) -> list[Any]:
    """The events of a browser up to the end of a request."""
    found: list[Any] = []
    end = time.monotonic() + SOON
    while not any("done" in event and event["request"] == until_done for event in found):
        assert time.monotonic() < end
        after = found[-1]["event"] if found else 0
        found += browser.get("/api/events", params={"client": client, "after": after, "version": 1}).json()["events"]
    return found


def test_looks_are_dreamed_coarse_first_in_order_and_once(studio: FakeStudio) -> None:
    browser = studio.browser()
    found = events(browser, "a", ask(browser, time=1.5).json()["request"])
    assert [(event.get("id"), event.get("level")) for event in found[:-1]] == [
        ("eyes", 0),
        ("leaves", 0),
        ("eyes", 1),
        ("leaves", 1),
    ]
    assert [task["side"] for task in studio.dreamer.tasks] == [routes.SIDES["tiles"][0]] * 2 + [384] * 2
    assert {task["time"] for task in studio.dreamer.tasks} == {1.5}
    picture = browser.get(f"/api/picture/{found[0]['pictures']['dream']}")
    assert picture.content.startswith(b"\xff\xd8")
    again = events(browser, "b", ask(browser, "b", time=1.5).json()["request"])
    assert [event.get("pictures") for event in again] == [event.get("pictures") for event in found]
    assert len(studio.dreamer.tasks) == 4
    events(browser, "b", ask(browser, "b", time=2).json()["request"])
    assert len(studio.dreamer.tasks) == 8


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "other"},
        {"client": ""},
        {"client": "x" * 65},
        {"looks": None},
        {"looks": [3]},
        {"looks": [{"id": "a", "look": {"preset": "nothing"}}]},
        {"looks": [{"id": "a", "look": {}}] * 500},
        {"time": "soon"},
        {"path": "nothing.mp4"},
    ],
)
def test_pictures_that_make_no_sense_are_refused(studio: FakeStudio, change: dict[str, Any]) -> None:
    answer = ask(studio.browser(), **change)
    assert answer.status_code == 400 and len(answer.text.splitlines()) == 1
    assert studio.browser().get("/api/picture/nothing").status_code == 404


class SlowDreamer:
    """Holds each task until a test lets it go."""

    def __init__(self) -> None:
        self.tasks: list[Any] = []
        self.gate = threading.Semaphore(0)
        self.fail = False

    def __call__(self, task: Mapping[str, Any], should_stop: Callable[[], bool]) -> Iterator[Mapping[str, Any]]:
        self.tasks.append(task["name"])
        self.gate.acquire(timeout=SOON)
        if self.fail:
            raise RuntimeError("out of memory")
        yield {"jpegs": {"dream": JPEG}}

    def wait_for(self, count: int) -> None:
        until(lambda: len(self.tasks) >= count)


@pytest.fixture
def slow() -> Iterator[tuple[SlowDreamer, PictureQueue]]:
    dreamer = SlowDreamer()
    pictures = PictureQueue(dreamer, lambda: dreamer.gate.release(1000))
    try:
        yield dreamer, pictures
    finally:
        pictures.close()


def named(*names: str) -> list[Any]:
    return [({"id": name}, {"name": name}) for name in names]


def test_what_is_looked_at_comes_before_the_rest_and_browsers_take_turns(slow: Any) -> None:
    dreamer, pictures = slow
    pictures.ask("a", "tiles", named("a1", "a2", "a3"))
    dreamer.wait_for(1)
    pictures.ask("b", "tiles", named("b1", "b2"))
    pictures.ask("a", "stage", named("large"))
    dreamer.gate.release(6)
    dreamer.wait_for(6)
    assert dreamer.tasks == ["a1", "large", "b1", "a2", "b2", "a3"]


def test_a_newer_request_replaces_the_older_one_of_its_browser(slow: Any) -> None:
    dreamer, pictures = slow
    pictures.ask("a", "stage", named("old", "older"))
    dreamer.wait_for(1)
    newest = pictures.ask("a", "stage", named("new"))
    dreamer.gate.release(3)
    dreamer.wait_for(2)
    while not (found := pictures.events("a", 0)) or "done" not in found[-1]:
        time.sleep(0.005)
    assert dreamer.tasks == ["old", "new"] and {event["request"] for event in found} == {newest}
    assert pictures.events("a", found[-1]["event"]) == []


def test_a_dream_that_fails_is_said_and_the_next_is_dreamed(slow: Any) -> None:
    dreamer, pictures = slow
    dreamer.fail = True
    pictures.ask("a", "tiles", named("one"))
    dreamer.gate.release(2)
    while not (found := pictures.events("a", 0)) or "done" not in found[-1]:
        time.sleep(0.005)
    assert "try again" in found[0]["error"]
    dreamer.fail, after = False, found[-1]["event"]
    pictures.ask("a", "tiles", named("one"))  # a failure is not remembered
    while not (found := pictures.events("a", after)) or "done" not in found[-1]:
        time.sleep(0.005)
    assert "pictures" in found[0]


def test_what_is_kept_of_browsers_and_pictures_has_limits(slow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    dreamer, pictures = slow
    monkeypatch.setattr(picture_queue, "CACHE_BYTES", 3000)
    dreamer.gate.release(1000)
    pictures.ask("a", "tiles", named(*map(str, range(40))))
    dreamer.wait_for(40)
    for number in range(100):
        pictures.events(f"client {number}", 0)
    assert len(pictures._events) == picture_queue.MOST_CLIENTS and pictures._bytes <= 3000 + 2000
