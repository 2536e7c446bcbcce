"""Insects, their wings and their comb."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

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
    ellipse,
    hash_cell,
    inside,
    mix_colors,
    over,
    plain,
    polar,
    rotate_axes,
    smoothstep,
)
from dreamvideo.training.render.cells import bent_coordinates, patch, scale_cells
from dreamvideo.training.render.motif import motif
from dreamvideo.training.render.palettes import WHITE, hsv, ramp, rgb
from dreamvideo.training.render.scene import Scene
from dreamvideo.training.render.shading import diffuse_light, highlight, shade
from dreamvideo.training.render.strokes import Ink


def _spread_wing(
    scene: Scene, x: Field, y: float, lean: float, breadth: float, length: float, colors: list[Color], dark: Color
) -> tuple[Image, Field]:
    """(color, distance) of a wing that grows from (0.03, y) at angle `lean`; `x` is mirrored, so there are two."""
    radius, angle = polar(x - 0.03, Y - y)
    turned = angle - lean
    fan = np.clip(np.cos(turned * 1.45 / breadth * 0.8), 0, 1) ** 0.45
    rim = length * fan * (1 - 0.05 * np.cos(turned * scene.integer(9, 15)))
    rim = rim * (1 + 0.15 * turned * (1 if lean < 0 else -1))
    outward = radius / (rim + 1e-3)
    vein = np.abs(np.sin(turned * scene.uniform(4.5, 6.5) / breadth + 0.0)) * radius
    wing = ramp(smoothstep(0.1, 0.95, outward + 0.1 * np.sin(turned * 9)), colors)
    wing *= (0.8 + 0.3 * np.sin(turned * 90))[..., None]
    if scene.chance(0.5):
        band = scene.pick(*colors)
        wing = over(wing, band, smoothstep(0.2, 0.6, np.sin(outward * scene.uniform(7, 14) + 1)))
    wing = over(wing, dark, inside(vein - 0.018) * 0.95)
    margin = scene.uniform(0.72, 0.86)
    wing = over(wing, dark, smoothstep(margin, margin + 0.05, outward + 0.03 * np.sin(turned * 20)))
    if scene.chance(0.75):
        dots = scene.integer(6, 9)
        beside = ((turned / breadth * dots / 2) % 1 - 0.5) / dots * 2 * breadth * radius
        dot = inside(np.hypot(beside, radius - rim * (margin + 0.09)) - 0.025)
        wing = over(wing, scene.pick(WHITE, colors[0]), dot)
    if scene.chance(0.6):
        spot_x, spot_y = 0.03 + length * 0.58 * np.cos(lean), y + length * 0.58 * np.sin(lean)
        spot = np.hypot(x - spot_x, Y - spot_y) / scene.uniform(0.12, 0.2)
        rings = [WHITE, rgb(0.05, 0.05, 0.1), colors[2] * 0.5, hsv(scene.uniform(), 0.9, 0.9), dark, dark]
        wing = over(wing, ramp(spot.clip(0, 1), rings), inside(spot - 1, 0.1))
    return wing, radius - rim


@motif("butterfly", large=True)
def butterfly(scene: Scene) -> Painted:
    """A butterfly with open wings."""
    colors = scene.palette(3, (0.5, 1), (0.4, 1))
    dark = rgb(0.06, 0.05, 0.06) if scene.chance(0.7) else scene.color(value=(0.1, 0.4))
    image, shape = plain(), NOWHERE
    mirrored = np.abs(X) / scene.uniform(0.8, 1.0)
    hind = (0.05, scene.uniform(0.75, 1.05), 0.62, scene.uniform(0.72, 0.9))
    fore = (-0.05, scene.uniform(-0.75, -0.5), 0.75, scene.uniform(0.9, 1.12))
    for y, lean, breadth, length in (hind, fore):
        wing, distance = _spread_wing(scene, mirrored, y, lean, breadth, length, colors, dark)
        image = over(image, wing, inside(distance, 0.03))
        dim(image, 0.3 * bell(np.clip(distance, 0, 1), 0.03) * (distance > 0))
        shape = np.minimum(shape, distance)
    body = np.minimum(ellipse(X, Y - 0.12, 0.05, 0.42), ellipse(X, Y + 0.32, 0.055, 0.07))
    fuzz = mix_colors(dark, scene.coat(), 0.5) * (0.7 + 0.5 * np.sin(Y * 50))[..., None]
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
    colors = scene.palette(3, (0.6, 1), (0.2, 0.9))
    width, length = scene.uniform(0.4, 0.55), scene.uniform(0.5, 0.62)
    cases = ellipse(X, Y - 0.2, width, length)
    thorax = ellipse(X, Y + 0.35, width * 0.8, 0.22)
    head = ellipse(X, Y + 0.6, width * 0.45, 0.16)
    ink, leg_color = Ink(), colors[0] * 0.25
    for side in (-1, 1):
        for y, lift in ((-0.3, -0.35), (0.05, 0.05), (0.35, 0.4)):
            leg_x = [side * width * 0.6, side * (width + 0.22), side * (width + 0.36)]
            ink.line(leg_x, [y, y + lift * 0.5, y + lift + 0.15], leg_color, 5)
        feeler_y = [-0.7, -0.85, -0.8 + scene.uniform(-0.1, 0.1)]
        ink.line([side * 0.1, side * 0.25, side * 0.45], feeler_y, leg_color, 2)
    legs, legs_cover = ink.painted()

    shape = np.minimum(np.minimum(cases, thorax), head)
    shell = plain(colors[0])
    pattern = scene.integer(0, 2)
    if pattern == 0:
        for _ in range(scene.integer(3, 6)):
            x, y, radius = scene.uniform(0.05, width), scene.uniform(-0.2, 0.6), scene.uniform(0.06, 0.13)
            shell = over(shell, rgb(0.05, 0.04, 0.04), inside(np.hypot(np.abs(X) - x, Y - y) - radius, 0.03))
    elif pattern == 1:
        shell = ramp(0.5 + 0.5 * np.sin(np.abs(X) * scene.uniform(20, 40)), colors[:2])
    else:
        shell = ramp(scene.noise(3, 3) * 1.5 - 0.25, colors)
    height = np.clip(-cases, 0, 1) ** 0.5 * 0.7
    height -= 0.12 * bell(X, 0.015) * (cases < 0)
    for part in (thorax, head):
        height = np.maximum(height, np.clip(-part, 0, 1) ** 0.5 * 0.6)
    shell = over(shell, colors[1] * 0.6, inside(np.minimum(thorax, head)) * (cases > -0.02))
    shell = shade(scene, shell, height, 0.9, 0.35, 0.9, 18, soften=1.2)
    shell *= (1 - 0.7 * bell(np.abs(cases), 0.025))[..., None] * (1 - 0.6 * bell(X, 0.012) * (cases < 0))[..., None]
    cover = inside(shape, 0.03)
    return over(legs, shell, cover), np.maximum(legs_cover, cover)


@motif("caterpillar", large=True)
def caterpillar(scene: Scene) -> Painted:
    """A caterpillar: round segments in a wave, often dotted, sometimes hairy."""
    colors = scene.palette(3)
    image, shape = plain(), NOWHERE
    segments = scene.integer(7, 11)
    amplitude, phase = scene.uniform(0, 0.3), scene.uniform(0, 6)
    width = scene.uniform(0.2, 0.3)
    dotted, dot_color = scene.chance(0.7), hsv(scene.uniform(), 0.9, 0.95)
    for segment in range(segments):
        is_head = segment == segments - 1
        x = 0.8 - 1.5 * segment / (segments - 1)
        y = amplitude * np.sin(x * 4 + phase)
        radius = width * (1.2 if is_head else 1)
        distance = np.hypot((X - x) * 1.15, Y - y) - radius
        u, v = (X - x) / radius, (Y - y) / radius
        color = colors[2] if is_head else colors[segment % 2]
        bulge = np.sqrt(np.clip(1 - u * u - v * v, 0, 1))
        ball = plain(color) * (0.35 + 0.8 * diffuse_light(scene, u, v, bulge))[..., None]
        ball *= (0.85 + 0.15 * np.sin(u * 14))[..., None]
        if dotted and not is_head:
            dot = np.hypot(u, v + 0.1) / 0.35
            rings = [rgb(0, 0, 0), dot_color, dot_color, rgb(0.05, 0.05, 0.05)]
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
        ink.line([x, x + length * np.cos(angle)], [y, y + length * np.sin(angle)], colors[2] * 0.6)
    return ink.painted()


@motif("wing", texture=True)
def wing_close_up(scene: Scene) -> Painted:
    """The scales, veins and marks of a butterfly's wing, close up."""
    colors = scene.palette(3, (0.6, 1), (0.5, 1))
    dark = scene.pick(rgb(0.1, 0.05, 0.04), rgb(0.05, 0.05, 0.12), colors[0] * 0.25)
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
    bands = 0.06 * np.sin(radius * 22 + hash_cell(segment, segment * 3) * 5)
    tint = outward * 1.1 + 0.12 * hash_cell(segment, segment) + bands
    image = ramp(tint, [colors[0], colors[1], colors[2], colors[1]])
    cells = scale_cells(radius * scene.uniform(24, 32), angle * scene.uniform(20, 26) * 1.0, 0.6, 1.1)
    image = image * (0.86 + 0.22 * cells.rim * hash_cell(cells.column, cells.row))[..., None]
    if scene.chance(0.6):
        arcs = np.sin(radius * scene.uniform(16, 26) + beside * beside * scene.uniform(5, 14))
        mark = scene.pick(colors[2], colors[1], dark)
        image = over(image, mark, smoothstep(0.25, 0.6, arcs) * 0.8)
    image = over(image, dark, bell(to_vein, scene.uniform(0.018, 0.032)) * 0.95)
    image = over(image, dark, smoothstep(0.78, 0.86, outward + 0.04 * np.cos(beside * 6.28)))
    spot = np.hypot(beside * radius * 4 / veins * 1.2, (outward - 0.9) * 1.4)
    image = over(image, scene.pick(WHITE, colors[2], hsv(0.14, 0.9, 1)), inside(spot - 0.045, 0.03))
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
    wax = scene.pick(hsv(0.11, 0.95, 0.95), hsv(0.09, 0.95, 0.75), scene.color())
    which = hash_cell(cell_column, cell_row)
    image = wax * (0.25 + 0.6 * which + 0.3 * nearest)[..., None]
    image = over(image, mix_colors(wax, rgb(1, 0.95, 0.7), 0.6), smoothstep(0.2, 0.08, to_edge))
    height = smoothstep(0.25, 0.05, to_edge) * 0.12 - 0.05 * (which > 0.5) * (1 - nearest)
    if scene.chance(0.3):
        image = image * (0.6 + 0.5 * smoothstep(0.0, 0.4, to_edge) * (0.5 + which))[..., None]
    return shade(scene, image, height, 1.2, 0.4, 0.5, soften=1), patch(scene)


