"""Crafts: lantern, vase."""

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
    f32,
    hash_cell,
    inside,
    mix_colors,
    over,
    plain,
    polar,
    smoothstep,
)
from dreamvideo.training.render.cells import scale_cells
from dreamvideo.training.render.motif import motif
from dreamvideo.training.render.palettes import WHITE, hsv, ramp, rgb
from dreamvideo.training.render.scene import Scene
from dreamvideo.training.render.solids import SolidOfRevolution, solid_of_revolution

_METALS: Final = ((0.12, 0.75, 0.9), (0.08, 0.7, 0.7), (0.0, 0.8, 0.55), (0.5, 0.5, 0.55), (0.05, 0.6, 0.5))


@motif("lantern", large=True)
def lantern(scene: Scene) -> Painted:
    """A hanging lantern that glows from inside, with caps, a ring and a tassel: paper, six-sided, or pierced metal."""
    colors = scene.palette(3, (0.6, 1), (0.5, 1))
    colors[2] = mix_colors(colors[2], hsv(0.13, 0.4, 1), 0.6)
    metal = hsv(*scene.pick(*_METALS)) * scene.uniform(0.9, 1.08)
    kind = scene.pick("round", "round", "six", "pierced")
    half, width = scene.uniform(0.4, 0.52), scene.uniform(0.45, 0.72)
    if kind == "pierced":
        half, width = scene.uniform(0.48, 0.54), scene.uniform(0.46, 0.6)
    top = -0.66
    bottom = top + 2 * half
    solid = solid_of_revolution(X, Y, _lantern_silhouette(scene, kind, top, bottom, width), 2 if kind == "six" else 5)

    image, shape = plain(colors[1]), NOWHERE.copy()
    tassel_end = min(bottom + scene.uniform(0.4, 0.6), 0.97)
    paint, tassel = _tassel(scene, bottom, tassel_end, scene.pick(colors[0], metal, colors[1]), metal)
    image, shape = over(image, paint, inside(tassel, 0.03)), np.minimum(shape, tassel)
    ring = np.abs(np.hypot(X, Y - top + 0.2) - 0.075) - 0.022
    image, shape = over(image, metal * 1.05, inside(ring, 0.03)), np.minimum(shape, ring)

    if kind == "pierced":
        skin = _pierced_metal(scene, solid, colors, metal)
    else:
        skin = _lantern_paper(scene, solid, colors, metal, six=kind == "six")
    image, shape = over(image, skin, inside(solid.distance, 0.04)), np.minimum(shape, solid.distance)
    neck = float(np.clip(width * scene.uniform(0.32, 0.5), 0.16, 0.3))
    if kind == "pierced":
        neck = scene.uniform(0.12, 0.16)
    for y, flare in ((top, -1), (bottom, 1)):
        rim = [(y - 0.07, neck * (0.75 if flare < 0 else 1.05)), (y + 0.06, neck * (1.05 if flare < 0 else 0.75))]
        cap = solid_of_revolution(X, Y, rim, 2)
        bands = 1 + 0.15 * np.cos(cap.along * 4 * PI)
        gilt = metal * (cap.light(scene) * bands)[..., None] + (0.4 * cap.glint(scene))[..., None]
        contact_shadow(image, cap.distance, 0.03)
        image, shape = over(image, gilt, inside(cap.distance, 0.03)), np.minimum(shape, cap.distance)
    cover = inside(shape, 0.04)
    halo = np.hypot(X / width, (Y - (top + bottom) / 2) / (half * 1.1)) - 0.85
    image = over(mix_colors(colors[1], colors[2], 0.6) + plain(), image, cover)
    return image, np.maximum(cover, scene.uniform(0.15, 0.4) * bell(np.clip(halo, 0, 9), 0.4)).astype(f32)


