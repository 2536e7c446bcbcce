"""Frogs, turtles, chameleons and snails, each whole."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import cv2
import numpy as np

from dreamvideo.training.render.canvas import (
    NOWHERE,
    PI,
    SIZE,
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
from dreamvideo.training.render.cells import scale_cells
from dreamvideo.training.render.eye import Pupil, paint_eye
from dreamvideo.training.render.motif import motif
from dreamvideo.training.render.palettes import WHITE, hsv, ramp, rgb
from dreamvideo.training.render.scene import Scene
from dreamvideo.training.render.shading import shade

LEFT_AND_RIGHT: Final = (-1, 1)

Point = tuple[float, float]

_half = SIZE // 2
_axis = (np.arange(_half, dtype=f32) + 0.5) / _half * 2 - 1
_COARSE: Final = np.stack([np.tile(_axis, _half), np.repeat(_axis, _half)], 1)  # (pixels, 2)


class _Tube(NamedTuple):
    """A limb: distance to it, its relief, and how far along it each pixel lies, 0 to 1."""

    distance: Field
    height: Field
    along: Field


def _tube(points: Sequence[Point], radii: Sequence[float], samples: int = 18) -> _Tube:
    """A smooth limb through the points, as thick as `radii` there."""
    steps = np.linspace(0, 1, samples)
    control = np.array([*np.array(points, float).T, radii])
    curve = _smooth(control, steps).astype(f32)
    centers, thickness = curve[:2].T, curve[2]
    squared = (_COARSE**2).sum(1)[:, None] + (centers**2).sum(1) - 2 * _COARSE @ centers.T
    distance = np.sqrt(np.maximum(squared, 1e-6)) - thickness
    nearest = distance.argmin(1)
    found = np.stack([distance[np.arange(len(nearest)), nearest], thickness[nearest], steps[nearest].astype(f32)], 1)
    fine = cv2.resize(found.reshape(_half, _half, 3).astype(f32), (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
    return _Tube(fine[..., 0], _dome(fine[..., 0], fine[..., 1]), fine[..., 2])


def _smooth(control: Field, steps: Field) -> Field:
    """(3, samples) of a Catmull-Rom curve through the columns of `control`."""
    padded = np.concatenate([2 * control[:, :1] - control[:, 1:2], control, 2 * control[:, -1:] - control[:, -2:-1]], 1)
    position = steps * (control.shape[1] - 1)
    first = np.clip(position.astype(int), 0, control.shape[1] - 2)
    t = position - first
    a, b, c, d = (padded[:, first + k] for k in range(4))
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)


def _dome(distance: Field, radius: Field | float) -> Field:
    """The relief of a round body that is `radius` thick."""
    depth = np.clip(-distance, 0, radius)
    return np.sqrt(np.clip(depth * (2 * radius - depth), 0, None)).astype(f32)


def _rotated(x: Field, y: Field, angle: float) -> tuple[Field, Field]:
    """As `rotate_axes`, in single precision: what follows is twice as fast."""
    u, v = rotate_axes(x, y, angle)
    return u.astype(f32), v.astype(f32)


def _joined(a: Field, b: Field, sharpness: float = 18) -> Field:
    """Distance to two shapes that flow into each other."""
    return -np.logaddexp(-a * sharpness, -b * sharpness) / sharpness


class _Body:
    """An animal that is composed of parts, later ones on top."""

    def __init__(self, scene: Scene, color: Color) -> None:
        self.scene = scene
        self.image: Image = plain(color)
        self.shape: Field = NOWHERE

    def lay(
        self,
        skin: Image,
        distance: Field,
        height: Field,
        *,
        gloss: float = 0.25,
        shadow: float = 0.35,
        soft: float = 1.6,
    ) -> None:
        lit = shade(self.scene, skin, height, 0.75, 0.5, gloss, 18, soften=soft)
        if shadow:
            contact_shadow(self.image, distance, 0.07, shadow)
        grown = 0.04 * smoothstep(-0.02, 0.02, self.shape)  # so that nothing else shows through the outline
        self.image = over(self.image, np.clip(lit, 0, 1), inside(distance - grown, 0.035))
        self.shape = np.minimum(self.shape, distance)

    def painted(self) -> Painted:
        return self.image, inside(self.shape, 0.04).astype(f32)


def _granules(scene: Scene, fineness: float, relief: float = 0.012) -> tuple[Field, Field]:
    """(brightness, height) of skin made of small beads."""
    u, v = _rotated(X, Y, scene.angle())
    cells = scale_cells(u * fineness, v * fineness * 1.1, 0.6, 0.72)
    light = (0.86 + 0.28 * hash_cell(cells.column, cells.row)) * (1.08 - 0.28 * cells.rim**2)
    return light.astype(f32), ((1 - cells.rim**2) * relief).astype(f32)


def _frog_skin(scene: Scene, mark: Color, back: Color, limb: Color) -> tuple[Image, Image]:
    """(back, limbs) of a frog: plain, blotched, netted or speckled."""
    light = 0.85 + 0.3 * scene.noise(5, 3)
    torso, limbs = back * light[..., None], limb * light[..., None]
    kind = scene.integer(0, 4)
    if kind < 3:
        pattern = scene.noise(scene.uniform(5, 11), 2)
        if kind == 0:
            spots = smoothstep(0.54, 0.6, pattern)
        elif kind == 1:
            spots = bell(pattern - 0.5, 0.05)
        else:
            spots = smoothstep(0.57, 0.62, scene.noise(22, 1))
        spots = spots * scene.uniform(0.7, 0.95)
        torso = over(torso, mark * light[..., None], spots)
        limbs = over(limbs, mark * light[..., None], spots * scene.uniform(0.3, 1))
    elif kind == 3:
        torso = over(
            torso, mark * light[..., None], smoothstep(0.1, 0.6, Y + 0.35 + 0.2 * (scene.noise(5, 2) - 0.5)) * 0.7
        )
    return torso, limbs


def _feet(body: _Body, skin: Image, x: Field, y: float, angle: float, reach: float, pads: Color, size: float) -> None:
    """Two feet, where `x` is 0 and `y` is Y: toes with round pads, spread like a fan."""
    fingers, tips = NOWHERE, NOWHERE
    spread = body.scene.uniform(0.4, 0.6)
    for toe in (-1.2, 0.0, 1.2):
        length = reach * (1 - 0.1 * abs(toe))
        u, v = _rotated(x, Y - y, angle + toe * spread)
        fingers = np.minimum(fingers, np.hypot(u - np.clip(u, 0, length), v) - size * 0.55)
        tips = np.minimum(tips, np.hypot(u - length, v) - size * 0.9)
    both = _joined(fingers, tips, 40)
    color = mix_colors(skin, pads, inside(tips - 0.02, 0.06))
    body.lay(color, both, _dome(both, size * 0.8), soft=1)


@motif("frog", large=True)
def frog(scene: Scene) -> Painted:
    """A sitting frog from the front, with eyes on top of its head and a pale throat."""
    mark, back, limb, throat = scene.palette(4, (0.6, 1), (0.5, 1))
    throat = mix_colors(throat, rgb(1, 0.97, 0.88), scene.uniform(0.3, 0.75))
    pads = scene.pick(limb, limb, hsv(0.07, 0.9, 1), throat)
    torso, limbs = _frog_skin(scene, mark, back, limb)
    grain = (scene.noise(30, 1) * 0.012).astype(f32)
    body = _Body(scene, back)
    turn, width = scene.uniform(-0.19, 0.19), scene.uniform(0.92, 1.08)
    belly_y, foot_y = scene.uniform(0.22, 0.3), scene.uniform(0.66, 0.72)
    toe = scene.uniform(0.06, 0.085)
    knee, spread = scene.uniform(0.54, 0.64) * width, scene.uniform(0.1, 0.24)
    folded = np.abs(X) * (1 + scene.uniform(-0.08, 0.08) * np.sign(X))
    _feet(body, limbs, folded - knee - 0.02, foot_y, PI / 2 - 0.9, 0.19, pads, toe)
    u, v = _rotated(folded - knee, Y - scene.uniform(0.34, 0.42), scene.uniform(0.15, 0.5))
    thick = scene.uniform(0.19, 0.25)
    thigh = ellipse(u, v, thick, scene.uniform(0.36, 0.42))
    body.lay(limbs, thigh, _dome(thigh, thick) + grain)

    trunk = ellipse(X - turn * 0.3, Y - belly_y, 0.5 * width, 0.5)
    front = smoothstep(0.42, 0.2, np.hypot(X - turn * 0.6, (Y - belly_y - 0.1) * 0.75))
    body.lay(over(torso, throat * (0.9 + 0.2 * scene.noise(8, 2))[..., None], front), trunk, _dome(trunk, 0.5) + grain)
    _feet(body, limbs, np.abs(X - turn * 0.2) - 0.24 - spread * 0.6, foot_y, PI / 2 - 0.1, 0.15, pads, toe)
    arms, bulge = NOWHERE, np.zeros_like(X)
    lift = scene.uniform(-0.06, 0.06)
    for side in LEFT_AND_RIGHT:
        shoulder, elbow = (side * 0.34 + turn * 0.4, 0.2), (side * (0.36 + spread), 0.46 + side * lift)
        hand = (side * (0.24 + spread * 0.6) + turn * 0.2, foot_y)
        arm = _tube([shoulder, elbow, hand], [0.13, 0.1, 0.075], 14)
        arms, bulge = np.minimum(arms, arm.distance), np.maximum(bulge, arm.height)
    body.lay(limbs, arms, bulge + grain)
    _frog_head(body, torso, throat, back, turn, width, grain)
    return body.painted()


def _frog_head(body: _Body, torso: Image, throat: Color, back: Color, turn: float, width: float, grain: Field) -> None:
    scene = body.scene
    head_width, head_height = scene.uniform(0.52, 0.66) * width, scene.uniform(0.3, 0.39)
    head_y, eye_radius = scene.uniform(-0.2, -0.12), scene.uniform(0.125, 0.17)
    x, y = X - turn, Y - head_y
    skull = ellipse(x, y, head_width, head_height)
    eye_x, eye_y = head_width * scene.uniform(0.58, 0.68), head_y - head_height * scene.uniform(0.75, 0.92)
    shape, height = skull, _dome(skull, head_height) * 1.1
    for side in LEFT_AND_RIGHT:
        mound = np.hypot(X - turn - side * eye_x, Y - eye_y) - eye_radius * 1.4
        shape, height = _joined(shape, mound), np.maximum(height, _dome(mound, eye_radius * 1.4) + 0.1)
    mouth = y - head_height * scene.uniform(0.2, 0.34) + scene.uniform(0.1, 0.26) * (x / head_width) ** 2
    skin = mix_colors(torso, throat, smoothstep(-0.01, 0.05, mouth))
    body.lay(skin, shape, height + grain, shadow=0.45)
    dim(body.image, 0.75 * bell(mouth, 0.02) * smoothstep(-0.01, -0.07, skull))
    for side in LEFT_AND_RIGHT:
        nostril = np.hypot(x - side * head_width * 0.13, y + head_height * 0.12)
        dim(body.image, 0.6 * bell(nostril, 0.025))
    iris = hsv(*scene.pick((0.0, 0.95, 0.9), (0.1, 0.95, 1), (0.13, 0.9, 1), (0.06, 0.9, 0.85), (0.3, 0.7, 0.8)))
    pupil: Pupil = scene.pick("round", "round", "round", "slit", "bar")
    for side in LEFT_AND_RIGHT:
        center = turn + side * eye_x, eye_y
        paint_eye(scene, body.image, *center, eye_radius, pupil, iris, rim=mix_colors(back, rgb(0.1, 0.08, 0.05), 0.3))


class _Scutes(NamedTuple):
    """The plates of a shell: what each pixel's plate is, the distance to its edge, and around its center."""

    which: Field
    edge: Field
    angle: Field


