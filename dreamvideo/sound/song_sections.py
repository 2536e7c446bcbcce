"""Finds the sections of music, such as verse and chorus, and which of them sound alike.

What is heard is described twice a second by its harmony, as the strength of each of the twelve tones whatever its
octave, and by its timbre, as the levels of bands. Neighbors that differ least are joined, by librosa. Then those
segments are grouped that differ least, wherever they are, into as many kinds as are wanted.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from fractions import Fraction
from itertools import groupby
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dreamvideo.media.mono_sound import SOUND_RATE, Samples
from dreamvideo.schedule.film_clock import Sections
from dreamvideo.sound.bands import LEVEL_WINDOW, band_weights, power_spectrum
from dreamvideo.sound.events import Times, require_librosa
from dreamvideo.sound.windows import CURVE_RATE

Timbre = NDArray[np.float32]

TIMBRE_STEP: Final = 10  # values of a curve from one that is described to the next

_TONES: Final = (200.0, 5000.0)  # Hz; below them two tones lie in one value of a spectrum
_EDGES: Final = 60 * 2 ** (np.arange(12) * 2 / 3)  # Hz, up to 10 kHz
_COMPRESSION: Final = 1000.0  # of levels in log(1 + x), as for onsets
_SMOOTH: Final = 20  # descriptions, 2 s, that are averaged; shorter, single notes would be sections
_HOP: Final = 5  # descriptions between two averages
_SECONDS: Final = 8.0  # of a segment, on average: half of a short verse
_MOST: Final = 100  # segments
_SHORTEST: Final = 4.0  # seconds of a section; a shorter one belongs to the one before it
_STEADY: Final = 0.02  # deviation of a description over the whole, below which it only carries noise
_SNAP: Final = 0.5  # seconds to a beat, at which a section then begins


def describe_timbre(windows: Samples) -> Timbre:
    """Describe harmony and timbre.

    Args:
        windows: (n, `LEVEL_WINDOW`) samples.

    Returns:
        (n, 23): the share of each of twelve tones, and the logarithm of the levels of eleven bands.
    """
    power = power_spectrum(windows)
    tones = np.sqrt(power @ _tone_weights())
    tones /= np.maximum(tones.sum(1, keepdims=True), 1e-9)
    pairs = zip(_EDGES, _EDGES[1:], strict=False)
    bands = np.stack([band_weights(low, high, LEVEL_WINDOW) for low, high in pairs], 1)
    levels = np.log1p(_COMPRESSION * np.sqrt(power @ bands))
    return np.asarray(np.concatenate([tones, levels], 1), np.float32)


def find_sections(timbre: Timbre, kinds: Collection[int], beats: Times) -> Mapping[int, Sections]:
    """Find sections.

    Args:
        timbre: (n, 23) of every `TIMBRE_STEP`-th value of a curve.
        kinds: into how many kinds they are to be grouped, for each wish.
        beats: seconds, one of which a section begins at where one is near; may be none.

    Returns:
        By the number of kinds: when each section begins and its kind, numbered in order; neighbors are of two kinds.

    Raises:
        SettingsError: librosa is not installed.
    """
    require_librosa()
    means = _averages(timbre)
    starts = _segments(means)
    found = {}
    for count in kinds:
        kind = _kinds(means, starts, count)
        found[count] = _numbered(_merged(starts, kind, beats, len(timbre) * TIMBRE_STEP / CURVE_RATE))
    return found


def _tone_weights() -> NDArray[np.float32]:
    """(values of a spectrum, 12): 1 for the tone that is nearest."""
    centers = np.arange(LEVEL_WINDOW // 2 + 1) * SOUND_RATE / LEVEL_WINDOW
    inside = (centers >= _TONES[0]) & (centers <= _TONES[1])
    tone = np.rint(12 * np.log2(np.maximum(centers, 1) / 440)).astype(int) % 12
    return np.asarray((tone[:, None] == np.arange(12)) & inside[:, None], np.float32)


def _averages(timbre: Timbre) -> NDArray[np.float64]:
    """(n, 23) twice a second, over two seconds each; every column of them varies alike."""
    edge = _SMOOTH // 2
    sums = np.cumsum(np.concatenate([np.zeros((1, timbre.shape[1])), timbre.astype(np.float64)]), 0)
    centers = np.arange(0, len(timbre), _HOP)
    begin, end = np.maximum(0, centers - edge), np.minimum(len(timbre), centers + edge)
    means = (sums[end] - sums[begin]) / np.maximum(1, end - begin)[:, None]
    deviation = means.std(0) if len(means) else np.ones(timbre.shape[1])
    return np.asarray((means - means.mean(0)) / np.maximum(deviation, _STEADY) if len(means) else means, np.float64)


def _segments(means: NDArray[np.float64]) -> NDArray[np.intp]:
    """Where segments begin, (k,), the first at 0."""
    seconds = len(means) * _HOP * TIMBRE_STEP / CURVE_RATE
    count = min(_MOST, max(1, round(seconds / _SECONDS)))
    if count < 2 or len(means) < 2 * count or not np.ptp(means):
        return np.zeros(1, np.intp)
    found: Any = importlib.import_module("librosa").segment.agglomerative(means.T, count)
    return np.asarray(found, np.intp)


def _kinds(means: NDArray[np.float64], starts: NDArray[np.intp], count: int) -> list[int]:
    """The kind of each segment."""
    if len(starts) < 2:
        return [0] * len(starts)
    hierarchy: Any = importlib.import_module("scipy.cluster.hierarchy")
    typical = np.stack([part.mean(0) for part in np.split(means, starts[1:])])
    return [int(each) for each in hierarchy.fcluster(hierarchy.linkage(typical, "ward"), count, "maxclust")]


def _merged(starts: NDArray[np.intp], kinds: list[int], beats: Times, end: float) -> list[tuple[Fraction, int]]:
    """When each section begins, and its kind: segments of one kind are one; a short one goes on with that before it."""
    seconds = [float(start) * _HOP * TIMBRE_STEP / CURVE_RATE for start in starts]
    runs = [next(group) for _, group in groupby(zip(seconds, kinds, strict=True), lambda each: each[1])]
    ends = [*(begin for begin, _ in runs[1:]), end]
    long = [run for run, after in zip(runs, ends, strict=True) if after - run[0] >= _SHORTEST] or runs[:1]
    kept = [next(group) for _, group in groupby(long, lambda each: each[1])]
    return [(_on_beat(begin, beats) if number else Fraction(0), kind) for number, (begin, kind) in enumerate(kept)]


def _on_beat(time: float, beats: Times) -> Fraction:
    nearest = float(beats[np.abs(beats - time).argmin()]) if len(beats) else time
    return Fraction(round(1000 * (nearest if abs(nearest - time) <= _SNAP else time)), 1000)


def _numbered(sections: list[tuple[Fraction, int]]) -> Sections:
    numbers: dict[int, int] = {}
    return tuple((begin, numbers.setdefault(kind, len(numbers))) for begin, kind in sections)
