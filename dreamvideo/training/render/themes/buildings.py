"""Buildings: arches, pagoda, castle, temple, dome."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from typing import Final

import numpy as np

from dreamvideo.training.render.canvas import (
    EVERYWHERE,
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
    f32,
    hash_cell,
    inside,
    mix_colors,
    over,
    plain,
    polar,
    smoothstep,
)
from dreamvideo.training.render.cells import brick_wall, scale_cells
from dreamvideo.training.render.motif import motif
from dreamvideo.training.render.palettes import WHITE, hsv, ramp, rgb
from dreamvideo.training.render.scene import Scene
from dreamvideo.training.render.shading import diffuse_light, shade
from dreamvideo.training.render.solids import SolidOfRevolution, solid_of_revolution

CREAM: Final = rgb(1, 0.95, 0.85)


@motif("arches", texture=True, upright=True)
def arches(scene: Scene) -> Painted:
    """One to three storeys of round or pointed arches on pillars."""
    color = scene.stone()
    brick_size = scene.uniform(5, 8)
    image, height = brick_wall(X * brick_size * 0.6, Y * brick_size, color)
    spacing, storeys = 2 / scene.uniform(1.2, 2.6), scene.pick(1, 1, 2, 3)
    storey_height, pointed = 2 / storeys, scene.uniform(1, 1.9)
    if scene.chance(0.3):
        image, height = plain(color), height * 0
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
    tone = hash_cell(np.floor(wedge), storey, 5.0)
    trim = mix_colors(color, CREAM, scene.uniform(0, 0.6))
    if scene.chance(0.3):
        tone = np.mod(np.floor(wedge), 2)  # two colors of stone in turn
    image = over(image, trim * ((0.55 + 0.6 * tone) * (0.4 + 0.6 * joint))[..., None], band * (below_spring < 0))
    pillar = 1.1 - 0.9 * np.abs((np.abs(x) - (opening + ring) / 2) / (ring - opening))
    image = over(image, trim * pillar[..., None], band * (below_spring >= 0))
    capital = (np.abs(below_spring) < 0.045) & (np.abs(x) > opening * 0.93) & (np.abs(x) < ring * 1.08)
    image = over(image, trim * 1.1, capital.astype(f32))
    if scene.chance(0.7):
        depth = [rgb(0.03, 0.03, 0.03), color * 0.15, color * 0.35]
    else:
        depth = [hsv(0.58, 0.5, 0.7), hsv(0.57, 0.25, 0.9), color * 0.8]
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
    roof_color = scene.pick(
        hsv(0.01, 0.85, 0.7), hsv(0.42, 0.7, 0.55), hsv(0.6, 0.6, 0.55), hsv(0.1, 0.8, 0.8), hsv(0.12, 0.85, 0.95)
    )
    wall_color = scene.pick(hsv(0.12, 0.5, 1), hsv(0.0, 0.9, 0.8), hsv(0.08, 0.75, 0.85), hsv(0.13, 0.8, 1))
    storeys = scene.integer(3, 6)
    image, shape = plain(), NOWHERE
    height = 1.7 / storeys
    base_width, taper, upturn = scene.uniform(0.42, 0.55), scene.uniform(0.75, 0.88), scene.uniform(0.1, 0.22)
    for storey in range(storeys):
        floor_y, width = 0.95 - storey * height, base_width * taper**storey
        wall = np.maximum(np.abs(X) - width, np.abs(Y - (floor_y - height * 0.35)) - height * 0.36)
        paint = _pagoda_wall(scene, width, height, floor_y, wall_color, roof_color)
        image = over(image, paint, inside(wall, 0.015))
        shape = np.minimum(shape, wall)
        paint, roof = _pagoda_roof(scene, width, height, floor_y, taper, upturn, roof_color)
        contact_shadow(image, roof, 0.05)
        image = over(image, paint, inside(roof, 0.015))
        shape = np.minimum(shape, roof)
    finial = np.maximum(np.abs(X) - 0.02 - 0.03 * (np.sin(Y * 40) > 0.3), np.abs(Y + 0.86) - 0.13)
    image = over(image, hsv(0.12, 0.7, 0.8), inside(finial, 0.015))
    return image, inside(np.minimum(shape, finial), 0.015)


def _pagoda_wall(scene: Scene, width: float, height: float, floor_y: float, color: Color, post_color: Color) -> Image:
    bay = ((X / width * 2.5 + 0.5) % 1) - 0.5
    wall = color * (1.1 - 0.5 * (X / width - scene.light[0] * 0.5) ** 2)[..., None].clip(0.3, 1.2)
    wall = over(wall, post_color * 0.7, (np.abs(np.abs(bay) - 0.46) < 0.06).astype(f32))
    window = (np.abs(bay) < 0.28) & (np.abs(Y - (floor_y - height * 0.28)) < height * 0.2)
    pane = scene.pick(rgb(0.08, 0.06, 0.06), hsv(0.12, 0.7, 1))
    lattice = pane * (0.6 + 0.4 * np.sign(np.sin(X * 90)))[..., None]
    wall = over(wall, lattice, window.astype(f32))
    dim(wall, 0.6 * smoothstep(floor_y - height * 0.5, floor_y - height * 0.75, Y))  # under the eaves
    return wall


def _pagoda_roof(
    scene: Scene, width: float, height: float, floor_y: float, taper: float, upturn: float, color: Color
) -> tuple[Image, Field]:
    """(color, distance)."""
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
    roof = color * (0.45 + 0.65 * tiles)[..., None] * (0.65 + 0.6 * rise)[..., None]
    roof = roof * (1 + 0.3 * across * scene.light[0])[..., None]
    return over(roof, mix_colors(color, rgb(1, 0.9, 0.6), 0.6), bell(Y - eave + 0.02, 0.013)), distance


@motif("castle", large=True, upright=True)
def castle(scene: Scene) -> Painted:
    """One to four round towers with battlements or conical roofs."""
    color = scene.stone()
    image, shape = plain(), NOWHERE
    roof_color = scene.pick(hsv(0.01, 0.8, 0.7), hsv(0.6, 0.65, 0.65), hsv(0.05, 0.75, 0.6), hsv(0.47, 0.6, 0.55))
    for number in range(scene.integer(1, 4)):
        center = 0 if number == 0 else scene.uniform(-0.65, 0.65)
        width = scene.uniform(0.18, 0.36)
        top = scene.uniform(-0.55, 0.1) if number else scene.uniform(-0.5, -0.2)
        x = (X - center) / width
        around = np.arcsin(np.clip(x, -1, 1))
        tower, _ = brick_wall(around * scene.uniform(2.5, 4.5) / 1.6, Y * scene.uniform(9, 14), color)
        facing = np.sqrt(np.clip(1 - x * x, 0, 1)) * scene.light[2] + x * scene.light[0] + 0.2
        tower = tower * (0.35 + 0.75 * np.clip(facing, 0, 1))[..., None]
        tower = tower * (0.8 + 0.4 * scene.noise(4, 4))[..., None]
        battlements = top - 0.08 * (np.sin(around * 9) > 0)
        distance = np.maximum((np.abs(x) - 1) * width, battlements - Y)
        for _ in range(scene.integer(1, 4)):
            tower = _with_window(scene, tower, x, top, width, color)
        tower = over(tower, tower * 1.35, bell(Y - top - 0.13, 0.025))
        dim(tower, 0.5 * bell(Y - top - 0.19, 0.03))
        contact_shadow(image, distance, 0.08, 0.4)
        image = over(image, tower, inside(distance))
        shape = np.minimum(shape, distance)
        if scene.chance(0.65):
            rise = (top - Y) / scene.uniform(0.35, 0.6)
            cone = np.maximum(np.abs(x) - 1.2 * (1 - rise), -rise)
            tiles, _ = brick_wall(x / (1.25 - rise).clip(0.1, 2) * 4, Y * 18, roof_color)
            lit = 1 - np.abs(x / (1.25 - rise).clip(0.05, 2) - scene.light[0])
            tiles *= (0.6 + 0.5 * np.clip(lit, 0, 1))[..., None]
            image = over(image, tiles, inside(cone * width))
            shape = np.minimum(shape, cone * width)
    return image, inside(shape)


def _with_window(scene: Scene, tower: Image, x: Field, top: float, width: float, color: Color) -> Image:
    window_x, window_y = scene.uniform(-0.6, 0.6), top + scene.uniform(0.2, 1.1)
    right, down = x - window_x, Y - window_y
    size = scene.uniform(0.14, 0.24)
    arch = np.hypot(right, down / width * 0.8) - size
    window = np.where(down < 0, arch, np.maximum(np.abs(right) - size, down - 0.16))
    tower = over(tower, mix_colors(color, WHITE, 0.3), inside(window - 0.07, 0.06))
    return over(tower, scene.pick(rgb(0.05, 0.04, 0.05), hsv(0.12, 0.8, 1)), inside(window, 0.06))


_MARBLES: Final = (
    (0.11, 0.2, 0.95),
    (0.1, 0.45, 0.92),
    (0.02, 0.4, 0.85),
    (0.58, 0.25, 0.8),
    (0.05, 0.6, 0.8),
    (0.12, 0.7, 0.95),
    (0.47, 0.35, 0.75),
)
_GOLD: Final = hsv(0.12, 0.75, 0.95)


@motif("temple", large=True, upright=True)
def temple(scene: Scene) -> Painted:
    """The front of a classical temple: steps, columns, frieze and pediment; or a stepped pyramid with a shrine."""
    if scene.chance(0.22):
        return _stepped_temple(scene)
    stone = hsv(*scene.pick(*_MARBLES)) * scene.uniform(0.88, 1.05)
    paints = scene.palette(3, (0.5, 0.95), (0.35, 0.9))
    half, count = scene.uniform(0.66, 0.8), scene.pick(4, 4, 5, 6, 6, 8)
    ground, lintel = scene.uniform(0.72, 0.86), scene.uniform(-0.3, -0.1)
    steps, step_height = scene.integer(2, 5), scene.uniform(0.05, 0.075)
    floor_y = ground - steps * step_height
    cornice = lintel - scene.uniform(0.15, 0.26)
    apex = max(cornice - scene.uniform(0.32, 0.52), -0.9)

    hall = np.maximum(np.abs(X) - half * 0.96, np.maximum(lintel - Y, Y - floor_y))
    image, shape = _temple_hall(scene, half, lintel, floor_y, stone, paints), hall
    paint, columns = _temple_columns(scene, half, count, lintel, floor_y, stone, paints)
    contact_shadow(image, columns, 0.05, 0.4)
    image = over(image, paint, inside(columns, 0.03))
    dim(image, 0.4 * smoothstep(lintel + 0.13, lintel, Y))

    number = np.clip(np.floor((Y - floor_y) / step_height), 0, steps - 1)
    rise = (Y - floor_y) / step_height - number
    staircase = np.maximum(np.abs(X) - half - 0.05 - 0.05 * number, np.maximum(floor_y - Y, Y - ground))
    tread = stone * (1.12 - 0.45 * smoothstep(0.25, 0.6, rise) + 0.1 * rise)[..., None]
    image = over(image, tread, inside(staircase, 0.03))
    shape = np.minimum(shape, staircase)

    paint, beam, beam_relief = _temple_beam(scene, half, count, lintel, cornice, stone, paints)
    image, shape = over(image, paint, inside(beam, 0.03)), np.minimum(shape, beam)
    paint, gable, gable_relief = _temple_gable(scene, half * 1.12, cornice, apex, stone, paints)
    image, shape = over(image, paint, inside(gable, 0.03)), np.minimum(shape, gable)
    image *= (0.86 + 0.28 * scene.noise(6, 4))[..., None]
    image *= (1 + 0.12 * (X * scene.light[0] - Y * 0.6))[..., None]
    image = shade(scene, image, beam_relief + gable_relief, 0.8, 0.55, 0.08, soften=1.2)
    return image, inside(shape, 0.03)


def _temple_hall(scene: Scene, half: float, lintel: float, floor_y: float, stone: Color, paints: list[Color]) -> Image:
    """What is seen between the columns: a shaded wall, mostly with a door that glows."""
    depth = (Y - lintel) / (floor_y - lintel)
    warm = mix_colors(mix_colors(stone, paints[0], scene.uniform(0, 0.7)), hsv(0.05, 0.6, 0.6), 0.25)
    wall = warm * (0.34 + 0.3 * depth)[..., None]
    if scene.chance(0.65):
        door = np.maximum(np.abs(X) - half * scene.uniform(0.16, 0.26), lintel + scene.uniform(0.15, 0.25) - Y)
        glow = hsv(scene.pick(0.1, 0.13, 0.55, 0.08), 0.6, 1) * (0.7 + 0.3 * depth)[..., None]
        wall = over(wall, glow, inside(door, 0.06) * 0.9)
        wall = wall + glow * (0.2 * bell(np.clip(door, 0, 9), 0.14))[..., None]
    return wall


def _temple_columns(
    scene: Scene, half: float, count: int, lintel: float, floor_y: float, stone: Color, paints: list[Color]
) -> tuple[Image, Field]:
    """(color, distance) of a row of fluted columns with capitals and bases."""
    thickness = scene.uniform(0.29, 0.36)
    spacing = 2 * half * 0.97 / (count - 1 + 2 * thickness)
    place = (count - 1) / 2
    nearest = np.clip(np.round(X / spacing + place), 0, count - 1)
    x = X - (nearest - place) * spacing
    height = np.clip((floor_y - Y) / (floor_y - lintel), 0, 1)
    capital, base = smoothstep(0.86, 0.93, height), smoothstep(0.09, 0.04, height)
    width = spacing * thickness * (1 - 0.16 * height + 0.45 * capital + 0.28 * base)
    across = np.clip(x / width, -1, 1)
    facing = np.sqrt(1 - across**2)
    light = 0.5 + 0.8 * diffuse_light(scene, across, np.zeros_like(across), facing)
    plain_parts = np.maximum(capital, base)
    flutes = np.cos(np.arcsin(across) * scene.pick(8, 10, 12))
    light = light * (1 + (0.13 if count < 8 else 0.05) * flutes * (1 - plain_parts))
    light = light * (1 - 0.35 * bell(height - 0.87, 0.015) - 0.3 * bell(height - 0.09, 0.012))
    shaft = paints[1] if scene.chance(0.2) else stone * 1.06
    color = plain(shaft)
    if scene.chance(0.55):
        trim = scene.pick(_GOLD, paints[2], paints[0])
        color = over(color, trim, capital)
        if scene.chance(0.6):
            color = over(color, trim, base)
    if scene.chance(0.35):  # scrolls at the corners of the capital
        for side in (-1, 1):
            scroll = np.hypot(x - side * spacing * thickness * 0.95, (Y - lintel - 0.045) * 1.1)
            light = light * (1 + 0.35 * np.cos(scroll * 90) * bell(scroll, 0.05))
    distance = np.maximum(np.abs(x) - width, np.maximum(lintel - Y, Y - floor_y))
    return np.minimum(color * light[..., None], 1.1), distance


def _temple_beam(
    scene: Scene, half: float, count: int, lintel: float, cornice: float, stone: Color, paints: list[Color]
) -> tuple[Image, Field, Field]:
    """(color, distance, relief) of the architrave, the ornamented frieze on it and the jutting cornice."""
    down = (Y - cornice) / (lintel - cornice)
    reach = half * (1.0 + 0.1 * smoothstep(0.3, 0.2, down))
    distance = np.maximum(np.abs(X) - reach, np.maximum(cornice - Y - 0.02, Y - lintel))
    frieze = smoothstep(0.2, 0.27, down) * smoothstep(0.72, 0.65, down)
    ground = scene.pick(paints[0], paints[1], stone * 0.8, paints[2])
    wave = X / half * PI * scene.pick(count - 1, 2 * (count - 1), 7, 9)
    kind = scene.integer(0, 2)
    if kind == 0:  # triglyphs
        figure = smoothstep(0.1, 0.45, np.cos(wave)) * (0.75 + 0.25 * np.cos(wave * 6))
    elif kind == 1:  # discs
        figure = inside(np.hypot((wave / PI % 1 - 0.5) * 2, (down - 0.46) / 0.22) - 0.75, 0.4)
    else:  # a running wave
        figure = inside((down - 0.46) / 0.2 - 0.7 * np.sin(wave + 0.8 * np.sin(wave)), 0.5)
    light = 1.0 + 0.16 * smoothstep(0.2, 0, down) - 0.3 * bell(down - 0.25, 0.06) - 0.12 * smoothstep(0.7, 1, down)
    color = over(plain(stone), mix_colors(ground, scene.pick(_GOLD, stone * 1.1), figure), frieze)
    return color * light[..., None], distance, (0.05 * smoothstep(0.3, 0.2, down) + 0.03 * figure * frieze).astype(f32)


def _temple_gable(
    scene: Scene, half: float, cornice: float, apex: float, stone: Color, paints: list[Color]
) -> tuple[Image, Field, Field]:
    """(color, distance, relief) of the pediment, with a figure in it and ornaments on its corners."""
    rise = cornice - apex
    slant = (np.abs(X) / half + (cornice - Y) / rise - 1) / np.hypot(1 / half, 1 / rise)
    gable = np.maximum(slant, Y - cornice)
    sunk = inside(gable + scene.uniform(0.065, 0.09), 0.03)
    u, v = X, Y - cornice + rise * 0.37
    radius, angle = polar(u, v)
    size = rise * scene.uniform(0.2, 0.27)
    kind = scene.integer(0, 2)
    if kind == 0:  # a sun
        figure = inside(radius - size * (1 + 0.22 * np.cos(angle * scene.integer(8, 14))), 0.05)
        figure = figure * (0.75 + 0.25 * smoothstep(size * 0.5, size * 0.65, radius))
    elif kind == 1:  # a row of statues, the tallest in the middle
        statue = np.cos(X * PI * 2 / (half * scene.uniform(0.2, 0.3)))
        tallness = rise * 0.62 * (1 - np.abs(X) / half / 0.85) * (0.55 + 0.45 * np.clip(statue, 0, 1))
        figure = inside(cornice - 0.07 - Y - tallness, 0.05) * smoothstep(-0.5, 0.3, statue)
    else:  # a rosette between tendrils
        figure = inside(radius - size * (0.8 + 0.25 * np.cos(angle * 6)), 0.05)
        tendril = v - rise * 0.2 - 0.05 * np.sin(np.abs(X) * 22)
        figure = np.maximum(figure, bell(tendril, 0.025) * smoothstep(size, size * 1.3, np.abs(X)))
    light = 1.12 - 0.3 * smoothstep(0, 0.4, sunk) * smoothstep(-0.16, -0.06, slant)
    color = over(plain(stone), mix_colors(scene.pick(*paints), scene.pick(_GOLD, stone * 1.15), figure), sunk)
    distance = gable
    if scene.chance(0.7):
        trim = scene.pick(_GOLD, paints[2], stone)
        for x, y in ((0.0, apex), (-half * 0.95, cornice), (half * 0.95, cornice)):
            leaf, turn = polar(X - x, Y - y + 0.02)
            crest = leaf - 0.06 - 0.025 * np.cos(5 * (turn + PI / 2))
            color = over(color, trim, inside(crest, 0.04))
            distance = np.minimum(distance, crest)
    relief = 0.05 - 0.05 * sunk + 0.035 * figure * sunk
    return color * light[..., None], distance, (relief * inside(gable, 0.05)).astype(f32)


def _stepped_temple(scene: Scene) -> Painted:
    """A pyramid of four to seven terraces, a stair up its middle, a shrine on top."""
    stone = hsv(*scene.pick((0.09, 0.5, 0.85), (0.04, 0.6, 0.75), (0.12, 0.6, 0.9), (0.3, 0.3, 0.65), (0.02, 0.5, 0.8)))
    paints = scene.palette(3, (0.6, 0.95), (0.4, 0.9))
    tiers, ground, top = scene.integer(4, 7), scene.uniform(0.75, 0.85), scene.uniform(-0.42, -0.2)
    foot, crown = scene.uniform(0.82, 0.93), scene.uniform(0.24, 0.34)
    tier_height = (ground - top) / tiers
    tier = np.clip(np.floor((Y - top) / tier_height), 0, tiers - 1)
    down = np.clip((Y - top) / tier_height - tier, 0, 1)
    reach = crown + (foot - crown) * (tier + 0.35 + 0.45 * down) / tiers
    pyramid = np.maximum(np.abs(X) - reach, np.maximum(top - Y, Y - ground))
    image, height = brick_wall(X * scene.uniform(7, 10), Y * scene.uniform(12, 16), stone)
    light = 1.25 - 0.5 * smoothstep(0.1, 0.4, down) + 0.12 * down
    side = scene.light[0] * X / reach
    image = mix_colors(plain(stone), image, 0.4) * (light * (1 + 0.35 * side))[..., None]
    if scene.chance(0.7):
        band = bell(down - 0.62, 0.16) * smoothstep(-0.2, 0.4, np.cos(X * scene.uniform(22, 34)))
        image = over(image, scene.pick(*paints), 0.75 * band)

    stair = scene.uniform(0.13, 0.19) * (1 + 0.35 * (Y - top))
    rail = np.abs(X) - stair
    dim(image, 0.35 * bell(np.clip(rail - 0.05, 0, 1), 0.06))
    image = over(image, mix_colors(stone, scene.pick(*paints, stone), 0.7) * 1.1, inside(rail - 0.05, 0.03))
    steps = 0.5 + 0.5 * np.sin((Y - top) * PI * 2 * tiers * 3 / (ground - top))
    image = over(image, mix_colors(stone, CREAM, 0.35) * (0.65 + 0.45 * steps)[..., None], inside(rail, 0.03))

    roof = top - scene.uniform(0.3, 0.42)
    walls = np.maximum(np.abs(X) - crown * 0.85, np.maximum(roof - Y, Y - top - 0.01))
    shrine = mix_colors(stone, paints[1], scene.uniform(0.2, 0.9)) * (1.05 + 0.3 * side)[..., None]
    door = np.maximum(np.abs(X) - crown * 0.3, roof + 0.13 - Y)
    glow = hsv(scene.pick(0.1, 0.06, 0.13), 0.75, 1) * (0.5 + 0.5 * smoothstep(roof, top, Y))[..., None]
    shrine = over(shrine, glow, inside(door, 0.04))
    image = over(image, shrine, inside(walls, 0.03))
    jut = np.maximum(np.abs(X) - crown * (1.05 - 0.9 * (roof - Y)), np.abs(Y - roof) - scene.uniform(0.05, 0.12))
    trim = scene.pick(*paints) * (0.85 + 0.3 * smoothstep(-0.3, 0.3, np.cos(X * 45)))[..., None]
    dim(image, 0.4 * bell(np.clip(jut, 0, 1), 0.06))
    image = over(image, trim, inside(jut, 0.03))
    shape = np.minimum(np.minimum(pyramid, walls), jut)
    image *= (0.8 + 0.4 * scene.noise(5, 4))[..., None]
    return shade(scene, image, height * inside(pyramid) * 0.4, 0.8, 0.6, 0, soften=1), inside(shape, 0.03)


_ONION: Final = ((0, 0), (0.14, 0.05), (0.28, 0.2), (0.45, 0.65), (0.62, 0.95), (0.76, 1.03), (0.9, 0.96), (1, 0.76))
_BULB: Final = ((0, 0), (0.1, 0.12), (0.25, 0.48), (0.45, 0.82), (0.65, 0.99), (0.8, 1.02), (0.92, 0.97), (1, 0.88))
_ROUND: Final = ((0, 0.02), (0.03, 0.22), (0.1, 0.44), (0.25, 0.7), (0.45, 0.88), (0.7, 0.98), (1, 1))
_WALLS: Final = (
    (0.1, 0.22, 0.97),
    (0.02, 0.7, 0.72),
    (0.52, 0.45, 0.8),
    (0.09, 0.5, 0.9),
    (0.6, 0.4, 0.75),
    (0.97, 0.35, 0.9),
    (0.13, 0.55, 0.98),
)


@motif("dome", large=True, upright=True)
def dome(scene: Scene) -> Painted:
    """One to five onion or round domes on drums with arched windows, jewel-colored, some between minarets."""
    wall = hsv(*scene.pick(*_WALLS)) * scene.uniform(0.9, 1.03)
    image, shape = plain(), NOWHERE.copy()
    roof = scene.uniform(0.38, 0.56)
    count = scene.pick(1, 1, 2, 3, 3, 4, 5, 5)
    form = scene.pick(_ONION, _ONION, _BULB, _ROUND)
    alike = scene.chance(0.35)
    colors, pattern = scene.palette(3, (0.6, 1), (0.35, 1)), scene.integer(0, 6)
    places = _dome_places(scene, count, form is _ROUND)
    for x, drop, width, drum in places:
        if not alike:
            colors, pattern = scene.palette(3, (0.6, 1), (0.35, 1)), scene.integer(0, 6)
        shapely = _BULB if form is _ROUND and width < 0.15 else form
        tallness = width * (scene.uniform(1.0, 1.2) if shapely is _ROUND else scene.uniform(1.75, 2.2))
        bottom = min(roof + drop, 0.85)
        _tower(scene, image, shape, (x, bottom, width), (drum, tallness), shapely, wall, colors, pattern)
    half = max(0.7, *(abs(x) + 0.86 * width for x, _, width, _ in places)) + scene.uniform(0.02, 0.08)
    body = np.maximum(np.abs(X) - half, np.maximum(roof - Y, Y - 0.93))
    contact_shadow(image, body, 0.06)
    image = over(image, _dome_body(scene, roof, wall, colors), inside(body, 0.03))
    image *= (0.9 + 0.2 * scene.noise(5, 3))[..., None]
    return image, inside(np.minimum(shape, body), 0.03)


def _dome_places(scene: Scene, count: int, wide: bool) -> list[tuple[float, float, float, float]]:
    """(x, how far below the roof it starts, half width, height of the drum), from back to front."""
    if count == 1:
        places = []
        if scene.chance(0.65):  # between minarets
            apart, slim, tall = scene.uniform(0.68, 0.78), scene.uniform(0.06, 0.085), scene.uniform(0.55, 0.8)
            places = [(-apart, 0.1, slim, tall), (apart, 0.1, slim, tall)]
        width = scene.uniform(0.5, 0.62) if wide else scene.uniform(0.42, 0.54)
        return [*places, (0.0, 0.05, width, scene.uniform(0.2, 0.36))]
    middle = (scene.uniform(-0.05, 0.05), 0.05, scene.uniform(0.29, 0.36), scene.uniform(0.6, 0.72))
    if count == 2:
        apart = scene.uniform(0.36, 0.42)
        width, drum = scene.uniform(0.34, 0.4), scene.uniform(0.3, 0.5)
        return [(side * apart, 0.05, width, drum + scene.uniform(-0.08, 0.12)) for side in (-1, 1)]
    apart, width, drum = scene.uniform(0.54, 0.62), scene.uniform(0.25, 0.3), scene.uniform(0.3, 0.46)
    sides = [(side * apart, 0.05, width, drum + scene.uniform(-0.06, 0.06)) for side in (-1, 1)]
    if count == 3:
        return [middle, *sides]
    front = [(0.0, 0.1, scene.uniform(0.23, 0.28), 0.16)]
    if count == 5:
        front = [(side * scene.uniform(0.28, 0.33), 0.12, scene.uniform(0.2, 0.24), 0.18) for side in (-1, 1)]
        middle = (middle[0], middle[1], middle[2], 0.74)
    return [middle, *sides, *front]


def _tower(
    scene: Scene,
    image: Image,
    shape: Field,
    place: tuple[float, float, float],
    heights: tuple[float, float],
    form: tuple[tuple[float, float], ...],
    wall: Color,
    colors: list[Color],
    pattern: int,
) -> None:
    """A drum, its dome and the finial, painted on `image` and `shape` in place, within its columns only."""
    center, bottom, width = place
    eaves = bottom - heights[0]
    tip = max(eaves - heights[1], -0.77)
    span = slice(max(int((center - width * 1.4 + 1) * 80), 0), int((center + width * 1.4 + 1) * 80) + 1)
    x, y = X[:, span] - center, Y[:, span]
    picture, outline = image[:, span], shape[:, span]

    drum = solid_of_revolution(
        x, y, [(eaves, width * 0.92), (eaves + 0.05, width * 0.8), (bottom + 0.05, width * 0.84)], 3
    )
    stone = np.zeros_like(picture) + wall
    bays = drum.around * scene.pick(4, 5) / PI * (1 if width < 0.3 else 1.6)
    bay = (bays + 0.5) % 1 - 0.5
    rise = y - eaves - max(0.12, heights[0] * 0.42)
    arch = np.where(rise < 0, np.hypot(bay / 0.26, rise / 0.075) - 1, np.abs(bay) / 0.26 - 1)
    arch = np.maximum(arch, (rise - heights[0] * 0.4) / 0.08)
    stone = over(stone, colors[1], inside(arch - 0.4, 0.5) * 0.8)
    glow = scene.pick(hsv(0.11, 0.7, 1), hsv(0.6, 0.6, 0.45), hsv(0.08, 0.75, 0.5))
    stone = over(stone, glow, inside(arch, 0.5))
    stone = over(stone, mix_colors(colors[2], _GOLD, 0.5), bell(y - eaves - 0.04, 0.022))
    stone *= drum.light(scene)[..., None]
    stone *= (1 - 0.35 * bell(y - eaves - 0.085, 0.03))[..., None]
    contact_shadow(picture, drum.distance, 0.05)
    picture[:] = over(picture, stone, inside(drum.distance, 0.03))

    solid = solid_of_revolution(x, y, [(tip + (eaves - tip) * t, width * w) for t, w in form], 4)
    skin = _dome_skin(scene, solid, colors, pattern)
    contact_shadow(picture, solid.distance, 0.06)
    picture[:] = over(picture, skin, inside(solid.distance, 0.03))

    knob = max(width * 0.12, 0.024)
    finial = np.minimum(np.hypot(x, y - tip - 0.01) - knob, np.hypot(x, y - tip + knob * 1.9) - knob * 0.7)
    finial = np.minimum(finial, np.maximum(np.abs(x) - 0.013, np.maximum(y - tip, tip - knob * 4.2 - y)))
    if scene.chance(0.4):
        crescent = np.hypot(x, y - tip + knob * 4.4) - knob * 1.2
        finial = np.minimum(finial, np.maximum(crescent, knob - np.hypot(x, y - tip + knob * 5)))
    gold = _GOLD * (0.85 + 0.5 * smoothstep(0.02, -0.03, x * np.sign(scene.light[0]) + 0.02))[..., None]
    picture[:] = over(picture, gold, inside(finial, 0.025))
    outline[:] = np.minimum(np.minimum(outline, drum.distance), np.minimum(solid.distance, finial))


def _dome_skin(scene: Scene, solid: SolidOfRevolution, colors: list[Color], pattern: int) -> Image:
    """The color of a dome: striped, twisted, faceted, zigzagged, tiled, ribbed or netted."""
    lines, rows = scene.pick(6, 8, 10), scene.uniform(3, 6)
    u, v = solid.around * lines / PI, solid.along * rows
    relief = np.zeros_like(u)
    if pattern < 2:
        twist = scene.side() * scene.uniform(0.6, 1.3) if pattern else 0.0
        wave = np.sin((u + v * twist) * 2 * PI)
        tint, relief = smoothstep(-0.35, 0.35, wave), np.abs(wave) - 0.6
    elif pattern == 2:
        first, second = u * 0.8 + v * 0.8, u * 0.8 - v * 0.8
        tint = np.mod(np.floor(first) + np.floor(second), 2) * 0.75 + 0.15
        relief = 0.55 - np.maximum(np.abs(first % 1 - 0.5), np.abs(second % 1 - 0.5)) * 1.8 - (first % 1 - 0.5) * 0.5
    elif pattern == 3:
        wave = np.sin((v + np.abs((u % 1) - 0.5) * 1.2) * 2 * PI)
        tint = smoothstep(-0.3, 0.3, wave)
    elif pattern == 4:
        cells = scale_cells(u * 1.2, v * 2.2)
        tint = 0.25 + 0.5 * hash_cell(cells.column, cells.row) + 0.25 * cells.rim
        relief = cells.y * 0.8 - cells.rim**2 * 0.5
    elif pattern == 5:
        tint, relief = solid.along, np.abs(np.cos(u * PI)) * 1.2 - 0.8
    else:
        net = np.maximum(bell((u + v) % 1 - 0.5, 0.13), bell((u - v) % 1 - 0.5, 0.13))
        tint = np.maximum(net, 0.35 * solid.along)
    light = solid.light(scene, 0.45) * (1 + 0.28 * relief * solid.facing)
    skin = ramp(tint, colors) * light[..., None]
    skin = skin * (1 - 0.3 * smoothstep(0.85, 1, solid.along))[..., None]
    return skin + (0.45 * solid.glint(scene, 14))[..., None] * mix_colors(colors[2], WHITE, 0.5)


def _dome_body(scene: Scene, roof: float, wall: Color, colors: list[Color]) -> Image:
    """The building under the domes: a portal between arched windows, a painted cornice."""
    image = wall * (1.0 + 0.25 * X * scene.light[0])[..., None] * np.ones(3, f32)
    bays = scene.pick(3, 5, 5, 7)
    spacing = 1.66 / bays
    nearest = np.clip(np.round(X / spacing), -(bays // 2), bays // 2)
    x = (X - nearest * spacing) / (spacing * np.where(nearest == 0, 0.4, 0.3))
    spring = roof + 0.2 - 0.04 * (nearest == 0)
    rise = (Y - spring) / 0.1
    pointed = np.where(rise < 0, np.abs(x) ** 1.3 + np.abs(rise), np.abs(x)) - 1
    opening = np.maximum(pointed, np.where(nearest == 0, -9, (Y - 0.84) / 0.1))
    image = over(image, colors[1], inside(opening - 0.35, 0.4) * 0.85)
    glow = scene.pick(hsv(0.1, 0.75, 1), hsv(0.08, 0.7, 0.45), hsv(0.62, 0.6, 0.4))
    image = over(image, glow * (0.7 + 0.4 * smoothstep(roof, 0.95, Y))[..., None], inside(opening, 0.4))
    stripe = bell(Y - roof - 0.05, 0.022)
    image = over(image, mix_colors(colors[0], _GOLD, 0.5 + 0.5 * np.cos(X * 50)), stripe * 0.9)
    image *= (1.1 - 0.25 * smoothstep(roof, 0.93, Y) - 0.2 * bell(Y - roof - 0.1, 0.025))[..., None]
    return image
