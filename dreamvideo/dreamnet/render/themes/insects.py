"""Insects, their wings and their comb."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

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
    ellipse,
    hashed,
    inside,
    mix,
    over,
    plain,
    polar,
    smoothstep,
)
from dreamvideo.dreamnet.render.cells import bent_coordinates, patch, scale_cells
from dreamvideo.dreamnet.render.motif import motif
from dreamvideo.dreamnet.render.palettes import WHITE, hsv, ramp, rgb
from dreamvideo.dreamnet.render.scene import Scene
from dreamvideo.dreamnet.render.shading import lit, shade
from dreamvideo.dreamnet.render.strokes import Ink


def _spread_wing(
    scene: Scene, x: Field, y: float, lean: float, breadth: float, length: float, colours: list[Colour], dark: Colour
) -> tuple[Image, Field]:
    """(colour, distance) of a wing that grows from (0.03, y) at angle `lean`; `x` is mirrored, so there are two."""
    radius, angle = polar(x - 0.03, Y - y)
    turned = angle - lean
    fan = np.clip(np.cos(turned * 1.45 / breadth * 0.8), 0, 1) ** 0.45
    rim = length * fan * (1 - 0.05 * np.cos(turned * scene.integer(9, 15)))
    rim = rim * (1 + 0.15 * turned * (1 if lean < 0 else -1))
    outward = radius / (rim + 1e-3)
    vein = np.abs(np.sin(turned * scene.uniform(4.5, 6.5) / breadth + 0.0)) * radius
    wing = ramp(smoothstep(0.1, 0.95, outward + 0.1 * np.sin(turned * 9)), colours)
    wing *= (0.8 + 0.3 * np.sin(turned * 90))[..., None]
    if scene.chance(0.5):
        band = scene.pick(*colours)
        wing = over(wing, band, smoothstep(0.2, 0.6, np.sin(outward * scene.uniform(7, 14) + 1)))
    wing = over(wing, dark, inside(vein - 0.018) * 0.95)
    margin = scene.uniform(0.72, 0.86)
    wing = over(wing, dark, smoothstep(margin, margin + 0.05, outward + 0.03 * np.sin(turned * 20)))
    if scene.chance(0.75):
        dots = scene.integer(6, 9)
        beside = ((turned / breadth * dots / 2) % 1 - 0.5) / dots * 2 * breadth * radius
        dot = inside(np.hypot(beside, radius - rim * (margin + 0.09)) - 0.025)
        wing = over(wing, scene.pick(WHITE, colours[0]), dot)
    if scene.chance(0.6):
        spot_x, spot_y = 0.03 + length * 0.58 * np.cos(lean), y + length * 0.58 * np.sin(lean)
        spot = np.hypot(x - spot_x, Y - spot_y) / scene.uniform(0.12, 0.2)
        rings = [WHITE, rgb(0.05, 0.05, 0.1), colours[2] * 0.5, hsv(scene.uniform(), 0.9, 0.9), dark, dark]
        wing = over(wing, ramp(spot.clip(0, 1), rings), inside(spot - 1, 0.1))
    return wing, radius - rim


@motif("butterfly", large=True)
def butterfly(scene: Scene) -> Painted:
    """A butterfly with open wings."""
    colours = scene.palette(3, (0.5, 1), (0.4, 1))
    dark = rgb(0.06, 0.05, 0.06) if scene.chance(0.7) else scene.colour(value=(0.1, 0.4))
    image, shape = plain(), NOWHERE
    mirrored = np.abs(X) / scene.uniform(0.8, 1.0)
    hind = (0.05, scene.uniform(0.75, 1.05), 0.62, scene.uniform(0.72, 0.9))
    fore = (-0.05, scene.uniform(-0.75, -0.5), 0.75, scene.uniform(0.9, 1.12))
    for y, lean, breadth, length in (hind, fore):
        wing, distance = _spread_wing(scene, mirrored, y, lean, breadth, length, colours, dark)
        image = over(image, wing, inside(distance, 0.03))
        dim(image, 0.3 * bell(np.clip(distance, 0, 1), 0.03) * (distance > 0))
        shape = np.minimum(shape, distance)
    body = np.minimum(ellipse(X, Y - 0.12, 0.05, 0.42), ellipse(X, Y + 0.32, 0.055, 0.07))
    fuzz = mix(dark, scene.coat(), 0.5) * (0.7 + 0.5 * np.sin(Y * 50))[..., None]
    fuzz = fuzz * (1.3 - 16 * np.abs(X)).clip(0.3, 2)[..., None]
    image = over(image, fuzz, inside(body, 0.03))
    shape = np.minimum(shape, body)
    ink = Ink.on(image, inside(shape, 0.03))
    for side in (-1, 1):
        ink.line([side * 0.02, side * 0.1, side * 0.25], [-0.35, -0.55, -0.75], dark)
        ink.dot(side * 0.25, -0.75, 24, dark)
    return ink.painted()


@motif("beetle", large=True)
def beetle(scene: Scene) -> Painted:
    """A beetle from above: spotted, striped or marbled wing cases."""
    colours = scene.palette(3, (0.6, 1), (0.2, 0.9))
    width, length = scene.uniform(0.4, 0.55), scene.uniform(0.5, 0.62)
    cases = ellipse(X, Y - 0.2, width, length)
    thorax = ellipse(X, Y + 0.35, width * 0.8, 0.22)
    head = ellipse(X, Y + 0.6, width * 0.45, 0.16)
    ink, leg_colour = Ink(), colours[0] * 0.25
    for side in (-1, 1):
        for y, lift in ((-0.3, -0.35), (0.05, 0.05), (0.35, 0.4)):
            leg_x = [side * width * 0.6, side * (width + 0.22), side * (width + 0.36)]
            ink.line(leg_x, [y, y + lift * 0.5, y + lift + 0.15], leg_colour, 5)
        feeler_y = [-0.7, -0.85, -0.8 + scene.uniform(-0.1, 0.1)]
        ink.line([side * 0.1, side * 0.25, side * 0.45], feeler_y, leg_colour, 2)
    legs, legs_cover = ink.painted()

    shape = np.minimum(np.minimum(cases, thorax), head)
    shell = plain(colours[0])
    pattern = scene.integer(0, 2)
    if pattern == 0:
        for _ in range(scene.integer(3, 6)):
            x, y, radius = scene.uniform(0.05, width), scene.uniform(-0.2, 0.6), scene.uniform(0.06, 0.13)
            shell = over(shell, rgb(0.05, 0.04, 0.04), inside(np.hypot(np.abs(X) - x, Y - y) - radius, 0.03))
    elif pattern == 1:
        shell = ramp(0.5 + 0.5 * np.sin(np.abs(X) * scene.uniform(20, 40)), colours[:2])
    else:
        shell = ramp(scene.noise(3, 3) * 1.5 - 0.25, colours)
    height = np.clip(-cases, 0, 1) ** 0.5 * 0.7
    height -= 0.12 * bell(X, 0.015) * (cases < 0)
    for part in (thorax, head):
        height = np.maximum(height, np.clip(-part, 0, 1) ** 0.5 * 0.6)
    shell = over(shell, colours[1] * 0.6, inside(np.minimum(thorax, head)) * (cases > -0.02))
    shell = shade(scene, shell, height, 0.9, 0.35, 0.9, 18, soften=1.2)
    shell *= (1 - 0.7 * bell(np.abs(cases), 0.025))[..., None] * (1 - 0.6 * bell(X, 0.012) * (cases < 0))[..., None]
    cover = inside(shape, 0.03)
    return over(legs, shell, cover), np.maximum(legs_cover, cover)


@motif("caterpillar", large=True)
def caterpillar(scene: Scene) -> Painted:
    """A caterpillar: round segments in a wave, often dotted, sometimes hairy."""
    colours = scene.palette(3)
    image, shape = plain(), NOWHERE
    segments = scene.integer(7, 11)
    amplitude, phase = scene.uniform(0, 0.3), scene.uniform(0, 6)
    width = scene.uniform(0.2, 0.3)
    dotted, dot_colour = scene.chance(0.7), hsv(scene.uniform(), 0.9, 0.95)
    for segment in range(segments):
        is_head = segment == segments - 1
        x = 0.8 - 1.5 * segment / (segments - 1)
        y = amplitude * np.sin(x * 4 + phase)
        radius = width * (1.2 if is_head else 1)
        distance = np.hypot((X - x) * 1.15, Y - y) - radius
        u, v = (X - x) / radius, (Y - y) / radius
        colour = colours[2] if is_head else colours[segment % 2]
        bulge = np.sqrt(np.clip(1 - u * u - v * v, 0, 1))
        ball = plain(colour) * (0.35 + 0.8 * lit(scene, u, v, bulge))[..., None]
        ball *= (0.85 + 0.15 * np.sin(u * 14))[..., None]
        if dotted and not is_head:
            dot = np.hypot(u, v + 0.1) / 0.35
            rings = [rgb(0, 0, 0), dot_colour, dot_colour, rgb(0.05, 0.05, 0.05)]
            ball = over(ball, ramp(dot, rings), inside(dot - 1, 0.15))
        contact_shadow(image, distance, 0.05)
        image = over(image, ball, inside(distance, 0.03))
        shape = np.minimum(shape, distance)
    if not scene.chance(0.5):
        return image, inside(shape, 0.03)
    ink = Ink.on(image, inside(shape, 0.03))
    for _ in range(140):
        x, side = scene.uniform(-0.75, 0.85), scene.side()
        y = amplitude * np.sin(x * 4 + phase) + side * width * 0.8
        length = scene.uniform(0.1, 0.28)
        angle = side * PI / 2 + scene.normal(0, 0.4)
        ink.line([x, x + length * np.cos(angle)], [y, y + length * np.sin(angle)], colours[2] * 0.6)
    return ink.painted()


@motif("wing", texture=True)
def wing_close_up(scene: Scene) -> Painted:
    """The scales, veins and marks of a butterfly's wing, close up."""
    colours = scene.palette(3, (0.6, 1), (0.5, 1))
    dark = scene.pick(rgb(0.1, 0.05, 0.04), rgb(0.05, 0.05, 0.12), colours[0] * 0.25)
    root_x, root_y = scene.uniform(-1.8, -1.1), scene.uniform(-0.4, 0.4)
    radius, angle = polar(X - root_x, Y - root_y)
    radius = radius / 2.0
    veins = scene.uniform(7, 11)
    field = angle * veins / 2 + 0.15 * np.sin(radius * 5)
    beside = (field % 1) - 0.5
    to_vein = np.abs(beside) * radius * 4 / veins
    segment = np.floor(field)
    rim = scene.uniform(0.85, 1.0) + 0.05 * np.cos(beside * 6.28)
    outward = radius / rim
    bands = 0.06 * np.sin(radius * 22 + hashed(segment, segment * 3) * 5)
    tint = outward * 1.1 + 0.12 * hashed(segment, segment) + bands
    image = ramp(tint, [colours[0], colours[1], colours[2], colours[1]])
    cells = scale_cells(radius * scene.uniform(24, 32), angle * scene.uniform(20, 26) * 1.0, 0.6, 1.1)
    image = image * (0.86 + 0.22 * cells.rim * hashed(cells.column, cells.row))[..., None]
    if scene.chance(0.6):
        arcs = np.sin(radius * scene.uniform(16, 26) + beside * beside * scene.uniform(5, 14))
        mark = scene.pick(colours[2], colours[1], dark)
        image = over(image, mark, smoothstep(0.25, 0.6, arcs) * 0.8)
    image = over(image, dark, bell(to_vein, scene.uniform(0.018, 0.032)) * 0.95)
    image = over(image, dark, smoothstep(0.78, 0.86, outward + 0.04 * np.cos(beside * 6.28)))
    spot = np.hypot(beside * radius * 4 / veins * 1.2, (outward - 0.9) * 1.4)
    image = over(image, scene.pick(WHITE, colours[2], hsv(0.14, 0.9, 1)), inside(spot - 0.045, 0.03))
    image = shade(scene, image, -bell(to_vein, 0.05) * 0.03, 1.0, 0.6, 0.15)
    return image, inside(outward - 1.03) if scene.chance(0.5) else EVERYWHERE


