"""Names of what can be heard in a sound, and the level of each band of its spectrum.

A level is the root of the mean square of the sound inside a band, over 85 ms: long enough to tell 60 Hz from 80 Hz, and
centered, so that a level is neither early nor late.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dreamvideo.errors import SettingsError, did_you_mean
from dreamvideo.media.mono_sound import SOUND_RATE, Samples
from dreamvideo.settings.field_types import shortened

_shown: Final = partial(shortened, quoted=True)

Levels = NDArray[np.float32]

BANDS: Final = {"bass": (20.0, 250.0), "mid": (250.0, 4000.0), "treble": (4000.0, 12_000.0)}  # Hz
LOUDNESS: Final = "loudness"
ONSETS: Final = "onsets"
BEATS: Final = "beats"
FEATURES: Final = (*BANDS, LOUDNESS, ONSETS, BEATS)

LEVEL_WINDOW: Final = 2048  # samples

_LOWEST, _HIGHEST = 20.0, SOUND_RATE / 2  # Hz
_NARROWEST: Final = SOUND_RATE / LEVEL_WINDOW  # Hz between two values of a spectrum: no band can be narrower


def check_feature(name: str) -> None:
    """Check the name of a feature.

    Args:
        name: one of `FEATURES`, or a range in Hz, such as `60-120`.

    Raises:
        SettingsError: there is no such feature, or the range is empty or not between 20 and 12000 Hz.
    """
    if name in FEATURES:
        return
    match = re.fullmatch(r"([0-9]{1,5})-([0-9]{1,5})", name)
    if not match:
        known = f"{', '.join(FEATURES)}, or a range in Hz such as 60-120"
        raise SettingsError(f"unknown sound {_shown(name)}: expected {known}{did_you_mean(name, FEATURES)}")
    low, high = int(match[1]), int(match[2])
    if low < _LOWEST or high > _HIGHEST or high - low < _NARROWEST:
        raise SettingsError(
            f"invalid range {_shown(name)}: expected two frequencies between {_LOWEST:g} and {_HIGHEST:g} Hz, the"
            f" second at least {int(_NARROWEST) + 1} Hz higher, such as 60-120"
        )


def band_of(name: str) -> tuple[float, float]:
    """Return the range of a band.

    Args:
        name: of a band, or a range, as `check_feature` allows it.

    Returns:
        (lowest, highest) frequency in Hz.
    """
    if name in BANDS:
        return BANDS[name]
    low, _, high = name.partition("-")
    return float(low), float(high)


def measure_levels(windows: Samples, names: Sequence[str]) -> Levels:
    """Measure how strong some bands are.

    Args:
        windows: (n, `LEVEL_WINDOW`) samples.
        names: bands, ranges, and `loudness`: the whole spectrum, weighted as in ITU-R BS.1770, by how loud a frequency
            is to the ear.

    Returns:
        (n, names) root mean squares; 0.71 for a sine wave of full scale in the middle of a band.
    """
    rows = [loudness_weights() if name == LOUDNESS else band_weights(*band_of(name), LEVEL_WINDOW) for name in names]
    return np.sqrt(power_spectrum(windows) @ np.stack(rows, 1))


def power_spectrum(windows: Samples) -> NDArray[np.float32]:
    """Return the power of each frequency under a Hann window.

    Args:
        windows: (n, size) samples.

    Returns:
        (n, size // 2 + 1), whose sum is the mean square of the samples.
    """
    size = windows.shape[1]
    taper = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)
    spectrum = np.fft.rfft(windows * taper)
    scale = np.full(size // 2 + 1, 2 / (size * np.square(taper).sum()))
    scale[0] /= 2
    scale[-1] /= 2
    power: NDArray[np.float32] = ((spectrum.real**2 + spectrum.imag**2) * scale).astype(np.float32)
    return power


def band_weights(low: float, high: float, size: int) -> NDArray[np.float32]:
    """Return the share of each value of a spectrum that lies in a range.

    Args:
        low, high: Hz.
        size: samples of a window.

    Returns:
        (size // 2 + 1,) in 0..1: a value at the edge of the range counts in part.
    """
    step = SOUND_RATE / size
    centers = np.arange(size // 2 + 1) * step
    inside = np.minimum(high, centers + step / 2) - np.maximum(low, centers - step / 2)
    return np.asarray(np.clip(inside, 0, step) / step, np.float32)


def loudness_weights() -> NDArray[np.float32]:
    """Return the squared gain of the two filters of ITU-R BS.1770 at each frequency of a spectrum.

    Returns:
        (`LEVEL_WINDOW` // 2 + 1,).
    """
    # Coefficients at 48 kHz: the head, as a shelf, then the ear's deafness to the lowest frequencies.
    shelf = ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585))
    high_pass = ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))
    delay = np.exp(-2j * np.pi * np.arange(LEVEL_WINDOW // 2 + 1) * SOUND_RATE / LEVEL_WINDOW / 48_000)
    gain = np.ones_like(delay)
    for above, below in (shelf, high_pass):
        gain *= np.polyval(above[::-1], delay) / np.polyval(below[::-1], delay)
    return np.asarray(np.abs(gain) ** 2, np.float32)
