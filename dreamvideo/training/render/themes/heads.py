"""Heads and masks: parrot, lion, fox, festival mask."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import cv2
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
from dreamvideo.training.render.cells import feathers
from dreamvideo.training.render.eye import Pupil, paint_eye
from dreamvideo.training.render.motif import motif
from dreamvideo.training.render.palettes import WHITE, hsv, ramp, rgb
from dreamvideo.training.render.scene import Scene
from dreamvideo.training.render.shading import shade
from dreamvideo.training.render.strokes import fur
from dreamvideo.training.render.themes.faces import LEFT_AND_RIGHT, paint_nose


def _joined(a: Field, b: Field, softness: float) -> Field:
    """The union of two shapes, rounded where they meet."""
    blend = np.clip(softness - np.abs(a - b), 0, softness)
    return np.minimum(a, b) - blend * blend / (4 * softness)


def _strands(scene: Scene, radius: Field, angle: Field, count: int) -> Field:
    """0..1, smooth streaks that run outwards from the center of these polar coordinates."""
    texture = scene.rng.random((5, count), dtype=f32)
    texture = np.concatenate([texture, texture[:, :2]], 1)  # closes the circle
    column = np.mod(angle / (2 * PI) + 0.5, 1) * count
    row = radius * 3.5
    return cv2.remap(texture, column.astype(f32), row.astype(f32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _coat_colors(scene: Scene) -> list[Color]:
    """Dark, middle and light of one coat: fur keeps to natural colors even where the scene does not."""
    if scene.natural:
        return scene.palette(3)
    coat = mix_colors(scene.coat(), hsv(0.08, 0.75, 0.8), 0.2)
    return [coat * 0.5, coat, mix_colors(coat, rgb(1.0, 0.95, 0.88), 0.55)]


def _dome(distance: Field) -> Field:
    """The height of a rounded body with this outline."""
    return np.sqrt(np.clip(-distance, 0, 1)).astype(f32)


def _upper_lid(image: Image, x: float, y: float, radius: float, slant: float, color: Color) -> None:
    """Let a lid fall over the top of an eye, in place; a positive slant lowers it towards the right."""
    across, down = X - x, Y - y
    edge = down + radius * 0.55 - slant * across + 0.5 / radius * across**2 * 0.35
    lid = np.maximum(np.hypot(across, down) - radius * 1.35, edge)
    image[:] = over(image, color * (0.9 + 2 * np.clip(edge, -0.1, 0))[..., None], inside(lid, 0.035))
    dim(image, 0.6 * bell(edge, radius * 0.16) * inside(np.abs(across) - radius * 1.1, 0.05))


# Parrot


def _crest(scene: Scene, image: Image, shape: Field, x: float, y: float, colors: list[Color]) -> tuple[Image, Field]:
    """`image` and `shape` with a fan of long feathers that rise from (x, y)."""
    count, reach, bend = scene.integer(5, 8), scene.uniform(0.58, 0.72), scene.uniform(-0.2, 0.9)
    tint = scene.pick(colors[0], colors[3], hsv(0.14, 0.8, 1.0), hsv(0.03, 0.85, 0.95))
    for angle in np.linspace(scene.uniform(-0.5, -0.2), scene.uniform(-1.6, -1.2), count):
        along, across = rotate_axes(X - x - 0.05 * float(np.cos(angle)), Y - y, float(angle + scene.normal(0, 0.04)))
        length = reach * (0.68 + 0.3 * float(np.cos(angle))) * scene.uniform(0.9, 1.05)
        across = across - bend * along**2 * 0.5
        part = np.clip(along / length, 0, 1)
        width = 0.025 + 0.11 * np.sin(PI * part**1.3) * (1 - 0.3 * part)
        feather = np.maximum(np.maximum(np.abs(across) - width, along - length), -0.05 - along)
        color = ramp(part, [colors[1] * 0.7, tint, mix_colors(tint, WHITE, 0.3)])
        barbs = 0.88 + 0.14 * np.sin((along - np.abs(across) * 1.2) * 70)
        color = color * (barbs * (0.7 + 0.4 * smoothstep(0.03, -0.06, feather)))[..., None]
        contact_shadow(image, feather, 0.04)
        image = over(image, color, inside(feather - 0.015, 0.03))
        shape = np.minimum(shape, feather)
    return image, shape


def _beak(scene: Scene, image: Image, shape: Field, x: float, y: float) -> tuple[Image, Field]:
    """`image` and `shape` with a thick hooked beak around (x, y); the side towards the head stays open."""
    size = scene.uniform(0.36, 0.42)
    horn = scene.pick(
        hsv(0.6, 0.3, 0.36), hsv(0.09, 0.3, 0.95), hsv(0.02, 0.85, 0.9), hsv(0.09, 0.9, 1.0), hsv(0.58, 0.18, 0.55)
    )
    tip = mix_colors(horn, scene.pick(hsv(0.6, 0.3, 0.25), hsv(0.1, 0.3, 1.0), horn), 0.7)
    lower = ellipse(
        *rotate_axes(X - x + size * 0.12, Y - y - size * scene.uniform(0.66, 0.8), 0.6), size * 0.62, size * 0.3
    )
    paint = mix_colors(tip, horn, 0.3) * (0.65 + 0.5 * smoothstep(0, -0.1, lower))[..., None]
    image = over(image, paint, inside(lower - 0.015, 0.03))

    radius, angle = polar(X - x, (Y - y) * scene.uniform(0.8, 0.92))
    part = (np.mod(-angle, 2 * PI) - 0.7) / scene.uniform(3.3, 3.7)  # from the forehead over the ridge to the tip
    outer = size * (1 + 0.3 * smoothstep(0.5, 1.0, part))
    inner = outer * np.clip((part - 0.55) / 0.45, 0, 1) ** 1.25
    upper = np.maximum(np.maximum(radius - outer, inner - radius), np.maximum(-part, part - 1))
    growth = 0.94 + 0.08 * np.sin(radius * 45 + 3 * scene.noise(3, 2))
    paint = ramp(smoothstep(0.3, 0.95, part), [horn, mix_colors(horn, tip, 0.4), tip]) * growth[..., None]
    paint = shade(scene, paint, _dome(upper) * 0.7, 0.8, 0.55, 0.2, 14, soften=3)
    contact_shadow(image, upper, 0.06)
    image = over(image, paint, inside(upper - 0.015, 0.03))
    return image, np.minimum(np.minimum(shape, lower), upper)


def _bare_cheek(scene: Scene, image: Image, x: float, y: float, beak_x: float) -> Image:
    """`image` with the bare skin between beak and eye, lined by rows of tiny feathers."""
    u, v = rotate_axes(X - x + 0.1, Y - y - 0.06, scene.uniform(-0.1, 0.5))
    patch = ellipse(u, v, scene.uniform(0.27, 0.33), scene.uniform(0.2, 0.27))
    skin = hsv(*scene.pick((0.1, 0.06, 1.0), (0.1, 0.06, 1.0), (0.14, 0.8, 1.0), (0.97, 0.16, 1.0), (0.55, 0.15, 0.97)))
    line = scene.pick(hsv(0.0, 0.7, 0.6), hsv(0.6, 0.5, 0.4), hsv(0.35, 0.6, 0.4), skin * 0.6)
    radius = polar(X - beak_x, Y - y - 0.3)[0]
    rows = smoothstep(0.6, 1, np.sin(radius * scene.uniform(55, 75))) * (0.5 + 0.5 * np.sin(np.arctan2(v, u) * 34))
    paint = over(plain(skin), line, rows * 0.55 * smoothstep(-0.02, 0.08, v))
    paint = shade(scene, paint, _dome(patch) * 0.4, 0.6, 0.6, 0.1, soften=2)
    contact_shadow(image, patch, 0.04, 0.25)
    return over(image, paint, inside(patch + 0.02 * (scene.noise(14, 2) - 0.5), 0.06))


@motif("parrot", large=True)
def parrot(scene: Scene) -> Painted:
    """A parrot's head and neck from the side, looking left."""
    forehead, crown, back, breast = scene.palette(4, (0.6, 1), (0.55, 1), 0.25)
    x, y, size = scene.uniform(0.12, 0.2), scene.uniform(-0.3, -0.2), scene.uniform(0.42, 0.48)
    crested = scene.chance(0.4)
    if crested:
        y, size = y + 0.1, size * 0.95
    beak_x, beak_y = x - size * scene.uniform(0.82, 0.95), y + size * scene.uniform(0.18, 0.32)
    lean = scene.uniform(-0.05, 0.2)
    middle = x + lean * (Y - y)
    neck = np.abs(X - middle - 0.06) - size * (0.78 + 0.4 * smoothstep(y, 1.0, Y))
    hem = 0.9 + 0.05 * np.sin(X * scene.uniform(18, 26))
    neck = np.maximum(np.maximum(neck, y - Y), Y - hem + 0.35 * X**2)
    head = _joined(ellipse(X - x, Y - y, size * scene.uniform(1.0, 1.1), size), neck, 0.2)

    image, shape = plain(crown), NOWHERE
    image, shape = _beak(scene, image, shape, beak_x, beak_y)

    radius, angle = polar(X - beak_x, Y - beak_y)
    ripple = 0.16 * (scene.noise(6, 2) - 0.5)
    color = over(plain(forehead), crown, smoothstep(0.28, 0.45, radius + ripple))
    color = over(color, back, smoothstep(0.05, 0.3, (Y - y) * 0.7 + (X - x) * 0.8 - 0.3 + ripple))
    color = over(color, breast, smoothstep(-0.05, 0.15, (Y - y) * 0.75 - (X - x) * 0.55 - 0.38 + ripple))
    fineness = scene.uniform(5.5, 8)
    plumage, relief = feathers(
        scene,
        angle * fineness,
        np.log(radius + 0.12) * fineness,
        [crown * 0 + 0.72, crown * 0 + 0.9, crown * 0 + 1.02],
        length=1.6,
        barred=False,
    )
    plumage = color * (0.45 + 0.75 * plumage)
    plumage = shade(scene, plumage, relief * 0.7 + _dome(head) * 0.5, 0.7, 0.6, 0.0, soften=0.8)
    contact_shadow(image, head, 0.06)
    image = over(image, plumage, inside(head - 0.01, 0.04))
    shape = np.minimum(shape, head)

    if crested:
        image, shape = _crest(scene, image, shape, x - 0.2, y - size * 0.72, [forehead, crown, back, breast])
    eye_x, eye_y = x - size * scene.uniform(0.15, 0.3), y - size * scene.uniform(0.05, 0.18)
    image = _bare_cheek(scene, image, eye_x, eye_y, beak_x)
    iris = hsv(*scene.pick((0.13, 0.75, 1.0), (0.1, 0.9, 1.0), (0.14, 0.35, 1.0), (0.06, 0.8, 0.6), (0.55, 0.3, 0.95)))
    paint_eye(scene, image, eye_x, eye_y, scene.uniform(0.09, 0.12), "round", iris, rim=hsv(0.08, 0.4, 0.25))
    return image, inside(shape, 0.05)


