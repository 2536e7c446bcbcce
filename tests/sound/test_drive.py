"""Drives: how they are written, and what they do to an option over time."""

from __future__ import annotations

import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.errors import SettingsError
from dreamvideo.sound.drive import Drive, DriveCurve, drive_curve, feature_curve, parse_drive
from dreamvideo.sound.features import SoundFeatures
from dreamvideo.sound.windows import CURVE_RATE


def heard(**levels: list[float]) -> SoundFeatures:
    length = max((len(level) for level in levels.values()), default=100)
    return SoundFeatures(
        length / CURVE_RATE,
        {name: np.array(level, np.float32) for name, level in levels.items()},
        np.full(length, -0.5, np.float32),
        np.full(length, 0.5, np.float32),
        onsets=np.array([0.1, 0.5]),
        onset_strengths=np.array([0.4, 1], np.float32),
        beats=np.array([0.204, 0.7]),
    )


@pytest.mark.parametrize(
    ("text", "drive"),
    [
        ("step-size=audio:bass", Drive("step-size", "bass")),
        ("step-size=audio:bass*1.5", Drive("step-size", "bass", 1.5)),
        ("color=audio:loudness*-0.5+.25", Drive("color", "loudness", -0.5, 0.25)),
        ("color=audio:beats-0.5", Drive("color", "beats", offset=-0.5)),
        ("amount=audio:60-120", Drive("amount", "60-120")),
        ("amount=audio:60-120*2-0.5", Drive("amount", "60-120", 2, -0.5)),
        ("amount=audio:60-120-0.5", Drive("amount", "60-120", 1, -0.5)),
        ("a=audio:onsets,attack=30ms,release=0.5s", Drive("a", "onsets", attack=0.03, release=0.5)),
        (" a=audio: treble * 2 + 1 , release = 0ms ", Drive("a", "treble", 2, 1, release=0)),
    ],
)
def test_a_drive_is_read(text: str, drive: Drive) -> None:
    assert parse_drive(text) == drive


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "--drive ''"),
        ("step-size", "--drive 'step-size'"),
        ("=audio:bass", "--drive '=audio:bass'"),
        ("__class__=audio:bass", "--drive '__class__=audio:bass'"),
        ("step-size=bass", "--drive step-size: unknown source 'bass'"),
        ("step-size=midi:1", "--drive step-size: unknown source 'midi:1'"),
        ("step-size=audio:", "--drive step-size: unknown sound"),
        ("step-size=audio:bas*2", "--drive step-size: unknown sound 'bas'"),
        ("step-size=audio:120-60", "--drive step-size: invalid range '120-60'"),
        ("step-size=audio:bass*", "--drive step-size: 'bass*'"),
        ("step-size=audio:bass*nan", "--drive step-size: 'bass*nan'"),
        ("step-size=audio:bass*1e9", "--drive step-size: 'bass*1e9'"),
        ("step-size=audio:bass*101", "--drive step-size: gain 101"),
        ("step-size=audio:bass+101", "--drive step-size: offset 101"),
        ("step-size=audio:bass*2*2", "--drive step-size: 'bass*2*2'"),
        ("step-size=audio:bass,", "--drive step-size: ''"),
        ("step-size=audio:bass,attack=30", "--drive step-size: attack '30'"),
        ("step-size=audio:bass,attack=-1s", "--drive step-size: attack '-1s'"),
        ("step-size=audio:bass,release=61s", "--drive step-size: release '61s'"),
        ("step-size=audio:bass,decay=1s", "--drive step-size: 'decay=1s' is unknown"),
        ("step-size=audio:bass,attack=1s,attack=2s", "--drive step-size: 'attack=2s' is given twice"),
        ("step-size=audio:" + "x" * 10_000, "--drive step-size: "),
    ],
)
def test_what_is_no_drive_is_one_line_that_names_the_place(text: str, place: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse_drive(text)
    assert place in str(error.value) and "expected" in str(error.value)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


@given(st.text("audio:bes60-12*.+,=atck ms\n", max_size=30))
def test_whatever_is_typed_is_a_drive_or_an_error_of_the_user(text: str) -> None:
    try:
        drive = parse_drive(f"a=audio:{text}")
    except SettingsError:
        return
    assert abs(drive.gain) <= 100 and 0 <= drive.attack <= 60 and 0 <= drive.release <= 60


def test_the_factor_is_1_plus_gain_times_the_feature_plus_the_offset() -> None:
    features = heard(bass=[0, 0.5, 1, 0.25])
    curve = drive_curve(parse_drive("a=audio:bass*2+0.5,release=0s"), features)
    assert [curve(Fraction(k, CURVE_RATE)) for k in range(4)] == pytest.approx([1.5, 2.5, 3.5, 2])
    assert curve(0.005) == pytest.approx(2)  # between two values
    assert curve(-1) == curve(0.04) == curve(1000) == 1.5
    assert drive_curve(parse_drive("a=audio:bass*-3"), features)(0.02) == 0  # never below


def test_attack_and_release_shape_the_factor_and_the_release_outlasts_the_sound() -> None:
    features = heard(bass=[0.0] * 50 + [1.0] * 50)
    curve = drive_curve(parse_drive("a=audio:bass,attack=50ms,release=200ms"), features)
    assert curve(0.54) == pytest.approx(2 - np.exp(-1), abs=0.02)
    assert curve(0.98) == pytest.approx(2, abs=0.01)
    after = [curve(1 + k / 30) for k in range(90)]
    assert 1.5 < after[2] < 2 and all(one >= other for one, other in zip(after, after[1:], strict=False))
    assert after[-1] == pytest.approx(1, abs=1e-3)


def test_events_are_pulses() -> None:
    features = heard()
    beats, onsets = feature_curve("beats", features), feature_curve("onsets", features)
    assert {int(k): float(beats[k]) for k in np.flatnonzero(beats)} == {20: 1.0, 70: 1.0}
    assert {int(k): float(onsets[k]) for k in np.flatnonzero(onsets)} == pytest.approx({10: 0.4, 50: 1.0})
    curve = drive_curve(parse_drive("a=audio:beats,release=100ms"), features)
    assert curve(0.2) == 2 and curve(0.3) == pytest.approx(1 + np.exp(-1), abs=0.01) and curve(0.18) == 1


def test_without_sound_an_option_keeps_its_base_value() -> None:
    nothing = np.empty(0, np.float32)
    zeros = np.zeros(501, np.float32)
    silent = SoundFeatures(5.0, {"bass": zeros}, zeros, zeros)
    for features in (SoundFeatures(0.0, {"bass": nothing}, nothing, nothing), silent):
        curve = drive_curve(parse_drive("a=audio:bass*2-0.5"), features)
        assert curve(0) == curve(3) == 1
        assert curve.places(Fraction(2))


def test_a_curve_is_sent_to_workers_as_data() -> None:
    curve = drive_curve(parse_drive("a=audio:bass"), heard(bass=[0.1, 0.9, 0.3]))
    copy = pickle.loads(pickle.dumps(curve))
    assert isinstance(copy, DriveCurve) and [copy(k / 250) for k in range(9)] == [curve(k / 250) for k in range(9)]


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=60), st.integers(0, 70))
def test_the_places_hold_every_extreme(level: list[float], last: int) -> None:
    curve = drive_curve(parse_drive("a=audio:bass,release=0s"), heard(bass=level))
    end = Fraction(last, CURVE_RATE)
    places = curve.places(end)
    assert list(places) == sorted(set(places)) and places[0] == 0 and places[-1] <= end
    every = [curve(Fraction(k, CURVE_RATE)) for k in range(last + 1)]
    values = [curve(place) for place in places]
    assert min(values) == min(every) and max(values) == max(every)