def _scutes(scene: Scene, u: Field, v: Field) -> _Scutes:
    centers = [(0.0, row) for row in np.linspace(-0.72, 0.72, 5).tolist()]
    beside = scene.uniform(0.52, 0.6)
    centers += [(beside, row) for row in np.linspace(-0.56, 0.56, 4).tolist()]
    across = np.abs(u)  # left and right are alike
    first, second = np.full_like(u, 9), np.full_like(u, 9)
    which = np.zeros(u.shape, np.intp)
    for number, (center_x, center_y) in enumerate(centers):
        distance = np.hypot((across - center_x) * (1.0 if center_x else 0.85), v - center_y)
        second = np.minimum(second, np.maximum(first, distance))
        which[distance < first] = number
        first = np.minimum(first, distance)
    middles = np.array(centers, f32)[which]
    angle = np.arctan2(v - middles[..., 1], across - middles[..., 0])
    return _Scutes(which + 20 * (u > 0) * (which > 4), (second - first) * 0.5, angle)


def _shell(scene: Scene, u: Field, v: Field, colors: list[Color]) -> tuple[Image, Field]:
    """(color, relief) of a domed shell, its rim at radius 1."""
    radius, angle = polar(u, v)
    scutes = _scutes(scene, u, v)
    plates = scene.integer(22, 27)
    around = (angle / (2 * PI) + 0.5) * plates
    border = scene.uniform(0.8, 0.86)
    at_rim = smoothstep(border - 0.01, border + 0.01, radius)
    rim_edge = np.minimum(np.minimum(around % 1, 1 - around % 1) * 0.28, np.abs(radius - border))
    edge = np.where(radius < border, np.minimum(scutes.edge, border - radius), rim_edge)
    which = np.where(radius < border, scutes.which, np.floor(around) + 40)

    rings = 0.5 + 0.5 * np.sin(edge * scene.uniform(50, 85) + hash_cell(which, which * 0) * 3)
    kind = scene.pick(0, 0, 1, 1, 2, 3)
    if kind == 0:
        tint = smoothstep(0.0, 0.22, edge)
    elif kind == 1:
        tint = 1 - smoothstep(0.01, 0.2, edge)
    elif kind == 2:
        tint = smoothstep(0.38, 0.62, scene.noise(8, 2) + edge - 0.1)
    else:
        rays = 0.5 + 0.5 * np.cos(scutes.angle * scene.integer(4, 6))
        tint = np.where(radius < border, rays * 0.75 + 0.5 * smoothstep(0.12, 0.25, edge), 0.3 + 0.5 * rays)
    tint = np.clip(tint * 0.75 + 0.25 * hash_cell(which, which * 0, 2.0) + 0.3 * (scene.noise(9, 3) - 0.5), 0, 1)
    image = ramp(tint, colors) * (0.83 + 0.25 * rings)[..., None]
    seams = smoothstep(0.0, 0.035, edge)
    image = image * (0.66 + 0.34 * seams)[..., None]
    height = 0.42 * np.sqrt(np.clip(1.02 - radius**2, 0, 1)) + 0.03 * seams + rings * 0.004
    return image, (height + np.minimum(edge, 0.2) * scene.uniform(0.05, 0.35) * (1 - at_rim)).astype(f32)


