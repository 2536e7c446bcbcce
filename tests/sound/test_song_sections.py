"""Sections of music: where it changes, and what sounds alike. Tests with librosa are slow: it compiles itself."""

from __future__ import annotations

import numpy as np
import pytest

from dreamvideo.media.mono_sound import SOUND_RATE
from dreamvideo.sound.features import analyze_sound
from dreamvideo.sound.song_sections import describe_timbre

SECONDS = 12  # of a passage


def passage(chord: tuple[float, ...], noise: float, seed: int, seconds: int = SECONDS) -> np.ndarray:
    """Two strokes of a chord a second, and noise."""
    time = np.arange(seconds * SOUND_RATE) / SOUND_RATE
    tones = sum(np.sin(2 * np.pi * pitch * time) for pitch in chord) / len(chord)
    hiss = noise * np.random.default_rng(seed).standard_normal(len(time))
    return np.asarray((0.4 * tones + hiss) * np.exp(-6 * (time % 0.5)), np.float32)


def verse(seed: int, seconds: int = SECONDS) -> np.ndarray:
    return passage((220, 262, 330), 0.01, seed, seconds)


def chorus(seed: int) -> np.ndarray:
    return passage((294, 370, 440, 880), 0.1, seed)


def test_a_tone_is_the_same_in_every_octave() -> None:
    time = np.arange(2048) / SOUND_RATE
    described = describe_timbre(np.stack([np.sin(2 * np.pi * f * time) for f in (440, 880, 1760, 466)]).astype("f"))
    tones = described[:, :12]
    assert tones.argmax(1).tolist() == [0, 0, 0, 1] and tones.sum(1) == pytest.approx(1)
    assert (described[:3, 12:].argmax(1) == [4, 5, 7]).all()
    assert not describe_timbre(np.zeros((3, 2048), np.float32)).any()
    assert describe_timbre(np.zeros((0, 2048), np.float32)).shape == described[:0].shape


@pytest.mark.slow
def test_passages_that_sound_alike_are_of_one_kind() -> None:
    pytest.importorskip("librosa", reason="librosa is not installed")
    sound = np.concatenate([verse(1), chorus(2), verse(3), verse(4), chorus(5)])
    features = analyze_sound([sound], ["bass"], [2, 3])
    assert [kind for _, kind in features.sections[2]] == [0, 1, 0, 1]
    starts = [float(time) for time, _ in features.sections[2]]
    assert starts == pytest.approx([0, 12, 24, 48], abs=1)
    assert features.beats is not None
    assert all(np.abs(features.beats - start).min() < 0.001 for start in starts[1:])  # on a beat
    blocks = analyze_sound(np.array_split(sound, 17), ["bass"], [2])
    assert blocks.sections[2] == features.sections[2]


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0, 1, 20])
def test_what_never_changes_is_one_section(seconds: int) -> None:
    pytest.importorskip("librosa", reason="librosa is not installed")
    silent = analyze_sound([np.zeros(seconds * SOUND_RATE, np.float32)], [], [2])
    assert silent.sections == {}
    steady = analyze_sound([np.full(seconds * SOUND_RATE, 0.1, np.float32)], [], [2]).sections
    assert steady in ({}, {2: ((0, 0),)})
