"""Whole animals: bird, fish, snake, peafowl."""

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
    ellipse,
    f32,
    hash_cell,
    inside,
    mix_colors,
    over,
    plain,
    polar,
    rotate_axes,
    smoothstep,
)
from dreamvideo.training.render.cells import feathers, scales
from dreamvideo.training.render.eye import paint_eye
from dreamvideo.training.render.motif import motif
from dreamvideo.training.render.palettes import hsv, ramp, rgb
from dreamvideo.training.render.scene import Scene
from dreamvideo.training.render.shading import shade
from dreamvideo.training.render.solids import solid_of_revolution
from dreamvideo.training.render.strokes import fur


@motif("bird", large=True)
def bird(scene: Scene) -> Painted:
    """A perching songbird from the side, its head to the left."""
    colors = scene.palette(3, (0.2, 1), (0.25, 1))
    wing_colors = scene.palette(3, (0.2, 1), (0.2, 1))
    image = plain(colors[0])
    along, across = rotate_axes(X + 0.12, Y - 0.2, scene.uniform(0.2, 0.6))
    body = ellipse(along, across, 0.55, 0.34)
    plumage, height = feathers(scene, across * 7, along * 5, colors, barred=False)
    image = shade(scene, plumage, height, 0.8, 0.6, 0)
    tail_width = np.abs(across) - 0.05 - 0.12 * smoothstep(0.3, 1, along)
    tail = np.maximum(tail_width, np.abs(along - 0.75) - 0.35)
    shape = np.minimum(body, tail)
    wing = ellipse(along - 0.12, across + 0.02, 0.45, 0.2)
    plumage, height = feathers(scene, across * 9 + along * 2, along * 3.2, wing_colors, length=2.0)
    plumage = shade(scene, plumage, height, 0.8, 0.6, 0)
    image = over(image, plumage, np.maximum(inside(wing, 0.04), inside(tail, 0.03)))
    dim(image, 0.5 * bell(wing, 0.03))

    head_x, head_y, head_radius = -0.42, -0.3, scene.uniform(0.26, 0.32)
    head = np.hypot(X - head_x, Y - head_y) - head_radius
    color = plain(mix_colors(colors[0], wing_colors[0], scene.uniform()))
    color = over(color, colors[2], smoothstep(-0.1, 0.2, Y - head_y + 0.1 * np.sin(X * 9)))
    direction = np.arctan2(Y - head_y, X - head_x + head_radius)
    down = fur(scene, color.copy(), head < 0.04, direction, color, 450, 0.12, 1, 0.2, 0.4, order=X)
    image = over(image, down, inside(head, 0.05))
    shape = np.minimum(shape, head)

    beak_length, beak_width, droop = scene.uniform(0.2, 0.42), scene.uniform(0.07, 0.13), scene.uniform(-0.05, 0.15)
    beak_x = (head_x - head_radius * 0.85 - X) / beak_length
    beak_y = Y - head_y - 0.02 - droop * beak_x**2
    beak = np.maximum(np.abs(beak_y) - beak_width * (1 - beak_x), -beak_x - 0.15)
    horn = scene.pick(
        hsv(0.1, 0.9, 0.95), hsv(0.08, 0.8, 0.8), hsv(0.1, 0.2, 0.2), hsv(0.0, 0.8, 0.8), hsv(0.1, 0.3, 0.7)
    )
    lit = np.full_like(image, horn) * (1.15 - 0.8 * smoothstep(-0.1, 0.1, beak_y))[..., None]
    image = over(image, lit * (1 - 0.6 * bell(beak_y, 0.012))[..., None], inside(beak, 0.03))
    shape = np.minimum(shape, beak)
    image = shade(scene, image, np.clip(-shape, 0, 1).astype(f32) ** 0.5, 0.35, 0.6, 0, soften=3)
    paint_eye(
        scene, image, head_x - head_radius * 0.3, head_y - head_radius * 0.15, scene.uniform(0.05, 0.075), "round"
    )
    return image, inside(shape, 0.03)


