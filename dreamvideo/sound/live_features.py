"""Features of sound while it is heard: those of `features`, over what was heard last, without a look ahead.

Bands and loudness come half a window late (43 ms), onsets and beats 20 ms. What is a loud or a quiet passage is decided
by the last 10 seconds. Beats are found in them once a second, and go on at their tempo until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import exp
from typing import Final

import numpy as np

from dreamvideo.media.mono_sound import Samples
from dreamvideo.sound.bands import BEATS, LEVEL_WINDOW, ONSETS, check_feature, measure_levels
from dreamvideo.sound.envelope import QUIETEST, normalize_level
from dreamvideo.sound.events import find_beats, find_onsets, require_librosa
from dreamvideo.sound.features import Curve
from dreamvideo.sound.onset_strength import FLUX_WINDOW, OnsetStrength
from dreamvideo.sound.windows import CURVE_RATE, WindowCutter

MEMORY: Final = 10 * CURVE_RATE  # values that decide what is loud, and where beats are looked for

_ONSET_MEMORY: Final = 2 * CURVE_RATE  # values among which an onset is looked for
_APART: Final = 3  # values between two onsets
_BEATS_EVERY: Final = CURVE_RATE  # values between looks for beats
_FEW: Final = 4  # beats that are no tempo yet
_TEMPO_BEATS: Final = 8  # newest beats that the tempo is the median of


class LiveFeatures:
    """Features of sound that comes in blocks."""

    def __init__(self, names: Iterable[str]) -> None:
        """Begin to hear.

        Args:
            names: features, as `check_feature` allows them.

        Raises:
            SettingsError: an unknown feature, or onsets or beats are asked for without librosa.
        """
        self._names = tuple(dict.fromkeys(names))
        for name in self._names:
            check_feature(name)
        self._banded = [name for name in self._names if name not in (ONSETS, BEATS)]
        self._wide, self._short, self._flux = WindowCutter(LEVEL_WINDOW), WindowCutter(FLUX_WINDOW), OnsetStrength()
        self._levels = np.zeros((0, len(self._banded)), np.float32)  # the last `MEMORY`
        self._strength = np.zeros(0, np.float32)  # of onsets, the last `MEMORY`
        self._peaks = np.zeros(MEMORY, np.float32)  # loudest sample of each block, the newest last
        self._count = 0  # values of `strength` so far
        self._onset = -_APART  # index of the last onset
        self._beat, self._period = 0.0, 0.0  # index of a beat, and values between beats; 0: no tempo
        self._last_beat = -float(MEMORY)
        if ONSETS in self._names or BEATS in self._names:
            require_librosa()
            warm = np.tile(np.eye(1, CURVE_RATE // 2, dtype=np.float32)[0], 16)
            find_onsets(warm)  # numba compiles now what would interrupt the sound later
            find_beats(warm)

    def hear(self, block: Samples) -> Mapping[str, Curve]:
        """Hear the next samples.

        Args:
            block: (n,) samples in [-1, 1] at `SOUND_RATE`.

        Returns:
            Feature -> its new values in 0..1, `CURVE_RATE` a second; how many differs from call to call.
        """
        self._peaks = np.append(self._peaks[1:], np.float32(np.abs(block).max(initial=0)))
        heard = self._hear_levels(block) if self._banded else {}
        if len(self._banded) == len(self._names):
            return heard
        fresh = self._flux.measure(self._short.cut(block))
        self._strength = np.concatenate([self._strength, fresh])[-MEMORY:]
        before, self._count = self._count, self._count + len(fresh)
        if ONSETS in self._names:
            heard[ONSETS] = self._onsets(before)
        if BEATS in self._names:
            heard[BEATS] = self._beats(before)
        return heard

    @property
    def is_silent(self) -> bool:
        """Whether nothing was heard lately."""
        return bool(self._peaks.max() < QUIETEST)

    def _hear_levels(self, block: Samples) -> dict[str, Curve]:
        fresh = measure_levels(self._wide.cut(block), self._banded)
        self._levels = np.concatenate([self._levels, fresh])[-MEMORY:]
        start = len(self._levels) - len(fresh)
        # Full scale as the loudest sample: the noise of a microphone alone is not stretched.
        loudest = 0.0 if self.is_silent else 1.0
        return {
            name: normalize_level(self._levels[:, column], loudest)[start:] for column, name in enumerate(self._banded)
        }

    def _onsets(self, before: int) -> Curve:
        """Of the values from index `before` on: how strong the onset is where there is one, else 0."""
        values = np.zeros(self._count - before, np.float32)
        recent = self._strength[-_ONSET_MEMORY:]
        if not len(values) or self.is_silent or recent.max() == 0:
            return values
        times, strengths = find_onsets(recent)
        first = self._count - len(recent)
        for time, strength in zip(times, strengths, strict=True):
            index = first + round(float(time) * CURVE_RATE)
            if index >= before - 1 and index - self._onset > _APART:
                self._onset = index
                values[min(max(index - before, 0), len(values) - 1)] = strength
        return values

    def _beats(self, before: int) -> Curve:
        """Of the values from index `before` on: 1 where there is a beat, else 0."""
        if before // _BEATS_EVERY != self._count // _BEATS_EVERY:
            self._find_tempo()
        values = np.zeros(self._count - before, np.float32)
        for place in range(len(values) if self._period and not self.is_silent else 0):
            index = before + place
            passed = (index - self._beat) % self._period
            if passed < 1 and index - self._last_beat > self._period / 2:
                self._last_beat = index
                values[place] = 1
        return values

    def _find_tempo(self) -> None:
        beats = find_beats(self._strength)[-_TEMPO_BEATS:] * CURVE_RATE
        if len(beats) > _FEW:
            self._period = float(np.median(np.diff(beats)))
            self._beat = self._count - len(self._strength) + float(beats[-1])


class LevelFollower:
    """Attack and release of values as they come: what `envelope.follow_level` does with all of them."""

    def __init__(self, attack: float, release: float) -> None:
        """Begin at 0.

        Args:
            attack, release: seconds; 0: at once.
        """
        self._fall, self._rise = (exp(-1 / (CURVE_RATE * time)) if time else 0.0 for time in (release, attack))
        self._peak = 0.0
        self.level = 0.0

    def follow(self, values: Curve) -> float:
        """Return the level after the next values.

        Args:
            values: (n,), `CURVE_RATE` a second.
        """
        for value in values.tolist():
            self._peak = max(value, self._fall * self._peak + (1 - self._fall) * value)
            self.level = self._rise * self.level + (1 - self._rise) * self._peak
        return self.level