# Lion


def _mane(scene: Scene, colors: list[Color], x: float, y: float) -> Painted:
    """Locks in three layers around (x, y), the outer ones below."""
    outer, inner, _ = colors
    radius, angle = polar(X - x, (Y - y) * scene.uniform(0.9, 1.0))
    curl, reach = scene.uniform(-0.9, 0.9), scene.uniform(0.86, 0.95)
    sway = scene.noise(3, 2) - 0.5
    image, cover = plain(outer * 0.7), np.zeros_like(X)
    for layer in range(3):
        locks = scene.integer(19, 27) - layer * 3
        turned = angle + curl * (radius - 0.5) ** 2 * scene.uniform(0.6, 1.2) + sway * 0.45 + layer
        across = np.mod(turned * locks / (2 * PI), 1)
        number = np.mod(np.floor(turned * locks / (2 * PI)), locks)
        profile = np.sin(PI * across)
        edge = reach - layer * 0.16 - 0.08 * hash_cell(number, layer * 5.0) - 0.16 * (1 - profile)
        strands = _strands(scene, radius, turned, 110)
        tint = 0.25 * layer + 0.55 * strands + 0.25 * (hash_cell(number, layer * 7.0) - 0.5)
        paint = ramp(tint, [outer * 0.7, outer, mix_colors(outer, inner, 0.6), inner, mix_colors(inner, WHITE, 0.15)])
        height = (0.12 * profile + 0.09 * strands).astype(f32)
        paint = shade(scene, paint, height, 0.5, 0.6, 0.05, soften=1.2)
        paint = paint * (0.82 + 0.18 * smoothstep(0, 0.2, profile))[..., None]
        contact_shadow(image, radius - edge, 0.08, 0.4)
        image = over(image, paint, inside(radius - edge, 0.06))
        cover = np.maximum(cover, inside(radius - edge, 0.06))
    direction = angle + curl * 0.5
    image = fur(scene, image, (radius < reach - 0.22) & (radius > 0.3), direction, image, 440, 0.28, 1, 0.2, 0.7)
    return image, cover


