"""Fur, feathers, and the eye of a peacock's tail."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import numpy as np

from dreamvideo.training.render.canvas import (
    EVERYWHERE,
    PI,
    Painted,
    X,
    Y,
    bell,
    blur_canvas,
    ellipse,
    from_bytes,
    inside,
    over,
    plain,
    polar,
    smoothstep,
)
from dreamvideo.training.render.cells import bent_coordinates, feathers, patch
from dreamvideo.training.render.motif import motif
from dreamvideo.training.render.palettes import hsv, ramp
from dreamvideo.training.render.scene import Scene
from dreamvideo.training.render.shading import shade
from dreamvideo.training.render.strokes import Ink, fur


@motif("fur", texture=True)
def fur_patch(scene: Scene) -> Painted:
    """Combed or whirled fur: plain, patched, spotted or striped."""
    lie = scene.angle()
    direction = lie + (scene.noise(2, 2) - 0.5) * scene.uniform(2, 7)
    if scene.chance(0.25):
        whirl = polar(X - scene.uniform(-0.5, 0.5), Y - scene.uniform(-0.5, 0.5))[1]
        direction = whirl + scene.uniform(-0.8, 0.8)
    coat, second_coat = scene.coat(), scene.coat()
    color = plain(coat)
    noise = scene.noise(3, 3)
    pattern = scene.integer(0, 3)
    if pattern == 0:
        color = over(color, second_coat, smoothstep(0.45, 0.55, noise))
    elif pattern == 1:
        color = over(color, color * 0.15, bell(scene.noise(9, 1) - 0.5, 0.07))
    elif pattern == 2:
        across = X * scene.uniform(8, 16) * np.cos(lie) + Y * scene.uniform(8, 16) * np.sin(lie)
        color = over(color, second_coat * 0.3, smoothstep(0.1, 0.5, np.sin(across + 7 * noise)))
    length = scene.uniform(0.15, 0.4)
    order = -(X * np.cos(lie) + Y * np.sin(lie))
    width = scene.pick(1, 2)
    image = fur(scene, color * 0.45, EVERYWHERE, direction, color * 0.8, 800, length, width, 0.25, 0.8, order=order)
    image = fur(
        scene,
        image,
        EVERYWHERE,
        direction,
        color * 1.1,
        1100,
        length * 0.8,
        1,
        0.3,
        0.9,
        order=order,
        variation=0.2,
    )
    return image, patch(scene)


@motif("plumage", texture=True)
def plumage(scene: Scene) -> Painted:
    """Overlapping feathers, close up."""
    u, v = bent_coordinates(scene, scene.uniform(1.8, 4), scene.uniform(0.05, 0.4))
    image, height = feathers(scene, u * 1.3, v, length=scene.uniform(1.3, 2.1))
    return shade(scene, image, height, 0.8, 0.55, scene.uniform(0, 0.3)), patch(scene)


@motif("peacock", large=True)
def peacock(scene: Scene) -> Painted:
    """One tail feather of a peacock, with its eye."""
    if scene.chance(0.6):
        colors = [
            hsv(0.64, 0.9, 0.35),
            hsv(0.6, 1, 0.75),
            hsv(0.48, 0.9, 0.8),
            hsv(0.08, 0.8, 0.65),
            hsv(0.2, 0.8, 0.7),
            hsv(0.3, 0.8, 0.5),
            hsv(0.25, 0.7, 0.35),
        ]
    else:
        colors = scene.palette(7, (0.6, 1), (0.2, 1), 0.3)
    ink = Ink.on(plain(hsv(0.36, 0.8, 0.25)))
    bend = scene.uniform(-0.3, 0.3)
    barbs, along_barb = 130, np.array([0, 0.5, 1])
    for barb in range(barbs):
        t = barb / barbs
        root_y = 1.1 - 1.35 * t
        root_x = bend * (root_y + 0.3) ** 2 * 0.6
        for side in (-1, 1):
            length = (0.35 + 0.25 * np.sin(t * PI)) * scene.uniform(0.8, 1.1)
            angle = side * (PI / 2 - 0.2 - 0.75 * t + scene.normal(0, 0.06))
            x = root_x + np.sin(angle + side * along_barb * 0.3) * length * along_barb
            y = root_y - np.cos(angle + side * along_barb * 0.3) * length * along_barb * 0.8
            color = ramp(scene.uniform(0.5, 1), colors) * scene.uniform(0.6, 1.3)
            ink.line(x, y, color)
    shaft_y = np.linspace(1.1, -0.2, 12)
    ink.line(bend * (shaft_y + 0.3) ** 2 * 0.6, shaft_y, (0.9, 0.85, 0.7), 2, cover_width=3)

    center_y = -0.35
    size = scene.uniform(0.36, 0.46)
    radius, turn = polar(X / 0.9, (Y - center_y) * (1 - 0.12 * np.sign(Y - center_y)))
    outward = radius / size + 0.02 * np.sin(turn * 70)
    heart = ellipse(X, Y - center_y - 0.06, size * 0.36, size * 0.34)
    eye = ramp((outward - 0.3) / 0.9, colors[1:]) * (0.75 + 0.35 * np.sin(turn * 60 + radius * 10))[..., None]
    eye = over(eye, colors[1], inside(outward * size - size * 0.52))
    eye = over(eye, colors[0], inside(heart))
    eye *= (0.85 + 0.3 * np.sin(turn * 60))[..., None]
    cover = inside((outward - 1.15) * size, 0.04)
    return over(ink.to_image(), eye, cover), np.maximum(from_bytes(blur_canvas(ink.cover, 1)), cover)
