"""How much begins to sound at each time: the spectral flux, from which onsets and beats are found.

Flux of logarithmic spectra as in S. Böck, F. Krebs and M. Schedl, "Evaluating the Online Capabilities of Onset
Detection Methods", ISMIR 2012; departures: windows of 21 ms, shorter than usual, as an onset has to be exact in time,
and bands of a third of an octave.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dreamvideo.media.mono_sound import Samples
from dreamvideo.sound.bands import band_weights, power_spectrum

FLUX_WINDOW: Final = 512  # samples

_EDGES: Final = 50 * 2 ** (np.arange(24) / 3)  # Hz, up to 10 kHz
_COMPRESSION: Final = 1000.0  # of levels in log(1 + x): what is 60 dB below full scale counts
_LAG: Final = 2  # windows between those that are compared: they share no sample


class OnsetStrength:
    """Spectral flux of windows that arrive in blocks."""

    def __init__(self) -> None:
        pairs = zip(_EDGES, _EDGES[1:], strict=False)
        self._bands = np.stack([band_weights(low, high, FLUX_WINDOW) for low, high in pairs], 1)
        self._before = np.zeros((_LAG, len(_EDGES) - 1), np.float32)

    def measure(self, windows: Samples) -> NDArray[np.float32]:
        """Measure by how much the bands are stronger than before.

        Args:
            windows: (n, `FLUX_WINDOW`) the next windows.

        Returns:
            (n,) mean growth of the logarithm of the level: value k compares window k with window k - `_LAG`.
        """
        levels = np.log1p(_COMPRESSION * np.sqrt(power_spectrum(windows) @ self._bands))
        joined = np.concatenate([self._before, levels])
        self._before = joined[-_LAG:]
        growth: NDArray[np.float32] = np.maximum(joined[_LAG:] - joined[:-_LAG], 0).mean(1)
        return growth