def _lion_ears(scene: Scene, image: Image, width: float, colors: list[Color]) -> Image:
    """`image` with two round ears beside a face `width` wide to each side."""
    outer, inner, face_color = colors
    for side in LEFT_AND_RIGHT:
        ear = ellipse(X - side * width * 1.02, Y + scene.uniform(0.46, 0.5), 0.17, 0.16)
        hollow = np.hypot(X - side * width * 0.98, Y + 0.43)
        paint = over(
            plain(mix_colors(face_color, inner, 0.4)),
            mix_colors(outer, face_color, 0.25),
            smoothstep(0.13, 0.04, hollow),
        )
        paint = shade(scene, paint, _dome(ear) * 0.4 - 0.1 * bell(hollow, 0.1), 0.7, 0.6, 0.0, soften=2)
        contact_shadow(image, ear, 0.05)
        image = over(image, paint, inside(ear, 0.06))
    return image


@motif("lion", large=True)
def lion(scene: Scene) -> Painted:
    """A lion's face from the front in its mane."""
    outer, inner, face_color = _coat_colors(scene)
    turn, width = scene.uniform(-0.07, 0.07), scene.uniform(0.42, 0.48)
    image, cover = _mane(scene, [outer, inner, face_color], 0, -0.02)
    image = _lion_ears(scene, image, width, [outer, inner, face_color])
    lobe_x, lobe_y, lobe = 0.14, scene.uniform(0.33, 0.39), scene.uniform(0.18, 0.21)
    forehead = ellipse(X - turn * 0.3, Y + 0.13, width, 0.45)
    lobes = ellipse(np.abs(X - turn) - lobe_x, Y - lobe_y, lobe, lobe * 0.9)
    chin = ellipse(X - turn, Y - lobe_y - 0.17, 0.17, 0.14)
    face = _joined(_joined(forehead, lobes, 0.3), chin, 0.1)
    bridge = np.abs(X - turn * smoothstep(-0.3, 0.2, Y)) - 0.1 - 0.08 * smoothstep(-0.3, 0.2, Y)
    bridge = np.maximum(np.maximum(bridge, Y - lobe_y + 0.1), -0.5 - Y)

    pale = mix_colors(face_color, rgb(1.0, 0.96, 0.88), 0.75)
    color = over(plain(face_color), mix_colors(face_color, inner, 0.6), inside(bridge, 0.12) * 0.75)
    color = over(color, mix_colors(face_color, outer, 0.4), bell(X, 0.09) * smoothstep(-0.15, -0.4, Y) * 0.7)
    color = over(color, pale, np.maximum(inside(lobes, 0.1), inside(chin, 0.12)))
    eye_x, eye_y, eye_size = scene.uniform(0.22, 0.25), scene.uniform(-0.16, -0.1), scene.uniform(0.078, 0.098)
    beside = np.abs(X - turn * 0.5)
    color = over(color, pale, bell(np.hypot(beside - eye_x, (Y - eye_y - 0.11) * 1.5), 0.1) * 0.8)
    color = over(color, pale, bell(np.hypot(beside - eye_x + 0.03, (Y - eye_y + 0.15) * 1.4), 0.07) * 0.7)
    tear = bell(beside - eye_x + 0.085 - 0.12 * (eye_y - Y), 0.03) * inside(np.abs(Y - eye_y - 0.1) - 0.09, 0.08)
    color = over(color, outer * 0.8, tear * 0.55)
    height = _dome(face) * 0.45 + _dome(lobes) * 0.35 + _dome(bridge) * 0.55
    height += 0.1 * bell(np.hypot(beside - eye_x, Y - eye_y + 0.14), 0.12)
    color = shade(scene, color, height, 0.7, 0.6, 0.0, soften=3)
    direction = np.arctan2(Y - 0.15, X - turn)
    color = fur(scene, color, face < 0.02, direction, color, 300, 0.09, 1, 0.25, 0.5, variation=0.12)

    rows = np.cos((Y - lobe_y) * 62) * np.cos((beside - lobe_x + 0.1 * (Y - lobe_y)) * 62)
    dim(color, 0.55 * smoothstep(0.55, 0.95, rows) * inside(lobes + 0.05, 0.04) * (lobe_y - 0.08 < Y))
    lip = Y - lobe_y - lobe * 0.72 + 1.2 * np.clip(np.abs(X - turn) - lobe_x, -0.2, 0.3) ** 2 - 0.02
    dim(color, 0.65 * bell(lip, 0.022) * smoothstep(0.3, 0.22, np.abs(X - turn)))
    dim(color, 0.65 * bell(X - turn, 0.018) * inside(np.abs(Y - lobe_y) - 0.12, 0.05))
    contact_shadow(image, face, 0.07, 0.4)
    image = over(image, color, inside(face, 0.08))

    nose_color = scene.pick(hsv(0.02, 0.45, 0.6), hsv(0.03, 0.55, 0.35), hsv(0.99, 0.4, 0.75))
    paint_nose(scene, image, turn, lobe_y - 0.16, scene.uniform(0.21, 0.25), nose_color)
    iris = hsv(scene.uniform(0.1, 0.14), scene.uniform(0.8, 0.95), 1.0)
    for side in LEFT_AND_RIGHT:
        dim(image, 0.3 * bell(np.hypot(X - turn * 0.5 - side * eye_x, (Y - eye_y) * 1.3), 0.13))
        paint_eye(scene, image, turn * 0.5 + side * eye_x, eye_y, eye_size, "round", iris, rim=hsv(0.06, 0.6, 0.2))
        _upper_lid(
            image, turn * 0.5 + side * eye_x, eye_y, eye_size, -side * scene.uniform(0.02, 0.15), face_color * 0.8
        )
    return image, np.maximum(cover, inside(face, 0.08))


