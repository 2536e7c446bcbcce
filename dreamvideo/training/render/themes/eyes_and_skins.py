"""Eyes close up, and the skins of reptiles, fish and frogs."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import numpy as np

from dreamvideo.training.render.canvas import (
    EVERYWHERE,
    PI,
    SIZE,
    Image,
    Painted,
    X,
    Y,
    bell,
    dim,
    f32,
    inside,
    over,
    plain,
    polar,
    smoothstep,
)
from dreamvideo.training.render.cells import bent_coordinates, patch, scales
from dreamvideo.training.render.eye import paint_eye
from dreamvideo.training.render.motif import motif
from dreamvideo.training.render.palettes import hsv, ramp, rgb
from dreamvideo.training.render.scene import Scene
from dreamvideo.training.render.shading import shade
from dreamvideo.training.render.strokes import fur


def _human_skin(scene: Scene) -> Image:
    base = scene.pick(hsv(0.06, 0.45, 0.9), hsv(0.07, 0.5, 0.7), hsv(0.06, 0.55, 0.45), hsv(0.05, 0.35, 0.95))
    return base * (0.75 + 0.5 * scene.noise(3, 5))[..., None]


@motif("human_eye", share=0.6)
def human_eye(scene: Scene) -> Painted:
    """A human eye with lids, lashes and sometimes a brow."""
    image = _human_skin(scene)
    radius = scene.uniform(0.28, 0.42)
    if scene.chance(0.5):
        brow = (np.abs(Y + 0.68 + 0.15 * X * X) < 0.1) & (np.abs(X) < 0.85)
        image = fur(scene, image, brow, np.full((SIZE, SIZE), -0.5), plain(scene.coat() * 0.5), 160, 0.2)
    dim(image, 0.35 * bell(np.sqrt(X**2 + (Y * 1.2) ** 2) - 0.55, 0.3))
    paint_eye(scene, image, scene.uniform(-0.05, 0.05), 0, radius, "round", human=True)
    if scene.chance(0.8):
        return image, inside(np.sqrt(X**2 + (Y * 1.15) ** 2) - 0.92, 0.35)
    return image, EVERYWHERE


@motif("reptile_eye", share=0.6)
def reptile_eye(scene: Scene) -> Painted:
    """An eye in rings of scales."""
    rings = scene.uniform(5, 9)
    wobble = scene.noise(2, 2) * 0.6
    radius, angle = polar(X, Y * 1.15)
    around = angle * scene.integer(7, 11) / (2 * PI) * 2
    outward = np.log(radius + 0.05) * rings * 0.8 + wobble
    image, height, _ = scales(scene, around, outward, scene.palette(3, value=(0.2, 0.8)), relief=0.04)
    image = shade(scene, image, height, 1.2, 0.45, 0.35)
    size = scene.uniform(0.34, 0.5)
    dim(image, 0.8 * bell(np.clip(radius - size * 1.1, 0, 9), 0.14))
    paint_eye(scene, image, 0, 0, size, scene.pick("slit", "slit", "slit", "round", "bar"))
    if scene.chance(0.7):
        return image, inside(radius - 0.95 * (1 + 0.1 * (wobble - 0.3)), 0.3)
    return image, EVERYWHERE


@motif("scales", texture=True)
def scaly_skin(scene: Scene) -> Painted:
    """Overlapping scales, plain, keeled, ringed or blotched."""
    u, v = bent_coordinates(scene, scene.uniform(2.5, 6), scene.uniform(0.05, 0.45))
    image, height, cells = scales(scene, u, v, scene.palette(3, value=(0.25, 1)), relief=scene.uniform(0.04, 0.1))
    if scene.chance(0.3):
        dim(image, 0.5 * bell(cells.x, 0.08))
    if scene.chance(0.3):
        image *= (0.8 + 0.25 * np.sin(cells.rim * 25))[..., None]
    if scene.chance(0.3):
        image = over(image, image * 0.3, smoothstep(0.5, 0.56, scene.noise(4, 2)))
    return shade(scene, image, height, 1.0, 0.4, scene.uniform(0.1, 0.7), 20), patch(scene)


@motif("frogskin", texture=True)
def frog_skin(scene: Scene) -> Painted:
    """The wet, warning colors of a poison frog: blotches or a net."""
    colors = scene.palette(3, (0.7, 1), (0.5, 1))
    pattern = scene.noise(scene.uniform(3, 6), 2)
    dark = scene.pick(rgb(0.05, 0.05, 0.1), rgb(0.08, 0.12, 0.35), hsv(scene.uniform(), 0.9, 0.35))
    image = ramp(scene.noise(2, 3) * 1.4 - 0.2, [colors[1], colors[2], colors[1]])
    level = 0.5 + scene.uniform(-0.02, 0.04)
    blotched = scene.chance(0.5)
    spots = smoothstep(level, level + 0.02, pattern) if blotched else bell(pattern - 0.5, 0.045)
    image = over(image, dark, spots)
    grain = scene.noise(26, 1)
    height = (grain * 0.05 + scene.noise(2, 2) * 0.2).astype(f32)
    return shade(scene, image, height, 0.9, 0.55, 0.5, 20), patch(scene)
