"""Each band hears what lies in it, and little else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sounds import sine

from dreamvideo.errors import SettingsError
from dreamvideo.media.mono_sound import SOUND_RATE
from dreamvideo.sound.bands import BANDS, LEVEL_WINDOW, check_feature, loudness_weights, measure_levels, power_spectrum

NAMES = ["bass", "mid", "treble", "60-120", "400-500", "loudness"]


def levels(frequency: float) -> dict[str, float]:
    window = sine(frequency, 1, SOUND_RATE, level=1)[None, :LEVEL_WINDOW]
    return dict(zip(NAMES, measure_levels(window, NAMES)[0].tolist(), strict=True))


@pytest.mark.parametrize(
    ("frequency", "loud"),
    [
        (90, {"bass", "60-120"}),
        (180, {"bass"}),
        (450, {"mid", "400-500"}),
        (1500, {"mid"}),
        (7000, {"treble"}),
    ],
)
def test_a_sine_wave_is_heard_in_its_bands_alone(frequency: float, loud: set[str]) -> None:
    found = levels(frequency)
    del found["loudness"]
    for name, level in found.items():
        assert level == pytest.approx(0.5**0.5, rel=0.05) if name in loud else level < 0.01, name


def test_the_bands_share_out_the_whole_spectrum() -> None:
    noise = np.random.default_rng(1).standard_normal((4, LEVEL_WINDOW)).astype(np.float32)
    power = power_spectrum(noise)
    taper = np.hanning(LEVEL_WINDOW + 1)[:-1]
    expected = (np.square(noise * taper).sum(1)) / np.square(taper).sum()
    assert power.sum(1) == pytest.approx(expected, rel=1e-4)
    edges = sorted(BANDS.values())
    assert all(before[1] == after[0] for before, after in zip(edges, edges[1:], strict=False))
    assert np.square(measure_levels(noise, list(BANDS))).sum(1) == pytest.approx(expected, rel=0.02)


def test_loudness_weighs_as_the_standard_does() -> None:
    """ITU-R BS.1770 states +0.691 dB at 997 Hz; below the ear hears less, above the head adds 4 dB."""
    decibels = 10 * np.log10(loudness_weights() + 1e-12)
    at = {hz: decibels[round(hz * LEVEL_WINDOW / SOUND_RATE)] for hz in (23, 997, 10_000)}
    assert at[997] == pytest.approx(0.691, abs=0.05)
    assert at[10_000] == pytest.approx(4.0, abs=0.1)
    assert at[23] < -7


@pytest.mark.parametrize(
    "name", ["bas", "", "60", "60-", "60-50", "60-65", "0-100", "100-20000", "60-120-180", "x" * 999]
)
def test_what_is_no_feature_is_an_error_of_one_line(name: str) -> None:
    with pytest.raises(SettingsError) as error:
        check_feature(name)
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


@given(st.integers(20, 11_900), st.integers(12, 2000))
def test_every_range_of_some_width_hears_its_middle(low: int, width: int) -> None:
    high = min(low + width, 12_000)
    check_feature(f"{low}-{high}")
    window = sine((low + high) / 2, 0.2, SOUND_RATE, level=1)[None, :LEVEL_WINDOW]
    # A range as narrow as one value of the spectrum holds a third of the power of a sine wave, by the window.
    assert measure_levels(window, [f"{low}-{high}"])[0, 0] > 0.3