# Fox


def _fox_ears(scene: Scene, image: Image, shape: Field, colors: list[Color]) -> tuple[Image, Field]:
    """`image` and `shape` with two tall pointed ears."""
    dark, coat, pale = colors
    height, width, spread = scene.uniform(0.56, 0.66), scene.uniform(0.24, 0.29), scene.uniform(0.34, 0.39)
    tilt = scene.uniform(0.18, 0.34)
    inner = mix_colors(pale, scene.pick(dark, coat, pale), scene.uniform(0.1, 0.5))
    for side in LEFT_AND_RIGHT:
        x, y = rotate_axes(X - side * spread, Y + 0.28, side * tilt)
        part = np.clip(-y / height, 0, 1)
        half = width * (1 - part) ** 0.72
        ear = np.maximum((np.abs(x) - half) * 0.85, np.maximum(y - 0.15, -y - height))
        color = over(plain(coat), dark, smoothstep(0.45, 0.95, part))
        hollow = np.abs(x) - half * 0.62 + 0.02
        color = over(
            color,
            inner * (1.0 - 0.4 * bell(x + side * 0.04, 0.07))[..., None],
            inside(hollow, 0.09) * smoothstep(0.85, 0.6, part),
        )
        color = shade(scene, color, _dome(ear) * 0.4 - 0.15 * inside(hollow, 0.15), 0.7, 0.6, 0.0, soften=2.5)
        image = over(image, color, inside(ear, 0.04))
        shape = np.minimum(shape, ear)
    return image, shape


