"""Faces with two eyes: dog, cat, owl."""

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
    blur_canvas,
    dim,
    ellipse,
    f32,
    inside,
    mix_colors,
    over,
    plain,
    polar,
    rotate_axes,
    smoothstep,
)
from dreamvideo.training.render.cells import scales
from dreamvideo.training.render.eye import Pupil, paint_eye
from dreamvideo.training.render.motif import motif
from dreamvideo.training.render.palettes import WHITE, hsv, rgb
from dreamvideo.training.render.scene import Scene
from dreamvideo.training.render.shading import shade
from dreamvideo.training.render.strokes import Ink, fur

LEFT_AND_RIGHT: Final = (-1, 1)


def paint_nose(scene: Scene, image: Image, x: float, y: float, width: float, color: Color | None = None) -> None:
    """Paint a nose on `image` in place; without a color, one is chosen."""
    u, v = (X - x) / width, (Y - y) / width
    distance = np.sqrt(np.maximum(u**2 + (v * 1.45) ** 2 + 0.35 * u * u * v, 0)) - 0.8
    distance = np.maximum(distance, v - 0.55)
    if color is None:
        color = scene.pick(rgb(0.07, 0.06, 0.06), rgb(0.25, 0.14, 0.12), rgb(0.75, 0.45, 0.42))
    height = np.clip(0.8 - np.sqrt(u * u + v * v), 0, 1).astype(f32)
    gloss = 0.75 * np.exp(-((u + 0.1) ** 2 * 4 + (v + 0.32) ** 2 * 30))
    nose = color * (0.7 + 0.7 * height)[..., None] + gloss[..., None]
    for side in LEFT_AND_RIGHT:
        nostril = np.exp(-(((u - side * 0.38) / 0.17) ** 2 + ((v - 0.1) / 0.14) ** 2))
        nose = nose * (1 - 0.9 * nostril)[..., None]
    image[:] = over(image, nose, inside(distance, 0.12))


def _dog_ears(scene: Scene, floppy: bool, spread: float) -> Field:
    ears = NOWHERE
    for side in LEFT_AND_RIGHT:
        if floppy:
            x = X - side * spread
            y = Y + scene.uniform(0.1, 0.25)
            x, y = rotate_axes(x, y, side * scene.uniform(-0.5, 0.1))
            ear = ellipse(x, y - 0.1, 0.2, 0.5)
        else:
            ear = np.maximum(np.abs(X - side * (spread - 0.12)) * 1.8 - (Y + 0.98), Y + 0.3) * 0.6
        ears = np.minimum(ears, ear)
    return ears