def _mosaic_skin(scene: Scene, dark: Color, pale: Color) -> tuple[Image, Field]:
    """(color, height) of a turtle's skin: dark plates in a pale net."""
    fineness = scene.uniform(9, 12)
    cells = scale_cells(X * fineness, Y * fineness, 0.6, 0.75)
    plate = smoothstep(0.95, 0.6, cells.rim) * (0.75 + 0.25 * hash_cell(cells.column, cells.row))
    image = over(plain(pale), dark * (0.8 + 0.4 * scene.noise(6, 2))[..., None], plate * scene.uniform(0.6, 0.95))
    return image, (plate * 0.01).astype(f32)


@motif("turtle", large=True)
def turtle(scene: Scene) -> Painted:
    """A turtle from above, with flippers or with legs."""
    colors = scene.palette(3, (0.5, 1), (0.35, 1))
    dark, pale = scene.pick(
        (hsv(0.3, 0.7, 0.4), hsv(0.2, 0.5, 0.9)),
        (hsv(0.13, 0.7, 0.5), hsv(0.13, 0.6, 0.95)),
        (hsv(0.5, 0.6, 0.4), hsv(0.42, 0.35, 0.9)),
        (hsv(0.58, 0.5, 0.4), hsv(0.12, 0.3, 0.95)),
        (hsv(0.07, 0.7, 0.45), hsv(0.1, 0.55, 0.95)),
        (mix_colors(colors[0], colors[1], 0.5), mix_colors(colors[2], WHITE, 0.3)),
    )
    skin, grain = _mosaic_skin(scene, dark, pale)
    body = _Body(scene, mix_colors(dark, pale, 0.4))
    width, length, middle = scene.uniform(0.48, 0.58), scene.uniform(0.56, 0.64), 0.14
    tail = _tube([(0, middle + length - 0.1), (scene.uniform(-0.06, 0.06), middle + length + 0.16)], [0.08, 0.02], 8)
    body.lay(skin, tail.distance, tail.height)
    swims = scene.chance(0.6)
    for side in LEFT_AND_RIGHT:
        for limb in _limbs(scene, side, width, length, middle, swims):
            body.lay(skin, limb.distance, limb.height * 0.7 + grain)
    sway = scene.uniform(-0.16, 0.16)
    head_y, size = middle - length - scene.uniform(0.1, 0.17), scene.uniform(0.16, 0.19)
    neck = _tube([(0, middle - length + 0.15), (sway * 0.4, head_y + 0.1), (sway, head_y)], [0.15, 0.12, size], 12)
    snout = ellipse(X - sway * 1.1, Y - head_y + size * 0.55, size * 0.72, size * 0.85)
    shape = _joined(neck.distance, snout, 25)
    body.lay(skin, shape, np.maximum(neck.height, _dome(snout, size * 0.7)) + grain)
    iris = hsv(*scene.pick((0.1, 0.9, 0.9), (0.13, 0.9, 1), (0.05, 0.9, 0.7)))
    for side in LEFT_AND_RIGHT:
        paint_eye(
            scene, body.image, sway + side * size * 0.72, head_y - size * 0.2, 0.06, "round", iris, rim=dark * 0.6
        )

    y = Y - middle
    taper = 1 + scene.uniform(-0.05, 0.22) * y
    u, v = X / width / taper, y / length
    carapace, height = _shell(scene, u, v, colors)
    distance = (np.sqrt(u * u + v * v) - 1) * width
    body.lay(carapace, distance, height, gloss=scene.uniform(0.15, 0.45), shadow=0.5, soft=0.8)
    return body.painted()