@motif("fox", large=True)
def fox(scene: Scene) -> Painted:
    """A fox's face from the front: wide cheeks, a slim muzzle."""
    colors = _coat_colors(scene)
    dark, coat, pale = colors
    pale = mix_colors(pale, rgb(1.0, 0.98, 0.95), 0.5)
    turn = scene.uniform(-0.06, 0.06)
    x = X - turn * smoothstep(-0.2, 0.6, Y)
    beside = np.abs(x)
    ruff, ruff_y, tip = scene.uniform(0.62, 0.74), scene.uniform(0.08, 0.2), scene.uniform(0.72, 0.82)
    muzzle = scene.uniform(0.12, 0.16)
    outline_y = [-0.54, -0.5, -0.4, -0.2, ruff_y - 0.1, ruff_y + 0.06, 0.36, 0.5, tip - 0.08, tip, tip + 0.06]
    outline_x = [0, 0.28, 0.44, 0.53, ruff * 0.94, ruff, 0.38, muzzle * 1.5, muzzle, muzzle * 0.7, 0]
    profile = np.interp(Y[:, 0], outline_y, outline_x, -0.1, -0.1).astype(f32)[:, None]
    tufts = 0.09 * np.abs(np.sin(Y * 17 + beside * 9)) * bell(Y - ruff_y - 0.04, 0.2)
    face = cv2.GaussianBlur((beside - profile + tufts - 0.03).astype(f32), (0, 0), 2.5) * 0.75
    image, shape = _fox_ears(scene, plain(coat), NOWHERE, colors)

    nose_y = tip - 0.05
    slope = np.interp(Y[:, 0], [-0.5, -0.1, 0.3, tip], [0.5, 0.24, 0.1, 0.06]).astype(f32)
    bridge = beside - slope[:, None]
    cheek = np.minimum(bridge, Y - scene.uniform(0.03, 0.1) + 0.25 * beside)
    white = smoothstep(0.0, 0.07, cheek + 0.05 * (scene.noise(9, 2) - 0.5))
    color = over(plain(coat), mix_colors(coat, dark, 0.45), bell(x, 0.07) * smoothstep(0.5, -0.3, Y) * 0.6)
    color = over(color, pale, white)
    eye_x, eye_y, eye_size = scene.uniform(0.24, 0.28), scene.uniform(-0.14, -0.06), scene.uniform(0.085, 0.11)
    streak = beside - eye_x + 0.75 * (Y - eye_y)
    below_eye = smoothstep(0.03, 0.1, Y - eye_y) * smoothstep(0.5, 0.25, Y - eye_y)
    color = over(color, mix_colors(dark, coat, 0.2), bell(streak, 0.035) * below_eye * 0.75)
    brow = bell(np.hypot(beside - eye_x + 0.05, (Y - eye_y + 0.17) * 1.3), 0.07)
    color = over(color, pale, brow * scene.uniform(0, 0.8))
    height = _dome(face) * 0.5 + 0.35 * bell(x, 0.16) * smoothstep(-0.2, 0.5, Y)
    color = shade(scene, color, height, 0.7, 0.6, 0.0, soften=3)
    direction = np.arctan2(Y - nose_y + 0.1, x)
    color = fur(scene, color, face < 0.0, direction, color, 850, scene.uniform(0.1, 0.16), 1, 0.2, 0.5, variation=0.09)
    contact_shadow(image, face, 0.06, 0.35)
    image = over(image, color, inside(face, 0.06))
    shape = np.minimum(shape, face)

    iris = hsv(scene.uniform(0.07, 0.13), scene.uniform(0.8, 0.95), 1.0)
    slyness = scene.uniform(0.12, 0.35)
    kind: Pupil = scene.pick("slit", "round")
    for side in LEFT_AND_RIGHT:
        slant = np.hypot((X - side * eye_x) * 0.75, Y - eye_y + side * 0.35 * (X - side * eye_x))
        dim(image, 0.6 * smoothstep(eye_size * 1.45, eye_size * 1.0, slant))
        paint_eye(scene, image, side * eye_x, eye_y, eye_size, kind, iris, rim=dark * 0.5)
        _upper_lid(image, side * eye_x, eye_y, eye_size, -side * slyness, mix_colors(coat, dark, 0.35))
    paint_nose(scene, image, turn, nose_y - 0.03, scene.uniform(0.14, 0.17), hsv(0.05, 0.25, 0.15))
    return image, inside(shape - 0.01, 0.05)


# Mask