def _glassy_wing(
    scene: Scene, root_y: float, lean: float, length: float, breadth: float, glass: list[Color], style: float
) -> tuple[Image, Field, Field]:
    """(color, distance, opacity) of a pair of long veined wings that grow sideways from the body at `lean`."""
    x, y = rotate_axes(np.abs(X) - 0.05, Y - root_y, lean)
    along = np.clip(x / length, 0, 1)
    forward = 0.16 * breadth * smoothstep(0, 0.3, along)
    backward = breadth * np.sin(np.clip(along**0.75 * 0.93 + 0.06, 0, 1) * PI) ** 0.6
    blunt = np.sqrt(np.clip(1 - along**6, 0, 1))
    middle, half = (backward - forward) / 2 * blunt, (backward + forward) / 2 * blunt + 0.012
    across = (y - middle) / half
    distance = np.maximum(np.abs(y - middle) - half, np.maximum(-x, x - length))
    ribs = np.abs((across * 2.1 + 0.5 * along) % 1 - 0.5)
    cross = np.abs((along * scene.integer(8, 12) + 0.5 * np.floor(across * 2.1 + 0.5 * along)) % 1 - 0.5)
    net = np.maximum(smoothstep(0.34, 0.5, ribs), 0.6 * smoothstep(0.34, 0.5, cross))
    net = np.maximum(net, smoothstep(-0.7, -1, across))
    sheen = 0.5 + 0.5 * np.sin(along * 5 + across * 1.5 + style * 6 + 3 * scene.noise(3, 1))
    wing = ramp(
        sheen, [mix_colors(glass[2], WHITE, 0.3), mix_colors(glass[1], WHITE, 0.2), mix_colors(glass[2], WHITE, 0.55)]
    )
    if style > 0.45:
        wing = over(wing, glass[1], smoothstep(0.1, 0.3, np.sin(along * scene.uniform(5, 9) - 0.6 + across)) * 0.75)
    wing = over(wing, glass[0] * 0.75, net * 0.75)
    mark = np.maximum(np.abs(along - 0.86) - 0.05, (np.abs(across + 0.75) - 0.25) * 0.3)
    wing = over(wing, glass[0] * 0.6, inside(mark, 0.03))
    wing = shade(scene, wing, 0.011 * np.cos(across * 2.1 * 2 * PI) * half / breadth, 1.0, 0.7, 0.2)
    return wing, distance, 0.66 + 0.34 * net


