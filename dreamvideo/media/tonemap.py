"""Tone-maps high dynamic range (PQ, HLG of ITU-R BT.2100) to BT.709 for standard screens.

Light is kept up to a knee and rolls off above it, by the curve of Reinhard et al. 2002, which here begins at the knee
and is applied to the brightest channel, so hues stay. libav's own conversions were measured and not used: swscale clips
light above 203 cd/m2, takes seconds to build its tables, and needs FFmpeg 8.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

PQ, HLG = 16, 18  # transfer characteristics of H.273
HDR_TRANSFERS = {PQ: "PQ", HLG: "HLG"}

WHITE_LIGHT = 203.0  # cd/m2 of diffuse white, ITU-R BT.2408
PEAK = 1000.0 / WHITE_LIGHT  # becomes 1: what HLG is defined for and most PQ is mastered on
KNEE = 0.6  # chosen by eye: diffuse white becomes 229 of 255, with highlights above it
GAMMA = 2.2

BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
BT2020_LUMA = np.array([[0.2627, 0.6780, 0.0593]], np.float32)


def _pq_light(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    root = signal ** (1 / m2)
    return (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1) * (10_000 / WHITE_LIGHT)


def _hlg_light(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scene light, 0 to 1; the light of the display depends on the luminance of the pixel too."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


_SIGNAL = np.linspace(0, 1, 65536)
LIGHT = {PQ: _pq_light(_SIGNAL).astype(np.float32), HLG: _hlg_light(_SIGNAL).astype(np.float32)}


def tone_map(signal: NDArray[np.uint16], transfer: int, wide: bool = True) -> NDArray[np.uint8]:
    """Tone-map an image.

    Args:
        signal: (H, W, 3) RGB, full range of 16 bits, as PQ or HLG code values.
        transfer: PQ or HLG.
        wide: whether the primaries are those of BT.2020; else BT.709.

    Returns:
        (H, W, 3) RGB with BT.709 primaries and the gamma of a standard screen, 2.2.
    """
    light: NDArray[np.float32] = np.take(LIGHT[transfer], signal)
    if transfer == HLG:
        luma = cv2.transform(light, BT2020_LUMA)
        light *= (cv2.pow(luma, 0.2) * (1000 / WHITE_LIGHT)).reshape(*luma.shape[:2], 1)
    if wide:
        light = np.asarray(cv2.transform(light, BT2020_TO_BT709), np.float32)
    np.maximum(light, 0, out=light)
    brightest = light.max(-1)
    light *= (_rolled_off(brightest) / np.maximum(brightest, 1e-6))[..., None]
    coded = cv2.pow(np.clip(light, 0, 1), 1 / GAMMA)
    return np.rint(coded * 255).astype(np.uint8)


def _rolled_off(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Identity up to the knee; from the knee to the peak compressed into knee to 1, with derivative 1 at the knee."""
    headroom = 1 - KNEE
    above = np.maximum(light - KNEE, 0) / headroom
    peak = (PEAK - KNEE) / headroom
    rolled: NDArray[np.float32] = np.minimum(light, KNEE) + headroom * above * (1 + above / peak**2) / (1 + above)
    return rolled
