"""What runs in the processes of the studio: jobs that the command line goes on with, pictures, previews."""

import base64
import hashlib
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from clips import make_clip
from conftest import run

from dreamvideo.errors import Cancelled, OutputError, SettingsError
from dreamvideo.media import segments
from dreamvideo.media.checkpoint import checkpoint_folder
from dreamvideo.studio.child_dreamer import ChildDreamer
from dreamvideo.studio.chosen_look import command_words, read_look
from dreamvideo.studio.film_timeline import stored_timeline
from dreamvideo.studio.job_process import run_studio_job
from dreamvideo.studio.look_dreamer import LookDreamer
from dreamvideo.studio.studio_job import kept_frames

QUICK = {"model": "dreamnet", "layers": ["s4a"], "octaves": 1, "iterations": 1}
OPTIONS = ["--model", "dreamnet", "--layer", "s4a", "--octaves", 1, "--iterations", 1]
TIMES = [Fraction(n, 25) for n in range(10)]


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(segments, "MAX_FRAMES", 4)  # so that a short film has several
    return make_clip(tmp_path / "film.mp4", TIMES, size=(64, 48), audio=[("aac", "eng")])


def look(**values: Any) -> dict[str, Any]:
    return {"preset": None, "values": {**QUICK, **values}}


def start(
    film: Path, chosen: Any, stop_after: int | None = None, output: str = "film_dream.mp4"
) -> list[dict[str, Any]]:
    """Run a job of the studio; returns its messages."""
    messages: list[dict[str, Any]] = []
    frames = 0

    def send(message: dict[str, Any]) -> None:
        messages.append(json.loads(json.dumps(message)))

    def should_stop() -> bool:
        nonlocal frames
        frames += 1
        return stop_after is not None and frames > stop_after

    spec = {"source": str(film), "output": str(film.with_name(output)), "look": chosen, "root": str(film.parent)}
    run_studio_job(spec, send, should_stop)
    return messages


def content(path: Path) -> list[tuple[int | None, str]]:
    """Times and hashes of the packets of all streams; the comment may differ by nothing, too."""
    with av.open(str(path)) as file:
        packets = [(packet.pts, hashlib.sha256(bytes(packet)).hexdigest()) for packet in file.demux() if packet.size]
        return [*packets, (None, file.metadata.get("comment", ""))]


def unbroken(film: Path, *more: object) -> Any:
    whole = film.with_name("whole.mp4")
    assert run("video", film, "-o", whole, *OPTIONS, *more, "-q", "-y") == 0
    return content(whole)


def test_the_studio_makes_what_the_command_line_makes(film: Path) -> None:
    messages = start(film, look())
    assert messages[0]["count"] == messages[-1]["frames"] == 10
    picture = next(message["picture"] for message in messages if "picture" in message)
    assert base64.b64decode(picture).startswith(b"\xff\xd8")
    assert content(film.with_name("film_dream.mp4")) == unbroken(film)
    assert not checkpoint_folder(film.with_name("film_dream.mp4")).exists()


def test_the_command_line_goes_on_with_what_the_studio_began(film: Path) -> None:
    with pytest.raises(Cancelled):
        start(film, look(), stop_after=6)
    output = film.with_name("film_dream.mp4")
    assert checkpoint_folder(output).exists() and not output.exists() and kept_frames(output) == 4
    assert run("video", film, *OPTIONS, "--resume", "-q") == 0
    assert content(output) == unbroken(film)


@pytest.mark.parametrize("chosen", [None, look()], ids=["as it was begun", "the same look"])
def test_the_studio_goes_on_with_what_the_command_line_began(
    film: Path, monkeypatch: pytest.MonkeyPatch, chosen: Any
) -> None:
    def stop_after(count: int) -> Callable[..., bool]:
        frames = iter(range(1000))
        return lambda self: next(frames) >= count

    with monkeypatch.context() as patch:
        patch.setattr("dreamvideo.commands.console.ConsoleObserver.should_stop", stop_after(6))
        assert run("video", film, *OPTIONS, "-q") == 130
    output = film.with_name("film_dream.mp4")
    assert checkpoint_folder(output).exists()
    messages = start(film, chosen)
    assert messages[0]["frames"] == 4
    assert content(output) == unbroken(film)
    assert start(film, chosen) == []  # it is done


def test_the_command_line_goes_on_with_a_timeline_of_the_page(film: Path) -> None:
    chosen = {**look(), "timeline": {"step_size": "0s:0.01, 0.3s:0.05", "amount": "0.2s:1, 0.28s:0 step"}}
    with pytest.raises(Cancelled):
        start(film, chosen, stop_after=6)
    output = film.with_name("film_dream.mp4")
    words = command_words(read_look(chosen), film, output, False, Path)[1:]
    assert run(*words, "--resume", "-q") == 0
    typed = film.with_name("typed.mp4")
    assert run("video", film, "-o", typed, *words[4:], "-q") == 0
    assert content(output) == content(typed)
    assert stored_timeline(output)[0].schedules == chosen["timeline"]


