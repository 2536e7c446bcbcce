"""The curves of a sound: exact in time, the same however it was decoded, and 0 where nothing is heard."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sounds import RATE, clicks, sine, write_film

from dreamvideo.errors import SettingsError, SourceError
from dreamvideo.media.mono_sound import SOUND_RATE, Samples
from dreamvideo.sound.features import SoundFeatures, analyze_file, analyze_sound
from dreamvideo.sound.onset_strength import FLUX_WINDOW, OnsetStrength
from dreamvideo.sound.windows import CURVE_RATE, WindowCutter, equal_blocks

LEVELS = ["bass", "mid", "treble", "loudness", "60-120"]


def crossings(level: np.ndarray, at: float = 0.5) -> list[float]:
    """Seconds at which a curve passes a height, between two of its values."""
    before, after = level[:-1], level[1:]
    index = np.flatnonzero((before < at) != (after < at))
    return [float((i + (at - before[i]) / (after[i] - before[i])) / CURVE_RATE) for i in index]


SONG = np.concatenate(
    [
        sine(80, 1, SOUND_RATE),
        sine(900, 2.5, SOUND_RATE),
        clicks([0.3, 0.8, 1.4], 2, SOUND_RATE),
        sine(6000, 1, SOUND_RATE),
        np.zeros(SOUND_RATE // 2, np.float32),
    ]
)
WHOLE = analyze_sound([SONG], LEVELS)


def onset_strength(blocks: Sequence[Samples]) -> np.ndarray:
    cutter, flux = WindowCutter(FLUX_WINDOW), OnsetStrength()
    return np.concatenate([flux.measure(cutter.cut(block)) for block in [*equal_blocks(blocks), None]])


STRENGTH = onset_strength([SONG])


@settings(max_examples=5)
@given(st.lists(st.integers(1, len(SONG) - 1), max_size=5))
def test_the_curves_are_the_same_to_the_last_bit_wherever_blocks_end(ends: list[int]) -> None:
    blocks = np.split(SONG, sorted(ends))
    found = analyze_sound(blocks, LEVELS)
    assert all(np.array_equal(found.levels[name], WHOLE.levels[name]) for name in LEVELS)
    assert np.array_equal(found.lowest, WHOLE.lowest) and np.array_equal(found.highest, WHOLE.highest)
    assert found.duration == WHOLE.duration == pytest.approx(7)
    assert np.array_equal(onset_strength(blocks), STRENGTH)


def test_no_curve_is_early_or_late() -> None:
    assert crossings(WHOLE.levels["bass"]) == pytest.approx([1], abs=0.01)
    assert crossings(WHOLE.levels["60-120"]) == pytest.approx([1], abs=0.01)
    assert crossings(WHOLE.levels["treble"]) == pytest.approx([5.5, 6.5], abs=0.01)


def test_a_click_in_the_middle_of_its_hump() -> None:
    sound = clicks([0.7], 1.5, SOUND_RATE)
    level = analyze_sound([sound], ["mid"]).levels["mid"]
    center = (level * np.arange(len(level))).sum() / level.sum() / CURVE_RATE
    assert center == pytest.approx(0.7025, abs=0.002)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "aac"), ("a.mkv", "aac"), ("a.mov", "pcm_s16le")])
@pytest.mark.parametrize("late", [0, 0.8])
def test_the_sound_of_a_film_is_heard_when_it_sounds(tmp_path: Path, name: str, codec: str, late: float) -> None:
    tone = np.concatenate([np.zeros(RATE // 2, np.float32), sine(1000, 1, RATE), np.zeros(RATE // 2, np.float32)])
    film = write_film(tmp_path / name, codec, [(late, tone)])
    found = crossings(analyze_file(film, ["mid"]).levels["mid"])
    assert found == pytest.approx([late + 0.5, late + 1.5], abs=0.005)


def test_the_strength_of_onsets_is_highest_where_clicks_begin() -> None:
    """Value k belongs between the windows k and k - 2; by the window, it is up to 20 ms early, which `events` adds."""
    for click in (3.8, 4.3, 4.9):
        around = np.arange(int((click - 0.1) * CURVE_RATE), int((click + 0.1) * CURVE_RATE))
        assert -0.02 <= (around[STRENGTH[around].argmax()] - 1) / CURVE_RATE - click <= 0


def test_quiet_music_moves_as_much_as_loud_music() -> None:
    assert analyze_sound([SONG * np.float32(0.01)], LEVELS).levels["mid"] == pytest.approx(
        WHOLE.levels["mid"], abs=0.02
    )


@pytest.mark.parametrize("silence", ["no track", "zeros", "dither"])
def test_silence_is_one_line_and_no_level(tmp_path: Path, caplog: pytest.LogCaptureFixture, silence: str) -> None:
    noise = np.random.default_rng(0).uniform(-3e-5, 3e-5, RATE).astype(np.float32)
    sound = {"no track": [], "zeros": [(0.0, 0 * noise)], "dither": [(0.0, noise)]}[silence]
    film = write_film(tmp_path / "a.mov", "pcm_s16le" if sound else None, sound)
    with caplog.at_level(logging.WARNING):
        features = analyze_file(film, LEVELS)
    assert features.is_silent and not any(level.any() for level in features.levels.values())
    words = "is silent" if sound else "has no sound"
    assert [record.getMessage() for record in caplog.records] == [
        f"{film} {words}: what it drives keeps its base value"
    ]


def test_only_what_was_asked_for_is_there() -> None:
    features = analyze_sound([SONG], ["bass", "bass"])
    assert list(features.levels) == ["bass"] and features.onsets is None and features.beats is None
    assert isinstance(analyze_sound([], []), SoundFeatures)


def test_what_cannot_be_done_is_an_error_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nearest: bass"):
        analyze_sound(iter(lambda: pytest.fail("was read"), None), ["bas"])
    with pytest.raises(SourceError, match="a.mp4"):
        analyze_file(tmp_path / "a.mp4", ["bass"])
