"""The canvas, and the arithmetic on it: coordinates, signed distances, coverage, mixing.

A field is one number per pixel, an image three. Both coordinates run from -1 to 1, X to the right and Y down. Shapes
are signed distances in these units, negative inside; `inside` turns one into coverage.
"""

# mypy: disable-error-code="no-any-return"
# (NumPy's functions are typed as returning Any.)

from __future__ import annotations

from typing import Any, Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Field: TypeAlias = NDArray[Any]  # (SIZE, SIZE), or a window of it
Image: TypeAlias = NDArray[Any]  # (SIZE, SIZE, 3) RGB, float, 0 to 1 where nothing glares
Color: TypeAlias = NDArray[Any]  # (3,) RGB
Painted: TypeAlias = tuple[Image, Field]  # an image and its coverage

f32: Final = np.float32
PI: Final = np.pi
SIZE: Final = 160  # side of the canvas in pixels; images are delivered smaller

_axis = (np.arange(SIZE, dtype=f32) + 0.5) / SIZE * 2 - 1
_grid = np.meshgrid(_axis, _axis)
X: Final[Field] = _grid[0]
Y: Final[Field] = _grid[1]

EVERYWHERE: Final[Field] = np.ones((SIZE, SIZE), f32)  # coverage of an image without an edge; compared with `is`
NOWHERE: Final[Field] = np.full((SIZE, SIZE), 9, f32)  # the distance to a shape before it has parts


def plain(color: Color | float = 0.0) -> Image:
    """Return a canvas of one color."""
    return np.zeros((SIZE, SIZE, 3), f32) + color


def smoothstep(start: float, end: float, x: Any) -> Any:
    """Step from 0 at `start` to 1 at `end`, smooth between; `start` may be the larger."""
    t = np.clip((x - start) / (end - start), 0, 1)
    return t * t * (3 - 2 * t)


def inside(distance: Field, softness: float = 0.02) -> Field:
    """Turn a signed distance into coverage: 1 where it is negative, with an edge `softness` wide."""
    return np.clip(0.5 - distance / softness, 0, 1)


def bell(x: Field, width: float | Field) -> Field:
    """Gaussian bump, 1 where x is 0; for thin lines and soft bands."""
    return np.exp(-((x / width) ** 2))


def mix_colors(a: Any, b: Any, t: Any) -> Any:
    """Interpolate from `a` at t = 0 to `b` at t = 1; a field `t` mixes colors or images per pixel."""
    return a + (b - a) * (t[..., None] if isinstance(t, np.ndarray) and t.ndim == 2 else t)


def over(below: Any, above: Any, coverage: Field) -> Image:
    """Composite an image or color over another."""
    return below + (above - below) * coverage[..., None]


def dim(image: Image, darkness: Field) -> None:
    """Darken in place: 0 leaves a pixel, 1 blackens it."""
    image *= (1 - darkness)[..., None]


def contact_shadow(image: Image, distance: Field, width: float, strength: float = 0.3) -> None:
    """Darken in place under and just around a shape that will be laid over the image."""
    dim(image, strength * bell(np.clip(distance, 0, 1), width))


def polar(x: Field, y: Field) -> tuple[Field, Field]:
    """Return polar coordinates: (radius > 0, angle)."""
    return np.sqrt(x * x + y * y) + 1e-6, np.arctan2(y, x)


def rotate_axes(x: Field, y: Field, angle: float) -> tuple[Field, Field]:
    """Return the coordinates in axes rotated by `angle`, in radians."""
    return x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)


def ellipse(x: Field, y: Field, width: float, height: float) -> Field:
    """Signed distance to an ellipse around 0; `width` and `height` are its half axes."""
    return (np.sqrt((x / width) ** 2 + (y / height) ** 2) - 1) * min(width, height)


def hash_cell(i: Any, j: Any, k: float = 0.0) -> Field:
    """Return a pseudorandom number in [0, 1) for each cell (i, j); `k` selects another series."""
    value = np.sin(i * 12.9898 + j * 78.233 + k * 37.719) * 43758.5453
    return (value - np.floor(value)).astype(f32)


def blur_canvas(image: Any, sigma: float) -> Any:
    """Blur by a Gaussian, sigma in pixels."""
    return cv2.GaussianBlur(image, (0, 0), sigma)


def canvas_to_uint8(image: Any) -> NDArray[np.uint8]:
    """Convert from [0, 1] to uint8, rounded."""
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)


def from_bytes(image: Any) -> Any:
    """Convert from uint8 to [0, 1]."""
    return image.astype(f32) / 255
