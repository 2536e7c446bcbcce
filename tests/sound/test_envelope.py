"""Levels are scaled whatever bang or pause there is, and rise and fall as they are told."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dreamvideo.sound.envelope import follow_level, normalize_level
from dreamvideo.sound.windows import CURVE_RATE

LEVELS = arrays(np.float32, st.integers(0, 40), elements=st.floats(0, 1, width=32))
TIMES = st.sampled_from([0, 0.01, 0.05, 0.3])


@given(LEVELS, TIMES, TIMES)
def test_follows_as_the_two_equations_say(values: np.ndarray, attack: float, release: float) -> None:
    """Equation 17 of Giannoulis, Massberg and Reiss, one value after the other."""
    a = exp(-1 / (attack * CURVE_RATE)) if attack else 0
    r = exp(-1 / (release * CURVE_RATE)) if release else 0
    first, second, expected = 0.0, 0.0, []
    for x in values:
        first = max(float(x), r * first + (1 - r) * float(x))
        second = a * second + (1 - a) * first
        expected.append(second)
    assert follow_level(values, attack, release) == pytest.approx(np.array(expected), abs=1e-6)


@given(LEVELS, TIMES, TIMES)
def test_stays_between_silence_and_the_highest(values: np.ndarray, attack: float, release: float) -> None:
    followed = follow_level(values, attack, release)
    assert followed.min(initial=0) >= 0 and followed.max(initial=0) <= values.max(initial=0) + 1e-6


def test_a_step_is_63_percent_up_after_the_attack_and_63_percent_down_after_the_release() -> None:
    step = np.repeat(np.array([0, 1, 0], np.float32), 200)
    followed = follow_level(step, 0.1, 0)
    assert followed[200 + 9] == pytest.approx(1 - exp(-1), abs=1e-5)
    followed = follow_level(step, 0, 0.3)
    assert followed[200] == 1 and followed[400 + 29] == pytest.approx(exp(-1), abs=1e-5)


def test_a_pulse_shorter_than_the_attack_is_still_seen() -> None:
    pulse = np.zeros(200, np.float32)
    pulse[50] = 1
    assert follow_level(pulse, 0.05, 0.2).max() > 0.6


def test_a_bang_and_a_pause_do_not_decide() -> None:
    music = np.linspace(0.1, 0.3, 1000, dtype=np.float32)
    plain = normalize_level(music, 0.5)
    disturbed = normalize_level(np.concatenate([music, np.zeros(1000), [1] * 5]).astype(np.float32), 1.0)
    assert plain.min() == 0 and plain.max() == 1
    assert disturbed[:1000] == pytest.approx(plain, abs=0.03)
    assert not disturbed[1000:2000].any() and (disturbed[2000:] == 1).all()


def test_what_hardly_changes_is_not_stretched() -> None:
    steady = np.float32(0.2) + np.float32(0.002) * np.sin(np.arange(1000, dtype=np.float32))
    assert normalize_level(steady, 0.3).min() > 0.95


def test_a_band_that_is_all_but_empty_stays_low() -> None:
    leak = np.full(100, 3e-4, np.float32)
    assert normalize_level(leak, 0.9).max() == 0
    assert normalize_level(leak, 1e-3).min() == 1


@pytest.mark.parametrize("level", [0, 3e-5])
def test_silence_is_0(level: float) -> None:
    assert not normalize_level(np.full(100, level, np.float32), level).any()
    assert len(normalize_level(np.empty(0, np.float32), 0)) == 0