def _lantern_silhouette(scene: Scene, kind: str, top: float, bottom: float, width: float) -> list[tuple[float, float]]:
    height = bottom - top
    if kind == "six":
        shoulder, foot = scene.uniform(0.72, 1.0), scene.uniform(0.6, 0.95)
        outline = [(0.0, 0.5), (0.1, shoulder), (0.2, 1.0), (0.85, foot), (1.0, 0.45)]
    elif kind == "pierced":
        outline = scene.pick(
            [(0.0, 0.1), (0.12, 0.2), (0.25, 0.5), (0.35, 0.85), (0.55, 1.0), (0.8, 0.75), (1.0, 0.35)],
            [(0.0, 0.15), (0.2, 0.42), (0.3, 0.95), (0.38, 1.0), (0.75, 0.8), (0.9, 0.72), (1.0, 0.3)],
            [(0.0, 0.1), (0.15, 0.6), (0.3, 0.9), (0.5, 1.02), (0.7, 0.9), (0.85, 0.6), (1.0, 0.2)],
        )
    else:
        fullness = scene.uniform(0.4, 0.75)
        steps = [step / 12 for step in range(13)]
        outline = [(step, float(max(0.3, np.sin(PI * step) ** fullness))) for step in steps]
    return [(top + height * t, width * w) for t, w in outline]


def _glow(scene: Scene, solid: SolidOfRevolution) -> Field:
    """How brightly the flame inside shows, 0 at the rim to 1 before it."""
    flame = (solid.along - scene.uniform(0.5, 0.62)) / scene.uniform(0.5, 0.65)
    return np.clip(1.08 - 0.75 * solid.across**2 - 0.7 * flame**2, 0, 1)


def _lantern_paper(scene: Scene, solid: SolidOfRevolution, colors: list[Color], metal: Color, *, six: bool) -> Image:
    """Ribbed paper or framed panes with the light behind, often with an ornament painted on."""
    glow = _glow(scene, solid)
    if six:
        turn = scene.pick(0.0, 0.0, 0.3, -0.3)
        sides = (solid.around + turn) / (PI / 3)
        pane = np.round(sides)
        u = (sides - pane) * 2
        v = (solid.along - 0.5) * 2
        light = glow * (1 - 0.12 * np.abs(pane))
        skin = ramp(light * (1 - 0.25 * u * u), colors)
        skin = _painted_panes(scene, skin, u, v, colors)
        frame = np.maximum(smoothstep(0.78, 0.9, np.abs(u)), smoothstep(0.72, 0.8, np.abs(v)))
        frame = np.maximum(frame, bell(np.abs(v) - 0.6, 0.04) * scene.pick(0.0, 0.8))
        return over(skin, metal * (0.6 + 0.5 * solid.light(scene))[..., None], frame)
    skin = ramp(glow, colors)
    if scene.chance(0.6):
        sunk = solid.facing * solid.width * scene.uniform(0.0, 0.25) * (solid.along - 0.5)
        rib = np.cos((solid.along + sunk) * 2 * PI * scene.integer(8, 14))
    else:
        rib = np.cos(solid.around * scene.integer(10, 18))
    skin = _painted_paper(scene, skin, solid, colors, metal)
    skin *= (1 + 0.14 * rib - 0.25 * smoothstep(-0.75, -1, rib))[..., None]
    return skin * (0.62 + 0.42 * solid.facing)[..., None]


def _painted_panes(scene: Scene, skin: Image, u: Field, v: Field, colors: list[Color]) -> Image:
    kind = scene.integer(0, 2)
    paint = scene.pick(colors[0], hsv(scene.uniform(), 0.8, 0.7), colors[0] * 0.8)
    if kind == 0:  # a flower in every pane
        radius, angle = polar(u, v * 1.4)
        flower = inside(radius - 0.45 - 0.14 * np.cos(angle * scene.pick(5, 6, 8)), 0.15)
        return over(skin, paint * (0.75 + 0.7 * smoothstep(0.5, 0.0, radius))[..., None], flower * 0.85)
    if kind == 1:  # lattice
        fine = scene.uniform(2.5, 4)
        net = np.maximum(bell((u + v * 2) * fine / 2 % 1 - 0.5, 0.14), bell((u - v * 2) * fine / 2 % 1 - 0.5, 0.14))
        return over(skin, paint, net * 0.7)
    stem = bell(u - 0.3 * np.sin(v * 3), 0.12)  # a branch in leaf
    leaf = bell(np.abs(u - 0.3 * np.sin(v * 3)) - 0.3, 0.16) * smoothstep(0.0, 0.5, np.sin(v * 13))
    return over(skin, paint, np.maximum(stem, leaf) * 0.75)