def test_another_look_does_not_go_on_with_a_checkpoint(film: Path) -> None:
    with pytest.raises(Cancelled):
        start(film, look(), stop_after=6)
    with pytest.raises(OutputError, match="step-size was"):
        start(film, look(step_size="0.02"))


def test_a_job_without_a_checkpoint_cannot_be_resumed(film: Path) -> None:
    with pytest.raises(OutputError, match="begin it again"):
        start(film, None)


def test_a_photo_is_dreamed_as_by_the_command_line(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8))
    spec = {"source": str(photo), "output": str(tmp_path / "a.png"), "look": look(), "root": str(tmp_path)}
    run_studio_job(spec, lambda message: None, lambda: False)
    assert run("image", photo, "-o", tmp_path / "b.png", *OPTIONS, "-q") == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def task(film: Path, do: str, **more: Any) -> dict[str, Any]:
    return {"do": do, "path": str(film), "time": 0.2, "side": 64, "look": look(), "root": str(film.parent), **more}


def images(answer: Any) -> dict[str, Any]:
    jpegs = answer["jpegs"].items()
    return {name: cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) for name, jpeg in jpegs}


def test_a_look_changes_a_frame_as_much_as_it_says(film: Path) -> None:
    dreamer = LookDreamer()

    def dreamed(**values: Any) -> Any:
        (answer,) = dreamer.run(task(film, "picture", look=look(step_size="0.05", **values)), lambda: False)
        return images(answer)["dream"].astype(float)

    none, half, whole, twice = (dreamed(amount=amount) for amount in (0, 0.5, 1, 2))
    assert none.shape == (48, 64, 3)
    changes = [float(np.abs(each - none).mean()) for each in (half, whole, twice)]
    assert changes[0] > 1 and changes == sorted(changes)
    assert np.abs(dreamed(iterations=0) - none).mean() < 0.5
    assert len(dreamer._placed) == 1  # one network for all looks of the same layers


def test_a_picture_has_the_values_of_its_time(film: Path) -> None:
    dreamer = LookDreamer()

    def dreamed(seconds: float, chosen: Any) -> Any:
        (answer,) = dreamer.run(task(film, "picture", time=seconds, look=chosen), lambda: False)
        return answer["jpegs"]["dream"]

    keyed = {**look(), "timeline": {"step_size": "0s:0.01, 0.2s:0.05", "layers": "0s:s4a, 0.2s:s8b step"}}
    assert dreamed(0.2, keyed) == dreamed(0.2, look(step_size="0.05", layers=["s8b"]))
    assert dreamed(0.08, keyed) == dreamed(0.08, look(step_size="0.026", layers=["s4a"]))
    mixed = {**look(), "timeline": {"layers": "0s:s4a, 0.2s:s8b linear"}}
    assert len({dreamed(0.08, each) for each in (mixed, look(layers=["s4a"]), look(layers=["s8b"]))}) == 3
    driven = {**look(), "drives": ["step-size=audio:loudness*3"]}
    assert dreamed(0.2, driven) != dreamed(0.2, look())


def test_a_preview_changes_as_its_timeline_says(film: Path) -> None:
    chosen = {**look(step_size="0.05"), "timeline": {"amount": "0.16s:0, 0.2s:1 step"}}
    answers = [
        images(answer)
        for answer in LookDreamer().run(task(film, "preview", look=chosen), lambda: False)
        if "jpegs" in answer
    ]
    changes = [float(np.abs(each["dream"].astype(float) - each["source"]).mean()) for each in answers]
    assert max(changes[:5]) < 0.5 and min(changes[5:]) > 1


def test_a_preview_is_two_seconds_and_foretells_the_rest(tmp_path: Path) -> None:
    film = make_clip(tmp_path / "film.mp4", [Fraction(n, 5) for n in range(30)], size=(64, 48))
    answers = list(LookDreamer().run(task(film, "preview", time=3.0), lambda: False))
    pictures = [images(answer) for answer in answers if "jpegs" in answer]
    assert [answer["index"] for answer in answers[:-1]] == list(range(10)) and answers[0]["fps"] == pytest.approx(
        5, abs=0.2
    )
    assert all(each["dream"].shape == each["source"].shape == (48, 64, 3) for each in pictures)
    assert any(np.abs(each["dream"].astype(float) - each["source"]).mean() > 1 for each in pictures)
    estimate = answers[-1]["estimate"]
    assert estimate["seconds"] > 0 and 1000 < estimate["bytes"] < 10**6
    assert len(list(LookDreamer().run(task(film, "preview"), lambda: True))) == 1  # stops after a frame


def test_the_names_of_a_network_can_be_chosen() -> None:
    (names,) = LookDreamer().run({"do": "names", "model": "dreamnet"}, lambda: False)
    assert "owl" in names["classes"] and "birds" in names["groups"] and "s8b" in names["layers"]


def test_a_look_that_cannot_be_dreamed_is_an_error(film: Path) -> None:
    for values, error in (({"layers": ["nothing"]}, ValueError), ({"model": "googlenet"}, SettingsError)):
        with pytest.raises(error):
            list(LookDreamer().run(task(film, "picture", look=look(**values)), lambda: False))