def _limbs(scene: Scene, side: int, width: float, length: float, middle: float, swims: bool) -> list[_Tube]:
    """The front and the hind limb of one side."""
    front, hind = middle - length * 0.62, middle + length * 0.68
    if swims:
        lift, reach = scene.uniform(-0.25, 0.15), scene.uniform(0.82, 0.89)
        flipper = [
            (side * 0.3, front + 0.1),
            (side * 0.66, front + lift),
            (side * reach, front + lift + scene.uniform(0.2, 0.45)),
        ]
        paddle = [(side * 0.28, hind), (side * 0.46, hind + 0.14), (side * scene.uniform(0.5, 0.62), hind + 0.32)]
        return [_tube(flipper, [0.14, 0.18, 0.05]), _tube(paddle, [0.13, 0.15, 0.06], 12)]
    swing = scene.uniform(-0.16, 0.1)
    arm = [(side * 0.3, front + 0.1), (side * (width + 0.04), front), (side * (width + 0.17), front + swing)]
    leg = [
        (side * 0.3, hind - 0.1),
        (side * (width + 0.02), hind),
        (side * (width + 0.12), hind + scene.uniform(0.05, 0.2)),
    ]
    return [_tube(arm, [0.15, 0.16, 0.12], 12), _tube(leg, [0.15, 0.16, 0.12], 12)]


