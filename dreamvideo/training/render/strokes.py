"""Draws with a pen: lines, dots and polygons on an `Ink` layer, and fur, many curved strokes at once."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dreamvideo.training.render.canvas import SIZE, Color, Field, Image, Painted, X, Y, canvas_to_uint8, f32, from_bytes
from dreamvideo.training.render.scene import Scene

_SHIFT = 4  # OpenCV draws at 1/16 of a pixel


def fixed_point(x: Any, y: Any) -> NDArray[np.int32]:
    """Convert canvas coordinates to OpenCV's fixed-point pixels; (...,) -> (..., 2)."""
    pixels = [(np.asarray(v) + 1) * SIZE / 2 - 0.5 for v in (x, y)]
    return np.round(np.stack(pixels, -1) * 2**_SHIFT).astype(np.int32)


def _bytes(color: Any) -> tuple[float, ...]:
    return tuple(float(min(max(part, 0), 1)) * 255 for part in np.atleast_1d(color))


def _thickness(width: float) -> int:
    return max(1, round(width))


@dataclass(slots=True)
class Ink:
    """An image and its coverage, uint8, both drawn on in place with antialiased edges."""

    image: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((SIZE, SIZE, 3), np.uint8))
    cover: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((SIZE, SIZE), np.uint8))

    @classmethod
    def on(cls, image: Image, cover: Field | None = None) -> Ink:
        """Start from an image, and its coverage if it has one."""
        return cls(canvas_to_uint8(image)) if cover is None else cls(canvas_to_uint8(image), canvas_to_uint8(cover))

    def line(
        self,
        x: Any,
        y: Any,
        color: Any,
        width: float = 1,
        *,
        opacity: float | None = 1.0,
        cover_width: float | None = None,
    ) -> None:
        """Draw a line through points in canvas coordinates; widths in pixels, opacity None leaves the coverage."""
        points = [fixed_point(x, y)]
        cv2.polylines(self.image, points, False, _bytes(color), _thickness(width), cv2.LINE_AA, _SHIFT)
        if opacity is not None:
            thickness = _thickness(cover_width or width)
            cv2.polylines(self.cover, points, False, _bytes(opacity), thickness, cv2.LINE_AA, _SHIFT)

    def polygon(self, x: Any, y: Any, color: Any) -> None:
        points = [fixed_point(x, y)]
        cv2.fillPoly(self.image, points, _bytes(color), cv2.LINE_AA, _SHIFT)
        cv2.fillPoly(self.cover, points, _bytes(1.0), cv2.LINE_AA, _SHIFT)

    def dot(self, x: float, y: float, radius: int, color: Color, *, shift: tuple[int, int] = (0, 0)) -> None:
        """Fill a circle; `radius` and `shift`, which moves its center, in 1/16 of a pixel."""
        center = (fixed_point(x, y) + shift).tolist()
        cv2.circle(self.image, center, radius, _bytes(color), -1, cv2.LINE_AA, _SHIFT)
        cv2.circle(self.cover, center, radius, _bytes(1.0), -1, cv2.LINE_AA, _SHIFT)

    def ellipse(self, x: float, y: float, axes: tuple[int, int], degrees: float, color: Color) -> None:
        """Fill an ellipse; half axes in 1/16 of a pixel."""
        center = fixed_point(x, y).tolist()
        cv2.ellipse(self.image, center, axes, degrees, 0, 360, _bytes(color), -1, cv2.LINE_AA, _SHIFT)
        cv2.ellipse(self.cover, center, axes, degrees, 0, 360, _bytes(1.0), -1, cv2.LINE_AA, _SHIFT)

    def to_image(self) -> Image:
        return from_bytes(self.image)

    def painted(self) -> Painted:
        return from_bytes(self.image), from_bytes(self.cover)


def fur(
    scene: Scene,
    image: Image,
    mask: Field,
    direction: Field,
    color: Image,
    count: int = 900,
    length: float = 0.2,
    width: int = 1,
    jitter: float = 0.35,
    curl: float = 1.2,
    *,
    order: Field | None = None,
    variation: float = 0.16,
) -> Image:
    """Draw hairs that start where `mask` is set.

    Args:
        scene: the source of randomness.
        image: drawn on; a new image is returned.
        direction: angle of a hair where it starts; `jitter` is its deviation, `curl` how much it bends.
        color: color of a hair where it starts; `variation` is the deviation of its brightness.
        order: hairs that start where this is larger lie on top.
    """
    drawn = canvas_to_uint8(image)
    rows, columns = np.nonzero(mask > 0.5)
    if len(columns) < 10:
        return image
    chosen = scene.rng.integers(0, len(columns), count)
    rows, columns = rows[chosen], columns[chosen]
    if order is not None:
        sequence = np.argsort(order[rows, columns] + scene.rng.normal(0, 0.05, count))
        rows, columns = rows[sequence], columns[sequence]
    start = direction[rows, columns] + scene.rng.normal(0, jitter, count)
    bend = scene.rng.normal(0, curl, count)
    reach = length * scene.rng.uniform(0.5, 1.3, count)
    angles = start[:, None] + bend[:, None] * np.linspace(0, 1, 5)[None]  # (count, 5)
    x = X[rows, columns][:, None] + np.cumsum(np.cos(angles), 1) * reach[:, None] / 5
    y = Y[rows, columns][:, None] + np.cumsum(np.sin(angles), 1) * reach[:, None] / 5
    points = fixed_point(x, y)  # (count, 5, 2)
    brightness = 1 + scene.rng.normal(0, variation, count)
    gloss = np.maximum(brightness - 1.2, 0) * 0.3
    paint = np.clip(color[rows, columns] * brightness[:, None] + gloss[:, None], 0, 1) * 255
    for hair, shade in zip(points, paint, strict=True):
        cv2.polylines(drawn, [hair], False, shade.tolist(), width, cv2.LINE_AA, _SHIFT)
    return drawn.astype(f32) / 255