@pytest.fixture
def mask(film: Path) -> Path:
    """White on the left."""
    path, image = film.with_name("mask.png"), np.zeros((48, 64), np.uint8)
    image[:, :32] = 255
    cv2.imwrite(str(path), image)
    return path


def test_a_mask_limits_a_job_as_on_the_command_line(film: Path, mask: Path) -> None:
    start(film, look(mask="mask.png"))
    assert content(film.with_name("film_dream.mp4")) == unbroken(film, "--mask", mask)
    photo = film.with_name("photo.png")
    cv2.imwrite(str(photo), np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8))
    output = film.with_name("photo_dream.png")
    spec = {"source": str(photo), "output": str(output), "look": look(mask="mask.png"), "root": str(film.parent)}
    run_studio_job(spec, lambda message: None, lambda: False)
    assert run("image", photo, "-o", film.with_name("b.png"), *OPTIONS, "--mask", mask, "-q") == 0
    assert output.read_bytes() == film.with_name("b.png").read_bytes()


def test_pictures_and_previews_keep_what_a_mask_leaves_alone(film: Path, mask: Path) -> None:
    strong = look(mask=mask.name, step_size="0.1")

    def change(*answers: Any) -> tuple[float, float]:
        """Mean change on the left and on the right, in gray levels."""
        pairs = [(images(each)["dream"], images(each)["source"]) for each in answers]
        change = np.mean([np.abs(dream.astype(float) - source) for dream, source in pairs], axis=(0, 1, 3))
        return float(change[:28].mean()), float(change[36:].mean())

    *frames, _ = LookDreamer().run(task(film, "preview", look=strong), lambda: False)
    left, right = change(*frames)
    assert left > 4 and right < 2
    (picture,) = LookDreamer().run(task(film, "picture", look=strong), lambda: False)
    (source,) = LookDreamer().run(task(film, "picture", look=look(iterations=0)), lambda: False)
    picture["jpegs"]["source"] = source["jpegs"]["dream"]
    left, right = change(picture)
    assert left > 4 and right < 2


@pytest.fixture
def shots(film: Path) -> Path:
    """A folder of 10 pictures, picture n of gray level 20 n with some noise."""
    folder, noise = film.with_name("shots"), np.random.default_rng(1).integers(0, 20, (48, 64, 3))
    folder.mkdir()
    for number in range(10):
        cv2.imwrite(str(folder / f"shot{number}.png"), (20 * number + noise).astype(np.uint8))
    return folder


def test_a_folder_of_pictures_is_dreamed_as_one_film(shots: Path) -> None:
    with pytest.raises(Cancelled):
        start(shots, look(fps="10"), stop_after=6, output="shots_dream.mp4")
    output = shots.with_name("shots_dream.mp4")
    assert kept_frames(output) == 4 and not output.exists()
    messages = start(shots, look(fps="10"), output=output.name)
    assert messages[0] == {"frames": 4, "count": 10} and messages[-1]["frames"] == 10
    typed = shots.with_name("typed.mp4")
    assert run("frames", shots, "-o", typed, *OPTIONS, "--fps", 10, "-q") == 0
    assert content(output) == content(typed)
    assert start(shots, look(fps="10"), output=output.name) == []  # it is done


def test_pictures_and_previews_of_a_folder_are_of_their_times(shots: Path) -> None:
    def level(image: Any) -> int:
        return round(float(image.mean()) - 9.5)

    plain, dreamer = look(fps="5", iterations=0), LookDreamer()
    for time, expected in ((0, 0), (0.6, 60), (1.8, 180), (9, 180)):
        (answer,) = dreamer.run(task(shots, "picture", look=plain, time=time), lambda: False)
        assert abs(level(images(answer)["dream"]) - expected) < 3
    *frames, last = dreamer.run(task(shots, "preview", look=look(fps="5"), time=1.4), lambda: False)
    levels = [level(images(each)["source"]) for each in frames]
    assert levels == pytest.approx([40, 60, 80, 100, 120, 140, 160, 180], abs=3) and frames[0]["fps"] == 5
    assert last["estimate"]["seconds"] > 0


@pytest.mark.slow  # starts an interpreter with torch
def test_the_process_of_pictures_answers_and_is_started_again(film: Path) -> None:
    dreamer = ChildDreamer()
    try:
        (answer,) = dreamer(task(film, "picture"), lambda: False)
        assert base64.b64decode(answer["jpegs"]["dream"]).startswith(b"\xff\xd8")
        (wrong,) = dreamer(task(film, "picture", look=look(layers=["nothing"])), lambda: False)
        assert "nothing" in wrong["error"]
        dreamer._child._process.kill()
        (gone,) = dreamer(task(film, "picture"), lambda: False)
        assert "try again" in gone["error"]
        assert "jpegs" in next(dreamer(task(film, "picture"), lambda: False))
    finally:
        dreamer.close()