@motif("snail", large=True)
def snail(scene: Scene) -> Painted:
    """A snail from the side, creeping to the left under its banded shell."""
    colors = scene.palette(4, (0.3, 0.9), (0.4, 1))
    flesh = scene.pick(
        hsv(0.09, 0.5, 0.75),
        hsv(0.1, 0.35, 0.9),
        hsv(0.06, 0.6, 0.55),
        hsv(0.13, 0.55, 0.85),
        hsv(0.6, 0.2, 0.55),
        hsv(0.04, 0.6, 0.9),
        hsv(0.25, 0.4, 0.65),
    )
    flesh = mix_colors(flesh, scene.pick(colors[1], hsv(0.28, 0.5, 0.7), flesh), scene.uniform(0, 0.4))
    wrinkles = scene.noise(scene.uniform(16, 26), 2)
    light, beads = 0.8 + 0.4 * wrinkles, (wrinkles * 0.035).astype(f32)
    skin = flesh * light[..., None]
    skin = over(skin, mix_colors(flesh, WHITE, 0.55), smoothstep(0.44, 0.62, Y + 0.06 * scene.noise(6, 2)) * 0.5)
    if scene.chance(0.5):
        spots = smoothstep(0.52, 0.6, scene.noise(12, 2)) * smoothstep(0.5, 0.35, Y)
        skin = over(skin, flesh * scene.pick(0.5, 0.65, 1.35), spots * 0.7)
    body = _Body(scene, flesh)
    _snail_shell(body, colors)
    ground, head_x, head_y = 0.58, scene.uniform(-0.64, -0.54), scene.uniform(0.0, 0.2)
    thick = scene.uniform(0.15, 0.19)
    foot = _tube(
        [
            (0.86, ground - 0.03),
            (0.45, ground - 0.12),
            (-0.22, ground - 0.14),
            (-0.48, ground - 0.26),
            (head_x, head_y),
        ],
        [0.02, thick, thick + 0.05, thick + 0.02, scene.uniform(0.14, 0.17)],
        26,
    )
    sole = _tube([(0.83, ground), (0.2, ground), (-0.5, ground), (-0.7, ground - 0.01)], [0.03, 0.07, 0.08, 0.05], 14)
    iris = hsv(*scene.pick((0.1, 0.9, 0.9), (0.05, 0.8, 0.6), (0.3, 0.6, 0.7), (0.58, 0.6, 0.8)))
    for stalk in range(2):
        near = stalk == 1
        lean = scene.uniform(-0.26, -0.12) if near else scene.uniform(0.0, 0.1)
        tip = (max(head_x + lean, -0.8), head_y - scene.uniform(0.38, 0.5))
        bend = ((head_x + tip[0]) / 2 + scene.uniform(-0.04, 0.04), (head_y + tip[1]) / 2)
        horn = _tube([(head_x - 0.04 + 0.06 * (not near), head_y), bend, tip], [0.065, 0.045, 0.04], 14)
        knob = np.hypot(X - tip[0], Y - tip[1]) - 0.095
        shape = _joined(horn.distance, knob, 30)
        body.lay(skin, shape, np.maximum(horn.height, _dome(knob, 0.095)), soft=1)
        paint_eye(scene, body.image, tip[0] - 0.01, tip[1] - 0.005, 0.065, "round", iris, rim=flesh * 0.7)
    feeler = _tube([(head_x, head_y + 0.08), (head_x - 0.2, head_y + scene.uniform(0.1, 0.2))], [0.06, 0.03], 8)
    body.lay(skin, feeler.distance, feeler.height, soft=1)
    shape = _joined(foot.distance, sole.distance, 22)
    body.lay(skin, shape, np.maximum(foot.height, sole.height * 0.6) + beads, gloss=0.3, shadow=0.3)
    return body.painted()


