"""Smooth noise, the stuff that the sample's hills, woods, rocks and clouds are made of.

After Perlin 1985 and Musgrave 1989 (ridges); value noise read from a tile by bilinear look-up, since that is quick.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]  # float32, but for a few steps between

_CELLS = 128  # lattice cells along a tile's side; the noise repeats after so many
_TEXELS = 8  # texels per cell: enough that straight lines between them do not show


def vector(values: Sequence[Any] | NDArray[Any]) -> Floats:
    """The values as a float32 array."""
    return np.array(values, np.float32)


def smoothstep(low: float, high: float, value: Floats) -> Floats:
    """0 below `low`, 1 above `high`, a soft S between; `low` may be the larger one."""
    t: Floats = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def mix(first: Floats, second: Floats, weight: Floats) -> Floats:
    """`first` where `weight` is 0, `second` where it is 1."""
    return first + (second - first) * weight


def look_up(table: NDArray[Any], x: Floats, y: Floats, border: int = cv2.BORDER_REPLICATE) -> NDArray[Any]:
    """Bilinear reading of `table` at (x, y)."""
    return cv2.remap(
        table, np.ascontiguousarray(x, np.float32), np.ascontiguousarray(y, np.float32), cv2.INTER_LINEAR, None, border
    )


class Noise:
    """Endless smooth noise in about [-1, 1], the same for the same seed."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        lattice = rng.uniform(-1, 1, (_CELLS, _CELLS)).astype(np.float32)
        lattice = np.pad(lattice, 2, mode="wrap")
        side = (_CELLS + 4) * _TEXELS
        smooth = cv2.GaussianBlur(cv2.resize(lattice, (side, side), interpolation=cv2.INTER_CUBIC), (0, 0), 1.5)
        edge = 2 * _TEXELS
        self._tile = smooth[edge : side - edge + 1, edge : side - edge + 1]  # one texel more than a period
        self._tile = np.ascontiguousarray(self._tile / 0.55).clip(-1, 1)  # 0.55: leaves the values' spread near one

    def at(self, x: Floats, y: Floats) -> Floats:
        """Noise with features one unit wide, the shape of `x` and `y`."""
        period = _CELLS * _TEXELS
        return look_up(self._tile, np.mod(x * _TEXELS, period), np.mod(y * _TEXELS, period))

    def octaves(
        self, x: Floats, y: Floats, count: int, gain: float = 0.5, ridged: bool = False, offset: float = 0.0
    ) -> Floats:
        """A sum of `count` octaves, each twice as fine and `gain` as strong; `ridged` folds them to sharp crests."""
        total = np.zeros(np.broadcast_shapes(x.shape, y.shape), np.float32)
        strength, sum_of_strengths = 1.0, 0.0
        u, v = x + np.float32(offset), y + np.float32(offset * 1.7)
        weight: Floats | float = 1.0
        for _ in range(count):
            layer = self.at(u, v)
            if ridged:
                layer = 1 - 2 * np.abs(layer)
                layer = layer * weight
                weight = np.clip(layer * 0.9 + 0.55, 0, 1)  # valleys stay smooth, crests grow crests
            total += np.float32(strength) * layer
            sum_of_strengths += strength
            strength *= gain
            # Turned by about 37 degrees each time, so that the lattice's directions do not add up.
            u, v = (1.6 * u - 1.2 * v + 17.3), (1.2 * u + 1.6 * v - 5.9)
        return total / np.float32(sum_of_strengths)