def _painted_paper(scene: Scene, skin: Image, solid: SolidOfRevolution, colors: list[Color], metal: Color) -> Image:
    kind = scene.integer(0, 3)
    u, v = solid.around, (solid.along - 0.5) * 2
    paint = scene.pick(colors[0] * 0.85, mix_colors(metal, hsv(0.12, 0.8, 0.95), 0.5), hsv(scene.uniform(), 0.8, 0.6))
    if kind == 0:  # blossoms
        x, y = u * 1.9 + 0.5 * scene.uniform(), v * 1.6
        column, row = np.round(x), np.round(y)
        shift_x, shift_y = hash_cell(column, row) - 0.5, hash_cell(column, row, 3.0) - 0.5
        radius, angle = polar(x - column - 0.35 * shift_x, y - row - 0.35 * shift_y)
        blossom = inside(radius - 0.26 - 0.07 * np.cos(angle * 5 + shift_x * 9), 0.12)
        tint = ramp(radius / 0.35, [hsv(0.13, 0.7, 1), paint * 1.2, paint])
        return over(skin, tint, blossom * 0.85)
    if kind == 1:  # a medallion
        radius, angle = polar(u * 1.05, v * 0.9)
        petals = smoothstep(-0.2, 0.3, np.cos(angle * scene.integer(5, 10)) - radius * 2 + 0.6)
        sign = np.maximum(bell(radius - 0.52, 0.06), petals * inside(radius - 0.42, 0.1))
        return over(skin, paint, sign * 0.85)
    if kind == 2:  # bands at its ends
        tooth = 0.08 * np.abs((u * 4 / PI * 2 % 1) - 0.5) * 4
        return over(skin, paint, smoothstep(0.62, 0.7, np.abs(v) + tooth) * 0.85)
    return skin


def _pierced_metal(scene: Scene, solid: SolidOfRevolution, colors: list[Color], metal: Color) -> Image:
    """Metal through whose holes the light comes, colored as by glass."""
    glow = _glow(scene, solid)
    columns, rows = scene.pick(6, 7, 8, 10), scene.uniform(4, 6.5)
    v = solid.along * rows
    row = np.floor(v)
    u = solid.around / PI * columns + 0.5 * np.mod(row, 2)
    column = np.round(u)
    x, y = (u - column) * 2, (v - row - 0.5) * 2
    radius, angle = polar(x, y)
    hole = scene.pick(
        radius - 0.5 - 0.16 * np.cos(angle * scene.pick(6, 8)),  # stars
        np.abs(x) + np.abs(y) - 0.78,  # lozenges
        np.maximum(radius, np.hypot(x, y + 0.5) * 0.75) - 0.6,  # drops
        radius - 0.62,
    )
    cut = inside(hole, 0.25) * smoothstep(0.16, 0.24, solid.along) * smoothstep(0.97, 0.9, solid.along)
    rim = bell(hole, 0.16)
    sheet = metal * (solid.light(scene, 0.35) * (0.92 + 0.25 * rim))[..., None]
    sheet += (0.45 * solid.glint(scene, 14))[..., None] * mix_colors(metal, WHITE, 0.6)
    sheet = mix_colors(sheet, sheet + colors[1] * 0.25, bell(np.clip(hole, 0, 9), 0.35))
    band = bell(solid.along - 0.2, 0.02) + bell(solid.along - 0.94, 0.02)
    sheet = over(sheet, hsv(0.12, 0.7, 0.95), np.clip(band, 0, 1) * 0.8)
    glass = np.where((np.mod(column + row, 2) > 0)[..., None], colors[2], mix_colors(colors[1], colors[2], 0.25))
    shine = glass * (0.6 + 0.5 * glow)[..., None] + (0.25 * bell(radius, 0.35) * glow)[..., None]
    return over(sheet, shine, cut)


