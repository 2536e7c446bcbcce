"""Schedules on the command line and in files: what becomes a timeline, what wins, and what the command draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import parsed, run

from dreamvideo.errors import SettingsError
from dreamvideo.media.images import read_image, write_image
from dreamvideo.media.metadata import image_with_settings, settings_comment
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.schedules import TimelineSettings
from dreamvideo.settings.timeline_file import read_timeline, timeline_as_toml

STEPS = "0:0.004, 2s:0.01 ease"


def test_a_schedule_takes_the_place_of_a_value() -> None:
    line = parsed("video", "a.mp4", "--step-size", STEPS, "--class", "0:owl, 4s:lion", "--tv", "0.1*t", "--smooth", "1")
    assert line.timeline.schedules == {"step_size": STEPS, "tv": "0.1*t", "classes": "0:owl, 4s:lion"}
    assert line.settings(DreamSettings).smooth == 1 and line.settings(ObjectiveSettings).classes == ()
    assert parsed("video", "a.mp4", "--class", "3:0.5").timeline == TimelineSettings()


def test_presets_change_what_was_not_typed() -> None:
    line = parsed("video", "a.mp4", "--preset", "0:flowers, 4:eyes", "--tv", "0.2", "--device", "cpu")
    assert line.timeline.schedules == {"preset": "0:flowers, 4:eyes"} and line.timeline.fixed == {"tv"}
    assert (
        line.settings(ModelSettings).model == "dreamnet-drawn"
        and line.settings(ObjectiveSettings).classes[1][0] == "rose"
    )


def test_a_timeline_is_read_from_a_file_and_from_a_dream_and_what_is_typed_wins(tmp_path: Path) -> None:
    timeline = TimelineSettings((("preset", "0:flowers, 4:eyes"), ("step_size", STEPS), ("fixed", "tv")))
    path, picture = tmp_path / "film.toml", tmp_path / "dream.png"
    path.write_text(timeline_as_toml(timeline))
    assert read_timeline(path) == timeline

    write_image(np.zeros((32, 32, 3), np.uint8), picture)
    picture.write_bytes(
        image_with_settings(picture.read_bytes(), settings_comment(ModelSettings("dreamnet"), timeline))
    )
    for words in (["--timeline", path], ["--like", picture]):
        assert parsed("video", "a.mp4", *words).timeline == timeline
        changed = parsed("video", "a.mp4", *words, "--step-size", "0.02", "--preset", "glass")
        assert changed.timeline == TimelineSettings() and changed.settings(DreamSettings).step_size == 0.02


def test_the_command_draws_a_timeline_or_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "film.toml"
    path.write_text('[film]\nclass = "0:owl, 4s:lion"\nstep-size = "0.01*(1+0.5*sin(t))"\n')
    assert run("timeline", path, "-q") == 0
    drawn = read_image(tmp_path / "film_timeline.png")
    assert drawn.shape[1] == 1280 and drawn.std() > 10
    assert run("timeline", path, "-o", tmp_path / "copy.toml", "-q") == 0
    assert read_timeline(tmp_path / "copy.toml") == read_timeline(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [('stepsize = "1"', "nearest: step-size"), ("class = true", "expected a schedule"), ("x = [", "not valid TOML")],
)
def test_a_wrong_file_is_told_in_one_line(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "film.toml").write_text(text)
    with pytest.raises(SettingsError, match=words):
        read_timeline(tmp_path / "film.toml")


@pytest.mark.parametrize(
    "words",
    [
        ["video", "a.mp4", "--seed", "0:1, 2:3"],
        ["image", "a.png", "--step-size", STEPS],
        ["video", "a.mp4", "--tv", "x*t"],
    ],
)
def test_what_takes_no_schedule_says_so(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(*words)
