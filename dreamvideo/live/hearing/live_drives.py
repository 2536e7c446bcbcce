"""What sound multiplies the options of a live dream by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp
from typing import Final

from dreamvideo.errors import SettingsError
from dreamvideo.live.controls import Controls
from dreamvideo.live.hearing.tap_tempo import tapped_beat
from dreamvideo.live.named_controls import CONTROLS
from dreamvideo.media.mono_sound import Samples
from dreamvideo.sound.bands import BEATS
from dreamvideo.sound.drive import Drive
from dreamvideo.sound.live_features import LevelFollower, LiveFeatures
from dreamvideo.sound.named_drives import named_drives

# What can be driven: every number that has a knob, the strength among them.
DRIVABLE: Final = {control.name: control.field for control in CONTROLS.values() if control.kind == "number"}


class LiveDrives:
    """Follows sound and tapped beats. One thread hears, another asks."""

    def __init__(self, texts: Sequence[str], hears: bool) -> None:
        """
        Args:
            texts: of `--drive`.
            hears: whether there is sound; without it only tapped beats drive.

        Raises:
            SettingsError: a drive is wrong, or needs sound or librosa that is not there.
        """
        self._drives: Mapping[str, Drive] = named_drives(texts, DRIVABLE)
        features = [drive.feature for drive in self._drives.values()]
        other = next((feature for feature in features if feature != BEATS), None)
        if not hears and other is not None:
            raise SettingsError(f"--drive of {other} with --sound-input off: expected a microphone, or beats to tap")
        self._features = LiveFeatures(features) if hears else None
        self._followers = {name: LevelFollower(drive.attack, drive.release) for name, drive in self._drives.items()}

    def hear(self, block: Samples) -> None:
        """Hear the next samples.

        Args:
            block: (n,) samples in [-1, 1] at `SOUND_RATE`.
        """
        assert self._features is not None
        heard = self._features.hear(block)
        for name, drive in self._drives.items():
            self._followers[name].follow(heard[drive.feature])

    def factors(self, now: float, controls: Controls) -> Mapping[str, float]:
        """Return what options are multiplied by.

        Args:
            now: seconds, as of `time.monotonic`.
            controls: whose taps are read: tapped beats take the place of those that are heard.

        Returns:
            Field -> factor, at least 0; 1 while nothing is heard.
        """
        tapped = tapped_beat(controls.taps)
        silent = self._features is None or self._features.is_silent
        factors = {}
        for name, drive in self._drives.items():
            if drive.feature == BEATS and tapped is not None:
                level = _level_after(tapped.last_before(now), drive)
            elif silent:
                factors[name] = 1.0
                continue
            else:
                level = self._followers[name].level
            factors[name] = max(0.0, 1 + drive.offset + drive.gain * level)
        return factors


def _level_after(passed: float, drive: Drive) -> float:
    """The level `passed` seconds after a beat."""
    rise = 1 - exp(-passed / drive.attack) if drive.attack else 1.0
    return rise * (exp(-passed / drive.release) if drive.release else float(passed == 0))
