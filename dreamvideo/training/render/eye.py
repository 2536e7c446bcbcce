"""Paints the eye that all faces share: a fibrous iris, a pupil, catch-lights; in a socket or between human lids."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import cv2
import numpy as np

from dreamvideo.training.render.canvas import (
    PI,
    SIZE,
    Color,
    Field,
    Image,
    X,
    Y,
    f32,
    inside,
    mix_colors,
    over,
    polar,
    smoothstep,
)
from dreamvideo.training.render.palettes import WHITE, hsv, ramp, rgb
from dreamvideo.training.render.scene import Scene
from dreamvideo.training.render.strokes import Ink

Pupil: TypeAlias = Literal["round", "slit", "bar"]

_IRISES = (
    (0.1, 0.95, 1),
    (0.13, 0.95, 1),
    (0.07, 0.9, 0.8),
    (0.56, 0.85, 0.95),
    (0.33, 0.85, 0.8),
    (0.03, 0.95, 0.95),
    (0.5, 0.8, 0.9),
    (0.25, 0.85, 0.9),
    (0.6, 0.9, 0.9),
    (0.77, 0.7, 0.9),
)


def paint_eye(
    scene: Scene,
    image: Image,
    x: float,
    y: float,
    radius: float,
    pupil: Pupil = "round",
    iris: Color | None = None,
    *,
    rim: Color | None = None,
    human: bool = False,
) -> None:
    """Paint an eye in place.

    Args:
        scene: chooses what is None.
        image: painted on.
        x, y: center of the iris, in canvas coordinates.
        radius: of the iris.
        pupil: its shape.
        iris: color of the iris.
        rim: color of the socket.
        human: with lids and lashes instead of a socket.
    """
    rows, columns = _span(y, radius * 2.6), _span(x, radius * 2.6)
    if columns.stop - columns.start < 3 or rows.stop - rows.start < 3:
        return
    u, v = (X[rows, columns] - x) / radius, (Y[rows, columns] - y) / radius
    softness = max(2 / SIZE / radius * 1.5, 0.02)
    if iris is None:
        iris = hsv(*scene.pick(*_IRISES))
    gaze_x, gaze_y = scene.uniform(-0.12, 0.12), scene.uniform(-0.1, 0.1)
    below = image[rows, columns].copy()
    lids = None
    if human:
        lids = _Lids(scene.uniform(1.7, 2.2), scene.uniform(0.75, 1.05), scene.uniform(0.6, 0.85))
        below = lids.creased(below, u, v)
    else:
        below = _socket(scene, below, polar(u, v)[0], iris, rim, softness)
    u_iris, v_iris = u - gaze_x, v - gaze_y
    eye = _iris(scene, u_iris, v_iris, iris)
    cover = inside(polar(u_iris, v_iris)[0] - 1, softness * 2)
    eye = eye * (1 - 0.97 * inside(_pupil(scene, u_iris, v_iris, pupil), max(0.07, softness)))[..., None]
    if lids:
        eye = over(lids.ball(u, v), eye, cover)
        eye = eye * (1 - 0.45 * np.exp(-np.clip(lids.below_upper(u, v), 0, 9) / 0.16))[..., None]
        cover = lids.opening(u, v, softness)
    image[rows, columns] = over(below, _catch_lights(scene, eye, u_iris, v_iris), cover)
    if lids and radius > 0.12:
        _lashes(scene, image, x, y, radius, lids)


def _span(center: float, reach: float) -> slice:
    """Return the pixels from center - reach to center + reach."""
    return slice(max(int((center - reach + 1) * SIZE / 2), 0), min(int((center + reach + 1) * SIZE / 2) + 1, SIZE))


class _Lids(NamedTuple):
    """An almond between two lids, in units of the iris radius."""

    width: float
    upper: float
    lower: float

    def arch(self, u: Field) -> Field:
        return np.clip(1 - np.abs(u / self.width) ** 2.0, 0, 1)

    def below_upper(self, u: Field, v: Field) -> Field:
        return v + self.upper * self.arch(u)

    def opening(self, u: Field, v: Field, softness: float) -> Field:
        above_lower = v - self.lower * self.arch(u)
        covered = np.minimum(inside(-self.below_upper(u, v), softness * 2), inside(above_lower, softness * 2))
        return covered * (np.abs(u / self.width) < 1)

    def creased(self, skin: Image, u: Field, v: Field) -> Image:
        """Add the rim of the lids and the crease above them."""
        arch, across = self.arch(u), np.abs(u / self.width)
        rim = np.maximum(-(v + self.upper * arch), v - self.lower * arch)
        skin = skin * (1 - 0.75 * np.exp(-np.abs(rim) / 0.09) * (across < 1.03))[..., None]
        crease = np.abs(v + self.upper * arch * 1.35 + 0.12)
        return skin * (1 - 0.35 * np.exp(-crease / 0.07) * (across < 0.95))[..., None]

    def ball(self, u: Field, v: Field) -> Image:
        """Return the white of the eye, redder towards the corners."""
        light = 1.05 - 0.22 * (u[..., None] / self.width) ** 2 - 0.25 * smoothstep(0.2, -1, v)[..., None]
        return rgb(0.95, 0.93, 0.9) * light - rgb(0, 0.12, 0.12) * smoothstep(1, 2, np.abs(u))[..., None]


def _socket(scene: Scene, below: Image, radius: Field, iris: Color, rim: Color | None, softness: float) -> Image:
    if rim is None:
        rim = scene.pick(rgb(0.08, 0.06, 0.05), hsv(scene.uniform(), 0.7, 0.5), rgb(0.9, 0.85, 0.7), iris * 0.4)
    reach = scene.uniform(1.12, 1.5)
    ring = rim * (1 - 0.5 * smoothstep(1.0, reach, radius))[..., None]
    below = over(below, ring, inside(radius - reach, softness * 3))
    return over(below, iris * 0.18, inside(radius - 1.06, softness * 3) * 0.8)


def _iris(scene: Scene, u: Field, v: Field, iris: Color) -> Image:
    radius, angle = polar(u, v)
    threads = scene.rng.random((6, 96), dtype=f32)
    threads = np.concatenate([threads, threads[:, :2]], 1)  # closes the circle
    column, row = ((angle / (2 * PI) + 0.5) * 96).astype(f32), (radius * 5).astype(f32)
    fibers = cv2.remap(threads, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inner = mix_colors(iris, hsv(scene.uniform(0.05, 0.15), 0.9, 1), scene.uniform(0, 0.5))
    outer = iris * scene.uniform(0.5, 1)
    eye = ramp(smoothstep(0.25, 1, radius + 0.25 * (fibers - 0.5)), [inner * 1.15, iris, outer])
    eye = eye * (0.55 + 0.9 * fibers[..., None])
    eye = eye * (1 - 0.6 * smoothstep(0.8, 1, radius))[..., None]
    lit = (1 + 0.5 * smoothstep(-0.2, 0.9, v - u * scene.light[0]))[..., None]
    return eye * lit * (1 - 0.45 * smoothstep(-0.1, -0.9, v))[..., None]


def _pupil(scene: Scene, u: Field, v: Field, kind: Pupil) -> Field:
    """Return the signed distance to the pupil."""
    radius = polar(u, v)[0]
    if kind == "slit":
        width = scene.uniform(0.1, 0.35)
        distance = np.sqrt((u / width) ** 2 + (v / 0.92) ** 2) - 1
        distance *= width
        return np.maximum(distance, radius - 0.95)
    if kind == "bar":
        height = scene.uniform(0.2, 0.35)
        return (np.sqrt((u / 0.75) ** 4 + (v / height) ** 4) - 1) * height
    return radius - scene.uniform(0.28, 0.62)


def _catch_lights(scene: Scene, eye: Image, u: Field, v: Field) -> Image:
    x, y = -0.32 + 0.64 * (scene.light[0] > 0), -0.36
    large = inside(polar(u - x, (v - y) * scene.uniform(0.9, 1.3))[0] - scene.uniform(0.13, 0.24), 0.1)
    eye = over(np.clip(eye, 0, 1), WHITE, large * 0.97)
    if scene.chance(0.6):
        eye = over(eye, WHITE, inside(polar(u + x * 0.9, v + y)[0] - 0.09, 0.1) * 0.6)
    return eye


def _lashes(scene: Scene, image: Image, x: float, y: float, radius: float, lids: _Lids) -> None:
    ink = Ink.on(image)
    for at in np.linspace(-0.95, 0.95, 22):
        root_x = x + at * lids.width * radius
        root_y = y - lids.upper * (1 - at * at) * radius
        length = radius * scene.uniform(0.3, 0.6)
        lean = at * length * 1.0 + scene.normal(0, 0.02)
        ink.line(
            [root_x, root_x + lean * 0.4, root_x + lean],
            [root_y, root_y - length * 0.6, root_y - length * 0.9],
            rgb(0.05, 0.03, 0.03),
        )
    image[:] = ink.to_image()
