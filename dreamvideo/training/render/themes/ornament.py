"""Ornament: rose window, stained glass, mosaic, gears."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import numpy as np

from dreamvideo.training.render.canvas import (
    NOWHERE,
    PI,
    Field,
    Painted,
    X,
    Y,
    bell,
    contact_shadow,
    dim,
    f32,
    hash_cell,
    inside,
    over,
    plain,
    polar,
    smoothstep,
)
from dreamvideo.training.render.cells import bent_coordinates, panes, patch, staggered
from dreamvideo.training.render.motif import motif
from dreamvideo.training.render.palettes import hsv, ramp, rgb
from dreamvideo.training.render.scene import Scene
from dreamvideo.training.render.shading import shade


def _sector(radius: Field, turn: Field) -> tuple[Field, Field]:
    """(across, outward) in a sector of the circle, from an angle around its middle."""
    return radius * np.sin(turn), radius * np.cos(turn)


@motif("rosewin")
def rose_window(scene: Scene) -> Painted:
    """A gothic rose window: petals and roundels of glass around a center."""
    radius, angle = polar(X, Y)
    sectors = scene.pick(6, 8, 10, 12, 16)
    lead = rgb(0.08, 0.07, 0.08) if scene.chance(0.6) else scene.stone()
    colors = scene.palette(6, (0.6, 1), (0.5, 1), 0.4)
    sector = np.mod(np.floor(angle * sectors / (2 * PI)), sectors)
    turn = (angle * sectors / (2 * PI)) % 1 - 0.5
    center, petal_reach = scene.uniform(0.12, 0.2), scene.uniform(0.42, 0.55)
    across, outward = _sector(radius, turn * 2 * PI / sectors)
    width = 0.9 * np.sin(PI / sectors)
    wedge = np.maximum(np.abs(across) - np.maximum(outward * width - 0.012, 0), center + 0.03 - radius)
    tip = np.hypot(across, outward - petal_reach) - petal_reach * width + 0.012
    petals = np.where(outward < petal_reach, wedge, tip)
    roundels = np.hypot(across, outward - 0.78) - 0.78 * width * 0.8
    between = ((angle * sectors / (2 * PI)) + 0.5) % 1 - 0.5
    between_across, between_outward = _sector(radius, between * 2 * PI / sectors)
    dots = np.hypot(between_across, between_outward - 0.62) - 0.05
    grain = 0.55 + 0.8 * scene.noise(14, 3)
    image = plain(lead)
    for number, pane in enumerate((radius - center, petals, roundels, dots)):
        if scene.chance(0.5):
            glass = plain(colors[number])
        else:
            glass = ramp(hash_cell(sector, number * 3.0), colors[number : number + 3])
        glass = glass * (grain * (1.15 - 0.0 * radius) * (0.7 + 0.5 * smoothstep(0, -0.06, pane)))[..., None]
        if number == 2:
            glass *= (0.75 + 0.35 * np.cos(np.arctan2(outward - 0.78, across) * 6))[..., None]
        image = over(image, glass, inside(pane))
    nearest = np.minimum(np.minimum(radius - center, petals), np.minimum(roundels, dots))
    image = shade(scene, image, np.clip(nearest, 0, 0.05), 1.0, 0.6, 0.2, soften=0.8)
    return over(image, lead * 1.3, bell(radius - 0.95, 0.03)), inside(radius - 0.98)


@motif("glass", texture=True)
def stained_glass(scene: Scene) -> Painted:
    """Irregular panes of colored glass in lead."""
    colors = scene.palette(6, (0.6, 1), (0.6, 1), 0.4)
    pane, edge, count = panes(scene, scene.integer(12, 40))
    chosen = scene.rng.integers(0, len(colors), count)
    tints = np.array(colors, f32)[chosen] * (0.75 + 0.4 * scene.rng.random((count, 1)).astype(f32))
    streaks = scene.noise(3, 3)
    image = tints[pane] * (0.65 + 0.7 * streaks + 0.25 * (scene.noise(20, 2) - 0.5))[..., None]
    image = image + (0.22 * smoothstep(0.55, 0.75, streaks))[..., None]
    width = scene.uniform(0.025, 0.045)
    lead = scene.pick(rgb(0.1, 0.09, 0.1), rgb(0.25, 0.2, 0.12))
    rounded = lead * (1 + 1.2 * bell(edge, width * 0.4))[..., None]
    image = over(np.clip(image, 0, 1), rounded, smoothstep(width + 0.015, width - 0.01, edge))
    return image, patch(scene)


@motif("mosaic", texture=True)
def mosaic(scene: Scene) -> Painted:
    """Small stones in rows or rings, with bands or patches of color."""
    colors = scene.palette(5, (0.5, 1), (0.5, 1), 0.3)
    u, v = bent_coordinates(scene, scene.uniform(4, 7), scene.uniform(0, 0.3))
    radius, angle = polar(X - scene.uniform(-1, 1), Y - scene.uniform(-1, 1))
    if scene.chance(0.5):
        v = radius * scene.uniform(4.5, 7)
        u = angle * np.maximum(np.floor(v) + 1, 1)
    tile = staggered(u, v)
    edge = np.minimum(np.minimum(tile.x, 1 - tile.x), np.minimum(tile.y, 1 - tile.y))
    bands = hash_cell(np.floor(tile.row / scene.integer(1, 3)), 0 * tile.row, 1.0)
    if scene.chance(0.6):
        tint = np.where(np.mod(tile.column + tile.row, scene.integer(2, 4)) == 0, 0.9, bands)
    else:
        tint = smoothstep(0.45, 0.55, scene.noise(2, 2)) * 0.7 + 0.3 * hash_cell(tile.column, tile.row)
    image = ramp(tint, colors) * (0.75 + 0.5 * hash_cell(tile.column, tile.row, 4.0))[..., None]
    face = smoothstep(0.05, 0.12, edge)
    grout = scene.pick(rgb(0.85, 0.8, 0.7), rgb(0.4, 0.35, 0.3), colors[0] * 0.4)
    image = over(plain(grout), image, face)
    return shade(scene, image, face * 0.035 + 0.03 * tile.x, 1.0, 0.6, 0.45, 14), patch(scene)


@motif("gear", large=True, share=0.7)
def gear(scene: Scene) -> Painted:
    """One to three toothed wheels: solid, with spokes or with holes."""
    image, shape = plain(), NOWHERE
    metal = scene.pick(
        hsv(0.11, 0.8, 0.95), hsv(0.6, 0.15, 0.85), hsv(0.05, 0.8, 0.8), hsv(0.12, 0.7, 1), hsv(0.09, 0.9, 0.85)
    )
    for number in range(scene.pick(1, 1, 2, 3)):
        if number == 0:
            x, y, size = 0.0, 0.0, scene.uniform(0.8, 0.95)
        else:
            x, y, size = scene.uniform(-0.6, 0.6), scene.uniform(-0.6, 0.6), scene.uniform(0.3, 0.5)
        radius, angle = polar((X - x) / size, (Y - y) / size)
        teeth = scene.integer(10, 22)
        tooth = np.clip(np.sin(angle * teeth + scene.uniform(0, 6)) * 3, -1, 1)
        distance = radius - (0.87 + 0.1 * tooth)
        spokes = scene.integer(0, 6)
        inner_rim, hub = scene.uniform(0.6, 0.7), scene.uniform(0.25, 0.32)
        if spokes > 2:
            beside = np.abs(((angle * spokes / (2 * PI)) % 1) - 0.5) * 2 * PI / spokes * radius
            gaps = np.maximum(np.maximum(radius - inner_rim, hub - radius), -(beside - 0.07))
            distance = np.maximum(distance, -gaps)
        elif spokes:
            across, outward = _sector(radius, (((angle * 6 / (2 * PI)) % 1) - 0.5) * 2 * PI / 6)
            distance = np.maximum(distance, -(np.hypot(across, outward - 0.47) - 0.14))
        distance = np.maximum(distance, -(radius - 0.12))
        turned = 0.35 * np.cos(2 * angle + scene.uniform(0, 6)) ** 2
        paint = metal * (0.75 + 0.12 * np.sin(radius * 130) + turned)[..., None]
        groove = 0.03 * smoothstep(0.02, -0.02, np.abs(radius - (inner_rim + 0.1)))
        height = np.clip(-distance, 0, 0.05).astype(f32) * size + groove.astype(f32)
        paint = shade(scene, paint, height, 1.5, 0.45, 0.6, soften=1)
        rust = smoothstep(0.5, 0.7, scene.noise(5, 4)) * scene.uniform(0, 1)
        paint = over(paint, paint * rgb(0.8, 0.5, 0.35), rust)
        dim(paint, 0.5 * bell(radius - 0.2, 0.02))
        contact_shadow(image, distance, 0.07)
        image = over(image, paint, inside(distance * size))
        shape = np.minimum(shape, distance * size)
    return image, inside(shape)
