import dataclasses
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from conftest import parsed
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamvideo.commands.options import (
    ATLAS_SETTINGS,
    FRAMES_SETTINGS,
    INFO_SETTINGS,
    LIVE_SETTINGS,
    VIDEO_SETTINGS,
)
from dreamvideo.errors import SettingsError
from dreamvideo.settings.bench import BenchSettings, CoherenceSettings, LiveBenchSettings, ScalingSettings
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.field_types import numbers_in
from dreamvideo.settings.job import EncodeSettings, ReadSettings
from dreamvideo.settings.network_looks import network_look
from dreamvideo.settings.parsers import parse_rate, parse_seconds, parse_size, parse_weighted


@given(st.integers(0, 30), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_times_in_every_form_are_exact(hours: int, minutes: int, seconds: int, thousandths: int) -> None:
    total = Fraction(hours * 3600 + minutes * 60 + seconds) + Fraction(thousandths, 1000)
    assert parse_seconds(f"{hours}:{minutes:02}:{seconds:02}.{thousandths:03}") == total
    assert parse_seconds(f"{hours * 60 + minutes}:{seconds}.{thousandths:03}") == total
    assert parse_seconds(f"{hours * 3600 + minutes * 60 + seconds}.{thousandths:03}") == total
    assert parse_seconds(f"{hours}h{minutes}m{seconds}.{thousandths:03}s") == total


@pytest.mark.parametrize("text", ["", "-1", "1:2:3:4", "1s1h", "20f", "50%", "nan", "1e3", ":", "1:", "."])
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


LOOK = ("preset", "config", "trust_config", "like")


def test_every_field_is_an_option_and_an_unset_option_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    line = parsed("video", "clip.mp4")
    assert set(vars(line.arguments)) == {
        "inputs",
        "output",
        "overwrite",
        "skip_existing",
        "resume",
        "report",
        *LOOK,
        "timeline_file",
        "quiet",
        "verbose",
        "command",
    }
    for kind in VIDEO_SETTINGS:
        expected = kind(model="dreamnet") if kind is ModelSettings else kind()
        expected = DreamSettings(**network_look("dreamnet")) if kind is DreamSettings else expected
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
    assert typed.settings(DreamSettings) == DreamSettings(**{**network_look("dreamnet"), "octaves": 3})
    assert typed.settings(EncodeSettings) == EncodeSettings(audio=False)
    assert typed.settings(CarrySettings) == CarrySettings(flow="none")


# Any value in any field.

ALL_SETTINGS = tuple(
    dict.fromkeys(
        [
            *VIDEO_SETTINGS,
            *FRAMES_SETTINGS,
            *LIVE_SETTINGS,
            *INFO_SETTINGS,
            *ATLAS_SETTINGS,
            CoherenceSettings,
            LiveBenchSettings,
            ScalingSettings,
            BenchSettings,
        ]
    )
)
EVERY_FIELD = [(kind, field) for kind in ALL_SETTINGS for field in dataclasses.fields(kind)]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("a\0b"),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


@pytest.mark.parametrize(("kind", "field"), EVERY_FIELD, ids=lambda each: getattr(each, "name", ""))
def test_no_field_takes_a_value_of_another_kind(kind: Any, field: Any) -> None:
    for value in ({}, [1], object(), (("a", "b", "c", "d"),), float("nan"), float("inf"), b"1", 10**400, "a\0b", ((),)):
        with pytest.raises(SettingsError, match=f"{field.metadata.get('flag', '--')}.*: expected ") as caught:
            kind(**{field.name: value})
        assert len(str(caught.value)) < 400
    if isinstance(field.default, int | float | Fraction) and not isinstance(field.default, bool):
        with pytest.raises(SettingsError, match="at most|0 to"):
            kind(**{field.name: 2 * field.metadata["most"] + 1})


@settings(max_examples=100)
@given(st.sampled_from(EVERY_FIELD), JSON)
def test_what_a_field_takes_is_finite_text_without_nul_and_can_be_hashed(at: Any, value: Any) -> None:
    kind, field = at
    try:
        made = kind(**{field.name: value})
    except SettingsError as error:
        assert "\n" not in str(error)
        return
    hash(made)
    for each in numbers_in(value):
        assert math.isfinite(each) and abs(each) <= field.metadata["most"]
    assert "\0" not in str(value)


def test_each_field_takes_its_own_default_and_the_values_of_presets() -> None:
    for kind in ALL_SETTINGS:
        made = kind()
        assert dataclasses.replace(made) == made


def test_rates_fit_into_what_libraries_hold_them_in() -> None:
    assert parse_rate("29.97") == Fraction(30000, 1001) and parse_rate("30000/1001") == Fraction(30000, 1001)
    close = parse_rate("29.97002997003")
    assert abs(float(close) - 29.97002997003) < 1e-9 and max(close.numerator, close.denominator) < 1 << 31
    for bad in ("0", "1001", "1/0", "1e3", "1/99999999999", "0.0000001", "9" * 5000):
        with pytest.raises(SettingsError, match="expected frames per second"):
            parse_rate(bad)
