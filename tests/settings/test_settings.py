import dataclasses
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from conftest import parsed
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.commands.options import VIDEO_SETTINGS
from dreamvideo.errors import SettingsError
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import EncodeSettings, ReadSettings
from dreamvideo.settings.parsers import parse_seconds, parse_size, parse_weighted


@given(st.integers(0, 30), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_times_in_every_form_are_exact(hours: int, minutes: int, seconds: int, thousandths: int) -> None:
    total = Fraction(hours * 3600 + minutes * 60 + seconds) + Fraction(thousandths, 1000)
    assert parse_seconds(f"{hours}:{minutes:02}:{seconds:02}.{thousandths:03}") == total
    assert parse_seconds(f"{hours * 60 + minutes}:{seconds}.{thousandths:03}") == total
    assert parse_seconds(f"{hours * 3600 + minutes * 60 + seconds}.{thousandths:03}") == total


@pytest.mark.parametrize("text", ["", "-1", "1:2:3:4", "1h", "nan", "1e3", ":", "1:", "."])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="expected seconds"):
        parse_seconds(text)


def test_sizes_and_layers() -> None:
    assert parse_size("640x360") == (640, 360)
    assert parse_size("720") == (None, 720)
    assert parse_weighted("s8b") == ("s8b", 1.0)
    assert parse_weighted("features.22:-0.5") == ("features.22", -0.5)
    for bad in ("0", "12x4000", "x", "640x", "640*360"):
        with pytest.raises(SettingsError, match="expected WxH"):
            parse_size(bad)
    with pytest.raises(SettingsError, match="NAME:WEIGHT"):
        parse_weighted("s8b:strong")


@pytest.mark.parametrize(
    "make",
    [
        lambda: DreamSettings(octaves=0),
        lambda: DreamSettings(octave_scale=1.0),
        lambda: DreamSettings(iterations=-1),
        lambda: DreamSettings(headroom=0.5),
        lambda: CarrySettings(persistence=1.5),
        lambda: CarrySettings(warm_iterations=-1),
        lambda: CarrySettings(flow_weights="raft.pth"),
        lambda: EncodeSettings(crf=64),
        lambda: ModelSettings(device="gpu"),
        lambda: ModelSettings(threads=0),
        lambda: ReadSettings(frames=0),
        lambda: ReadSettings(duration=Fraction(0)),
    ],
)
def test_settings_check_themselves_and_say_what_was_expected(make: Callable[..., Any]) -> None:
    with pytest.raises(SettingsError, match=r"--\S+ .*: expected|: "):
        make()


LOOK = ("preset", "config", "like")


def test_every_field_is_an_option_and_an_unset_option_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    line = parsed("video", "clip.mp4")
    assert set(vars(line.arguments)) == {
        "inputs",
        "output",
        "overwrite",
        "skip_existing",
        "resume",
        *LOOK,
        "quiet",
        "verbose",
        "command",
    }
    for kind in VIDEO_SETTINGS:
        expected = kind(model="dreamnet") if kind is ModelSettings else kind()
        assert line.settings(kind) == expected
    with pytest.raises(SystemExit):
        parsed("video", "--help")
    options = capsys.readouterr().out.split()
    for kind in VIDEO_SETTINGS:
        for field in dataclasses.fields(kind):
            assert field.metadata.get("flag", "--" + field.name.replace("_", "-")) in options


def test_options_reach_their_fields() -> None:
    line = "video a.mp4 --start 1:02.5 --size 320x240 --layer s8b --layer s16a:2 --no-audio --octaves 3 --flow none"
    typed = parsed(*line.split())
    assert typed.settings(ReadSettings) == ReadSettings(start=Fraction(125, 2), size=(320, 240))
    assert typed.settings(ObjectiveSettings) == ObjectiveSettings(layers=(("s8b", 1.0), ("s16a", 2.0)))
    assert typed.settings(DreamSettings) == DreamSettings(octaves=3)
    assert typed.settings(EncodeSettings) == EncodeSettings(audio=False)
    assert typed.settings(CarrySettings) == CarrySettings(flow="none")