def _plumes(scene: Scene, colors: list[Color], y: float, reach: float) -> Painted:
    """Two rows of feathers that fan out upwards behind a face around (0, y)."""
    radius, angle = polar(X, Y - y)
    image, cover = plain(colors[0]), np.zeros_like(X)
    spread = scene.uniform(1.5, 2.6)
    count = scene.integer(9, 17)
    offset = scene.pick(0.0, 0.5)
    for row in range(2):
        turned = (angle + PI / 2 + PI) % (2 * PI) - PI
        place = turned / (2 * spread) * count + offset * row + 0.5
        number = np.floor(place)
        across = np.abs(place - number - 0.5) * 2
        middle = np.abs((number - offset * row) / count) * 2  # 0 at the top, 1 at the sides
        length = reach * (1 - 0.12 * middle**2) - row * 0.22
        width = np.clip((length - radius) / 0.2, 0, 1) ** 0.5 * 0.97
        feather = np.maximum((across - width) * 0.1, radius - length)
        feather = np.maximum(feather, (middle - 1.05) * 0.3)
        part = smoothstep(-0.5, 0, radius - length)
        first, second = colors[1 + row], colors[3 - row]
        tint = ramp(part, [first * 0.6, first, first, second])
        eye = np.hypot(across * 0.1, radius - length + 0.12)
        tint = over(tint, colors[3], inside(eye - 0.07, 0.03))
        tint = over(tint, first * 0.7, inside(eye - 0.035, 0.03))
        barbs = 0.86 + 0.14 * np.sin((radius - across * 0.1) * 70)
        tint = tint * (barbs * (1.05 - 0.5 * across**3))[..., None]
        tint = over(tint, mix_colors(second, WHITE, 0.5), bell(across, 0.09) * 0.5)
        contact_shadow(image, feather, 0.06, 0.4)
        image = over(image, tint, inside(feather, 0.05))
        cover = np.maximum(cover, inside(feather, 0.05))
    return image, cover


def _rays(scene: Scene, colors: list[Color], gold: Color, y: float, reach: float) -> Painted:
    """Gold and colored rays all around a face, alternately long and short."""
    radius, angle = polar(X, Y - y)
    count = scene.integer(7, 12) * 2
    turned = angle + scene.pick(0.0, 0.25) * np.sin(radius * 14) * 0.4 + PI / 2
    place = turned * count / (2 * PI) + 0.5
    number = np.mod(np.floor(place), count)
    across = np.abs(place - np.floor(place) - 0.5) * 2
    short = np.mod(number, 2)
    length = reach - short * scene.uniform(0.08, 0.2)
    width = np.clip((length - radius) / (length - 0.35), 0, 1) ** scene.pick(0.5, 0.8, 1.0)
    ray = np.maximum((across - width) * 0.12, radius - length + 0.02)
    tint = over(plain(gold), colors[2], short) * (0.85 + 0.3 * smoothstep(0.4, 0.9, radius))[..., None]
    tint = over(tint, mix_colors(gold, WHITE, 0.3), bell(across - width * 0.8, 0.12) * 0.6)
    tint = shade(scene, tint, (0.2 * (1 - across)).astype(f32), 0.6, 0.6, 0.3, soften=1)
    return tint, inside(ray, 0.035)


def _tiara(scene: Scene, colors: list[Color], gold: Color, y: float, reach: float) -> Painted:
    """A scalloped gold crown with rows of jewels behind a face."""
    radius, angle = polar(X, Y - y)
    turned = (angle + PI / 2 + PI) % (2 * PI) - PI
    lobes = scene.integer(3, 6) * 2 + 1
    bump = np.abs(np.cos(turned * lobes / 2.6))
    half_width = scene.uniform(1.5, 2.1)
    edge = (reach - 0.25) + 0.15 * bump + 0.16 * bell(turned, 0.4) - 0.1 * np.abs(turned)
    crown = np.maximum(radius - edge, (np.abs(turned) - half_width) * 0.4)
    bands = np.mod((edge - radius) / 0.14, 1)
    level = np.floor((edge - radius) / 0.14)
    image = over(plain(gold), gold * 0.7, bell(bands - 0.5, 0.5))
    place = turned * (9 + level * 2)
    jewel = np.hypot((np.mod(place, 1) - 0.5) * radius / 9, (bands - 0.5) * 0.14)
    tint = np.where((np.mod(level, 2) == 0)[..., None], colors[1], colors[2])
    image = over(image, tint * (1.2 - 6 * jewel)[..., None], inside(jewel - 0.04, 0.03))
    height = (0.1 * np.sin(PI * bands) + 0.2 * inside(jewel - 0.04, 0.05)).astype(f32)
    return shade(scene, image, height, 0.5, 0.6, 0.35, soften=1), inside(crown, 0.05)


