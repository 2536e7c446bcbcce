"""Features of sound while it is heard: those of a file, a little later, with nothing looked ahead."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamvideo.media.mono_sound import SOUND_RATE, Samples
from dreamvideo.sound.envelope import follow_level
from dreamvideo.sound.features import analyze_sound
from dreamvideo.sound.live_features import LevelFollower, LiveFeatures
from dreamvideo.sound.windows import CURVE_RATE

SECONDS = 12
BLOCK = 256  # samples, as a device may give them


def clicks(seconds: int = SECONDS) -> Samples:
    """A low click every half second, with a little noise of a microphone."""
    sound = np.random.default_rng(1).normal(0, 2e-4, seconds * SOUND_RATE).astype(np.float32)
    time = np.arange(SOUND_RATE // 20) / SOUND_RATE
    click = (0.7 * np.sin(2 * np.pi * 120 * time) * np.exp(-time / 0.015)).astype(np.float32)
    for begin in range(SOUND_RATE // 4, len(sound) - len(click), SOUND_RATE // 2):
        sound[begin : begin + len(click)] += click
    return sound


def heard(name: str, sound: Samples, block: int = BLOCK) -> np.ndarray:
    features = LiveFeatures([name])
    return np.concatenate([features.hear(sound[at : at + block])[name] for at in range(0, len(sound), block)])


@pytest.mark.parametrize("name", ["bass", "loudness", "60-300"])
def test_levels_are_those_of_a_file_once_some_was_heard(name: str) -> None:
    sound = clicks()
    live, filed = heard(name, sound), analyze_sound([sound], [name]).levels[name]
    late = len(filed) - len(live)
    assert late * 10 <= 60, "milliseconds that a level is late"
    settled = slice(3 * CURVE_RATE, len(live))
    assert np.abs(live[settled] - filed[: len(live)][settled]).mean() < 0.03
    assert live[settled].max() > 0.95 and np.median(live[settled]) < 0.3


def test_blocks_of_any_length_give_the_same_course() -> None:
    sound = clicks(4)
    live = [heard("bass", sound, block) for block in (97, 2400)]
    count = min(map(len, live))
    assert np.abs(live[0][CURVE_RATE:count] - live[1][CURVE_RATE:count]).mean() < 0.02


def test_the_noise_of_a_microphone_and_silence_drive_nothing() -> None:
    noise = np.random.default_rng(2).normal(0, 4e-4, 4 * SOUND_RATE).astype(np.float32)
    assert heard("loudness", noise).max() < 0.3
    features = LiveFeatures(["bass"])
    features.hear(np.zeros(SOUND_RATE, np.float32))
    assert features.is_silent
    features.hear(clicks(1))
    assert not features.is_silent


@pytest.mark.parametrize("name", ["onsets", "beats"])
def test_onsets_and_beats_come_with_the_clicks(name: str) -> None:
    curve = heard(name, clicks())
    times = np.flatnonzero(curve[6 * CURVE_RATE :]) / CURVE_RATE + 6
    expected = np.arange(0.25, SECONDS, 0.5)
    nearest = np.abs(times[:, None] - expected).min(1)
    assert 10 <= len(times) <= 13
    assert nearest.max() <= 0.04
    assert np.diff(times).min() > 0.3, "twice"


def test_beats_go_on_at_their_tempo() -> None:
    features = LiveFeatures(["beats"])
    sound = clicks(8)
    for at in range(0, len(sound), BLOCK):
        features.hear(sound[at : at + BLOCK])
    pause = [features.hear(np.full(BLOCK, 1e-5, np.float32))["beats"] for _ in range(0, SOUND_RATE // 2, BLOCK)]
    assert np.concatenate(pause).sum() >= 1


@given(
    st.lists(st.floats(0, 1, width=32), min_size=1, max_size=60),
    st.sampled_from([0.0, 0.03, 0.4]),
    st.sampled_from([0.0, 0.2, 3.0]),
    st.integers(1, 60),
)
def test_a_level_followed_in_parts_is_that_of_the_whole(
    values: list[float], attack: float, release: float, cut: int
) -> None:
    curve = np.array(values, np.float32)
    follower = LevelFollower(attack, release)
    follower.follow(curve[:cut])
    assert follower.follow(curve[cut:]) == pytest.approx(float(follow_level(curve, attack, release)[-1]), abs=1e-6)