def _snail_shell(body: _Body, colors: list[Color]) -> None:
    """A spiral whose whorls widen to the mouth above the foot."""
    scene = body.scene
    size, growth = scene.uniform(0.7, 0.78), scene.uniform(0.095, 0.125)
    center_x, center_y = scene.uniform(0.12, 0.2), 0.31 - size * float(np.exp(-growth * 2 * PI))
    x, y = X - center_x, (Y - center_y) / scene.uniform(0.9, 1.02)
    radius, angle = polar(x, y)
    angle = (angle - 1.3) % (2 * PI)  # begins and ends where the shell touches the body
    outer = size * np.exp(growth * (angle - 2 * PI)) if scene.chance(0.5) else size * np.exp(growth * -angle)
    turns = np.log(outer / radius) / (2 * PI * growth)
    whorl = np.floor(turns)
    across = 1 - (turns - whorl)  # 1 at the outer wall
    along = angle - 2 * PI * whorl
    distance = radius - outer
    kind = scene.integer(0, 3)
    grow = 0.5 + 0.5 * np.sin(along * scene.integer(10, 18) + across * 2 + 2 * scene.noise(5, 2))
    if kind == 0:
        tint = 0.5 + 0.5 * np.cos(across * 2 * PI * scene.integer(2, 3))
    elif kind == 1:
        tint = smoothstep(0.2, 0.8, across)
    elif kind == 2:
        tint = 0.5 + 0.5 * np.sin(along * scene.integer(4, 8) + across * 3)
    else:
        tint = smoothstep(0.3, 0.7, 0.5 + 0.5 * np.cos((across - 0.5) * 6)) * 0.7 + 0.3 * grow
    tint = np.clip(tint * 0.85 + 0.15 * grow + 0.3 * (scene.noise(7, 3) - 0.5), 0, 1)
    tint = 0.35 + (tint - 0.35) * smoothstep(0.0, 0.16, radius)
    image = ramp(tint, colors) * (0.88 + 0.16 * grow)[..., None]
    middle = across * 2 - 1
    dim(image, 0.45 * smoothstep(0.72, 1.0, np.abs(middle)) * smoothstep(0.02, 0.12, radius))
    tube = np.sqrt(np.clip(1 - middle**2, 0, 1)) * np.minimum(radius, 0.4) * smoothstep(0, 0.1, radius) * 0.42
    dome = 0.5 * np.sqrt(np.clip(1.03 - (radius / outer) ** 2, 0, 1)) * size
    body.lay(image, distance, (tube + dome + grow * 0.004).astype(f32), gloss=0.35, shadow=0.5, soft=1.2)


