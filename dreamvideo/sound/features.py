"""Analyzes the sound of a film, or a song, once, in one pass: of the sound itself nothing is kept but its curves.

A curve of a film of two hours takes 3 MB.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dreamvideo.media.mono_sound import SOUND_RATE, Samples, read_sound
from dreamvideo.schedule.film_clock import Sections
from dreamvideo.sound.bands import BEATS, LEVEL_WINDOW, LOUDNESS, ONSETS, check_feature, measure_levels
from dreamvideo.sound.envelope import QUIETEST, normalize_level
from dreamvideo.sound.events import Times, find_beats, find_onsets, require_librosa
from dreamvideo.sound.onset_strength import FLUX_WINDOW, OnsetStrength
from dreamvideo.sound.song_sections import TIMBRE_STEP, Timbre, describe_timbre, find_sections
from dreamvideo.sound.windows import CURVE_RATE, HOP, WindowCutter, equal_blocks

log = logging.getLogger(__name__)

Curve = NDArray[np.float32]

_AUDIBLE_AROUND = 0.5  # seconds: a beat further than this from any sound is none


@dataclass(frozen=True, slots=True)
class SoundFeatures:
    """What is heard in a sound. Value k of a curve belongs to second k / `CURVE_RATE` of the film."""

    duration: float  # seconds; 0: there is no sound
    levels: Mapping[str, Curve]  # (n,) in 0..1 of each band, range and `loudness` that was asked for
    lowest: Curve  # (n,) of the samples around each time, in -1..1
    highest: Curve
    onsets: Times | None = None  # None: not asked for
    onset_strengths: Curve | None = None  # of each onset, in 0..1
    beats: Times | None = None
    sections: Mapping[int, Sections] = field(default_factory=dict)  # by the number of kinds that was asked for

    @property
    def is_silent(self) -> bool:
        """Whether nothing is heard: there is no sound, or it stays 80 dB below full scale."""
        return self.loudest < QUIETEST

    @property
    def loudest(self) -> float:
        """The loudest sample, in 0..1."""
        return float(max(-self.lowest.min(initial=0), self.highest.max(initial=0)))


def analyze_file(
    path: Path, names: Iterable[str], zero: Fraction | None = None, kinds: Collection[int] = ()
) -> SoundFeatures:
    """Analyze the sound of a file.

    A warning of one line is logged if there is no sound, or nothing is heard in it; its curves are 0 then.

    Args:
        path: a film, or a file of sound.
        names: features, as `check_feature` allows them.
        zero: seconds on the clock of the file that are time 0, as `read_sound` takes them.
        kinds: into how many kinds of sections it is to be divided, for each wish.

    Returns:
        The features; those asked for, and the waveform.

    Raises:
        SettingsError: an unknown feature, or onsets, beats or sections are asked for without librosa.
        SourceError: the file is missing, or cannot be opened.
    """
    features = analyze_sound(read_sound(path, zero), names, kinds)
    if features.is_silent:
        what = "is silent" if features.duration else "has no sound"
        log.warning("%s %s: what it drives keeps its base value", path, what)
    return features


def analyze_sound(sound: Iterable[Samples], names: Iterable[str], kinds: Collection[int] = ()) -> SoundFeatures:
    """Analyze sound that comes in blocks.

    Args:
        sound: (n,) samples in [-1, 1] at `SOUND_RATE`, as `read_sound` yields them; blocks of any length.
        names: features, as `check_feature` allows them.
        kinds: as for `analyze_file`.

    Returns:
        The features; the same ones for blocks of any length.

    Raises:
        SettingsError: as `analyze_file`.
    """
    wanted = list(dict.fromkeys(names))
    for name in wanted:
        check_feature(name)
    has_events = ONSETS in wanted or BEATS in wanted or bool(kinds)
    if has_events:
        require_librosa()
    banded = [name for name in wanted if name not in (ONSETS, BEATS)]
    measured = _measure(sound, list(dict.fromkeys([*banded, LOUDNESS])), has_events, bool(kinds))
    features = SoundFeatures(measured.duration, {}, measured.lowest, measured.highest)
    levels = {name: normalize_level(measured.levels[name], features.loudest) for name in banded}
    strength = np.zeros_like(measured.strength) if features.is_silent else measured.strength
    onsets, strengths = find_onsets(strength) if ONSETS in wanted else (None, None)
    beats = find_beats(strength) if BEATS in wanted or kinds else None
    if beats is not None:
        beats = beats[_is_heard(beats, measured.levels[LOUDNESS])]
    sections: Mapping[int, Sections] = {}
    if beats is not None and kinds and not features.is_silent:
        sections = find_sections(measured.timbre, kinds, beats)
    return replace(features, levels=levels, onsets=onsets, onset_strengths=strengths, beats=beats, sections=sections)


@dataclass(frozen=True, slots=True)
class _Measured:
    duration: float
    levels: Mapping[str, Curve]  # not yet normalized
    lowest: Curve
    highest: Curve
    strength: Curve  # of onsets; zeros if not asked for
    timbre: Timbre  # of every `TIMBRE_STEP`-th time; empty if not asked for


def _measure(sound: Iterable[Samples], banded: Sequence[str], has_events: bool, has_sections: bool) -> _Measured:
    """One pass over the sound, in blocks of seconds."""
    wide, short, narrow = WindowCutter(LEVEL_WINDOW), WindowCutter(FLUX_WINDOW), WindowCutter(HOP)
    flux = OnsetStrength()
    levels, lowest, highest, strengths, timbre = [], [], [], [], []
    count = described = 0
    for block in chain(equal_blocks(sound), [None]):
        count += 0 if block is None else len(block)
        whole = wide.cut(block)
        levels.append(measure_levels(whole, banded))
        if has_sections:
            timbre.append(describe_timbre(whole[-described % TIMBRE_STEP :: TIMBRE_STEP]))
            described += len(whole)
        waves = narrow.cut(block)
        lowest.append(waves.min(1, initial=0))
        highest.append(waves.max(1, initial=0))
        pieces = short.cut(block)
        strengths.append(flux.measure(pieces) if has_events else np.zeros(len(pieces), np.float32))
    every = np.concatenate(levels)
    # Value k compares the windows k and k - 2: it belongs between them.
    strength = np.append(np.concatenate(strengths)[1:], np.float32(0))
    names = {name: every[:, column] for column, name in enumerate(banded)}
    heard = np.concatenate(timbre) if timbre else np.empty((0, 0), np.float32)
    return _Measured(count / SOUND_RATE, names, np.concatenate(lowest), np.concatenate(highest), strength, heard)


def _is_heard(times: Times, loudness: Curve) -> NDArray[np.bool_]:
    """Whether there is sound around each time: the tracker goes on with its beat through long pauses."""
    reach = int(_AUDIBLE_AROUND * CURVE_RATE)
    heard = np.append(0, np.cumsum(loudness > max(QUIETEST, 1e-3 * loudness.max(initial=0))))
    index = np.rint(times * CURVE_RATE).astype(int)
    begin = np.clip(index - reach, 0, len(loudness))
    return np.asarray(heard[np.clip(index + reach + 1, 0, len(loudness))] > heard[begin])
