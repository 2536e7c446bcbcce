"""Flowers: daisy, rose, lily, sunflower."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from typing import Final

import numpy as np

from dreamvideo.training.render.canvas import (
    NOWHERE,
    PI,
    Color,
    Field,
    Image,
    Painted,
    X,
    Y,
    bell,
    contact_shadow,
    dim,
    hash_cell,
    inside,
    mix_colors,
    over,
    plain,
    polar,
    rotate_axes,
    smoothstep,
)
from dreamvideo.training.render.motif import motif
from dreamvideo.training.render.palettes import WHITE, hsv, ramp, rgb
from dreamvideo.training.render.scene import Scene
from dreamvideo.training.render.shading import shade
from dreamvideo.training.render.strokes import Ink

GOLDEN_ANGLE: Final = 2.39996  # radians; how florets and petals follow each other


@motif("daisy")
def daisy(scene: Scene) -> Painted:
    """A composite flower: one to three rings of petals around a disc of florets."""
    radius, angle = polar(X, Y)
    image, shape = plain(), NOWHERE
    white = rgb(0.99, 0.95, 0.88)
    petal_color = scene.pick(
        white,
        scene.color((0.4, 1), (0.7, 1)),
        scene.color((0.4, 1), (0.7, 1)),
        scene.color((0.4, 1), (0.7, 1)),
    )
    petals = scene.integer(9, 22)
    inner = scene.color((0.5, 1), (0.4, 0.9)) if scene.chance(0.5) else petal_color * 0.7
    for ring in range(scene.integer(1, 3)):
        sector = angle * petals / (2 * PI) + scene.uniform(0, 6)
        across = (sector % 1) - 0.5
        petal = np.mod(np.floor(sector), petals)
        length = (0.95 - 0.2 * ring) * (0.88 + 0.12 * hash_cell(petal, ring + 3.0))
        outward = radius / length
        half_width = 0.46 * np.clip(np.sin(np.clip(outward, 0, 1) ** 1.2 * PI * 0.86 + 0.35), 0, 1) ** 0.6
        distance = np.maximum((np.abs(across) - half_width) * radius * 2 * PI / petals, radius - length)
        furrows = 0.85 + 0.15 * np.sin(across * 30) + 0.15 * np.cos(across * 6.28) - 0.15
        light = furrows * (0.7 + 0.6 * hash_cell(petal, ring * 7.0)) * 0.85 + 0.15
        paint = ramp(outward, [inner * 0.6, petal_color, petal_color, petal_color * 0.95]) * light[..., None]
        dim(paint, 0.5 * smoothstep(0.3, 0.5, np.abs(across)))
        contact_shadow(image, distance, 0.05)
        image = over(image, paint, inside(distance, 0.025))
        shape = np.minimum(shape, distance)
    disc_radius = scene.uniform(0.2, 0.36)
    disc_color = scene.pick(hsv(0.13, 0.9, 0.95), hsv(0.1, 0.9, 0.7), hsv(0.07, 0.8, 0.35), scene.color())
    disc = _florets(scene, disc_radius, disc_color)
    disc = disc * (1.1 - 0.6 * (radius / disc_radius) ** 3).clip(0.3, 2)[..., None]
    contact_shadow(image, radius - disc_radius, 0.07)
    return over(image, disc, inside(radius - disc_radius, 0.03)), inside(shape, 0.025)


def _florets(scene: Scene, radius: float, color: Color) -> Image:
    count = 160
    ink = Ink()
    ink.image[:] = (color * 90).astype(np.uint8)
    number = np.arange(count)
    angles, radii = number * GOLDEN_ANGLE, radius * np.sqrt(number / count)
    for floret in range(count - 1, -1, -1):
        tint = color * (0.6 + 0.5 * (floret / count) + scene.uniform(-0.15, 0.15))
        x, y = radii[floret] * np.cos(angles[floret]), radii[floret] * np.sin(angles[floret])
        ink.dot(x, y, 24, tint)
        ink.dot(x, y, 8, tint * 1.5, shift=(-6, -8))
    return ink.to_image()


@motif("rose")
def rose(scene: Scene) -> Painted:
    """A rose from above: rounded petals in a spiral, the inner on top."""
    color = scene.color((0.3, 1), (0.5, 1))
    other = mix_colors(color, WHITE, 0.5) if scene.natural else scene.color((0.2, 1), (0.6, 1))
    edge_color = mix_colors(color, other, 0.5)
    image, shape = plain(), NOWHERE
    petals, phase = scene.integer(12, 19), scene.uniform(0, 6)
    for petal in range(petals):
        inward = petal / (petals - 1)
        reach = 0.52 * (1 - inward) ** 0.8
        angle = phase + petal * 2.3999 + scene.normal(0, 0.15)
        radius = 0.46 * (1 - inward) ** 0.55 + 0.1
        outward, sideways = rotate_axes(X - reach * np.cos(angle), Y - reach * np.sin(angle), angle)
        waviness = 1 + 0.04 * np.sin(sideways / radius * 7 + petal)
        distance = np.sqrt(outward**2 + (sideways * 0.85) ** 2) - radius * waviness
        height = np.clip(outward / radius * 0.5 + 0.5, 0, 1)
        towards_light = np.cos(angle - np.arctan2(scene.light[1], scene.light[0]))
        light = (0.28 + 0.8 * height**1.3) * (0.85 + 0.15 * np.clip(towards_light, -1, 1) * 1.3)
        paint = mix_colors(color * 0.75, edge_color, smoothstep(0.4, 1, height)) * light[..., None]
        paint *= (0.94 + 0.06 * np.sin(sideways / radius * 20))[..., None]
        paint = paint + (0.25 * bell(distance + 0.03, 0.018))[..., None] * edge_color
        contact_shadow(image, distance, 0.05)
        image = over(image, paint, inside(distance))
        shape = np.minimum(shape, distance)
    return image, inside(shape, 0.025)


@motif("lily")
def lily(scene: Scene) -> Painted:
    """A flower of three to six veined petals with stamens, sometimes spotted."""
    petals = scene.pick(3, 5, 5, 6, 6)
    colors = scene.palette(3, (0.2, 1), (0.6, 1))
    image, shape = plain(), NOWHERE
    phase = scene.uniform(0, 6)
    width = scene.uniform(0.26, 0.45) * (5 / petals) ** 0.5
    throat = scene.color((0.4, 1), (0.5, 1))
    order = scene.rng.permutation(petals)
    spotted, veins = scene.chance(0.35), scene.uniform(30, 60)
    for petal in order:
        angle = phase + petal * 2 * PI / petals + scene.normal(0, 0.08)
        along, across = rotate_axes(X, Y, angle)
        length = scene.uniform(0.85, 0.98)
        outward = along / length
        across = across - 0.1 * np.sin(outward * 3 + petal) * 0.5
        half_width = width * np.clip(np.sin(np.clip(outward, 0, 1) ** 0.8 * PI), 0, 1) ** 0.7 + 0.02
        ruffled = half_width * (1 + 0.05 * np.sin(outward * 25 + petal))
        distance = np.maximum(np.abs(across) - ruffled, np.maximum(-along, along - length))
        relative = across / (half_width + 1e-3)
        light = 0.75 + 0.25 * (0.5 + 0.5 * np.cos(relative * veins / 4)) + 0.1 * (1 - relative**2)
        paint = ramp(outward, [throat, *colors]) * light[..., None]
        dim(paint, 0.45 * bell(across, 0.018) * (1 - outward))
        if spotted:
            freckles = smoothstep(0.62, 0.68, scene.noise(26, 1)) * smoothstep(0.75, 0.3, outward)
            paint = over(paint, paint * 0.35, freckles)
        height = -0.25 * relative**2 * half_width + 0.2 * np.sin(np.clip(outward, 0, 1) * PI)
        paint = shade(scene, paint, height, 0.9, 0.5, 0.12)
        contact_shadow(image, distance, 0.06)
        image = over(image, paint, inside(distance, 0.025))
        shape = np.minimum(shape, distance)
    return _stamens(scene, image), inside(shape, 0.025)


def _stamens(scene: Scene, image: Image) -> Image:
    ink = Ink.on(image * (1 - 0.5 * bell(np.hypot(X, Y), 0.12))[..., None])
    color = scene.color((0.6, 1), (0.6, 1))
    for _ in range(scene.integer(4, 8)):
        angle, length = scene.angle(), scene.uniform(0.2, 0.4)
        tip_x, tip_y = length * np.cos(angle + 0.2), length * np.sin(angle + 0.2)
        thread_x, thread_y = [0, 0.6 * length * np.cos(angle), tip_x], [0, 0.6 * length * np.sin(angle), tip_y]
        ink.line(thread_x, thread_y, mix_colors(color, WHITE, 0.5), 2)
        ink.dot(tip_x, tip_y, 50, color)
    return ink.to_image()


def _pointed_petals(
    scene: Scene, image: Image, count: int, root: float, length: float, colors: list[Color], fullness: float
) -> tuple[Image, Field]:
    """(image, distance) with a ring of long pointed petals that grow from radius `root`."""
    radius, angle = polar(X, Y)
    swirl = scene.normal(0, 0.1) + 0.3 * (scene.noise(3, 1) - 0.5)
    sector = (angle + swirl * (radius - root)) * count / (2 * PI) + scene.uniform(0, 6)
    across = sector % 1 - 0.5
    petal = np.mod(np.floor(sector), count)
    salt = scene.uniform(1, 9)
    across = across + 0.22 * (hash_cell(petal, salt) - 0.5)
    tip = length * (0.86 + 0.14 * hash_cell(petal, salt + 3))
    outward = np.clip((radius - root) / (tip - root), 0, 1)
    half_width = fullness * (0.16 + outward) ** 0.4 * (1 - outward**1.9) ** 0.8
    arc = radius * 2 * PI / count
    distance = np.maximum((np.abs(across) - half_width) * arc, radius - tip)
    relative = np.clip(across / (half_width + 0.03), -1, 1)
    furrows = 0.93 + 0.07 * np.cos(relative * scene.uniform(9, 14))
    light = furrows * (0.88 + 0.24 * hash_cell(petal, salt + 5)) * (0.72 + 0.36 * smoothstep(-0.1, 0.45, outward))
    paint = ramp(outward * 1.05, colors) * light[..., None]
    height = arc * (0.26 * (1 - relative**2) + 0.12 * bell(relative, 0.3)) + 0.12 * np.sin(outward * PI)
    paint = shade(scene, paint, height, 0.7, 0.7, 0.06, soften=0.8)
    contact_shadow(image, distance, 0.05, 0.28)
    return over(image, paint, inside(distance, 0.035)), distance


def _seeds(scene: Scene, radius: float, colors: list[Color]) -> Image:
    """A disc of seeds along Fermat's spiral, colored from the center to the rim."""
    ink = Ink()
    ink.image[:] = (np.clip(colors[1] * 0.5, 0, 1) * 255).astype(np.uint8)
    count = scene.integer(150, 300)
    number = np.arange(count)
    outward = np.sqrt((number + 0.5) / count)
    turned = number * GOLDEN_ANGLE + scene.angle()
    arms, salt = scene.pick(13, 21, 34), scene.uniform(1, 9)  # spirals that the eye finds in the seeds
    brightness = 0.72 + 0.42 * hash_cell(number % arms, salt) + 0.14 * scene.rng.random(count)
    tints = ramp(outward, colors) * brightness[:, None]
    size = radius / np.sqrt(count) * 80 * 16
    shift = (int(scene.light[0] * size * 0.4), int(scene.light[1] * size * 0.4))
    for seed in range(count - 1, -1, -1):
        x, y = radius * outward[seed] * np.cos(turned[seed]), radius * outward[seed] * np.sin(turned[seed])
        ink.dot(x, y, int(size * 0.95), tints[seed])
        ink.dot(x, y, int(size * 0.45), np.minimum(tints[seed] * 1.35 + 0.04, 1), shift=shift)
    return ink.to_image()


