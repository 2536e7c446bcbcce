"""Whole animals: bird, fish, snake."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from typing import Final

import numpy as np

from dreamvideo.dreamnet.render.canvas import (
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
    f32,
    inside,
    mix,
    over,
    plain,
    polar,
    rotated,
    smoothstep,
)
from dreamvideo.dreamnet.render.cells import feathers, scales
from dreamvideo.dreamnet.render.eye import paint_eye
from dreamvideo.dreamnet.render.motif import motif
from dreamvideo.dreamnet.render.palettes import hsv, rgb
from dreamvideo.dreamnet.render.scene import Scene
from dreamvideo.dreamnet.render.shading import shade
from dreamvideo.dreamnet.render.strokes import fur


@motif("bird", large=True)
def bird(scene: Scene) -> Painted:
    """A perching songbird from the side, its head to the left."""
    colours = scene.palette(3, (0.2, 1), (0.25, 1))
    wing_colours = scene.palette(3, (0.2, 1), (0.2, 1))
    image = plain(colours[0])
    along, across = rotated(X + 0.12, Y - 0.2, scene.uniform(0.2, 0.6))
    body = ellipse(along, across, 0.55, 0.34)
    plumage, height = feathers(scene, across * 7, along * 5, colours, barred=False)
    image = shade(scene, plumage, height, 0.8, 0.6, 0)
    tail_width = np.abs(across) - 0.05 - 0.12 * smoothstep(0.3, 1, along)
    tail = np.maximum(tail_width, np.abs(along - 0.75) - 0.35)
    shape = np.minimum(body, tail)
    wing = ellipse(along - 0.12, across + 0.02, 0.45, 0.2)
    plumage, height = feathers(scene, across * 9 + along * 2, along * 3.2, wing_colours, length=2.0)
    plumage = shade(scene, plumage, height, 0.8, 0.6, 0)
    image = over(image, plumage, np.maximum(inside(wing, 0.04), inside(tail, 0.03)))
    dim(image, 0.5 * bell(wing, 0.03))

    head_x, head_y, head_radius = -0.42, -0.3, scene.uniform(0.26, 0.32)
    head = np.hypot(X - head_x, Y - head_y) - head_radius
    colour = plain(mix(colours[0], wing_colours[0], scene.uniform()))
    colour = over(colour, colours[2], smoothstep(-0.1, 0.2, Y - head_y + 0.1 * np.sin(X * 9)))
    direction = np.arctan2(Y - head_y, X - head_x + head_radius)
    down = fur(scene, colour.copy(), head < 0.04, direction, colour, 450, 0.12, 1, 0.2, 0.4, order=X)
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
    colour: Colour,
) -> tuple[Image, Field]:
    """`image` and `shape` with a fin: a fan around (x, y) between two angles."""
    distance, angle = polar(X - x, Y - y)
    half = (angles[1] - angles[0]) / 2
    turned = (angle - (angles[0] + angles[1]) / 2 + PI) % (2 * PI) - PI
    stripes = 0.5 + 0.5 * np.sin(turned * rays / half * 3)
    edge = radius * (1 - 0.08 * np.cos(turned * rays / half * 3))
    fin = np.maximum((np.abs(turned) - half) * distance, distance - edge)
    paint = colour * (0.45 + 0.7 * stripes * (0.5 + 0.5 * distance / radius))[..., None]
    return over(image, paint, inside(fin, 0.025)), np.minimum(shape, fin)


FISH_BELLY: Final = rgb(0.95, 0.92, 0.85)


@motif("fish", large=True)
def fish(scene: Scene) -> Painted:
    """A reef fish from the side, its head to the left."""
    colours = scene.palette(3)
    body_height = scene.uniform(0.28, 0.45)
    along = (X - -0.1) / 0.68
    profile = body_height * np.clip(1 - np.abs(along) ** 2.2, 0, 1) ** 0.75 * (1 - 0.25 * along)
    across = Y - 0.06 * np.sin(along * 2 + scene.uniform(0, 6))
    body = np.maximum(np.abs(across) - profile, np.abs(along) - 1)

    image, shape = plain(), NOWHERE
    fin_colour = scene.pick(colours[1], colours[2], hsv(scene.uniform(), 0.8, 0.9))
    tail_size = scene.uniform(0.35, 0.55)
    upper_tail = (0.15, 0.15 + scene.uniform(0.5, 0.9))
    image, shape = _fin(image, shape, 0.42, 0, upper_tail, tail_size, 5, fin_colour)
    lower_tail = (-0.15 - scene.uniform(0.5, 0.9), -0.15)
    image, shape = _fin(image, shape, 0.42, 0, lower_tail, tail_size, 5, fin_colour)
    image, shape = _fin(image, shape, 0, 0, (-2.3, -0.7), body_height + scene.uniform(0.12, 0.35), 12, fin_colour)
    if scene.chance(0.7):
        image, shape = _fin(image, shape, 0.05, 0, (0.7, 1.8), body_height + scene.uniform(0.1, 0.25), 7, fin_colour)

    round_across = np.clip(across / (profile + 1e-3), -1, 1)
    u, v = np.arcsin(round_across) * scene.uniform(2.5, 4.5), (X + 0.8) * scene.uniform(5, 9)
    skin, scale_height, _ = scales(scene, u, v, colours, relief=0.02)
    back_to_belly = round_across * 0.5 + 0.5
    skin = over(skin, skin * 0.4 + FISH_BELLY * 0.6, smoothstep(0.5, 1, back_to_belly))
    skin = over(skin, skin * 0.45, smoothstep(0.35, 0, back_to_belly))
    pattern = scene.integer(0, 3)
    if pattern == 0:
        bars = np.sin(X * scene.uniform(8, 20) + scene.uniform(0, 6))
        skin = over(skin, fin_colour, smoothstep(0.2, 0.5, bars))
    elif pattern == 1:
        skin = over(skin, skin * 0.2, smoothstep(0.55, 0.6, scene.noise(7, 2)))
    gill = 0.15 * round_across**2
    cheek = mix(colours[1], colours[0], 0.5) * (1.1 - 0.5 * back_to_belly)[..., None] + 0.1
    skin = over(skin, cheek, smoothstep(-0.28, -0.33, X + gill))
    dim(skin, 0.7 * bell(X + 0.31 + gill, 0.025))
    height = np.sqrt(np.clip(1 - round_across**2, 0, 1)) * 0.3 + scale_height
    skin = shade(scene, skin, height, 1.0, 0.5, 0.5, 30)
    image = over(image, skin, inside(body, 0.03))
    shape = np.minimum(shape, body)
    image, _ = _fin(image, shape, -0.15, 0.08, (0.0, 0.8), scene.uniform(0.2, 0.3), 6, fin_colour * 0.9)
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
    colours = scene.palette(3, (0.3, 1), (0.2, 0.9))
    along, across, cover = _coiled(scene) if scene.chance(0.5) else _winding(scene)
    u = np.arcsin(np.clip(across, -1, 1)) * scene.uniform(2.2, 3.2)
    image, scale_height, cells = scales(scene, u, along * scene.uniform(7, 10), colours, relief=0.02)
    diamonds = np.abs(((along * scene.uniform(2, 3.5)) % 1) - 0.5) * 2
    diamonds = diamonds + np.abs(across) * scene.uniform(0.2, 0.8)
    mark = scene.pick(hsv(0.05, 0.8, 0.3), hsv(0, 0.95, 0.9), hsv(0.14, 0.95, 1), hsv(scene.uniform(), 0.8, 0.9))
    marked = image * 0.25 + 0.75 * mark * (1 - 0.4 * cells.rim)[..., None]
    image = over(image, marked, smoothstep(0.75, 0.6, diamonds))
    height = np.sqrt(np.clip(1 - across * across, 0, 1)) * 0.14 + scale_height
    image = shade(scene, image, height, 1.0, 0.4, 0.35)
    image *= np.sqrt(np.clip(1.05 - across * across, 0, 1))[..., None]
    if scene.chance(0.6):
        image, cover = _snake_head(scene, image, cover, colours)
    return image, cover.astype(f32)


def _snake_head(scene: Scene, image: Image, cover: Field, colours: list[Colour]) -> Painted:
    x, y = scene.uniform(-0.5, 0.5), scene.uniform(-0.5, 0.5)
    angle = scene.angle()
    forward, sideways = rotated(X - x, Y - y, angle)
    head = ellipse(forward, sideways / (1.1 + 0.6 * np.clip(forward, -0.3, 0.3)), 0.34, 0.2)
    skin, scale_height, _ = scales(scene, sideways * 12, forward * 10, colours, relief=0.015)
    height = (np.clip(-head, 0, 1) ** 0.5 * 0.5).astype(f32) + scale_height
    skin = shade(scene, skin, height, 0.8, 0.45, 0.3)
    contact_shadow(image, head, 0.05)
    image = over(image, skin, inside(head, 0.03))
    for side in (-1, 1):
        eye_x = x + 0.1 * np.cos(angle) - side * 0.12 * np.sin(angle)
        eye_y = y + 0.1 * np.sin(angle) + side * 0.12 * np.cos(angle)
        paint_eye(scene, image, eye_x, eye_y, 0.06, "slit", hsv(scene.pick(0.1, 0.15, 0.02), 0.9, 0.95))
    return image, np.maximum(cover, inside(head, 0.03))
