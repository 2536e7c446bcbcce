"""What a live dream hears: tapped beats, drives, and a microphone that the test speaks into."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import av
import numpy as np
import pytest

from dreamvideo.errors import OutputError, SettingsError, SourceError
from dreamvideo.live.controls import Controls
from dreamvideo.live.hearing.live_drives import DRIVABLE, LiveDrives
from dreamvideo.live.hearing.microphone import open_microphone, resampled
from dreamvideo.live.hearing.tap_tempo import TappedBeat, tapped_beat
from dreamvideo.media.mono_sound import SOUND_RATE

HANG = 60.0  # seconds after which a block counts as lost


def test_taps_make_a_tempo() -> None:
    assert tapped_beat(()) is None and tapped_beat((5.0,)) is None
    assert tapped_beat((1.0, 1.5, 2.1, 2.5)) == TappedBeat(2.5, 0.5)
    assert tapped_beat((1.0, 1.5, 2.0, 9.1)) == TappedBeat(9.1, 0.5), "a single tap moves the beat"
    assert tapped_beat((1.0, 1.5, 9.0, 9.25)) == TappedBeat(9.25, 0.25), "a new tempo"
    assert tapped_beat((1.0, 1.0)) is None
    beat = TappedBeat(10.0, 0.5)
    assert [beat.last_before(now) for now in (10.0, 10.2, 10.5, 11.7, 9.9)] == pytest.approx([0, 0.2, 0, 0.2, 0.4])


def test_tapped_beats_drive_without_sound() -> None:
    drives = LiveDrives(["amount=audio:beats*0.5-0.2,release=0.1s", "strength=audio:beats"], hears=False)
    assert drives.factors(10.0, Controls()) == {"amount": 1.0, "strength": 1.0}
    controls = Controls(taps=(9.0, 9.5, 10.0))
    on, after = drives.factors(10.5, controls), drives.factors(10.9, controls)
    assert on == {"amount": pytest.approx(1.3), "strength": pytest.approx(2)}
    assert after["amount"] == pytest.approx(0.8, abs=0.02)


def test_tapped_beats_rise_with_an_attack() -> None:
    drives = LiveDrives(["amount=audio:beats,attack=50ms"], hears=False)
    controls = Controls(taps=(9.0, 10.0))
    levels = [drives.factors(10 + passed, controls)["amount"] - 1 for passed in (0.0, 0.05, 0.1)]
    assert levels[0] == 0 and 0.3 < levels[1] < levels[2] + 0.1


def test_what_is_heard_drives_and_silence_leaves_all_as_it_is() -> None:
    drives = LiveDrives(["step-size=audio:bass*2", "color=audio:treble*-1"], hears=True)
    drives.hear(np.zeros(SOUND_RATE, np.float32))
    assert drives.factors(0.0, Controls()) == {"step_size": 1.0, "color": 1.0}
    tone = 0.5 * np.sin(2 * np.pi * 100 * np.arange(SOUND_RATE) / SOUND_RATE)
    drives.hear(tone.astype(np.float32))
    factors = drives.factors(0.0, Controls())
    assert factors["step_size"] == pytest.approx(3, abs=0.1) and factors["color"] == pytest.approx(1, abs=0.1)
    drives.hear(np.zeros(SOUND_RATE, np.float32))
    assert drives.factors(0.0, Controls())["step_size"] < 1.1, "it is released"


@pytest.mark.parametrize(
    ("texts", "hears", "text"),
    [
        (["lanes=audio:bass"], True, "expected an option of strength, octaves"),
        (["amount=audio:bass", "amount=audio:mid"], True, "twice"),
        (["amount=audio:bass"], False, "--sound-input off"),
        (["amount"], True, "expected OPTION=audio:FEATURE"),
    ],
)
def test_a_wrong_drive_is_said_in_a_line(texts: list[str], hears: bool, text: str) -> None:
    with pytest.raises(SettingsError, match=rf"^[^\n]*{text}[^\n]*$"):
        LiveDrives(texts, hears)
    assert "strength" in DRIVABLE and "amount" in DRIVABLE


# A microphone.


class FakeSounddevice:
    """sounddevice with one input of 44100 Hz and two channels; the test calls its `callback`."""

    class PortAudioError(Exception):
        """Of PortAudio."""

    def __init__(self) -> None:
        self.callback: Callable[..., None] | None = None
        self.problem = ""
        self.asked: dict[str, Any] = {}

    def query_devices(self, device: Any, kind: str) -> dict[str, Any]:
        if self.problem:
            raise self.PortAudioError(self.problem)
        if device == "nothing":
            raise ValueError("No input device matching 'nothing'")
        return {"name": "Line In", "default_samplerate": 44100.0, "max_input_channels": 8}

    def InputStream(self, callback: Any, **asked: Any) -> Any:
        self.callback, self.asked = callback, asked
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: Any) -> None:
        self.callback = None


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> FakeSounddevice:
    fake = FakeSounddevice()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


def test_a_microphone_is_heard_at_the_rate_of_the_features(device: FakeSounddevice) -> None:
    heard: list[Any] = []
    threads = threading.active_count()
    with open_microphone("line", heard.append, print) as name:
        assert name == "Line In" and device.asked["latency"] == "low" and device.asked["channels"] == 2
        tone = 0.5 * np.sin(2 * np.pi * 100 * np.arange(44100) / 44100)
        for at in range(0, 44100, 441):
            device.callback(np.stack([tone, np.zeros(44100)], 1)[at : at + 441].astype(np.float32), 441, None, None)
            time.sleep(0.001)
        end = time.monotonic() + HANG
        while sum(map(len, heard)) < 0.9 * SOUND_RATE and time.monotonic() < end:
            time.sleep(0.01)
    sound = np.concatenate(heard)
    assert 0.2 < np.abs(sound).max() < 0.3, "the mean of both channels"
    assert threading.active_count() == threads and device.callback is None


def test_samples_are_resampled_without_gaps() -> None:
    resampler = av.AudioResampler("flt", "mono", SOUND_RATE)
    tone = (0.5 * np.sin(2 * np.pi * 100 * np.arange(48000) / 48000)).astype(np.float32)
    parts = [part for at in range(0, 48000, 480) for part in resampled(resampler, tone[at : at + 480], 48000)]
    sound = np.concatenate(parts)
    assert abs(len(sound) - SOUND_RATE) < 100
    assert np.abs(np.diff(sound)).max() < 0.5 * 2 * np.pi * 100 / SOUND_RATE * 1.05, "a gap"
    wild = np.array([np.nan, np.inf, -np.inf, 9.0] * 120, np.float32)
    for part in resampled(resampler, wild, 48000):
        assert np.isfinite(part).all() and np.abs(part).max() <= 1


def test_no_microphone_is_said_in_a_line(device: FakeSounddevice, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(name: str) -> None:
        open_microphone(name, print, print).__enter__()

    with pytest.raises(SourceError, match=r"^no sound input nothing [^\n]*$"):
        opened("nothing")
    device.problem = "Error querying device -1\nmore"
    with pytest.raises(SourceError, match=r"^no sound input default \(Error querying device -1\)[^\n]*$"):
        opened("default")
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(OutputError, match=r"^[^\n]*sounddevice[^\n]*$"):
        opened("default")