def _tassel(scene: Scene, top: float, end: float, silk: Color, metal: Color) -> tuple[Image, Field]:
    """(color, distance) of a cord, a bead and threads that hang from `top`."""
    sway = scene.uniform(-0.1, 0.1)
    drop = np.clip((Y - top) / (end - top), 0, 1)
    x = X - sway * drop**2
    knot = top + 0.36 * (end - top)
    spread = smoothstep(knot, end, Y)
    width = 0.05 + 0.055 * np.sqrt(spread) + 0.02 * spread
    ragged = end - 0.04 * np.abs(np.sin(x * 60))
    threads = np.maximum(np.abs(x) - width, np.maximum(knot - Y, Y - ragged))
    strands = 0.78 + 0.3 * np.sin(x / width * 12 + 2 * scene.noise(6, 2))
    image = silk * strands[..., None] * (1.15 - 0.35 * (x / width) ** 2)[..., None]
    cord = np.maximum(np.abs(x) - 0.022, np.maximum(top - Y, Y - knot))
    bead = np.hypot(x, Y - knot + 0.01) - 0.07
    ball = metal * (1.15 - 0.6 * smoothstep(-0.06, 0.08, Y - knot - x * np.sign(scene.light[0])))[..., None]
    image = over(over(image, metal, inside(cord, 0.03)), ball, inside(bead, 0.03))
    return image, np.minimum(np.minimum(threads, cord), bead)


_KEY: Final = np.array(  # one turn of a meander
    [
        [1, 1, 1, 1, 1, 1, 1, 1],
        [1, 0, 0, 0, 0, 0, 0, 0],
        [1, 0, 1, 1, 1, 1, 1, 0],
        [1, 0, 1, 0, 0, 0, 1, 0],
        [1, 0, 1, 0, 1, 1, 1, 0],
        [1, 0, 1, 0, 0, 0, 0, 0],
        [1, 0, 1, 1, 1, 1, 1, 1],
    ],
    f32,
)
# (y, half width) from lip to foot
_VASES: Final = {
    "amphora": (
        *((-0.84, 0.27), (-0.78, 0.26), (-0.7, 0.15), (-0.48, 0.14), (-0.34, 0.28), (-0.12, 0.48)),
        *((0.08, 0.51), (0.36, 0.38), (0.62, 0.16), (0.72, 0.11), (0.8, 0.2), (0.85, 0.22)),
    ),
    "jar": (
        *((-0.74, 0.27), (-0.66, 0.23), (-0.58, 0.24), (-0.46, 0.44), (-0.25, 0.58), (0.0, 0.56)),
        *((0.4, 0.38), (0.68, 0.3), (0.78, 0.33), (0.8, 0.33)),
    ),
    "bottle": (
        *((-0.88, 0.17), (-0.8, 0.11), (-0.5, 0.1), (-0.25, 0.16), (-0.08, 0.38), (0.2, 0.54)),
        *((0.46, 0.5), (0.68, 0.3), (0.76, 0.24), (0.83, 0.28)),
    ),
    "flared": (
        *((-0.84, 0.42), (-0.74, 0.3), (-0.5, 0.2), (-0.3, 0.26), (-0.08, 0.42), (0.12, 0.44)),
        *((0.4, 0.28), (0.6, 0.19), (0.74, 0.24), (0.83, 0.32)),
    ),
    "urn": (
        *((-0.66, 0.44), (-0.6, 0.4), (-0.5, 0.32), (-0.36, 0.36), (-0.12, 0.52), (0.14, 0.5)),
        *((0.38, 0.28), (0.5, 0.12), (0.62, 0.12), (0.74, 0.28), (0.8, 0.3)),
    ),
}


