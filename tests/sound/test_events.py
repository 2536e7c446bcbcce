"""Beats and onsets where they are heard. Tests with librosa are slow: it compiles itself for seconds."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from sounds import RATE, clicks, write_film

from dreamvideo.errors import SettingsError
from dreamvideo.media.mono_sound import SOUND_RATE
from dreamvideo.sound.drive import drive_curve, parse_drive
from dreamvideo.sound.features import SoundFeatures, analyze_file, analyze_sound

BOTH = ["beats", "onsets"]


@pytest.fixture(scope="module")
def librosa() -> None:
    pytest.importorskip("librosa", reason="librosa is not installed")


def farthest(found: np.ndarray, true: np.ndarray) -> float:
    """Seconds by which the worst of the found times is off."""
    return float(np.abs(found[:, None] - true).min(1).max())


@pytest.mark.parametrize("begin", [0.5, 0.7034])
@pytest.mark.slow
@pytest.mark.usefixtures("librosa")
def test_beats_of_a_click_track_are_within_20_ms(tmp_path: Path, begin: float) -> None:
    """120 a minute, in a film with AAC, whose encoder adds a delay of its own."""
    true = np.arange(begin, 20, 0.5)
    film = write_film(tmp_path / "a.mp4", "aac", [(0, clicks(list(true), 21))])
    features = analyze_file(film, BOTH)
    assert features.beats is not None and features.onsets is not None
    assert len(features.beats) >= len(true) - 1 and farthest(features.beats, true) < 0.01
    assert len(features.onsets) == len(true) and farthest(features.onsets, true) < 0.01

    curve = drive_curve(parse_drive("step-size=audio:beats*1.5"), features)
    for beat in true[2:-2]:  # at 30 frames a second: up within one frame, and back before the next beat
        first = np.ceil(beat * 30) / 30
        assert max(curve(first), curve(first + 1 / 30)) > 1 + 1.5 * 0.8
        assert curve(beat - 0.02) < 1 + 1.5 * 0.15


@pytest.mark.slow
@pytest.mark.usefixtures("librosa")
def test_beats_follow_a_tempo_that_changes_and_stop_in_a_pause() -> None:
    fast, slow = np.arange(1, 30, 60 / 140), np.arange(62, 92, 60 / 100)
    features = analyze_sound([clicks([*fast, *slow], 95, SOUND_RATE)], ["beats"])
    beats = features.beats
    assert beats is not None
    early, late = beats[beats < 29.5], beats[beats > 63]
    assert len(early) == pytest.approx(len(fast), abs=2) and farthest(early, fast) < 0.02
    assert len(late) == pytest.approx(len(slow), abs=3) and farthest(late[1:], slow) < 0.02
    assert not ((beats > 31) & (beats < 61)).any()


@pytest.mark.slow
@pytest.mark.usefixtures("librosa")
@pytest.mark.parametrize("sound", [np.empty(0, np.float32), np.zeros(5 * RATE, np.float32)], ids=["none", "silence"])
def test_silence_has_no_beat(sound: np.ndarray) -> None:
    features = analyze_sound([sound], BOTH)
    assert len(features.beats) == len(features.onsets) == len(features.onset_strengths) == 0


def test_without_librosa_a_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(SettingsError, match=r"pip install 'dreamvideo\[music\]'"):
        analyze_sound(iter(lambda: pytest.fail("was read"), None), ["beats"])
    assert isinstance(analyze_sound([], ["bass"]), SoundFeatures)