@motif("chameleon", large=True)
def chameleon(scene: Scene) -> Painted:
    """A chameleon from the side on a branch, looking to the left, its tail rolled up."""
    colors = scene.palette(4, (0.5, 1), (0.4, 1))
    light, beads = _granules(scene, scene.uniform(13, 18))
    wobble = scene.noise(4, 3) - 0.5
    lift = scene.uniform(-0.2, -0.1)
    bands = np.sin(X * scene.uniform(11, 18) + 3.5 * wobble + scene.uniform(-1, 1) * Y * 4)
    tint = np.clip(0.5 + 0.3 * scene.uniform(-1, 1) + 0.9 * wobble - 0.5 * (Y - lift), 0, 1)
    skin = ramp(tint * 0.66, colors)
    skin = over(skin, colors[3], smoothstep(0.1, 0.7, bands) * scene.uniform(0.5, 0.9))
    if scene.chance(0.5):
        skin = over(skin, mix_colors(colors[3], WHITE, 0.4), bell(Y - lift - 0.02 + 0.1 * wobble, 0.05) * 0.8)
    skin = over(skin, colors[0], smoothstep(0.6, 0.66, scene.noise(18, 2)) * 0.4)
    skin = skin * light[..., None]
    body = _Body(scene, mix_colors(colors[1], colors[2], 0.5))
    perch = lift + scene.uniform(0.56, 0.64)
    far = skin * 0.6
    distance, height = _legs(scene, lift, perch, 0.1)
    body.lay(far, distance, height + beads)
    if scene.chance(0.8):
        _branch(body, perch)
    tail = _rolled_tail(scene, lift)
    striped = over(
        skin, colors[3] * light[..., None], smoothstep(0.2, 0.8, np.sin(tail.along * scene.uniform(40, 70))) * 0.7
    )
    body.lay(striped, tail.distance, tail.height + beads)

    angle = np.arctan2(Y - lift, X - 0.02)
    teeth = 0.02 * np.cos(angle * 60) * smoothstep(-0.1, -0.5, np.sin(angle))
    trunk = (
        ellipse(X - 0.02, Y - lift + 0.08 * (X - 0.02) ** 2, scene.uniform(0.5, 0.56), scene.uniform(0.27, 0.33))
        - teeth
    )
    body.lay(skin, trunk, _dome(trunk, 0.3) * 0.9 + beads)
    distance, height = _legs(scene, lift, perch, 0.0)
    body.lay(skin, distance, height + beads)
    _chameleon_head(body, skin, colors, lift, beads)
    return body.painted()