def _abdomen(scene: Scene, bend: float, length: float, colors: list[Color], accent: Color) -> tuple[Image, Field]:
    """(color, distance) of a long segmented tail below the thorax."""
    top = -0.3
    along = np.clip((Y - top) / length, 0, 1)
    x = X - bend * along**2
    waist, club = scene.uniform(0.15, 0.3), scene.uniform(-0.2, 0.35)
    half = scene.uniform(0.085, 0.115) * (1 - waist * bell(along - 0.25, 0.16)) * (1 + club * bell(along - 0.85, 0.12))
    half = half * np.sqrt(np.clip(1.02 - along**12, 0, 1))
    distance = np.maximum(np.abs(x) - half, np.abs(Y - top - length / 2) - length / 2)
    segments = scene.integer(7, 9)
    number = np.floor(along * segments)
    within = along * segments - number
    across = np.clip(x / half, -1, 1)
    tint = [0.35 + 0.4 * within, 0.3 + 0.6 * hash_cell(number, 3.0), 0.9 * along + 0.1][scene.integer(0, 2)]
    paint = ramp(tint, colors)
    pattern = scene.integer(0, 3)
    if pattern == 0:
        paint = over(paint, accent, smoothstep(0.6, 0.75, within))
    elif pattern == 1:
        paint = over(paint, accent, inside(np.hypot((within - 0.45) * 1.6, (np.abs(across) - 0.5) * 1.3) - 0.5, 0.3))
    elif pattern == 2:
        paint = over(paint, accent, bell(across, 0.3) * smoothstep(0, 0.3, within))
    joint = smoothstep(0.82, 1, within) + smoothstep(0.12, 0, within)
    height = np.sqrt(np.clip(1 - across**2, 0, 1)) * half * (1 - 0.25 * joint)
    paint = shade(scene, paint * (1 - 0.4 * joint)[..., None], height, 1.0, 0.5, 0.7, 20, soften=0.7)
    return paint, distance


