"""Mushrooms and lichen."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import numpy as np

from dreamvideo.training.render.canvas import (
    NOWHERE,
    Color,
    Field,
    Image,
    Painted,
    X,
    Y,
    ellipse,
    inside,
    mix_colors,
    over,
    plain,
    polar,
    smoothstep,
)
from dreamvideo.training.render.cells import patch
from dreamvideo.training.render.motif import motif
from dreamvideo.training.render.palettes import hsv, ramp, rgb
from dreamvideo.training.render.scene import Scene
from dreamvideo.training.render.shading import diffuse_light, shade


@motif("mushroom", large=True)
def mushroom(scene: Scene) -> Painted:
    """One to three toadstools, often with warts."""
    cap_color = scene.pick(hsv(0.0, 0.9, 0.8), hsv(0.07, 0.7, 0.6), hsv(0.1, 0.5, 0.8), scene.color())
    stem_color = mix_colors(rgb(0.93, 0.9, 0.82), scene.coat(), scene.uniform(0, 0.4))
    image, shape = plain(), NOWHERE
    for number in range(scene.pick(1, 1, 2, 3)):
        size, x, y = 1.0, 0.0, 0.0
        if number:
            size = scene.uniform(0.4, 0.65)
            x, y = scene.side() * scene.uniform(0.4, 0.6), scene.uniform(0.2, 0.5)
        u, v = (X - x) / size, (Y - y) / size

        stem_width, bend = scene.uniform(0.1, 0.2), scene.uniform(-0.15, 0.15)
        across = u - bend * (v - 0.1) ** 2
        stem_edge = np.abs(across) - stem_width * (1 + 0.5 * smoothstep(0.4, 1, v))
        stem = np.maximum(stem_edge, np.maximum(-v, v - 0.95))
        fibers = (0.8 + 0.2 * np.sin(across * 90 + 2 * np.sin(v * 9)))[..., None]
        roundness = (1.1 - (across / stem_width - scene.light[0]) ** 2 * 0.25).clip(0.3, 1.2)[..., None]
        paint = stem_color * fibers * roundness * (0.45 + 0.6 * smoothstep(0.0, 0.4, v))[..., None]
        image = over(image, paint, inside(stem, 0.03))
        shape = np.minimum(shape, stem * size)

        width, height = scene.uniform(0.62, 0.85), scene.uniform(0.5, 0.8)
        gills = np.maximum(ellipse(u, v - 0.06, width * 0.97, 0.17), -v)
        gill_light = 0.45 + 0.5 * (0.5 + 0.5 * np.sin(np.arctan2(v + 0.35, u) * 80))
        image = over(image, stem_color * gill_light[..., None], inside(gills, 0.03))
        shape = np.minimum(shape, gills * size)
        cap = np.maximum(ellipse(u, v - 0.05, width, height), v - 0.04 - 0.05 * np.cos(u / width * 1.5))
        image = over(image, _cap(scene, u, v, width, height, cap_color), inside(cap, 0.025))
        shape = np.minimum(shape, cap * size)
    return image, inside(shape, 0.025)


def _cap(scene: Scene, u: Field, v: Field, width: float, height: float, color: Color) -> Image:
    across, up = u / width, np.clip((0.05 - v) / height, 0, 1)
    bulge = np.sqrt(np.clip(1 - across**2 - up**2, 0, 1))
    light = scene.light
    shading = 0.3 + 0.85 * diffuse_light(scene, across, -up, bulge)
    cap = ramp(scene.noise(3, 4) * 0.6 + 0.3 * up, [color * 0.6, color, color * 1.2]) * shading[..., None]
    if scene.chance(0.65):
        for _ in range(scene.integer(6, 16)):
            turn, rise = scene.uniform(-1, 1), scene.uniform(0.05, 0.9)
            x, y = turn * width * np.sqrt(1 - rise * rise), 0.05 - rise * height
            radius = scene.uniform(0.03, 0.1)
            # Foreshortened towards the sides and the top.
            wart = ellipse(u - x, v - y, radius * np.sqrt(max(0.15, 1 - turn * turn)), radius * (0.5 + 0.4 * rise))
            cap = over(cap, rgb(0.97, 0.93, 0.85) * (0.6 + 0.5 * rise), inside(wart, 0.025))
    gloss = np.exp(-((across - light[0] * 0.5) ** 2 * 12 + (up - 0.6) ** 2 * 14))
    return np.clip(cap, 0, 1) + 0.35 * gloss[..., None]


@motif("lichen", texture=True)
def lichen(scene: Scene) -> Painted:
    """Rosettes of lichen on bark or stone."""
    ground = hsv(scene.pick(0.08, 0.6, 0.05, 0.1), scene.uniform(0.15, 0.5), scene.uniform(0.3, 0.65))
    image = ground * (0.6 + 0.8 * scene.noise(6, 5))[..., None]
    image = shade(scene, image, scene.noise(8, 4) * 0.12, 1.0, 0.5, 0.1)
    for _ in range(scene.integer(5, 11)):
        colors = scene.palette(3)
        x, y, size = scene.uniform(-0.9, 0.9), scene.uniform(-0.9, 0.9), scene.uniform(0.2, 0.6)
        radius, angle = polar(X - x, Y - y)
        noise = scene.noise(7, 4) - 0.5
        outward = radius / size + 0.5 * noise + 0.06 * np.sin(angle * scene.integer(9, 17))
        lobes = np.sin(angle * scene.integer(14, 24) + 9 * noise + radius * 9)
        tint = outward * 0.8 + 0.2 * scene.noise(16, 2)
        rosette = ramp(tint, colors) * (0.85 + 0.2 * lobes * outward)[..., None]
        height = scene.noise(18, 2) * 0.06 + 0.05 * np.clip(1 - outward, 0, 0.3) + 0.012 * lobes
        rosette = shade(scene, rosette, height, 1.0, 0.55, 0.1)
        image = over(image, rosette, inside((outward - 1) * size, 0.04))
    return image, patch(scene)
