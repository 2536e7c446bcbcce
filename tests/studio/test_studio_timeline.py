"""The strip and the timeline as the page asks for them: values at a time, rows of keys, files, jobs, sounds."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import studio_fakes
from clips import make_clip
from starlette.testclient import TestClient
from studio_fakes import SOON, FakeSound, FakeStudio, until

from dreamvideo.errors import SettingsError
from dreamvideo.settings.timeline_file import timeline_of_toml
from dreamvideo.sound.features import SoundFeatures
from dreamvideo.studio import film_sounds, sound_process
from dreamvideo.studio.film_sounds import FilmSounds
from dreamvideo.studio.sound_process import COLUMNS, LOUDEST, hear_strip

root, studio = studio_fakes.root, studio_fakes.studio

LOOK: dict[str, Any] = {
    "values": {"model": "dreamnet"},
    "timeline": {"step_size": "0s:0.01, 0.4s:0.03", "classes": "0s:owl, 0.2s:castle step"},
}


def edit(browser: TestClient, look: Any = LOOK, **about: Any) -> Any:
    return browser.post("/api/timeline", json={"path": "film.mp4", "look": look, "time": 0.2, "edit": about})


def test_a_look_is_shown_as_it_is_at_a_time(studio: FakeStudio) -> None:
    browser = studio.browser()

    def shown(seconds: float, look: Any = LOOK) -> Any:
        return browser.post("/api/look", json={"path": "film.mp4", "look": look, "time": seconds}).json()

    first, second = shown(0.1), shown(0.2)
    assert (first["values"]["step_size"], first["values"]["classes"]) == (pytest.approx(0.015), ["owl"])
    assert (second["values"]["step_size"], second["values"]["classes"]) == (pytest.approx(0.02), ["castle"])
    assert first["preset"] is None and "--step-size '0s:0.01, 0.4s:0.03'" in first["command"]
    number, names = first["rows"]
    assert [(key["time"], key["value"], key["how"]) for key in number["keys"]] == [
        (0.0, "0.01", None),
        (0.4, "0.03", None),
    ]
    assert number["curve"][0] == 0.01 and number["curve"][-1] == 0.03 and np.all(np.diff(number["curve"]) >= 0)
    assert names["sets"] and names["curve"] is None and names["keys"][1]["how"] == "step"
    presets = {"timeline": {"preset": "0s:eyes, 0.3s:leaves step"}}
    assert [shown(seconds, presets)["preset"] for seconds in (0.2, 0.3)] == ["eyes", "leaves"]
    assert shown(0.1, {"preset": "eyes"})["preset"] == "eyes"


def test_what_has_no_keys_to_move_is_a_row_of_text(studio: FakeStudio) -> None:
    timeline = {"color": "0.5 + 0.1*sin(t)", "preset": "audio:beats eyes, leaves", "tv": "0.3"}
    timeline["jitter"] = ", ".join(f"{n}f:{n % 5}" for n in range(11)) + ", 11f:3"
    answer = studio.browser().post("/api/look", json={"path": "film.mp4", "look": {"timeline": timeline}}).json()
    assert {row["name"]: row["keys"] is None for row in answer["rows"]} == {
        "preset": True,
        "jitter": False,
        "color": True,
        "tv": True,
    }
    assert {row["text"] for row in answer["rows"]} == set(timeline.values())


def test_keys_are_changed_and_what_does_not_fit_is_a_sentence(studio: FakeStudio) -> None:
    browser = studio.browser()
    answer = edit(browser, do="move", name="step_size", key=1, time=0.28).json()
    assert answer["look"]["timeline"]["step_size"] == "0s:0.01, 0.28s:0.03" and answer["key"] == ["step_size", 1]
    assert answer["values"]["step_size"] == pytest.approx(0.01 + 0.02 * 20 / 28)
    for wrong, message in (
        ({"do": "change", "name": "step_size", "key": 1, "value": "40"}, "--step-size at 00:00.40 is 40: expected at"),
        ({"do": "put", "time": 0.1, "values": {"preset": "nothing"}}, "no preset 'nothing'"),
        ({"do": "put", "time": 0.1, "values": {"color": "2 *"}}, "--color at 0.08s"),
        ({"do": "move", "name": "step_size", "key": 5, "time": 1}, "no key 5"),
    ):
        refused = edit(browser, **wrong)
        assert refused.status_code == 400 and message in refused.text and len(refused.text.splitlines()) == 1
    missing = edit(browser, {}, do="put", time=0.1, values={"preset": "notebook2015"})
    assert missing.status_code == 400 and "googlenet is not installed" in missing.text
    late = browser.post("/api/look", json={"path": "film.mp4", "look": {"timeline": {"color": "0:1, 9s:1"}}})
    assert late.status_code == 400 and "the film ends at" in late.text


def test_a_file_is_read_by_the_parser_of_the_command_line_and_written_as_it_reads_it(studio: FakeStudio) -> None:
    browser = studio.browser()
    text = 'step-size = "0:0.004, 50%:0.014 ease"\npreset = "0:eyes, 10f:leaves"\nfixed = "tv"'
    answer = edit(browser, {"values": {"color": 0.9}, "preset": "birds"}, do="load", name="a.toml", text=text).json()
    assert answer["look"]["timeline"] == {"preset": "0:eyes, 10f:leaves", "step_size": "0:0.004, 50%:0.014 ease"}
    assert answer["look"]["preset"] is None and "--tv" in answer["note"]
    again = timeline_of_toml(answer["toml"].encode(), "a.toml")
    assert dict(again.schedules) == answer["look"]["timeline"] and again.fixed == {"color"}
    for wrong, message in (
        ("step-size = ", "a.toml is not valid TOML"),
        ('color-size = "0:1"', "no schedule of"),
        ("", "has no schedules"),
        ('step-size = "0:1, 9s:1"', "the film ends at"),
        ("step-size = true", "expected a schedule in quotes"),
    ):
        refused = edit(browser, do="load", name="a.toml", text=wrong)
        assert refused.status_code == 400 and message in refused.text and len(refused.text.splitlines()) == 1


def test_what_a_film_was_dreamed_with_is_taken_over(
    studio: FakeStudio, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = studio.browser()
    assert browser.get("/api/strip", params={"path": "film.mp4"}).json() == {
        "length": 0.48,
        "frame_rate": 25.0,
        "stored": False,
    }
    assert "was not dreamed with a timeline" in edit(browser, do="load", film="film.mp4").text
    stored = {"timeline": (("color", "0:1, 0.2s:0.5"),), "drive": ("tv=audio:bass",), "seed": 3}
    monkeypatch.setattr("dreamvideo.studio.film_timeline.settings_in_file", lambda path: stored)
    assert browser.get("/api/strip", params={"path": "film.mp4"}).json()["stored"]
    look = edit(browser, do="load", film="film.mp4").json()["look"]
    assert look["timeline"] == {"color": "0:1, 0.2s:0.5"} and look["drives"] == ["tv=audio:bass"]


def test_a_timeline_is_for_films_that_it_fits(studio: FakeStudio, root: Path) -> None:
    browser = studio.browser()
    make_clip(root / "short.mp4", [Fraction(n, 25) for n in range(4)])
    (root / "photo.png").write_bytes(b"")
    for name, message in (("short.mp4", "short.mp4: --step-size at 0.4s"), ("photo.png", "is a photo")):
        answer = browser.post("/api/jobs", json={"paths": ["film.mp4", name], "look": LOOK})
        assert answer.status_code == 400 and message in answer.text
    assert not studio.jobs.jobs()
    assert "is a photo" in browser.get("/api/strip", params={"path": "photo.png"}).text
    browser.post("/api/jobs", json={"paths": ["film.mp4"], "look": LOOK})
    job = studio.started.get(timeout=SOON)
    until(lambda: job.spec)
    assert job.spec["look"]["timeline"] == LOOK["timeline"]
    assert studio.jobs.jobs()[0]["title"].endswith("strength, things to dream of over time")


def test_a_folder_of_pictures_has_the_time_of_its_rate(studio: FakeStudio, root: Path) -> None:
    browser, look = studio.browser(), {"values": {"fps": "5"}}
    (root / "shots").mkdir()
    for number in range(10):
        cv2.imwrite(str(root / "shots" / f"{number}.png"), np.zeros((20, 30, 3), np.uint8))
    lengths = [browser.get(f"/api/strip?path=shots{rate}").json()["length"] for rate in ("", "&fps=5")]
    assert lengths == [pytest.approx(0.4), 2.0]
    edit = {"do": "put", "time": 0.7, "values": {"color": 1}}
    answer = browser.post("/api/timeline", json={"path": "shots", "look": look, "edit": edit}).json()
    assert answer["look"]["timeline"] == {"color": "0.8s:1"}
    assert browser.get("/api/sound?path=shots").json()["done"]


def heard(sounds: FilmSounds, path: Path) -> dict[str, Any]:
    until(lambda: {"done", "error"} & sounds.heard(path, 1.0).keys())
    return sounds.heard(path, 1.0)


def test_a_sound_is_heard_once_and_again_when_its_film_changes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[FakeSound] = []

    def start() -> FakeSound:
        started.append(FakeSound())
        return started[-1]

    sounds, film = FilmSounds(start), root / "film.mp4"
    try:
        for _ in range(2):
            assert heard(sounds, film) == {"lows": [-9], "highs": [9], "beats": [0.1], "done": True}
        assert len(started) == 1
        film.write_bytes(film.read_bytes() + b"x")
        heard(sounds, film)
        assert len(started) == 2
        monkeypatch.setattr(film_sounds, "MOST_HEARD", 2)
        (root / "other.mp4").touch()
        heard(sounds, root / "other.mp4")
        assert len(sounds._heard) == 2
        monkeypatch.setattr(FakeSound, "receive", lambda self: None)
        (root / "third.mp4").touch()
        assert "could not be heard" in heard(sounds, root / "third.mp4")["error"]
        sounds._heard = {(root, n, 1.0, False): {} for n in range(2)}  # type: ignore[assignment]
        with pytest.raises(SettingsError, match="wait"):
            sounds.heard(film, 2.0)
    finally:
        sounds.close()
    assert sounds.heard(root / "film.mp4", 3.0) == {"done": True}


def test_the_waveform_has_its_loud_part_where_it_is_heard(tmp_path: Path) -> None:
    film = make_clip(tmp_path / "film.mp4", [Fraction(n, 25) for n in range(25)], audio=[("aac", "eng")])
    wave = hear_strip(film, 2.0, False)  # the strip is twice as long
    lows, highs = np.array(wave["lows"]), np.array(wave["highs"])
    assert len(lows) == len(highs) == COLUMNS and max(highs.max(), -lows.min()) == LOUDEST
    assert highs[100:500].min() > 0 > lows[100:500].max() and not highs[700:].any() and not lows[700:].any()
    assert hear_strip(make_clip(tmp_path / "silent.mp4"), 1.0, False) == {"lows": [], "highs": []}


def test_beats_are_found_where_they_are_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def analyzed(path: Path, names: tuple[str, ...]) -> SoundFeatures:
        beats = np.array([0.5, 1.0, 1.5]) if names == ("beats",) else None
        return SoundFeatures(2.0, {}, np.full(200, -0.5, np.float32), np.full(200, 0.5, np.float32), beats=beats)

    monkeypatch.setattr(sound_process, "analyze_file", analyzed)
    assert hear_strip(tmp_path, 1.2, True)["beats"] == [0.5, 1.0] and "beats" not in hear_strip(tmp_path, 1.2, False)