@motif("dragonfly", large=True)
def dragonfly(scene: Scene) -> Painted:
    """A dragonfly from above: a long jeweled tail, four glassy veined wings, two huge eyes."""
    colors = scene.palette(3, (0.6, 1), (0.4, 1))
    glass = scene.palette(3, (0.3, 0.9), (0.4, 1))
    accent = scene.pick(hsv(scene.uniform(), 0.85, 0.95), colors[2], colors[0] * 0.6, hsv(0.14, 0.85, 1))
    image, cover = plain(glass[1]), np.zeros_like(X)
    style = scene.uniform()
    reach, breadth = scene.uniform(0.86, 0.97), scene.uniform(0.18, 0.26)
    spread, sweep = scene.uniform(0.1, 0.4), scene.uniform(-0.1, 0.3)
    hind = (-0.28, sweep + scene.uniform(0.02, 0.16) + spread * 0.8, reach * scene.uniform(0.88, 1), breadth * 1.2)
    fore = (-0.44, sweep + scene.uniform(-0.1, 0.02) - spread, reach, breadth)
    for wings in (hind, fore):
        wing, distance, opacity = _glassy_wing(scene, *wings, glass, style)
        contact_shadow(image, distance, 0.05)
        visible = inside(distance, 0.035)
        image, cover = over(image, wing, visible), np.maximum(cover, visible * opacity)
    tail, distance = _abdomen(scene, scene.normal(0, 0.12), scene.uniform(1.15, 1.25), colors, accent)
    contact_shadow(image, distance, 0.05)
    image, shape = over(image, tail, inside(distance, 0.035)), distance

    thorax = ellipse(X, Y + 0.38, scene.uniform(0.13, 0.17), 0.2)
    stripes = smoothstep(0.1, 0.6, np.sin(np.abs(X) * scene.uniform(30, 45) + Y * scene.uniform(-8, 8)))
    paint = ramp(stripes * 0.5 + 0.3, colors) * (0.9 + 0.25 * (scene.noise(18, 2) - 0.5))[..., None]
    paint = over(paint, accent, stripes * 0.7)
    paint = shade(scene, paint, np.clip(-thorax, 0, 1) ** 0.5 * 0.55, 1.0, 0.5, 0.5, soften=1.2)
    contact_shadow(image, thorax, 0.05)
    image, shape = over(image, paint, inside(thorax, 0.04)), np.minimum(shape, thorax)
    eyes, distance = _compound_eyes(scene, colors, accent)
    contact_shadow(image, distance, 0.05)
    shape = np.minimum(shape, distance)
    return over(image, eyes, inside(distance, 0.035)), np.maximum(cover, inside(shape, 0.035))


