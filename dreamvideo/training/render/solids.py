"""Solids of revolution: domes, vases, lanterns."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dreamvideo.training.render.canvas import Field, f32
from dreamvideo.training.render.scene import Scene
from dreamvideo.training.render.shading import diffuse_light

_ROWS = 96


class SolidOfRevolution(NamedTuple):
    """A solid around a vertical axis, seen from the side; (SIZE, SIZE) fields."""

    distance: Field  # signed, to the outline
    across: Field  # -1..1 from rim to rim
    facing: Field  # z of the normal across: 1 in the middle, 0 at the rim
    around: Field  # angle, -pi/2..pi/2
    along: Field  # 0 at the top, 1 at the bottom
    width: Field  # half width at this height
    slope: Field  # d width / d y

    def light(self, scene: Scene, ambient: float = 0.5) -> Field:
        """Return the brightness of the surface in the scene's light."""
        steep = 1 / np.sqrt(1 + self.slope**2)
        return ambient + (1.3 - ambient) * diffuse_light(
            scene, self.across * steep, -self.slope * steep, self.facing * steep
        )

    def glint(self, scene: Scene, sharpness: float = 24) -> Field:
        """Return the specular reflection of the scene's light (Blinn-Phong)."""
        half = scene.light + np.array([0, 0, 1], f32)
        half /= np.linalg.norm(half)
        steep = 1 / np.sqrt(1 + self.slope**2)
        mirrored = (self.across * half[0] - self.slope * half[1] + self.facing * half[2]) * steep
        return np.clip(mirrored, 0, 1) ** sharpness


def solid_of_revolution(
    x: Field, y: Field, silhouette: Sequence[tuple[float, float]], roundness: int = 6
) -> SolidOfRevolution:
    """Make a solid from its silhouette.

    Args:
        x, y: canvas coordinates; the axis is at x = 0.
        silhouette: (y, half width) from top to bottom.
        roundness: how far corners are smoothed, in 1/96 of the height.
    """
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
    return SolidOfRevolution(distance, across, np.sqrt(1 - across**2), np.arcsin(across), along, width, slope)
