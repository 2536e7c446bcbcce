"""Brings a level to 0..1, and makes it rise and fall no faster than an attack and a release."""

from __future__ import annotations

from math import exp
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dreamvideo.sound.windows import CURVE_RATE

_AUDIBLE: Final = 1e-3  # of the highest level: 60 dB below it is not counted
_FAINT: Final = 3e-3  # of the loudest sample, 50 dB below it: a band that stays weaker is not stretched to 1
QUIETEST: Final = 1e-4  # of full scale, 80 dB below it: what stays below is silence; dither of 16 bits has 0.3 of it


def normalize_level(level: NDArray[np.float32], loudest: float) -> NDArray[np.float32]:
    """Scale a level so that its quiet passages are 0 and its loud ones 1.

    The 10th percentile of what is audible becomes 0 and the 98th 1, so that neither a pause nor a bang decides. What
    hardly changes is not stretched: at least half of the level of loud passages is kept.

    Args:
        level: (n,) of at least 0.
        loudest: the loudest sample of the sound, in 0..1.

    Returns:
        (n,) in 0..1; 0 for silence.
    """
    highest = float(level.max(initial=0))
    if loudest < QUIETEST or highest == 0:
        return np.zeros_like(level)
    low, high = np.percentile(level[level >= _AUDIBLE * highest], (10, 98))
    high = max(high, _FAINT * loudest)
    low = min(low, high / 2)
    return np.asarray(np.clip((level - low) / (high - low), 0, 1), np.float32)


def follow_level(values: NDArray[np.float32], attack: float, release: float) -> NDArray[np.float32]:
    """Smooth a curve: at each time it falls to 37 % of a step down within `release`, and rises to 63 % within `attack`.

    The smooth decoupled peak detector of D. Giannoulis, M. Massberg and J. Reiss, "Digital Dynamic Range Compressor
    Design", 2012: first the release, then the attack, so that an attack does not swallow what is shorter than it.

    Args:
        values: (n,), `CURVE_RATE` a second.
        attack: seconds; 0: at once.
        release: seconds; 0: at once.

    Returns:
        (n,), at no time outside of what `values` span.
    """
    fall, rise = (exp(-1 / (CURVE_RATE * time)) if time else 0.0 for time in (release, attack))
    peak = smooth = 0.0
    followed = np.empty(len(values), np.float32)
    for index, value in enumerate(values.tolist()):
        peak = max(value, fall * peak + (1 - fall) * value)
        smooth = rise * smooth + (1 - rise) * peak
        followed[index] = smooth
    return followed