def _mask_paint(scene: Scene, colors: list[Color], gold: Color, beside: Field, face: Field) -> tuple[Image, Field]:
    """(color, height) of the painted ornament on a face, the same on both sides."""
    ground, first, second, third = colors
    image = over(plain(ground), mix_colors(ground, first, scene.uniform(0.2, 0.7)), smoothstep(0.1, 0.6, np.abs(Y)))
    height = np.zeros_like(X)
    if scene.chance(0.75):
        low, bend, thick = scene.uniform(-0.42, -0.32), scene.uniform(-0.5, 0.7), scene.uniform(0.07, 0.12)
        band = np.abs(Y - low - bend * beside**2) - thick
        beads = np.hypot(np.mod(beside * 7 + 0.5, 1) / 7 - 1 / 14, Y - low - bend * beside**2)
        image = over(image, first, inside(band, 0.03))
        image = over(image, third, inside(beads - 0.045, 0.03))
        image = over(image, gold, bell(band, 0.025))
        height += 0.12 * bell(band, 0.03) + 0.1 * inside(beads - 0.045, 0.05)
    cheek_x, cheek_y = scene.uniform(0.27, 0.32), scene.uniform(0.12, 0.22)
    radius, angle = polar(beside - cheek_x, Y - cheek_y)
    motif_kind = scene.integer(0, 3)
    limit = scene.uniform(0.13, 0.18)
    if motif_kind == 0:
        spiral = np.mod(radius / 0.09 - angle / (2 * PI), 1)
        image = over(image, second, bell(spiral - 0.5, 0.28) * inside(radius - limit, 0.05))
    elif motif_kind == 1:
        for ring, tint in ((limit, second), (limit * 0.68, third), (limit * 0.35, first)):
            image = over(image, tint, inside(radius - ring, 0.03))
        height += 0.06 * inside(radius - limit, 0.06)
    elif motif_kind == 2:
        stripes = np.sin((Y - 0.6 * beside) * scene.uniform(32, 45))
        where = smoothstep(0.13, 0.2, beside) * smoothstep(0.02, 0.08, Y) * smoothstep(0.45, 0.38, Y)
        image = over(image, second, smoothstep(-0.2, 0.3, stripes) * where)
    else:
        petals = limit * (0.7 + 0.3 * np.cos(angle * scene.integer(5, 8)))
        image = over(image, second, inside(radius - petals, 0.03))
        image = over(image, gold, inside(radius - limit * 0.3, 0.03))
    if scene.chance(0.6):
        drop = ellipse(beside, Y + scene.uniform(0.3, 0.42), 0.06, scene.uniform(0.08, 0.14))
        image = over(image, gold, inside(drop - 0.025, 0.03))
        image = over(image, second, inside(drop, 0.03))
        height += 0.15 * _dome(drop)
    if scene.chance(0.5):
        chin = np.abs(Y - 0.52 + 0.4 * beside) - 0.05
        image = over(image, second, inside(chin, 0.03) * inside(beside - 0.2, 0.06))
    rim = bell(face + 0.035, 0.035)
    return over(image, gold, rim), (height + 0.12 * rim).astype(f32)


def _mask_eyes(scene: Scene, image: Image, colors: list[Color], gold: Color) -> None:
    """Openings or painted eyes, with colored lids, in place."""
    eye_x, eye_y = scene.uniform(0.2, 0.24), scene.uniform(-0.16, -0.06)
    width, height, slant = scene.uniform(0.14, 0.18), scene.uniform(0.065, 0.11), scene.uniform(-0.1, 0.35)
    u, v = rotate_axes(np.abs(X) - eye_x, Y - eye_y, -slant)
    almond = np.abs(v) - height * (1 - np.clip(np.abs(u) / width, 0, 2) ** 2)
    lids = np.abs(v + 0.015) - (height + 0.07) * (1 - np.clip(np.abs(u) / (width * 1.4), 0, 2) ** 2)
    image[:] = over(image, colors[scene.integer(1, 3)], inside(lids, 0.05))
    brow = v + height + 0.1 + 1.2 * u**2
    image[:] = over(image, colors[scene.integer(1, 3)] * 0.6, bell(brow, 0.032) * smoothstep(0.26, 0.16, np.abs(u)))
    image[:] = over(image, gold, bell(almond - 0.015, 0.025))
    if scene.chance(0.5):
        deep = mix_colors(hsv(scene.pick(0.62, 0.75, 0.05, 0.45), 0.8, 0.25), colors[1], 0.15)
        hole = deep * (0.7 + 0.8 * smoothstep(-0.1, 0.1, v))[..., None]
        image[:] = over(image, hole, inside(almond, 0.035))
        return
    ball = image.copy()
    iris = hsv(*scene.pick((0.13, 0.9, 1.0), (0.55, 0.8, 0.95), (0.35, 0.8, 0.85), (0.03, 0.9, 0.95)))
    ball = over(ball, rgb(0.98, 0.94, 0.86), inside(almond - 0.02, 0.04))
    for side in LEFT_AND_RIGHT:
        paint_eye(scene, ball, side * eye_x, eye_y, height * 0.85, "round", iris, rim=rgb(0.98, 0.94, 0.86))
    image[:] = over(image, ball, inside(almond, 0.03))


