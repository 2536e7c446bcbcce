"""Finds onsets and beats in a curve of onset strength, by librosa, which is an extra: `dreamvideo[music]`.

librosa (ISC) is the one well-kept library of its kind with wheels for Python 3.11 to 3.14 and a license that fits.
Looked at in 2026: aubio and madmom have no wheels; aubio-ledfx (GPL) and essentia (AGPL) bind who passes on a program
with them; beat_this and BeatNet are networks, whose weights come from a server. librosa takes 400 MB with all it needs,
numba and scipy among it. So bands and loudness do without it; and since it gets the curve and not the sound, memory is
that of the curve.

Beats are those of D. Ellis, "Beat Tracking by Dynamic Programming", 2007, with a tempo for each 30 seconds.
"""

from __future__ import annotations

import importlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dreamvideo.errors import SettingsError
from dreamvideo.sound.windows import CURVE_RATE

Times = NDArray[np.float64]  # seconds

_THRESHOLD: Final = 0.2  # by which an onset is above the mean around it; librosa's 0.07 finds many in white noise
# Seconds by which the flux of an onset lies before it; measured with clicks, drums and tones of 10 ms attack: 7 +- 3.
_LEAD: Final = 0.007
_TEMPO_PIECE: Final = 30 * CURVE_RATE  # values
_MEMORY: Final = 8.0  # seconds over which librosa correlates
_REACH: Final = 2  # values at each side that tell where in between an event lies


def require_librosa() -> None:
    """Check that librosa can be imported, before anything long is begun.

    Raises:
        SettingsError: it is not installed.
    """
    _librosa()


def find_onsets(strength: NDArray[np.float32]) -> tuple[Times, NDArray[np.float32]]:
    """Find when sounds begin.

    Args:
        strength: (n,) onset strength, `CURVE_RATE` values a second.

    Returns:
        (seconds, strength of each in 0..1).

    Raises:
        SettingsError: librosa is not installed.
    """
    scaled = np.clip(strength / _typical_peak(strength), 0, 1)
    found = _librosa().onset.onset_detect(
        onset_envelope=scaled, sr=CURVE_RATE, hop_length=1, normalize=False, delta=_THRESHOLD
    )
    return _exact_times(found, strength), scaled[found]


def find_beats(strength: NDArray[np.float32]) -> Times:
    """Find the beats of music.

    Args:
        strength: (n,) onset strength, `CURVE_RATE` values a second.

    Returns:
        Seconds. Whatever has a rhythm for a while gets beats, so that speech may have some.

    Raises:
        SettingsError: librosa is not installed.
    """
    librosa = _librosa()
    if not strength.any():
        return np.empty(0)
    tempo = np.empty(len(strength))
    before = 120.0  # per minute, where nothing is heard
    for begin in range(0, len(strength), _TEMPO_PIECE):
        piece = strength[begin : begin + _TEMPO_PIECE]
        if piece.any() and (begin == 0 or len(piece) >= _MEMORY * CURVE_RATE):
            before = float(librosa.feature.tempo(onset_envelope=piece, sr=CURVE_RATE, hop_length=1, ac_size=_MEMORY)[0])
        tempo[begin : begin + _TEMPO_PIECE] = before
    _, found = librosa.beat.beat_track(onset_envelope=strength, sr=CURVE_RATE, hop_length=1, bpm=tempo)
    return _exact_times(found, strength)


def _exact_times(found: NDArray[np.intp], strength: NDArray[np.float32]) -> Times:
    """Seconds of events: the center of the strength around each, which is finer than the values lie apart."""
    around = np.clip(found[:, None] + np.arange(-_REACH, _REACH + 1), 0, len(strength) - 1)
    weights = strength[around] + np.float32(1e-9)
    centers = (around * weights).sum(1) / weights.sum(1)
    return np.asarray(np.maximum(0, centers / CURVE_RATE + _LEAD), np.float64)


def _typical_peak(strength: NDArray[np.float32]) -> float:
    """How strong a strong onset is; one crash does not make all others weak."""
    inner = strength[1:-1]
    peaks = inner[(inner > strength[:-2]) & (inner >= strength[2:])]
    return max(float(np.percentile(peaks, 98)), float(peaks.max()) / 3) if len(peaks) else 1.0


def _librosa() -> Any:
    try:
        return importlib.import_module("librosa")
    except ImportError:
        raise SettingsError("onsets, beats and sections need librosa: pip install 'dreamvideo[music]'") from None