@motif("honeycomb", texture=True)
def honeycomb(scene: Scene) -> Painted:
    """Hexagonal cells of wax, filled and empty."""
    u, v = bent_coordinates(scene, scene.uniform(3, 6), scene.uniform(0, 0.4))
    v = v * 1.1547  # rows of hexagons are 2 / sqrt(3) closer
    nearest = np.full_like(u, 9.0)
    second, cell_column, cell_row = nearest.copy(), np.zeros_like(u), np.zeros_like(u)
    for step in (-1, 0, 1, 2):
        row = np.floor(v) + step
        offset = 0.5 * np.mod(row, 2)
        for right in (0, 1):
            column = np.floor(u - offset) + right
            distance = np.hypot(u - offset - column, (v - row) / 1.1547)
            closer = distance < nearest
            second = np.where(closer, nearest, np.minimum(second, distance))
            cell_column, cell_row = np.where(closer, column, cell_column), np.where(closer, row, cell_row)
            nearest = np.where(closer, distance, nearest)
    to_edge = second - nearest
    wax = scene.pick(hsv(0.11, 0.95, 0.95), hsv(0.09, 0.95, 0.75), scene.colour())
    which = hashed(cell_column, cell_row)
    image = wax * (0.25 + 0.6 * which + 0.3 * nearest)[..., None]
    image = over(image, mix(wax, rgb(1, 0.95, 0.7), 0.6), smoothstep(0.2, 0.08, to_edge))
    height = smoothstep(0.25, 0.05, to_edge) * 0.12 - 0.05 * (which > 0.5) * (1 - nearest)
    if scene.chance(0.3):
        image = image * (0.6 + 0.5 * smoothstep(0.0, 0.4, to_edge) * (0.5 + which))[..., None]
    return shade(scene, image, height, 1.2, 0.4, 0.5, soften=1), patch(scene)