def _fin(
    image: Image,
    shape: Field,
    x: float,
    y: float,
    angles: tuple[float, float],
    radius: float,
    rays: int,
    color: Color,
) -> tuple[Image, Field]:
    """`image` and `shape` with a fin: a fan around (x, y) between two angles."""
    distance, angle = polar(X - x, Y - y)
    half = (angles[1] - angles[0]) / 2
    turned = (angle - (angles[0] + angles[1]) / 2 + PI) % (2 * PI) - PI
    stripes = 0.5 + 0.5 * np.sin(turned * rays / half * 3)
    edge = radius * (1 - 0.08 * np.cos(turned * rays / half * 3))
    fin = np.maximum((np.abs(turned) - half) * distance, distance - edge)
    paint = color * (0.45 + 0.7 * stripes * (0.5 + 0.5 * distance / radius))[..., None]
    return over(image, paint, inside(fin, 0.025)), np.minimum(shape, fin)


FISH_BELLY: Final = rgb(0.95, 0.92, 0.85)


@motif("fish", large=True)
def fish(scene: Scene) -> Painted:
    """A reef fish from the side, its head to the left."""
    colors = scene.palette(3)
    body_height = scene.uniform(0.28, 0.45)
    along = (X - -0.1) / 0.68
    profile = body_height * np.clip(1 - np.abs(along) ** 2.2, 0, 1) ** 0.75 * (1 - 0.25 * along)
    across = Y - 0.06 * np.sin(along * 2 + scene.uniform(0, 6))
    body = np.maximum(np.abs(across) - profile, np.abs(along) - 1)

    image, shape = plain(), NOWHERE
    fin_color = scene.pick(colors[1], colors[2], hsv(scene.uniform(), 0.8, 0.9))
    tail_size = scene.uniform(0.35, 0.55)
    upper_tail = (0.15, 0.15 + scene.uniform(0.5, 0.9))
    image, shape = _fin(image, shape, 0.42, 0, upper_tail, tail_size, 5, fin_color)
    lower_tail = (-0.15 - scene.uniform(0.5, 0.9), -0.15)
    image, shape = _fin(image, shape, 0.42, 0, lower_tail, tail_size, 5, fin_color)
    image, shape = _fin(image, shape, 0, 0, (-2.3, -0.7), body_height + scene.uniform(0.12, 0.35), 12, fin_color)
    if scene.chance(0.7):
        image, shape = _fin(image, shape, 0.05, 0, (0.7, 1.8), body_height + scene.uniform(0.1, 0.25), 7, fin_color)

    round_across = np.clip(across / (profile + 1e-3), -1, 1)
    u, v = np.arcsin(round_across) * scene.uniform(2.5, 4.5), (X + 0.8) * scene.uniform(5, 9)
    skin, scale_height, _ = scales(scene, u, v, colors, relief=0.02)
    back_to_belly = round_across * 0.5 + 0.5
    skin = over(skin, skin * 0.4 + FISH_BELLY * 0.6, smoothstep(0.5, 1, back_to_belly))
    skin = over(skin, skin * 0.45, smoothstep(0.35, 0, back_to_belly))
    pattern = scene.integer(0, 3)
    if pattern == 0:
        bars = np.sin(X * scene.uniform(8, 20) + scene.uniform(0, 6))
        skin = over(skin, fin_color, smoothstep(0.2, 0.5, bars))
    elif pattern == 1:
        skin = over(skin, skin * 0.2, smoothstep(0.55, 0.6, scene.noise(7, 2)))
    gill = 0.15 * round_across**2
    cheek = mix_colors(colors[1], colors[0], 0.5) * (1.1 - 0.5 * back_to_belly)[..., None] + 0.1
    skin = over(skin, cheek, smoothstep(-0.28, -0.33, X + gill))
    dim(skin, 0.7 * bell(X + 0.31 + gill, 0.025))
    height = np.sqrt(np.clip(1 - round_across**2, 0, 1)) * 0.3 + scale_height
    skin = shade(scene, skin, height, 1.0, 0.5, 0.5, 30)
    image = over(image, skin, inside(body, 0.03))
    shape = np.minimum(shape, body)
    image, _ = _fin(image, shape, -0.15, 0.08, (0.0, 0.8), scene.uniform(0.2, 0.3), 6, fin_color * 0.9)
    mouth = (np.abs(Y - 0.06 - 0.3 * (X + 0.78)) < 0.012) & (X < -0.62)
    image[mouth] *= 0.2
    eye_size = scene.uniform(0.06, 0.08)
    paint_eye(scene, image, -0.53, -0.08, eye_size, "round", rim=rgb(0.9, 0.85, 0.6) * scene.uniform(0.3, 1))
    return image, inside(shape, 0.03)