@motif("vase", large=True)
def vase(scene: Scene) -> Painted:
    """A painted vase: amphora, jar, bottle or urn, with bands of ornament, a glossy glaze, often two handles."""
    kind = scene.pick("amphora", "amphora", "jar", "bottle", "flared", "urn")
    stoutness = scene.uniform(0.95, 1.3)
    outline = [(y, width * stoutness * scene.uniform(0.94, 1.06)) for y, width in _VASES[kind]]
    colors = scene.palette(3, (0.5, 1), (0.3, 1))
    if not scene.natural:  # else the ornament may not stand out
        colors[0], colors[2] = colors[0] * 0.6, mix_colors(colors[2], rgb(1, 0.95, 0.85), 0.5)
    solid = solid_of_revolution(X, Y, outline, 5)
    tilt = scene.uniform(0.12, 0.22)  # seen a little from above: level bands sag in front
    drop = (Y - tilt * solid.width * (solid.facing - 0.6) - outline[0][0]) / (outline[-1][0] - outline[0][0])
    skin = _glazed(scene, solid, drop, colors)

    image, shape = plain(), NOWHERE.copy()
    if scene.chance(0.95 if kind == "amphora" else 0.65 if kind == "urn" else 0.35):
        paint, handles = _handles(scene, outline, scene.pick(colors[0], colors[1], colors[2]))
        image, shape = over(image, paint, inside(handles, 0.03)), handles
    contact_shadow(image, solid.distance, 0.04)
    image, shape = over(image, skin, inside(solid.distance, 0.03)), np.minimum(shape, solid.distance)

    lip_y, lip = outline[0]
    depth = lip * tilt * 1.3
    level = np.hypot(X / lip, (Y - lip_y) / depth)
    mouth = (level - 1) * level / (np.hypot(X / lip**2, (Y - lip_y) / depth**2) + 1e-3)
    hollow = mix_colors(colors[1], colors[0], 0.5) * (0.35 + 0.35 * smoothstep(-0.1, 0.1, Y - lip_y))[..., None]
    rim = mix_colors(colors[2], colors[1], scene.uniform(0, 0.6)) * 1.05
    image = over(image, rim, inside(mouth, 0.03))
    image = over(image, hollow, inside(mouth + 0.03, 0.03))
    return image, inside(np.minimum(shape, mouth), 0.03)


def _glazed(scene: Scene, solid: SolidOfRevolution, drop: Field, colors: list[Color]) -> Image:
    """The painted surface; `drop` runs from 0 at the lip to 1 at the foot along level bands."""
    mask, accent = _vase_field(scene, solid, drop)
    skin = over(over(plain(colors[2]), colors[0], mask), colors[1], accent)
    lines = np.zeros_like(drop)
    for start, end in ((0.02, 0.2), (0.24, 0.36), (0.66, 0.78), (0.82, 0.98)):
        if scene.chance(0.2):
            continue
        middle, half = (start + end) / 2, (end - start) / 2 * scene.uniform(0.7, 1)
        v = (drop - middle) / half
        band = inside(np.abs(v) - 1, 0.25)
        figure = _ornament(scene, solid.around, v)
        ground, ink = scene.pick((colors[2], colors[0]), (colors[0], colors[2]), (colors[1], colors[2]))
        skin = over(skin, mix_colors(plain(ground), ink, figure), band)
        lines = np.maximum(lines, bell(np.abs(v) - 1, 0.14))
    skin = over(skin, colors[1], lines * 0.9)
    skin *= (0.92 + 0.16 * scene.noise(5, 3))[..., None]
    skin = skin * solid.light(scene, 0.42)[..., None]
    gleam = 0.5 * solid.glint(scene, 30) + 0.25 * bell(solid.across - 0.55 * np.sign(scene.light[0]), 0.1)
    return skin + (gleam * solid.facing)[..., None] * rgb(1, 0.97, 0.92)


def _ornament(scene: Scene, around: Field, v: Field) -> Field:
    """A band's repeated figure, as coverage; v runs from -1 to 1 across the band."""
    count = scene.integer(5, 8)
    u = around / PI * 2 * count / 2
    kind = scene.integer(0, 6)
    if kind == 0:
        column = np.mod(u * 8, 8).astype(int) % 8
        row = np.clip((v * 0.5 + 0.5) * 7, 0, 6).astype(int)
        return _KEY[row, column]
    if kind == 1:
        return inside(v * 0.9 - 0.7 * np.sin(u * 2 * PI + 1.1 * np.sin(u * 2 * PI)), 0.4)
    if kind == 2:
        return inside(np.abs(v - (np.abs(u % 1 - 0.5) * 4 - 1) * 0.6) - 0.35, 0.3)
    if kind == 3:
        return inside(np.hypot((u % 1 - 0.5) * 2, v) - 0.62, 0.3)
    if kind == 4:
        return inside(np.hypot((u * 1.5 % 1 - 0.5) * 2, np.maximum(v - 0.1, 0)) - 0.75, 0.3)
    if kind == 5:
        return inside(np.abs(u % 1 - 0.5) * 2 + np.abs(v) - 0.85, 0.3)
    leaf = np.abs((u + 0.15 * v) % 1 - 0.5) * 2 - 0.75 * np.sqrt(np.clip(1 - v * v, 0, 1))
    return inside(leaf, 0.35)