def _mask_mouth(scene: Scene, image: Image, colors: list[Color], gold: Color) -> Field:
    """Painted lips, or an open mouth with teeth, in place; returns their height."""
    y, width = scene.uniform(0.36, 0.42), scene.uniform(0.13, 0.2)
    smile = scene.uniform(-0.5, 1.5)
    u, v = X / width, Y - y + smile * X**2
    red = scene.pick(hsv(0.98, 0.85, 0.75), hsv(0.0, 0.9, 0.85), hsv(0.95, 0.7, 0.7), gold, colors[2])
    full = np.clip(1 - u * u, 0, 1)
    lips = np.maximum(-v - 0.07 * full * (1 - 0.35 * bell(u, 0.25)), v - 0.09 * full)
    lips = np.maximum(lips, (np.abs(u) - 1) * width)
    image[:] = over(image, red, inside(lips, 0.03))
    if scene.chance(0.4):
        teeth = np.maximum(np.abs(v) - 0.05 * full, (np.abs(u) - 0.95) * width)
        tooth = rgb(0.98, 0.94, 0.84) * (0.7 + 0.3 * np.abs(np.cos(X * 48)) ** 0.5)[..., None]
        image[:] = over(image, tooth, inside(teeth, 0.025))
    else:
        dim(image, 0.6 * bell(v - 0.01 * np.cos(u * 5), 0.014) * full)
    return np.clip(-lips, 0, 0.06) * 2


def _hangings(scene: Scene, image: Image, cover: Field, width: float, colors: list[Color], gold: Color) -> Painted:
    """`image` and `cover`, sometimes with a beard of raffia or discs at the ears of a face `width` wide."""
    beside = np.abs(X)
    if scene.chance(0.25):
        fringe_radius, fringe_angle = polar(X * 1.2, Y - 0.1)
        strands = _strands(scene, fringe_radius, fringe_angle, 130)
        fringe = np.maximum(fringe_radius - 0.68 - 0.25 * strands, 0.3 - Y)
        raffia = mix_colors(scene.pick(hsv(0.11, 0.5, 0.9), colors[3], hsv(0.07, 0.7, 0.7)), colors[1], 0.15)
        image = over(image, raffia * (0.6 + 0.6 * strands)[..., None], inside(fringe, 0.06))
        cover = np.maximum(cover, inside(fringe, 0.06))
    if scene.chance(0.4):
        disc = np.hypot(beside - width * 1.02, Y - 0.16) - scene.uniform(0.08, 0.12)
        paint = over(plain(gold), colors[2], inside(disc + 0.045, 0.03))
        paint = shade(scene, paint, _dome(disc) * 0.6, 0.7, 0.6, 0.3, soften=1.5)
        contact_shadow(image, disc, 0.05)
        image = over(image, paint, inside(disc, 0.04))
        cover = np.maximum(cover, inside(disc, 0.04))
    return image, cover


@motif("mask", large=True)
def mask(scene: Scene) -> Painted:
    """A festival mask with a crown of feathers, rays or gold."""
    colors = scene.palette(4, (0.6, 1), (0.55, 1), 0.3)
    gold = hsv(scene.uniform(0.1, 0.135), scene.uniform(0.65, 0.85), scene.uniform(0.9, 1.0))
    width, tall, middle = scene.uniform(0.38, 0.5), scene.uniform(0.58, 0.68), 0.12
    taper, power = scene.uniform(0.1, 0.45), scene.uniform(2.0, 2.8)
    beside = np.abs(X)
    across = beside / (width * (1 - taper * (Y - middle)))
    face = (across**power + np.abs((Y - middle) / tall) ** power) ** (1 / power)
    face = ((face - 1) * width).astype(f32)

    crown = scene.integer(0, 3)
    if crown <= 1:
        image, cover = _plumes(scene, colors, 0.15, scene.uniform(0.98, 1.1))
    elif crown == 2:
        image, cover = _rays(scene, colors, gold, 0.05, scene.uniform(0.9, 1.0))
    else:
        image, cover = _tiara(scene, colors, gold, 0.1, scene.uniform(0.92, 1.0))

    image, cover = _hangings(scene, image, cover, width, colors, gold)
    color, height = _mask_paint(scene, colors, gold, beside, face)
    _mask_eyes(scene, color, colors, gold)
    height = height + _mask_mouth(scene, color, colors, gold) + _dome(face) * 0.55
    nose_y, nose_width = scene.uniform(0.16, 0.22), scene.uniform(0.045, 0.1)
    nose = beside - 0.03 - nose_width * smoothstep(-0.15, nose_y, Y)
    nose = np.maximum(np.maximum(nose, Y - nose_y - 0.05), -0.25 - Y)
    if scene.chance(0.4):
        color = over(color, colors[scene.integer(1, 3)], inside(nose + 0.03, 0.04) * 0.8)
    dim(color, 0.4 * bell(np.clip(nose, 0, 1), 0.035) * (nose > 0) * smoothstep(-0.1, 0.1, Y))
    height += 0.5 * _dome(nose) * smoothstep(-0.3, 0.15, Y)
    color = color * (0.94 + 0.12 * scene.noise(12, 3))[..., None]
    color = shade(scene, color, height, 0.8, 0.55, 0.3, 22, soften=1.5)
    contact_shadow(image, face, 0.08, 0.45)
    image = over(image, color, inside(face, 0.04))
    return image, np.maximum(cover, inside(face, 0.04))
