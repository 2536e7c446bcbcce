"""Backgrounds: clouds, overlapping shapes, stripes, hills under a sky, static, grass, plain color."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from dreamvideo.training.render.canvas import (
    EVERYWHERE,
    PI,
    SIZE,
    Image,
    X,
    Y,
    blur_canvas,
    f32,
    inside,
    mix_colors,
    over,
    plain,
    smoothstep,
)
from dreamvideo.training.render.cells import bent_coordinates
from dreamvideo.training.render.palettes import WHITE, hsv, ramp
from dreamvideo.training.render.scene import Scene
from dreamvideo.training.render.strokes import Ink, fur


def _clouds(scene: Scene) -> Image:
    noise = scene.noise(scene.uniform(1, 6), 5) * 1.8 - 0.4
    return ramp(noise, scene.palette(4, (0.05, 0.8), (0.1, 1)))


def _fallen_shapes(scene: Scene) -> Image:
    """Discs or polygons that cover each other, after the dead-leaves model of natural images."""
    ink = Ink.on(plain(scene.color()))
    colors = scene.palette(6, (0.05, 0.9), (0.1, 1))
    count = scene.integer(20, 90)
    sizes = 0.04 / (scene.rng.random(count) + 0.06) * scene.uniform(0.5, 1.5)
    sizes = np.clip(sizes, 0.02, 0.9)
    if scene.chance(0.3):
        sizes = np.sort(sizes)[::-1]
    kind = scene.integer(0, 3)
    for number, size in enumerate(sizes):
        x, y = scene.uniform(-1.1, 1.1), scene.uniform(-1.1, 1.1)
        color = np.clip(colors[number % 6] * scene.uniform(0.6, 1.3), 0, 1)
        shape = kind if kind < 3 else number % 3
        if shape == 0:
            ink.dot(x, y, int(size * SIZE * 8), color)
            continue
        if shape == 1:
            corners = scene.angle() + np.array([0.25, 0.75, 1.25, 1.75]) * PI + scene.rng.normal(0, 0.2, 4)
            flatness = scene.uniform(0.3, 1)
        else:
            corners = np.sort(scene.rng.random(scene.integer(3, 7))) * 2 * PI
            flatness = 1.0
        ink.polygon(x + size * np.cos(corners), y + size * np.sin(corners) * flatness, color)
    image = ink.to_image()
    if scene.chance(0.5):
        image = image * (0.7 + 0.6 * scene.noise(scene.uniform(8, 30), 3))[..., None]
    return image


def _gradient(scene: Scene) -> Image:
    angle = scene.angle()
    along = (X * np.cos(angle) + Y * np.sin(angle)) * 0.35 + 0.5
    return ramp(along, scene.palette(3, (0, 0.8), (0.1, 1))) + scene.normal(0, 0.02)


def _stripes(scene: Scene) -> Image:
    """Stripes or a checkerboard, bent."""
    u, v = bent_coordinates(scene, scene.uniform(3, 12), scene.uniform(0, 0.5))
    across = 1 if scene.chance(0.5) else np.sin(v * 3)
    return ramp(0.5 + 0.5 * np.sin(u * 3) * across, scene.palette(3, (0.05, 0.8), (0.1, 1)))


def _blurred_shapes(scene: Scene) -> Image:
    return blur_canvas(_fallen_shapes(scene), scene.uniform(2, 9))


def _hills(scene: Scene) -> Image:
    """A sky with clouds over one to four ridges."""
    horizon = scene.uniform(-0.2, 0.6)
    clouds = scene.noise(3, 5)
    zenith = hsv(scene.pick(0.58, 0.55, 0.05, 0.1, 0.65), scene.uniform(0.2, 0.7), scene.uniform(0.5, 1))
    haze = hsv(scene.pick(0.58, 0.1, 0.08), scene.uniform(0.05, 0.5), scene.uniform(0.8, 1))
    sky = mix_colors(zenith, haze, np.clip((Y + 1) / (horizon + 1), 0, 1))
    cloud_color = WHITE * scene.uniform(0.7, 1)
    image = over(sky, cloud_color, smoothstep(0.5, 0.75, clouds) * scene.uniform(0.2, 1))
    for ridge in range(scene.integer(1, 4)):
        profile = scene.noise(2 + ridge, 5)[ridge * 9]
        crest = horizon + 0.25 * ridge - 0.7 * (profile - 0.5)
        land = hsv(scene.pick(0.3, 0.6, 0.08, 0.25), scene.uniform(0.1, 0.6), scene.uniform(0.15, 0.6))
        land = mix_colors(land, sky.mean((0, 1)), max(0, 0.6 - 0.25 * ridge))
        image = over(image, land * (0.5 + scene.noise(9, 5))[..., None], inside(crest[None] - Y))
    return image


def _static(scene: Scene) -> Image:
    """Noise in color, or grain of one color."""
    if scene.chance(0.5):
        return np.stack([scene.noise(scene.uniform(1, 40), 3) for _ in range(3)], -1)
    grain = np.clip(scene.noise(scene.uniform(20, 70), 2)[..., None] * 1.6 - 0.3, 0, 1)
    return grain * scene.color((0, 0.7), (0.5, 1))


def _grass(scene: Scene) -> Image:
    first, second = scene.palette(2, (0.2, 0.9), (0.2, 0.8))
    color = mix_colors(first, second, smoothstep(0.3, 0.7, scene.noise(4, 3)))
    direction = scene.angle() + (scene.noise(2, 2) - 0.5) * 2
    length, width = scene.uniform(0.2, 0.6), scene.pick(1, 2, 3)
    image = fur(scene, color * 0.5, EVERYWHERE, direction, color, 500, length, width, 0.3, 0.6)
    return blur_canvas(image, scene.uniform(0.1, 4))


def _ground(scene: Scene) -> Image:
    return plain(scene.color((0, 0.9), (0, 1))) * (0.9 + 0.2 * scene.noise(3, 3))[..., None]


KINDS: Final[tuple[Callable[[Scene], Image], ...]] = (
    _clouds,
    _fallen_shapes,
    _gradient,
    _stripes,
    _blurred_shapes,
    _hills,
    _static,
    _grass,
    _ground,
)


def background(scene: Scene) -> Image:
    """Draw one of the kinds above."""
    return np.clip(scene.pick(*KINDS)(scene), 0, 1).astype(f32)
