"""The sample's sound: wind, a slow chord and birds or lapping water, made up for each shot."""

import numpy as np
from numpy.typing import NDArray

RATE = 48000

# Chords in hertz and what else is heard, per shot: chosen by ear.
_CHORDS = {
    "valley": (146.83, 220.0, 293.66, 369.99),  # D major
    "lake": (123.47, 185.0, 246.94, 293.66),  # B minor
    "autumn": (98.0, 196.0, 246.94, 293.66),  # G major
}


def _noise_band(rng: np.random.Generator, count: int, low: float, high: float) -> NDArray[np.float64]:
    """Noise between two frequencies, with a spread of one."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    frequency = np.fft.rfftfreq(count, 1 / RATE)
    spectrum *= 1 / (1 + (frequency / high) ** 4) * (frequency / low) ** 2 / (1 + (frequency / low) ** 2)
    sound = np.fft.irfft(spectrum, count)
    scaled: NDArray[np.float64] = sound / (sound.std() + 1e-12)
    return scaled


def _chirp(rng: np.random.Generator) -> NDArray[np.float64]:
    """One call of a bird: a few quick whistles that slide down."""
    calls = []
    pitch = rng.uniform(2600, 4300)
    for _ in range(int(rng.integers(2, 5))):
        t = np.arange(int(RATE * rng.uniform(0.05, 0.11))) / RATE
        end = t[-1]
        tone = pitch * (1.12 - 0.3 * t / end) + 180 * np.sin(2 * np.pi * 38 * t)
        calls += [np.sin(2 * np.pi * np.cumsum(tone) / RATE) * np.sin(np.pi * t / end) ** 2]
        calls += [np.zeros(int(RATE * rng.uniform(0.03, 0.07)))]
    return np.concatenate(calls)


def shot_sound(name: str, seconds: float, seed: int) -> NDArray[np.float32]:
    """Stereo sound (2, samples) in [-1, 1] for a shot; the same for the same seed."""
    rng = np.random.default_rng(seed)
    count = round(seconds * RATE)
    t = np.arange(count) / RATE
    sides = np.zeros((2, count))
    for side in range(2):
        gusts = 0.6 + 0.4 * np.sin(2 * np.pi * 0.23 * t + side * 1.3 + seed)
        sides[side] += 0.022 * gusts * _noise_band(rng, count, 120, 700)
    for number, pitch in enumerate(_CHORDS.get(name, _CHORDS["valley"])):
        for side in range(2):
            detuned = pitch * (1 + (side - 0.5) * 0.0025)
            swell = 0.75 + 0.25 * np.sin(2 * np.pi * 0.3 * t + number + side)
            tone = np.sin(2 * np.pi * detuned * t) + 0.25 * np.sin(4 * np.pi * detuned * t + 1)
            sides[side] += 0.040 * swell * tone
    if name == "lake":
        lapping = np.clip(np.sin(2 * np.pi * 0.9 * t), 0, None) ** 3
        sides += 0.02 * lapping * np.stack([_noise_band(rng, count, 500, 1800) for _ in range(2)])
    else:
        for _ in range(max(1, round(seconds * 1.2))):
            call = _chirp(rng)
            start = int(rng.uniform(0, max(count - len(call), 1)))
            call = call[: count - start] * 0.05
            balance = rng.uniform(0.15, 0.85)
            sides[0, start : start + len(call)] += call * (1 - balance)
            sides[1, start : start + len(call)] += call * balance
    edge = np.clip(np.minimum(t, seconds - t) / 0.06, 0, 1)  # no click at a cut
    return (sides * edge).astype(np.float32)
