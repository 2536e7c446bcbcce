"""Composes the image of a class: a motif before a background, under some light, as a camera would take it."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dreamvideo.errors import ModelError
from dreamvideo.training.render.backgrounds import background
from dreamvideo.training.render.canvas import (
    EVERYWHERE,
    PI,
    SIZE,
    Field,
    Image,
    Painted,
    X,
    Y,
    bell,
    blur_canvas,
    canvas_to_uint8,
    f32,
    mix_colors,
    smoothstep,
)
from dreamvideo.training.render.motif import Motif
from dreamvideo.training.render.scene import Scene
from dreamvideo.training.render.vocabulary import BACKGROUND, CLASSES, MOTIFS


@dataclass(frozen=True, slots=True)
class Render:
    """A training image and its class."""

    image: NDArray[np.uint8]  # (size, size, 3) RGB
    name: str


def render(seed: int, name: str | None = None, size: int = 112) -> Render:
    """Render an image; the same arguments give the same image.

    Args:
        seed: of everything random in the image.
        name: of the class. Default: chosen by the seed.
        size: side in pixels, at most 160.

    Raises:
        ModelError: there is no such class.
    """
    scene = Scene(seed)
    if name is None:
        name = CLASSES[scene.integer(0, len(CLASSES) - 1)]
    if name not in CLASSES:
        raise ModelError(f"no class {name!r} in dreamnet; expected one of: {', '.join(CLASSES)}")
    image = background(scene)
    if scene.chance(0.12) and name != BACKGROUND:
        image = _with_distraction(scene, image)
    if scene.chance(0.35):
        image = blur_canvas(image, scene.uniform(1, 4))
    if scene.chance(0.25):
        image = _exposed(scene, image)
    if name != BACKGROUND:
        image = _with_subject(scene, image, MOTIFS[name])
    return Render(_photographed(scene, _lit(scene, image), size), name)


def _with_distraction(scene: Scene, image: Image) -> Image:
    """Place another motif, small, behind the subject."""
    motif = MOTIFS[CLASSES[scene.integer(1, len(CLASSES) - 1)]]
    painted = motif.paint(scene)
    if painted[1] is EVERYWHERE:
        return image
    scale = scene.uniform(0.25, 0.45)
    return _placed(scene, image, painted, motif, scale, (scene.uniform(-0.8, 0.8), scene.uniform(-0.8, 0.8)))


def _with_subject(scene: Scene, image: Image, motif: Motif) -> Image:
    """Place the subject once, or a few small copies of it."""
    painted = motif.paint(scene)
    if motif.texture or painted[1] is EVERYWHERE or not scene.chance(0.15):
        return _placed(scene, image, painted, motif)
    for _ in range(scene.integer(2, 4)):
        scale = scene.uniform(0.4, 0.75)
        position = scene.uniform(-0.6, 0.6), scene.uniform(-0.6, 0.6)
        image = _placed(scene, image, painted, motif, scale, position)
    return image


def _placed(
    scene: Scene,
    image: Image,
    painted: Painted,
    motif: Motif,
    scale: float | None = None,
    position: tuple[float, float] | None = None,
) -> Image:
    """Lay a motif over an image: scaled, rotated, sheared, mirrored, sometimes bent, often with a shadow."""
    picture, cover = painted
    borderless = cover is EVERYWHERE
    transform = _transform(scene, motif, scale, position)
    border = cv2.BORDER_REFLECT if borderless else cv2.BORDER_CONSTANT
    # Premultiplied by the coverage, so that interpolated edges do not mix in the empty canvas.
    layers: NDArray[Any] = np.dstack([np.clip(picture, 0, 1).astype(f32) * cover[..., None], cover.astype(f32)])
    layers = cv2.warpAffine(layers, transform, (SIZE, SIZE), flags=cv2.INTER_LINEAR, borderMode=border)
    if scene.chance(0.35):
        layers = _bent(scene, layers, border)
    cover = layers[..., 3]
    if scene.chance(0.6) and not borderless:
        image = _shadowed(scene, image, cover)
    return image * (1 - cover)[..., None] + layers[..., :3]


def _transform(scene: Scene, motif: Motif, scale: float | None, position: tuple[float, float] | None) -> NDArray[Any]:
    """Draw a random placement: (2, 3) affine matrix in pixels."""
    if scale is None:
        scale = scene.uniform(*motif.scales)
    if motif.upright and scene.chance(0.5):
        angle = scene.normal(0, 0.2)
    else:
        angle = scene.normal(0, 0.6) if scene.chance(0.6) else scene.uniform(0, 2 * PI)
    mirror = -1 if scene.chance(0.5) else 1
    aspect, shear = np.exp(scene.normal(0, 0.12)), scene.normal(0, 0.1)
    slack = max(0.0, 0.75 - 0.45 * scale)
    if position is None:
        position = scene.uniform(-slack, slack), scene.uniform(-slack, slack)
    linear = scale * np.array(
        [
            [np.cos(angle) * mirror * aspect, -np.sin(angle) + shear],
            [np.sin(angle) * mirror * aspect, np.cos(angle)],
        ],
        f32,
    )
    center = (SIZE - 1) / 2
    shift = np.array(position) * SIZE / 2 + center - linear @ np.array([center, center])
    return np.concatenate([linear, shift[:, None]], 1).astype(f32)


def _bent(scene: Scene, layers: NDArray[Any], border: int) -> NDArray[Any]:
    amount = scene.uniform(2, 9)  # pixels
    shift_x = (scene.noise(2, 2) - 0.5) * amount * 2
    shift_y = (scene.noise(2, 2) - 0.5) * amount * 2
    columns, rows = np.meshgrid(np.arange(SIZE, dtype=f32), np.arange(SIZE, dtype=f32))
    return cv2.remap(layers, columns + shift_x, rows + shift_y, cv2.INTER_LINEAR, borderMode=border)


def _shadowed(scene: Scene, image: Image, cover: Field) -> Image:
    """Add a soft shadow that falls away from the light."""
    shadow = blur_canvas(cover, scene.uniform(3, 9))
    shift_x, shift_y = -scene.light[0] * scene.uniform(4, 14), -scene.light[1] * scene.uniform(4, 14)
    shadow = cv2.warpAffine(shadow, np.array([[1, 0, shift_x], [0, 1, shift_y]], f32), (SIZE, SIZE))
    return image * (1 - scene.uniform(0.2, 0.5) * shadow)[..., None]


def _lit(scene: Scene, image: Image) -> Image:
    """Add a gradient of light, patches of shade, a color cast."""
    if scene.chance(0.6):
        angle = scene.angle()
        image = image * (1 + scene.uniform(0, 0.4) * (X * np.cos(angle) + Y * np.sin(angle)))[..., None]
    if scene.chance(0.15):
        image = image * (0.55 + 0.7 * smoothstep(0.35, 0.6, scene.noise(3, 2)))[..., None]
    if scene.chance(0.1):
        pool = bell(np.hypot(X - scene.uniform(-0.5, 0.5), Y - scene.uniform(-0.5, 0.5)), scene.uniform(0.6, 1.2))
        image = image * mix_colors(scene.uniform(0.2, 0.5), 1.1, pool)
    if scene.chance(0.3):
        image = image * np.exp(scene.rng.normal(0, 0.06, 3)).astype(f32)
    return _exposed(scene, image) if scene.chance(0.12) else image


def _exposed(scene: Scene, image: Image) -> Image:
    """Darken as at night, or wash out as in haze, so that dark and pale areas of a video dream too."""
    if scene.chance(0.5):
        return image * scene.uniform(0.3, 0.7)
    return 1 - (1 - np.clip(image, 0, 1)) * scene.uniform(0.4, 0.75)


def _photographed(scene: Scene, image: Image, size: int) -> NDArray[np.uint8]:
    """Resize to the final size, with a camera's gamma, black level, saturation, contrast, blur and grain."""
    gamma = np.exp(scene.normal(-0.08, 0.2))
    image = np.clip(image, 0, 1) ** gamma
    black = scene.uniform(0, 0.08)
    image = black + (1 - black) * image
    gray = image.mean(-1, keepdims=True)
    saturation = 0 if scene.chance(0.02) else scene.uniform(0.85, 1.2)
    image = np.clip(gray + (image - gray) * saturation, 0, 1)
    image = np.clip((image - 0.5) * scene.uniform(0.8, 1.1) + 0.5 + scene.uniform(-0.06, 0.06), 0, 1)
    image = cv2.resize(image.astype(f32), (size, size), interpolation=cv2.INTER_AREA)
    if scene.chance(0.25):
        image = blur_canvas(image, scene.uniform(0.3, 0.8))
    if scene.chance(0.3):
        image = image + scene.rng.normal(0, scene.uniform(0.005, 0.03), image.shape)
    return canvas_to_uint8(image)