@motif("sunflower", large=True)
def sunflower(scene: Scene) -> Painted:
    """A sunflower's head: a disc of seeds in spirals within rings of long pointed petals."""
    colors = scene.palette(3, (0.6, 1), (0.6, 1))
    if not scene.natural:  # any hue would make it a daisy
        hue, value = scene.uniform(-0.04, 0.14), scene.uniform(0.5, 0.95)
        colors = [hsv(hue, 0.95, value * 0.85), hsv(hue + 0.015, 0.95, value), hsv(hue + 0.04, 0.8, value + 0.1)]
    disc_radius = scene.uniform(0.3, 0.5)
    count = scene.integer(12, 22)
    green = hsv(scene.uniform(0.22, 0.32), scene.uniform(0.6, 0.85), scene.uniform(0.45, 0.7))
    sepals = [green * 0.6, green, mix_colors(green, colors[2], 0.3)]
    image, shape = _pointed_petals(scene, plain(colors[1] * 0.8), count, disc_radius * 0.9, 0.8, sepals, 0.48)
    rings = scene.integer(1, 3)
    for ring in range(rings):
        length = scene.uniform(0.93, 0.99) - 0.1 * ring
        brighter = [np.clip(color * (0.85 + 0.15 * (ring + 1) / rings), 0, 1) for color in colors]
        fullness = scene.uniform(0.46, 0.62)
        image, distance = _pointed_petals(scene, image, count, disc_radius * 0.85, length, brighter, fullness)
        shape = np.minimum(shape, distance)
    brown = hsv(scene.uniform(0.03, 0.09), scene.uniform(0.7, 0.9), scene.uniform(0.3, 0.5))
    pollen = scene.pick(hsv(0.1, 0.9, 0.85), hsv(0.06, 0.85, 0.6), mix_colors(brown, colors[1], 0.6))
    heart = scene.pick(green, brown, hsv(0.17, 0.7, 0.65), pollen)
    disc = _seeds(scene, disc_radius, [heart, brown, *scene.pick([brown, pollen], [pollen], [pollen, brown])])
    radius = np.hypot(X, Y)
    outward = radius / disc_radius
    dome = np.sqrt(np.clip(1.15 - outward**2, 0, 1)) - scene.uniform(0, 0.6) * bell(outward, 0.45)
    disc = shade(scene, disc, dome * disc_radius * 0.5, 1.0, 0.6, 0.1, soften=1)
    wavy = radius - disc_radius * (1 + 0.03 * np.sin(np.arctan2(Y, X) * count))
    contact_shadow(image, wavy, 0.08, 0.45)
    return over(image, disc, inside(wavy, 0.05)), inside(np.minimum(shape, wavy), 0.035)