def _legs(scene: Scene, lift: float, perch: float, shift: float) -> tuple[Field, Field]:
    """(distance, relief) of a front and a hind leg that grip the branch."""
    front, hind = -0.3 + shift + scene.uniform(-0.06, 0.06), 0.32 - shift + scene.uniform(-0.05, 0.05)
    distance, height = NOWHERE, np.zeros_like(X)
    for x, bend in ((front, -0.13), (hind, 0.15)):
        knee, toe = (x + bend, lift + 0.32), (x - bend * 0.2, perch - 0.06)
        points = [(x, lift + 0.08), knee, toe, (toe[0] - 0.05, perch + 0.05)]
        leg = _tube(points, [0.11, 0.075, 0.06, 0.07], 14)
        distance, height = np.minimum(distance, leg.distance), np.maximum(height, leg.height)
    return distance, height


def _branch(body: _Body, perch: float) -> None:
    scene = body.scene
    middle = perch + scene.uniform(-0.1, 0.1) * X + 0.03 * np.sin(X * scene.uniform(2, 5) + scene.angle())
    thick = scene.uniform(0.055, 0.08) * (1 + 0.2 * np.sin(X * 9 + scene.angle()))
    distance = np.maximum(np.abs(Y - middle) - thick, np.abs(X) - 0.9)
    bark = hsv(scene.uniform(0.05, 0.1), scene.uniform(0.35, 0.65), scene.uniform(0.4, 0.7))
    streaks = cv2.resize(scene.rng.random((40, 8), dtype=f32), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    body.lay(bark * (0.65 + 0.6 * streaks)[..., None], distance, _dome(distance, thick) + streaks * 0.015, gloss=0.05)


def _rolled_tail(scene: Scene, lift: float) -> _Tube:
    """From the hip to the right, then rolled up in a spiral."""
    radius, turns = scene.uniform(0.25, 0.31), scene.uniform(1.6, 2.0)
    center_x, center_y = 0.58, lift + 0.16 + radius
    angles = np.linspace(-PI / 2, -PI / 2 + turns * 2 * PI, 26)
    shrink = np.linspace(1, 0.14, 26) * radius
    spiral = [
        (center_x + r * float(np.cos(a)), center_y + r * float(np.sin(a))) for a, r in zip(angles, shrink, strict=True)
    ]
    thickness = np.linspace(0.085, 0.03, 26).tolist()
    return _tube([(0.35, lift + 0.04), *spiral], [0.16, *thickness], 52)


def _chameleon_head(body: _Body, skin: Image, colors: list[Color], lift: float, beads: Field) -> None:
    """Casque, jaws and the turret of the eye."""
    scene = body.scene
    x, y = -0.56, lift + scene.uniform(-0.06, 0.02)
    casque = _tube(
        [(x - 0.02, y - 0.02), (x + 0.12, y - 0.16), (x + scene.uniform(0.2, 0.3), y - scene.uniform(0.32, 0.42))],
        [0.2, 0.17, 0.05],
        14,
    )
    jaw = _tube([(x + 0.22, y + 0.08), (x, y + 0.06), (x - 0.32, y + 0.07)], [0.17, 0.16, 0.06], 14)
    shape = _joined(casque.distance, jaw.distance, 25)
    body.lay(skin, shape, np.maximum(casque.height, jaw.height) * 0.9 + beads, shadow=0.45)
    mouth = Y - (y + 0.1) - 0.05 * np.sin((X - x) * 7)
    dim(body.image, 0.65 * bell(mouth, 0.017) * smoothstep(x + 0.2, x + 0.1, X) * smoothstep(0.0, -0.04, shape))

    size = scene.uniform(0.15, 0.18)
    eye_x, eye_y = x - 0.03, y - 0.06
    radius, angle = polar(X - eye_x, Y - eye_y)
    rays = 0.5 + 0.5 * np.cos(angle * scene.integer(7, 12))
    rings = 0.5 + 0.5 * np.cos(radius * 120)
    turret = ramp(radius / size * 0.8 + 0.2 * rays, [colors[3], colors[2], colors[1]])
    turret = turret * (0.8 + 0.25 * rings)[..., None]
    body.lay(turret, radius - size, _dome(radius - size, size) * 1.2, soft=1)
    iris = hsv(*scene.pick((0.1, 0.9, 0.9), (0.06, 0.9, 0.8), (0.13, 0.9, 1)))
    paint_eye(scene, body.image, eye_x - 0.02, eye_y, 0.075, "round", iris, rim=colors[0] * 0.7)
