"""Buildings: arches, pagoda, castle."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from typing import Final

import numpy as np

from dreamvideo.dreamnet.render.canvas import (
    EVERYWHERE,
    NOWHERE,
    PI,
    Colour,
    Field,
    Image,
    Painted,
    X,
    Y,
    bell,
    contact_shadow,
    dim,
    f32,
    hashed,
    inside,
    mix,
    over,
    plain,
    smoothstep,
)
from dreamvideo.dreamnet.render.cells import brick_wall
from dreamvideo.dreamnet.render.motif import motif
from dreamvideo.dreamnet.render.palettes import WHITE, hsv, ramp, rgb
from dreamvideo.dreamnet.render.scene import Scene
from dreamvideo.dreamnet.render.shading import shade

CREAM: Final = rgb(1, 0.95, 0.85)


@motif("arches", texture=True, upright=True)
def arches(scene: Scene) -> Painted:
    """One to three storeys of round or pointed arches on pillars."""
    colour = scene.stone()
    brick_size = scene.uniform(5, 8)
    image, height = brick_wall(X * brick_size * 0.6, Y * brick_size, colour)
    spacing, storeys = 2 / scene.uniform(1.2, 2.6), scene.pick(1, 1, 2, 3)
    storey_height, pointed = 2 / storeys, scene.uniform(1, 1.9)
    if scene.chance(0.3):
        image, height = plain(colour), height * 0
    image *= (0.75 + 0.5 * scene.noise(5, 4))[..., None]
    x = ((X + scene.uniform(0, spacing)) % spacing) - spacing / 2
    storey = np.floor((Y + 1) / storey_height)
    y = (Y + 1) - storey * storey_height
    opening = spacing * scene.uniform(0.26, 0.38)
    spring = storey_height * 0.55 if storeys > 1 else scene.uniform(0.7, 1.0)
    below_spring = y - max(spring, opening * pointed + 0.08)
    rise = np.minimum(below_spring, 0) / pointed
    radius, angle = np.hypot(x, rise), np.arctan2(rise, x)
    ring, stones = opening * scene.uniform(1.25, 1.5), scene.integer(9, 15)
    hole = inside(radius - opening)
    band = inside(radius - ring) * (1 - hole)

    wedge = angle / PI * stones
    joint = smoothstep(0.02, 0.12, np.minimum(wedge % 1, 1 - wedge % 1))
    tone = hashed(np.floor(wedge), storey, 5.0)
    trim = mix(colour, CREAM, scene.uniform(0, 0.6))
    if scene.chance(0.3):
        tone = np.mod(np.floor(wedge), 2)  # two colours of stone in turn
    image = over(image, trim * ((0.55 + 0.6 * tone) * (0.4 + 0.6 * joint))[..., None], band * (below_spring < 0))
    pillar = 1.1 - 0.9 * np.abs((np.abs(x) - (opening + ring) / 2) / (ring - opening))
    image = over(image, trim * pillar[..., None], band * (below_spring >= 0))
    capital = (np.abs(below_spring) < 0.045) & (np.abs(x) > opening * 0.93) & (np.abs(x) < ring * 1.08)
    image = over(image, trim * 1.1, capital.astype(f32))
    if scene.chance(0.7):
        depth = [rgb(0.03, 0.03, 0.03), colour * 0.15, colour * 0.35]
    else:
        depth = [hsv(0.58, 0.5, 0.7), hsv(0.57, 0.25, 0.9), colour * 0.8]
    behind = ramp(smoothstep(-opening, storey_height * 0.5, below_spring), depth)
    reveal = smoothstep(0.15, 0, opening - radius) * (x * scene.light[0] > 0)
    image = over(image, behind * (1 - 0.6 * reveal)[..., None], hole)
    image = shade(scene, image, height + 0.08 * band, 1.0, 0.5, 0, soften=0.8)
    image = over(image, trim, bell(y - 0.03, 0.02))
    dim(image, 0.5 * bell(y - 0.08, 0.025))
    if scene.chance(0.5):
        return image, EVERYWHERE
    return image, ((np.abs(X) < 0.9) & (Y > -0.9)).astype(f32)


@motif("pagoda", large=True, upright=True)
def pagoda(scene: Scene) -> Painted:
    """A tower of three to six roofs with upturned eaves."""
    roof_colour = scene.pick(
        hsv(0.01, 0.85, 0.7), hsv(0.42, 0.7, 0.55), hsv(0.6, 0.6, 0.55), hsv(0.1, 0.8, 0.8), hsv(0.12, 0.85, 0.95)
    )
    wall_colour = scene.pick(hsv(0.12, 0.5, 1), hsv(0.0, 0.9, 0.8), hsv(0.08, 0.75, 0.85), hsv(0.13, 0.8, 1))
    storeys = scene.integer(3, 6)
    image, shape = plain(), NOWHERE
    height = 1.7 / storeys
    base_width, taper, upturn = scene.uniform(0.42, 0.55), scene.uniform(0.75, 0.88), scene.uniform(0.1, 0.22)
    for storey in range(storeys):
        floor_y, width = 0.95 - storey * height, base_width * taper**storey
        wall = np.maximum(np.abs(X) - width, np.abs(Y - (floor_y - height * 0.35)) - height * 0.36)
        paint = _pagoda_wall(scene, width, height, floor_y, wall_colour, roof_colour)
        image = over(image, paint, inside(wall, 0.015))
        shape = np.minimum(shape, wall)
        paint, roof = _pagoda_roof(scene, width, height, floor_y, taper, upturn, roof_colour)
        contact_shadow(image, roof, 0.05)
        image = over(image, paint, inside(roof, 0.015))
        shape = np.minimum(shape, roof)
    finial = np.maximum(np.abs(X) - 0.02 - 0.03 * (np.sin(Y * 40) > 0.3), np.abs(Y + 0.86) - 0.13)
    image = over(image, hsv(0.12, 0.7, 0.8), inside(finial, 0.015))
    return image, inside(np.minimum(shape, finial), 0.015)


def _pagoda_wall(
    scene: Scene, width: float, height: float, floor_y: float, colour: Colour, post_colour: Colour
) -> Image:
    bay = ((X / width * 2.5 + 0.5) % 1) - 0.5
    wall = colour * (1.1 - 0.5 * (X / width - scene.light[0] * 0.5) ** 2)[..., None].clip(0.3, 1.2)
    wall = over(wall, post_colour * 0.7, (np.abs(np.abs(bay) - 0.46) < 0.06).astype(f32))
    window = (np.abs(bay) < 0.28) & (np.abs(Y - (floor_y - height * 0.28)) < height * 0.2)
    pane = scene.pick(rgb(0.08, 0.06, 0.06), hsv(0.12, 0.7, 1))
    lattice = pane * (0.6 + 0.4 * np.sign(np.sin(X * 90)))[..., None]
    wall = over(wall, lattice, window.astype(f32))
    dim(wall, 0.6 * smoothstep(floor_y - height * 0.5, floor_y - height * 0.75, Y))  # under the eaves
    return wall


def _pagoda_roof(
    scene: Scene, width: float, height: float, floor_y: float, taper: float, upturn: float, colour: Colour
) -> tuple[Image, Field]:
    """(colour, distance)."""
    reach = width * scene.uniform(1.55, 1.7)
    outward = np.abs(X) / reach
    eave = floor_y - height * 0.62 - upturn * outward**3
    rise = np.clip((eave - Y) / (height * 0.42), 0, 1)
    narrow = width * taper * 0.8
    half_width = narrow + (reach - narrow) * (1 - rise) ** 1.6
    ridge = (floor_y - height * 1.05 - upturn * 1.1 * (outward > 0.6)) - Y
    distance = np.maximum(np.maximum(np.abs(X) - half_width, Y - eave), ridge)
    across = X / (half_width + 1e-3)
    tiles = 0.5 + 0.5 * np.sin(across * scene.uniform(28, 40))
    roof = colour * (0.45 + 0.65 * tiles)[..., None] * (0.65 + 0.6 * rise)[..., None]
    roof = roof * (1 + 0.3 * across * scene.light[0])[..., None]
    return over(roof, mix(colour, rgb(1, 0.9, 0.6), 0.6), bell(Y - eave + 0.02, 0.013)), distance


@motif("castle", large=True, upright=True)
def castle(scene: Scene) -> Painted:
    """One to four round towers with battlements or conical roofs."""
    colour = scene.stone()
    image, shape = plain(), NOWHERE
    roof_colour = scene.pick(hsv(0.01, 0.8, 0.7), hsv(0.6, 0.65, 0.65), hsv(0.05, 0.75, 0.6), hsv(0.47, 0.6, 0.55))
    for number in range(scene.integer(1, 4)):
        centre = 0 if number == 0 else scene.uniform(-0.65, 0.65)
        width = scene.uniform(0.18, 0.36)
        top = scene.uniform(-0.55, 0.1) if number else scene.uniform(-0.5, -0.2)
        x = (X - centre) / width
        around = np.arcsin(np.clip(x, -1, 1))
        tower, _ = brick_wall(around * scene.uniform(2.5, 4.5) / 1.6, Y * scene.uniform(9, 14), colour)
        facing = np.sqrt(np.clip(1 - x * x, 0, 1)) * scene.light[2] + x * scene.light[0] + 0.2
        tower = tower * (0.35 + 0.75 * np.clip(facing, 0, 1))[..., None]
        tower = tower * (0.8 + 0.4 * scene.noise(4, 4))[..., None]
        battlements = top - 0.08 * (np.sin(around * 9) > 0)
        distance = np.maximum((np.abs(x) - 1) * width, battlements - Y)
        for _ in range(scene.integer(1, 4)):
            tower = _with_window(scene, tower, x, top, width, colour)
        tower = over(tower, tower * 1.35, bell(Y - top - 0.13, 0.025))
        dim(tower, 0.5 * bell(Y - top - 0.19, 0.03))
        contact_shadow(image, distance, 0.08, 0.4)
        image = over(image, tower, inside(distance))
        shape = np.minimum(shape, distance)
        if scene.chance(0.65):
            rise = (top - Y) / scene.uniform(0.35, 0.6)
            cone = np.maximum(np.abs(x) - 1.2 * (1 - rise), -rise)
            tiles, _ = brick_wall(x / (1.25 - rise).clip(0.1, 2) * 4, Y * 18, roof_colour)
            lit = 1 - np.abs(x / (1.25 - rise).clip(0.05, 2) - scene.light[0])
            tiles *= (0.6 + 0.5 * np.clip(lit, 0, 1))[..., None]
            image = over(image, tiles, inside(cone * width))
            shape = np.minimum(shape, cone * width)
    return image, inside(shape)


def _with_window(scene: Scene, tower: Image, x: Field, top: float, width: float, colour: Colour) -> Image:
    window_x, window_y = scene.uniform(-0.6, 0.6), top + scene.uniform(0.2, 1.1)
    right, down = x - window_x, Y - window_y
    size = scene.uniform(0.14, 0.24)
    arch = np.hypot(right, down / width * 0.8) - size
    window = np.where(down < 0, arch, np.maximum(np.abs(right) - size, down - 0.16))
    tower = over(tower, mix(colour, WHITE, 0.3), inside(window - 0.07, 0.06))
    return over(tower, scene.pick(rgb(0.05, 0.04, 0.05), hsv(0.12, 0.8, 1)), inside(window, 0.06))