def _compound_eyes(scene: Scene, colors: list[Color], accent: Color) -> tuple[Image, Field]:
    """(color, distance) of a head that is nearly all eyes: two glossy faceted balls that meet."""
    radius = scene.uniform(0.145, 0.18)
    x, y = (np.abs(X) - radius * 0.82) / radius, (Y + 0.69) / radius / 1.08
    turned_x, turned_y = rotate_axes(x, y, 0.35)
    ball = np.hypot(turned_x, turned_y * 0.82)
    bulge = np.sqrt(np.clip(1 - ball**2, 0, 1))
    eye_color = scene.pick(colors[1], accent, hsv(scene.uniform(), 0.85, 0.85), hsv(scene.uniform(0, 0.12), 0.9, 0.8))
    facets = 0.92 + 0.1 * np.sin(turned_x * 19) * np.sin(turned_y * 19)
    paint = ramp(ball**1.5, [mix_colors(eye_color, WHITE, 0.35), eye_color, eye_color * 0.65]) * facets[..., None]
    paint = over(paint, colors[2], smoothstep(0.1, 0.7, turned_y + 0.3 * turned_x) * 0.65)
    side = np.where(X < 0, -1, 1)
    paint *= (0.6 + 0.55 * diffuse_light(scene, x * side, y, bulge))[..., None]
    gleam = highlight(x * side - scene.light[0] * 0.45, y - scene.light[1] * 0.5, 14)
    paint = over(paint, WHITE, gleam * 0.85)
    face = ellipse(X, Y + 0.69 + radius * 0.7, radius * 0.75, radius * 0.5)
    bright = mix_colors(accent, colors[2], 0.5) * (1.05 - 0.4 * np.abs(X) / radius)[..., None]
    eyes = (ball - 1) * radius
    return over(bright, paint, inside(eyes, 0.04)), np.minimum(face, eyes)