@motif("dog", upright=True, share=0.8)
def dog(scene: Scene) -> Painted:
    """A dog's head, hairy, with floppy or pointed ears."""
    turn = scene.uniform(-0.25, 0.25)
    coat = scene.coat()
    second_coat = scene.coat() if scene.chance(0.6) else coat * scene.uniform(0.6, 1.3)
    head = ellipse(X, Y + 0.05, scene.uniform(0.5, 0.62), scene.uniform(0.6, 0.75))
    muzzle_size, muzzle_y = scene.uniform(0.26, 0.36), scene.uniform(0.3, 0.42)
    muzzle = ellipse(X - turn * 0.6, Y - muzzle_y, muzzle_size * 1.05, muzzle_size * 1.0)
    face = np.minimum(head, muzzle)
    ear_spread, floppy = scene.uniform(0.42, 0.6), scene.chance(0.65)
    ears = _dog_ears(scene, floppy, ear_spread)
    shape = np.minimum(face, ears)

    color = over(plain(coat), second_coat, smoothstep(0.48, 0.56, scene.noise(3, 3)) * 0.8)
    pale = mix_colors(second_coat, rgb(0.95, 0.9, 0.85), scene.uniform(0, 0.8))
    blaze = bell(X - turn * 0.2, 0.1) * scene.chance(0.5)
    color = over(color, pale, np.maximum(inside(muzzle, 0.2), blaze) * 0.9)
    ear_shade = inside(ears, 0.1) * (1 - inside(head, 0.1) * (not floppy))
    color = over(color, color * scene.uniform(0.4, 0.9), ear_shade)
    color *= (1.1 - 0.5 * smoothstep(-0.25, 0.0, np.where(shape < 0, face, 0)))[..., None]

    radius, angle = polar(X - turn * 0.4, Y - 0.12)
    direction = np.where((ears < 0) & floppy, PI / 2, angle)
    length = scene.uniform(0.12, 0.26)
    image = fur(
        scene, color.copy(), shape < 0, direction, color, 1300, length, 1, 0.35, 1.0, order=-radius, variation=0.2
    )
    height = np.clip(-face, 0, 1) ** 0.5 * 0.5 + np.clip(-muzzle, 0, 1) ** 0.6 * 0.6
    image = shade(scene, image, height, 0.7, 0.55, 0.0, soften=3)
    dim(image, 0.4 * bell(np.clip(muzzle, 0, 1), 0.06) * (muzzle > 0) * (head < 0))

    nose_x, nose_y = turn * 0.75, muzzle_y - muzzle_size * 0.35
    beside_nose = np.abs(X - nose_x)
    groove = (beside_nose < 0.014) & (nose_y < Y) & (muzzle_y + muzzle_size * 0.45 > Y)
    lips = np.abs(Y - (muzzle_y + muzzle_size * 0.5 - 0.9 * (beside_nose - 0.16) ** 2 * 3)) < 0.018
    lips &= beside_nose < muzzle_size * 0.8
    dim(image, 0.75 * blur_canvas(np.maximum(groove, lips).astype(f32), 1))
    if scene.chance(0.35):
        tongue = ellipse(X - nose_x, Y - muzzle_y - muzzle_size * 0.95, muzzle_size * 0.36, muzzle_size * 0.55)
        tongue = np.maximum(tongue, -(Y - muzzle_y - muzzle_size * 0.5))
        pink = rgb(0.9, 0.45, 0.5) * (1 - 0.5 * bell(X - nose_x, 0.02))[..., None]
        image = over(image, pink, inside(tongue))
        shape = np.minimum(shape, tongue)
    paint_nose(scene, image, nose_x, nose_y, scene.uniform(0.13, 0.19))

    eye_size, eye_spread, eye_y = scene.uniform(0.075, 0.12), scene.uniform(0.22, 0.3), scene.uniform(-0.2, -0.05)
    iris = scene.pick(hsv(0.07, 0.8, 0.4), hsv(0.09, 0.8, 0.6), hsv(0.06, 0.7, 0.25), hsv(0.57, 0.5, 0.8))
    for side in LEFT_AND_RIGHT:
        eye_x = side * eye_spread + turn * 0.3
        hollow = np.exp(-(((X - side * eye_spread - turn * 0.3) / 0.15) ** 2 + ((Y - eye_y) / 0.12) ** 2))
        dim(image, 0.5 * hollow)
        paint_eye(scene, image, eye_x, eye_y, eye_size, "round", iris, rim=rgb(0.05, 0.04, 0.04))
    return image, inside(shape - 0.01, 0.06)


@motif("cat", upright=True, share=0.7)
def cat(scene: Scene) -> Painted:
    """A cat's head, tabby or patched, with whiskers."""
    coat = scene.coat()
    turn = scene.uniform(-0.12, 0.12)
    head = ellipse(X, Y - 0.1, scene.uniform(0.62, 0.72), scene.uniform(0.55, 0.62))
    shape = head
    for side in LEFT_AND_RIGHT:
        shape = np.minimum(shape, np.maximum(np.abs(X - side * 0.45) * 1.9 - (Y + 0.95), Y + 0.1) * 0.5)
    radius, angle = polar(X - turn, Y - 0.15)
    color = plain(coat)
    if scene.chance(0.7):
        stripes = np.sin(angle * scene.integer(9, 16) + 3 * scene.noise(3, 3) + radius * 3)
        stripes = stripes * smoothstep(0.25, 0.5, radius)
        dim(color, scene.uniform(0.3, 0.7) * smoothstep(0.0, 0.5, stripes))
    else:
        second_coat = scene.coat()
        color = over(color, second_coat, smoothstep(0.46, 0.54, scene.noise(3, 3)))
    muzzle = np.minimum(ellipse(X - 0.12 - turn, Y - 0.38, 0.17, 0.15), ellipse(X + 0.12 - turn, Y - 0.38, 0.17, 0.15))
    color = over(color, rgb(0.95, 0.92, 0.88), inside(muzzle, 0.15) * scene.uniform(0.2, 0.9))
    inner_ears = np.maximum(np.abs(np.abs(X) - 0.45) * 2.6 - (Y + 0.78), Y + 0.25) * 0.5
    color = over(color, rgb(0.8, 0.5, 0.48), inside(inner_ears, 0.1) * 0.8)
    length = scene.uniform(0.1, 0.2)
    image = fur(scene, color.copy(), shape < 0, angle, color, 1200, length, 1, 0.25, 0.6, order=-radius)
    height = np.clip(-head, 0, 1) ** 0.5 * 0.4 + np.clip(-muzzle, 0, 1) * 0.8
    image = shade(scene, image, height, 0.7, 0.55, 0, soften=3)

    eye_size = scene.uniform(0.13, 0.18)
    iris = hsv(*scene.pick((0.13, 0.9, 0.95), (0.25, 0.7, 0.85), (0.35, 0.6, 0.7), (0.55, 0.6, 0.85), (0.09, 0.9, 0.9)))
    pupil: Pupil = scene.pick("slit", "slit", "round")
    for side in LEFT_AND_RIGHT:
        eye_x = side * scene.uniform(0.27, 0.3) + turn
        paint_eye(scene, image, eye_x, 0.0, eye_size, pupil, iris, rim=rgb(0.07, 0.05, 0.05))
    paint_nose(scene, image, turn, 0.29, 0.085)

    ink = Ink.on(image)
    for side in LEFT_AND_RIGHT:
        ink.line([turn, turn + side * 0.06, turn + side * 0.14], [0.36, 0.45, 0.44], rgb(0.15, 0.1, 0.1))
        for whisker in range(4):
            y, droop = 0.36 + whisker * 0.035, scene.uniform(-0.15, 0.15)
            ink.line(
                [turn + side * 0.15, turn + side * 0.4, turn + side * 0.75],
                [y, y - 0.04 + droop * 0.3, y + droop],
                rgb(0.95, 0.95, 0.95),
            )
    return ink.to_image(), inside(shape - 0.01, 0.06)