def _vase_field(scene: Scene, solid: SolidOfRevolution, drop: Field) -> tuple[Field, Field]:
    """(coverage of the first color, of the second) on the belly."""
    u, v = solid.around * scene.uniform(0.9, 1.2), (drop - 0.5) * 3.4
    kind = scene.integer(0, 5)
    if kind == 0:  # blossoms among leaves
        x, y = u * 1.7 + scene.uniform(), v * 1.6
        column, row = np.round(x), np.round(y)
        shift = hash_cell(column, row) - 0.5
        radius, angle = polar(x - column - 0.4 * shift, y - row + 0.3 * shift)
        petals = radius - 0.3 - 0.08 * np.cos(angle * 6 + shift * 5)
        leaves = bell(np.sin(x * 3 + 1.5 * np.sin(y * 3)) * 0.5, 0.16) * smoothstep(0.3, 0.45, radius)
        return np.maximum(inside(petals, 0.1) * smoothstep(0.08, 0.16, radius), leaves * 0.9), inside(
            radius - 0.13, 0.1
        )
    if kind == 1:  # a great rosette in front
        radius, angle = polar(u - scene.uniform(-0.3, 0.3), v)
        count = scene.pick(6, 8, 10, 12)
        petals = smoothstep(-0.25, 0.35, np.cos(angle * count)) * inside(np.abs(radius - 0.45) - 0.25, 0.12)
        ring = np.maximum(bell(radius - 0.8, 0.06), inside(radius - 0.14, 0.1))
        return np.maximum(petals, bell(radius - 1.0, 0.05)), ring
    if kind == 2:  # a scrolling vine
        wave = 0.42 * np.sin(u * 4)
        turn = np.round(u * 4 / PI - 0.5)
        x, y = u - (turn + 0.5) * PI / 4, v + 0.1 * np.cos(turn * PI)
        radius, angle = polar(x, y)
        curl = bell(np.sin(angle * np.cos(turn * PI) - radius * 16), 0.55) * inside(radius - 0.32, 0.08)
        return np.maximum(bell(v - wave, 0.09), curl), inside(radius - 0.1, 0.08)
    if kind == 3:  # scales
        cells = scale_cells(solid.around * 3, drop * scene.uniform(9, 13))
        return smoothstep(0.62, 0.85, cells.rim), inside(cells.rim - 0.32, 0.2) * scene.pick(0.0, 0.9)
    if kind == 4:  # upright petals
        petal = np.abs(solid.around * 4 / PI % 1 - 0.5) * 2
        arch = petal**2 * 0.5 - (drop - 0.3)
        return inside(np.abs(arch + 0.06) - 0.035, 0.03), inside(arch + 0.16, 0.03) * 0.85
    flow = drop + 0.25 * (scene.noise(4, 2) - 0.5) + 0.05 * np.cos(solid.around * 9)  # running glazes
    return smoothstep(0.45, 0.38, flow), bell(flow - 0.5, 0.07)


def _handles(scene: Scene, outline: list[tuple[float, float]], glaze: Color) -> tuple[Image, Field]:
    """(color, distance) of two ears, from the neck to the shoulder."""
    neck_y, neck = outline[2]
    shoulder_y, shoulder = outline[5]
    middle = (neck_y + shoulder_y) / 2 + scene.uniform(-0.04, 0.04)
    height = (shoulder_y - neck_y) / 2 + scene.uniform(0.02, 0.08)
    root = mix_colors(neck, shoulder, scene.uniform(0.35, 0.5))
    reach = scene.uniform(0.2, 0.32)
    thickness = scene.uniform(0.045, 0.065)
    slant = 0.5 * (shoulder - neck) / max(shoulder_y - neck_y, 0.2)
    x, y = np.abs(X) - root - slant * 0.5 * (Y - middle), Y - middle
    loop = (np.hypot(x / reach, y / height) - 1) * min(reach, height)
    tube = np.clip(loop / thickness, -1, 1)
    light = 0.4 + 0.58 * np.sqrt(1 - tube**2) - 0.2 * tube * np.sign(y)
    image = glaze * light[..., None] + (0.22 * bell(tube + 0.25, 0.25))[..., None]
    dim(image, 0.35 * smoothstep(root * 1.1, root * 0.8, np.abs(X)))
    return image, np.abs(loop) - thickness
