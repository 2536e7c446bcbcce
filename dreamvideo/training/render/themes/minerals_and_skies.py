"""Crystals, nebulae and fireworks."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import numpy as np

from dreamvideo.training.render.canvas import (
    EVERYWHERE,
    NOWHERE,
    PI,
    Color,
    Image,
    Painted,
    X,
    Y,
    bell,
    blur_canvas,
    contact_shadow,
    f32,
    inside,
    mix_colors,
    over,
    plain,
    rotate_axes,
    smoothstep,
)
from dreamvideo.training.render.motif import motif
from dreamvideo.training.render.palettes import WHITE, ramp
from dreamvideo.training.render.scene import Scene
from dreamvideo.training.render.strokes import Ink


@motif("crystal", large=True)
def crystal(scene: Scene) -> Painted:
    """A cluster of three-sided crystals that grow from one root."""
    colors = scene.palette(3, (0.5, 1), (0.5, 1))
    image, shape = plain(colors[0] * 0.4), NOWHERE
    root_x, root_y = scene.uniform(-0.2, 0.2), scene.uniform(0.4, 1.0)
    for _ in range(scene.integer(6, 12)):
        angle = scene.uniform(-PI * 0.95, -PI * 0.05)
        length, width = scene.uniform(0.7, 1.6), scene.uniform(0.1, 0.24)
        along, across = rotate_axes(X - root_x, Y - root_y, angle)
        tip = length - np.abs(across) * scene.uniform(1.0, 1.8)
        distance = np.maximum(np.abs(across) - width, np.maximum(along - tip, -along))
        left_edge, right_edge = -0.35 + scene.uniform(-0.2, 0.2), 0.3 + scene.uniform(-0.2, 0.2)
        relative = across / width
        face = np.where(relative < left_edge, 0, np.where(relative < right_edge, 1, 2))
        crown = along > length - width * 1.9 + np.abs(across - width * left_edge) * 1.3
        lights = np.array([scene.uniform(0.35, 0.7), scene.uniform(0.75, 1.1), scene.uniform(0.5, 0.85)], f32)
        tint = np.clip(along / length, 0, 1) * 0.7 + 0.15 * face + 0.2 * (scene.noise(4, 3) - 0.5)
        paint = ramp(tint, colors) * (lights[face] * np.where(crown, 1.3, 1))[..., None]
        to_edge = np.minimum(np.abs(relative - left_edge), np.abs(relative - right_edge)) * width
        gloss = 0.5 * bell(relative + 0.1, 0.12) * (scene.noise(3, 2) > 0.5) * 0.5
        paint = paint + 0.5 * bell(to_edge, 0.012)[..., None] * colors[2] + gloss[..., None]
        contact_shadow(image, distance, 0.05)
        image = over(image, np.clip(paint, 0, 1), inside(distance))
        shape = np.minimum(shape, distance)
    return image, EVERYWHERE if scene.chance(0.4) else inside(shape)


@motif("nebula", texture=True)
def nebula(scene: Scene) -> Painted:
    """Glowing clouds with stars, or fireworks."""
    colors = scene.palette(3, (0.7, 1), (0.4, 1))
    night = plain(colors[0] * scene.uniform(0.1, 0.4))
    image = _clouds(scene, colors) if scene.chance(0.5) else _fireworks(scene, night)
    return np.clip(image, 0, 1), EVERYWHERE


def _clouds(scene: Scene, colors: list[Color]) -> Image:
    first, second = scene.noise(2, 5), scene.noise(3, 5)
    filaments = smoothstep(0.0, 0.3, 0.3 - np.abs(first - second))
    image = ramp(filaments * 0.8 + 0.3 * (first - 0.4), [colors[0] * 0.2, *colors])
    for _ in range(scene.integer(10, 40)):
        x, y, radius = scene.uniform(-1, 1), scene.uniform(-1, 1), scene.uniform(0.008, 0.03)
        star = np.exp(-((X - x) ** 2 + (Y - y) ** 2) / radius**2)
        image = image + star[..., None] * mix_colors(colors[2], WHITE, 0.6)
    return image


def _fireworks(scene: Scene, night: Image) -> Image:
    ink = Ink.on(night * 0.4)
    for _ in range(scene.integer(1, 4)):
        x, y = scene.uniform(-0.6, 0.6), scene.uniform(-0.6, 0.6)
        reach, sparks = scene.uniform(0.35, 0.9), scene.integer(22, 50)
        colors = scene.palette(3, (0.7, 1), (0.6, 1))
        trail = [WHITE, colors[2], colors[1], colors[1]]
        for _ in range(sparks):
            angle, length = scene.angle(), reach * scene.uniform(0.6, 1)
            along = np.linspace(0.15, 1, 8)
            spark_x = x + np.cos(angle) * length * along
            spark_y = y + np.sin(angle) * length * along + 0.25 * along**2 * reach  # they fall
            for part in range(7):
                ends = slice(part, part + 2)
                ink.line(spark_x[ends], spark_y[ends], ramp(along[part], trail), 2 if part > 3 else 1)
            ink.dot(spark_x[-1], spark_y[-1], 30, mix_colors(colors[2], WHITE, 0.4))
    image = ink.to_image()
    return image + 0.6 * blur_canvas(image, 5)