@motif("owl", upright=True, share=0.6)
def owl(scene: Scene) -> Painted:
    """An owl: two discs around large eyes, a beak, barred feathers."""
    base = scene.pick(
        hsv(0.08, 0.7, 0.65), hsv(0.09, 0.5, 0.85), hsv(0.06, 0.75, 0.5), hsv(0.1, 0.15, 0.95), hsv(0.03, 0.7, 0.6)
    )
    colors = [base * 0.55, base, mix_colors(base, WHITE, 0.5)]
    shape = np.minimum(ellipse(X, Y + 0.25, 0.62, 0.5), ellipse(X, Y - 0.6, 0.62, 0.85))
    if scene.chance(0.6):
        for side in LEFT_AND_RIGHT:
            tuft = np.maximum(np.abs(X - side * 0.42) * 2.2 - (Y + 0.98) * 0.7, Y + 0.3) * 0.5
            shape = np.minimum(shape, tuft)
    image, height, cells = scales(scene, X * scene.uniform(4, 6), Y * scene.uniform(3.5, 5), colors, longer=1.4)
    dim(image, 0.6 * bell(cells.x, 0.12) * (cells.y > -0.2))
    dim(image, 0.35 * smoothstep(0.2, 0.8, np.sin(cells.y * 9)))
    image = shade(scene, image, height, 0.8, 0.6, 0)

    eye_x, eye_y, disc_radius = 0.26, -0.25, 0.33
    disc = np.minimum(np.hypot(X - eye_x, Y - eye_y), np.hypot(X + eye_x, Y - eye_y))
    angle = np.arctan2(Y - eye_y, np.abs(X) - eye_x)
    angle = np.where(X < 0, PI - angle, angle)
    disc_color = plain(mix_colors(base, rgb(1, 0.95, 0.85), scene.uniform(0.2, 0.8)))
    disc_color = disc_color * (1 - 0.3 * smoothstep(0.0, 1, np.sin(disc * scene.uniform(50, 80))))[..., None]
    image = over(image, disc_color, inside(disc - disc_radius, 0.04))
    image = fur(
        scene, image, disc < disc_radius, angle, disc_color, 900, 0.14, 1, 0.15, 0.3, order=-disc, variation=0.25
    )
    dim(image, 0.7 * bell(disc - disc_radius, 0.03))
    iris = hsv(*scene.pick((0.13, 1, 1), (0.1, 0.95, 1), (0.07, 1, 0.95), (0.15, 0.8, 1), (0.05, 0.8, 0.3)))
    eye_size = scene.uniform(0.16, 0.22)
    for side in LEFT_AND_RIGHT:
        paint_eye(scene, image, side * eye_x, eye_y, eye_size, "round", iris, rim=rgb(0.06, 0.05, 0.04))

    u, v = X / 0.09, (Y + 0.12) / 0.2
    beak = np.maximum(np.abs(u) - (1 - v) * 0.55, -v - 0.6 - 0.3 * u * u * -1)
    horn = scene.pick(hsv(0.12, 0.6, 0.8), hsv(0.1, 0.2, 0.3), hsv(0.1, 0.3, 0.6))
    lit = horn * (1.2 - 0.7 * np.abs(u).clip(0, 1))[..., None]
    image = over(image, lit, inside(np.maximum(beak, np.abs(v) - 1), 0.2))
    return image, inside(shape, 0.04)
