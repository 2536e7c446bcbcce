"""Solids of revolution, as from a lathe: domes, vases, lanterns."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dreamvideo.training.render.canvas import Field, f32
from dreamvideo.training.render.scene import Scene
from dreamvideo.training.render.shading import lit

_ROWS = 96


class Turned(NamedTuple):
    """A solid around a vertical axis, seen from the side."""

    distance: Field
    across: Field  # -1..1 from rim to rim
    facing: Field  # how much of its surface faces us, 0 at the rim
    around: Field  # angle, -pi/2..pi/2
    along: Field  # 0 at the top, 1 at the bottom
    width: Field
    slope: Field

    def light(self, scene: Scene, ambient: float = 0.5) -> Field:
        """How bright its surface is in the scene's light."""
        steep = 1 / np.sqrt(1 + self.slope**2)
        return ambient + (1.3 - ambient) * lit(scene, self.across * steep, -self.slope * steep, self.facing * steep)

    def glint(self, scene: Scene, sharpness: float = 24) -> Field:
        """The soft reflection of the light in its surface."""
        half = scene.light + np.array([0, 0, 1], f32)
        half /= np.linalg.norm(half)
        steep = 1 / np.sqrt(1 + self.slope**2)
        mirrored = (self.across * half[0] - self.slope * half[1] + self.facing * half[2]) * steep
        return np.clip(mirrored, 0, 1) ** sharpness


def turned(x: Field, y: Field, silhouette: Sequence[tuple[float, float]], roundness: int = 6) -> Turned:
    """The solid with these (y, half width) from top to bottom; `roundness` smooths corners, in 1/96 of its height."""
    heights, widths = np.array(silhouette, f32).T
    top, bottom = float(heights[0]), float(heights[-1])
    table = np.interp(np.linspace(top, bottom, _ROWS), heights, widths)
    if roundness:
        kernel = np.hanning(2 * roundness + 3)[1:-1]
        padded = np.pad(table, roundness, "reflect", reflect_type="odd")
        table = np.convolve(padded, kernel / kernel.sum(), "valid")
    table = np.maximum(table, 0.008)
    slopes = np.gradient(table) * (_ROWS - 1) / (bottom - top)
    along = np.clip((y - top) / (bottom - top), 0, 1)
    position = (along * (_ROWS - 1)).astype(f32)
    below = np.minimum(position.astype(np.int32), _ROWS - 2)
    fraction = position - below
    width = (table[below] * (1 - fraction) + table[below + 1] * fraction).astype(f32)
    slope = np.clip(slopes[below], -3, 3).astype(f32)
    across = np.clip(x / width, -1, 1)
    side = (np.abs(x) - width) / np.sqrt(1 + slope**2)
    distance = np.maximum(side, np.maximum(top - y, y - bottom))
    return Turned(distance, across, np.sqrt(1 - across**2), np.arcsin(across), along, width, slope)