def _coiled(scene: Scene) -> tuple[Field, Field, Field]:
    """(along, across, coverage) of a body in a spiral."""
    radius, angle = polar(X, Y)
    pitch = scene.uniform(0.28, 0.42)
    turns = radius / pitch - angle / (2 * PI)
    turn = np.floor(turns)
    across = (turns - turn) * 2 - 1
    along = (angle / (2 * PI) + turn) * 2 * PI * pitch * np.sqrt(np.abs(turn) + 0.6) * 1.4
    length = scene.uniform(10, 17)
    return along, across, inside(np.abs(across) - 0.93, 0.06) * ((turn >= 0) & (turn * 2 * PI + angle + PI < length))


def _winding(scene: Scene) -> tuple[Field, Field, Field]:
    """(along, across, coverage) of one or two bodies in waves."""
    amplitude, frequency, phase = scene.uniform(0.2, 0.4), scene.uniform(3, 5), scene.uniform(0, 6)
    width = scene.uniform(0.16, 0.24)
    steepness = np.sqrt(1 + (amplitude * frequency * np.cos(frequency * X + phase)) ** 2)
    across = (Y - amplitude * np.sin(frequency * X + phase)) / width / steepness
    cover = inside(np.abs(across) - 1, 0.08)
    if scene.chance(0.6):
        second = (Y + scene.pick(-0.6, 0.6) + amplitude * np.sin(frequency * X)) / width / steepness
        across = np.where((np.abs(second) < 1) & (np.abs(across) > 1), second, across)
        cover = np.maximum(cover, inside(np.abs(second) - 1, 0.08))
    return X * 1.6, across, cover


@motif("snake", large=True)
def snake(scene: Scene) -> Painted:
    """A snake, coiled or winding, sometimes with its head on top."""
    colors = scene.palette(3, (0.3, 1), (0.2, 0.9))
    along, across, cover = _coiled(scene) if scene.chance(0.5) else _winding(scene)
    u = np.arcsin(np.clip(across, -1, 1)) * scene.uniform(2.2, 3.2)
    image, scale_height, cells = scales(scene, u, along * scene.uniform(7, 10), colors, relief=0.02)
    diamonds = np.abs(((along * scene.uniform(2, 3.5)) % 1) - 0.5) * 2
    diamonds = diamonds + np.abs(across) * scene.uniform(0.2, 0.8)
    mark = scene.pick(hsv(0.05, 0.8, 0.3), hsv(0, 0.95, 0.9), hsv(0.14, 0.95, 1), hsv(scene.uniform(), 0.8, 0.9))
    marked = image * 0.25 + 0.75 * mark * (1 - 0.4 * cells.rim)[..., None]
    image = over(image, marked, smoothstep(0.75, 0.6, diamonds))
    height = np.sqrt(np.clip(1 - across * across, 0, 1)) * 0.14 + scale_height
    image = shade(scene, image, height, 1.0, 0.4, 0.35)
    image *= np.sqrt(np.clip(1.05 - across * across, 0, 1))[..., None]
    if scene.chance(0.6):
        image, cover = _snake_head(scene, image, cover, colors)
    return image, cover.astype(f32)


def _snake_head(scene: Scene, image: Image, cover: Field, colors: list[Color]) -> Painted:
    x, y = scene.uniform(-0.5, 0.5), scene.uniform(-0.5, 0.5)
    angle = scene.angle()
    forward, sideways = rotate_axes(X - x, Y - y, angle)
    head = ellipse(forward, sideways / (1.1 + 0.6 * np.clip(forward, -0.3, 0.3)), 0.34, 0.2)
    skin, scale_height, _ = scales(scene, sideways * 12, forward * 10, colors, relief=0.015)
    height = (np.clip(-head, 0, 1) ** 0.5 * 0.5).astype(f32) + scale_height
    skin = shade(scene, skin, height, 0.8, 0.45, 0.3)
    contact_shadow(image, head, 0.05)
    image = over(image, skin, inside(head, 0.03))
    for side in (-1, 1):
        eye_x = x + 0.1 * np.cos(angle) - side * 0.12 * np.sin(angle)
        eye_y = y + 0.1 * np.sin(angle) + side * 0.12 * np.cos(angle)
        paint_eye(scene, image, eye_x, eye_y, 0.06, "slit", hsv(scene.pick(0.1, 0.15, 0.02), 0.9, 0.95))
    return image, np.maximum(cover, inside(head, 0.03))


@motif("peafowl", large=True)
def peafowl(scene: Scene) -> Painted:
    """A displaying peacock from the front: neck and crested head before a fan of eyespots."""
    colors = scene.palette(5, (0.5, 1), (0.35, 1), 0.2)
    if not scene.natural:  # else its rings may not stand out
        colors[1], colors[3] = colors[1] * 0.55, mix_colors(colors[3], hsv(0.12, 0.6, 0.95), 0.7)
    body = colors[0]
    image, shape = _peafowl_fan(scene, colors)

    side, sway = scene.side(), scene.uniform(-0.06, 0.06)
    head_x, head_y = sway + side * scene.uniform(0.02, 0.07), scene.uniform(-0.2, -0.06)
    head_radius = scene.uniform(0.125, 0.15)
    breast_y, breast = 0.52, scene.uniform(0.27, 0.33)
    for leg in (-1, 1):
        shin = np.maximum(np.abs(X - leg * 0.11) - 0.03, np.abs(Y - 0.88) - 0.09)
        foot = ellipse(X - leg * 0.13, Y - 0.95, 0.09, 0.035)
        image = over(image, hsv(0.09, 0.4, 0.62), inside(np.minimum(shin, foot), 0.04))
        shape = np.minimum(shape, np.minimum(shin, foot))

    rise = np.clip((breast_y - Y) / (breast_y - head_y), 0, 1)
    bend = head_x * rise + side * 0.07 * np.sin(rise * 2 * PI) * scene.uniform(0.3, 1)
    throat, belly = head_radius * scene.uniform(0.72, 0.9), scene.uniform(0.84, 0.9)
    outline = [(head_y, head_radius * 0.8), (0.08, throat), (0.24, breast * 0.72), (0.42, breast * 0.97)]
    outline += [(breast_y + 0.05, breast), (belly - 0.12, breast * 0.78), (belly - 0.03, breast * 0.42), (belly, 0.05)]
    trunk = solid_of_revolution(X - bend, Y, outline)
    head = ellipse(X - head_x, Y - head_y, head_radius * 1.08, head_radius)
    bird = np.minimum(trunk.distance, head)
    image = _crest(scene, image, head_x, head_y - head_radius * 0.8, colors)
    contact_shadow(image, bird, 0.1, 0.45)

    sheen = [body * 0.75, body, mix_colors(body, colors[2], 0.6)]
    skin, relief, _ = scales(scene, (X - bend) * 13, Y * 13, sheen, relief=0.012)
    skin = mix_colors(plain(body), skin, 0.7) * (1 + 0.25 * smoothstep(0.2, 0.6, rise))[..., None]
    skin = over(skin, mix_colors(body, colors[2], 0.75) * 0.9, smoothstep(0.45, 0.8, Y + 0.1 * scene.noise(5, 2)) * 0.8)
    height = np.maximum(trunk.facing * trunk.width * 0.8, np.clip(-head, 0, 1) ** 0.5 * 0.3)
    skin = shade(scene, skin, height.astype(f32) + relief, 0.9, 0.55, 0.18, soften=1.5)
    image = over(image, skin, inside(bird, 0.035))
    image, beak = _peafowl_face(scene, image, head_x, head_y, head_radius, side)
    return image, inside(np.minimum(np.minimum(shape, bird), beak), 0.04)


def _peafowl_fan(scene: Scene, colors: list[Color]) -> tuple[Image, Field]:
    """(color, distance) of the raised train: rows of eyespots, each on its feather."""
    root_y, reach = scene.uniform(0.34, 0.46), scene.uniform(1.18, 1.28)
    radius, angle = polar(X * scene.uniform(1.2, 1.35), Y - root_y)
    aside = np.arctan2(np.sin(angle + PI / 2), np.cos(angle + PI / 2))  # 0 upwards
    opening = scene.uniform(1.6, 2.0)
    feathers_across = scene.integer(15, 21)
    column_width = 2 * opening / feathers_across
    rows = scene.pick(3, 4, 4)
    row_height = scene.uniform(0.2, 0.24) * 4 / (rows + 0.6)

    depth = (reach - radius) / row_height
    tip = np.cos(aside / column_width * 2 * PI)
    edge = np.maximum(radius - reach + 0.03 * (1 - tip), (np.abs(aside) - opening) * radius)
    barbs = 0.5 + 0.5 * np.sin(aside * feathers_across * 9 + 3 * np.sin(radius * 9) + radius * 14)
    fan = ramp(np.clip(radius / reach + 0.2 * (barbs - 0.5), 0, 1), [mix_colors(colors[4], colors[2], 0.6), colors[4]])
    fan = fan * (0.75 + 0.35 * barbs)[..., None]
    image = over(fan, mix_colors(colors[4], colors[3], 0.5) * 1.1, bell(depth % 1 - 0.5, 0.08) * 0.2)
    image *= (1 - 0.35 * smoothstep(0.55, 0.15, radius))[..., None]

    row = np.clip(np.floor(depth), 0, rows - 1)
    column = np.round(aside / column_width + 0.5 * np.mod(row, 2)) - 0.5 * np.mod(row, 2)
    x = (aside - column * column_width) * radius
    y = (depth - row - 0.5) * row_height
    size = np.minimum(row_height * 0.5, column_width * radius * 0.52)
    spot = np.hypot(x / size, y / size * 0.92)
    heart = np.hypot(x / size, (y - size * 0.12) / size) + 0.25 * bell(x / size, 0.2) * (y > 0)
    eye = ramp(np.clip(heart, 0, 1), [colors[1], colors[1], colors[2], colors[2], colors[3], colors[3]])
    eye = eye * (1.12 - 0.25 * hash_cell(column, row))[..., None]
    shown = inside(spot - 0.98, 0.25) * (depth < rows) * (np.abs(column) * column_width < opening - column_width * 0.3)
    image = over(image, mix_colors(colors[4], colors[3], 0.6) * 1.15, bell(spot - 1.08, 0.14) * 0.5 * (depth < rows))
    image = over(image, eye, shown)
    light = 1.0 + 0.22 * (X * scene.light[0] + (Y - root_y) * scene.light[1]) + 0.1 * bell(radius - reach * 0.7, 0.25)
    return image * light[..., None], edge


def _crest(scene: Scene, image: Image, x: float, y: float, colors: list[Color]) -> Image:
    """`image` with a fan of thin stalks with tufts at (x, y)."""
    length, count = scene.uniform(0.2, 0.27), scene.pick(5, 6, 7)
    radius, angle = polar(X - x, Y - y)
    leaning = np.arctan2(np.sin(angle + PI / 2), np.cos(angle + PI / 2))
    spacing = scene.uniform(0.2, 0.26)
    number = np.clip(np.round(leaning / spacing + (count - 1) / 2), 0, count - 1) - (count - 1) / 2
    aside = (leaning - number * spacing) * radius
    stalk = np.maximum(np.abs(aside) - 0.008, radius - length)
    tuft = np.hypot(aside, (radius - length) * 0.8) - 0.038
    above = leaning**2 < (count * spacing) ** 2
    image = over(image, mix_colors(colors[0], colors[3], 0.5), inside(stalk, 0.02) * above * 0.9)
    contact_shadow(image, np.where(above, tuft, 1), 0.03)
    return over(image, mix_colors(colors[0], colors[2], scene.uniform(0.1, 0.6)) * 1.2, inside(tuft, 0.03) * above)


def _peafowl_face(scene: Scene, image: Image, x: float, y: float, radius: float, side: int) -> tuple[Image, Field]:
    """(image, distance to the beak) with a pale patch about the eye, on the side the beak points to."""
    forward = (X - x) * side
    patch = ellipse(forward - radius * 0.35, Y - y - 0.01, radius * 0.62, radius * 0.5)
    image = over(image, rgb(0.93, 0.92, 0.88), inside(patch, 0.04) * 0.92)
    stripe = bell(Y - y - radius * 0.02 - 0.15 * (forward - radius * 0.3), radius * 0.17)
    image = over(image, hsv(0.62, 0.5, 0.25), stripe * inside(patch + 0.005, 0.04) * 0.8)
    ahead = (forward - radius * 0.85) / (radius * scene.uniform(0.85, 1.1))
    beak = np.maximum(
        np.abs(Y - y - radius * (0.15 + 0.3 * ahead**2)) - radius * 0.3 * (1 - ahead), -ahead * 0.1 - 0.01
    )
    horn = hsv(0.1, 0.35, 0.75) * (1.1 - 0.5 * smoothstep(-0.03, 0.05, Y - y - radius * 0.2))[..., None]
    image = over(image, horn, inside(beak, 0.03))
    paint_eye(scene, image, x + side * radius * 0.35, y, radius * 0.32, "round", hsv(0.07, 0.8, 0.6))
    return image, beak
