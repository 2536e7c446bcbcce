"""Plants: leaf, fern, tree, autumn leaves, bamboo."""

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
    inside,
    mix_colors,
    over,
    plain,
    polar,
    rotate_axes,
)
from dreamvideo.training.render.cells import patch
from dreamvideo.training.render.motif import motif
from dreamvideo.training.render.palettes import WHITE, hsv, ramp, rgb
from dreamvideo.training.render.scene import Scene
from dreamvideo.training.render.shading import shade
from dreamvideo.training.render.strokes import Ink


def _blade(
    scene: Scene, x: Field, y: Field, colors: list[Color], width: float, veins: int, serration: float
) -> tuple[Image, Field, Field]:
    """(color, height, distance) of a leaf from x = -0.95 to 0.95."""
    along = (x + 0.95) / 1.9
    swell, taper = scene.uniform(0.7, 1.0), scene.uniform(0.6, 1.1)
    half_width = width * np.sin(np.clip(along, 0, 1) ** swell * PI) ** taper
    half_width = half_width * (1 + serration * np.abs(((along * veins * 2) % 1) - 0.5))
    distance = np.maximum(np.abs(y) - half_width, np.maximum(-along, along - 1))
    slant = scene.uniform(0.5, 1.0)
    to_vein = np.abs(((along * veins - np.abs(y) * slant * veins) % 1) - 0.5)
    vein, midrib = bell(to_vein, 0.07), bell(y, 0.022)
    image = ramp(scene.noise(6, 4) * 0.7 + 0.3 * np.cos(to_vein * 6) - 0.05, colors)
    light = mix_colors(colors[-1], rgb(0.95, 1, 0.7), 0.45)
    image = over(image, light, np.maximum(vein * 0.6, midrib * 0.9))
    height = -0.05 * vein - 0.1 * midrib + 0.05 * np.cos(to_vein * 6) - 0.3 * y * y
    return image, height, distance


@motif("leaf")
def leaf(scene: Scene) -> Painted:
    """One to three broad leaves with veins, smooth or serrated."""
    hues = scene.pick(
        (0.28, 0.3, 0.25), (0.3, 0.33, 0.22), (0.08, 0.03, 0.12), (0.2, 0.25, 0.15), (scene.uniform(),) * 3
    )
    colors = [
        hsv(hue, scene.uniform(0.5, 0.95), scene.uniform(*values))
        for hue, values in zip(hues, ((0.15, 0.35), (0.35, 0.65), (0.55, 0.9)), strict=True)
    ]
    image, shape = plain(), NOWHERE
    leaves = scene.pick(1, 1, 2, 3)
    for _ in range(leaves):
        angle = scene.angle() if leaves > 1 else 0.0
        bend = scene.uniform(-0.35, 0.35)
        x, y = rotate_axes(X, Y, angle)
        x = x - (0.15 if leaves > 1 else 0)
        y = y - bend * (x * x - 0.3)
        width, veins, serration = scene.uniform(0.25, 0.6), scene.integer(6, 13), scene.pick(0, 0, 0.15, 0.3)
        blade, height, distance = _blade(scene, x, y, colors, width, veins, serration)
        blade = shade(scene, blade, height, 1.0, 0.45, 0.3)
        contact_shadow(image, distance, 0.06)
        image = over(image, blade, inside(distance, 0.025))
        shape = np.minimum(shape, distance)
    return image, inside(shape, 0.025)


@motif("fern", large=True)
def fern(scene: Scene) -> Painted:
    """A fern frond, twice pinnate."""
    ink = Ink()
    color = hsv(scene.pick(0.28, 0.33, 0.24, 0.3, 0.22, 0.06), scene.uniform(0.7, 0.95), scene.uniform(0.6, 1))
    bend, pairs, width = scene.uniform(-0.5, 0.5), scene.integer(11, 17), scene.uniform(0.6, 0.95)
    for pair in range(pairs):
        t = pair / pairs
        length = width * np.sin((t * 0.85 + 0.15) * PI) ** 0.8 * (1 - 0.3 * t) + 0.03
        for side in (-1, 1):
            angle = np.arctan2(-1.85, 2 * bend * t) + side * scene.uniform(1.0, 1.25)
            _pinna(scene, ink, (bend * t * t, 0.95 - 1.85 * t), angle, side, length, color, t)
    stem = np.linspace(0, 1, 12)
    ink.line(bend * stem * stem, 0.95 - 1.85 * stem, color * 0.45, 3)
    return ink.painted()


def _pinna(
    scene: Scene,
    ink: Ink,
    root: tuple[float, float],
    angle: float,
    side: int,
    length: float,
    color: Color,
    height: float,
) -> None:
    along = np.linspace(0, 1, 9)
    x = root[0] + np.cos(angle - side * 0.35 * along) * length * along
    y = root[1] + np.sin(angle - side * 0.35 * along) * length * along
    for at in range(1, len(along)):
        size = 0.19 * np.sin(PI * (along[at] * 0.8 + 0.15)) * (length / 0.7) + 0.02
        for leaflet_side in (-1, 1):
            leaflet = angle + leaflet_side * 0.95
            light = 0.55 + 0.5 * (leaflet_side > 0) + scene.uniform(-0.1, 0.15)
            tint = color * light * (0.75 + 0.4 * height)
            forward_x, forward_y = size * np.cos(leaflet), size * np.sin(leaflet)
            aside_x, aside_y = size * 0.2 * np.sin(leaflet), size * 0.2 * np.cos(leaflet)
            ink.polygon(
                [x[at], x[at] + forward_x * 0.6 - aside_x, x[at] + forward_x, x[at] + forward_x * 0.6 + aside_x],
                [y[at], y[at] + forward_y * 0.6 + aside_y, y[at] + forward_y, y[at] + forward_y * 0.6 - aside_y],
                tint,
            )
    ink.line(x, y, color * 0.5)


@motif("tree")
def tree(scene: Scene) -> Painted:
    """A branching tree, bare or in leaf."""
    ink = Ink()
    bark = scene.coat() * 0.7
    in_leaf = scene.chance(0.75)
    leaf_colors = [
        hsv(
            scene.pick(0.28, 0.25, 0.1, 0.04, 0.94) + scene.uniform(-0.03, 0.03),
            scene.uniform(0.7, 0.95),
            scene.uniform(0.5, 1),
        )
        for _ in range(2)
    ]
    spread = scene.uniform(0.35, 0.6)
    tips: list[tuple[float, float]] = []

    def branch(x: float, y: float, angle: float, length: float, width: float, forks: int) -> None:
        middle_x = x + np.cos(angle) * length * 0.5 + scene.normal(0, 0.02)
        middle_y = y + np.sin(angle) * length * 0.5
        end_x, end_y = x + np.cos(angle) * length, y + np.sin(angle) * length
        line_x, line_y = np.array([x, middle_x, end_x]), [y, middle_y, end_y]
        ink.line(line_x, line_y, bark * 0.7, width)
        lit_side = line_x + np.array([1, 1, 0]) * width * 0.004
        ink.line(lit_side, line_y, bark * 1.4, width * 0.5, opacity=None)
        if forks == 0:
            tips.append((end_x, end_y))
            return
        for side in (-1, 1) if scene.chance(0.8) else (-1, 0, 1):
            turned = angle + side * spread * scene.uniform(0.5, 1.3)
            branch(end_x, end_y, turned, length * scene.uniform(0.68, 0.85), width * 0.66, forks - 1)

    branch(0, 0.98, -PI / 2 + scene.uniform(-0.1, 0.1), scene.uniform(0.42, 0.55), scene.uniform(7, 12), 6)
    if in_leaf:
        for tip_x, tip_y in tips:
            for _ in range(9):
                x, y = tip_x + scene.normal(0, 0.06), tip_y + scene.normal(0, 0.06)
                tint = mix_colors(leaf_colors[0], leaf_colors[1], scene.uniform())
                tint = tint * (scene.uniform(0.5, 1.1) - 0.3 * (y - tip_y) / 0.1 * 0.3)
                ink.ellipse(x, y, (scene.integer(18, 45), scene.integer(10, 25)), scene.uniform(0, 180), tint)
    return ink.painted()


@motif("autumn", texture=True)
def autumn_leaves(scene: Scene) -> Painted:
    """Fallen leaves over each other, lobed like maple or oval."""
    palettes = [scene.palette(3) for _ in range(4)]
    image = plain(palettes[0][0] * 0.5)
    for number in range(scene.integer(9, 15)):
        x, y = scene.uniform(-0.95, 0.95), scene.uniform(-0.95, 0.95)
        angle, size = scene.angle(), scene.uniform(0.32, 0.6)
        u, v = rotate_axes(X - x, Y - y, angle)
        u, v = u / size, v / size
        lobed = scene.pick(False, True, True)
        colors = palettes[number % 4]
        distance, veins, tint = _maple_leaf(u, v) if lobed else _oval_leaf(u, v)
        paint = ramp(tint + 0.5 * (scene.noise(4, 3) - 0.5), colors) * (1.05 - 0.12 * number % 3 * 0.1)
        paint = over(paint, mix_colors(colors[2], rgb(1, 0.95, 0.6), 0.5), np.clip(veins, 0, 1) * 0.6)
        dim(image, 0.45 * inside(distance * size - 0.05, 0.12))
        light = 0.8 + 0.35 * np.clip(u * scene.light[0] + v * scene.light[1] + 0.5, 0, 1)
        image = over(image, paint * light[..., None], inside(distance * size))
    return image, patch(scene)


def _maple_leaf(u: Field, v: Field) -> tuple[Field, Field, Field]:
    """(distance, veins, tint) of a leaf with five lobes."""
    radius, angle = polar(u, v)
    edge = 0.45 + 0.5 * np.abs(np.cos(angle * 2.5)) ** 0.8 * (0.75 + 0.25 * np.cos(angle))
    edge = edge + 0.06 * np.cos(angle * 17.5)
    to_rib = np.abs((angle * 5 / (2 * PI)) % 1)
    to_rib = np.minimum(to_rib, 1 - to_rib)
    veins = bell(to_rib * radius * 1.2, 0.025) + 0.5 * bell(np.abs(np.sin(radius * 14 + to_rib * 20)), 0.2) * 0.5
    return radius - edge, veins, 0.35 + 0.5 * radius


def _oval_leaf(u: Field, v: Field) -> tuple[Field, Field, Field]:
    """(distance, veins, tint) of a simple leaf."""
    half_width = 0.42 * np.sqrt(np.clip(1 - u * u, 0, 1)) * (1 - 0.3 * u)
    distance = np.maximum(np.abs(v) - half_width, np.abs(u) - 1)
    side_veins = np.abs(((u * 5 - np.abs(v) * 5) % 1) - 0.5)
    return distance, bell(v, 0.03) + 0.5 * bell(side_veins, 0.1), 0.5 + 0.4 * u


@motif("bamboo", texture=True)
def bamboo(scene: Scene) -> Painted:
    """Bamboo canes with nodes, and leaves before them."""
    colors = scene.palette(3, (0.5, 0.95), (0.3, 0.95))
    image = plain(colors[0] * 0.35)
    image = image * (0.6 + 0.8 * scene.noise(3, 3))[..., None]
    for _ in range(scene.integer(4, 8)):
        x, width, lean = scene.uniform(-0.95, 0.95), scene.uniform(0.09, 0.2), scene.uniform(-0.12, 0.12)
        across = (X - x - lean * Y) / width
        length = scene.uniform(0.45, 0.8)
        along = (Y / length + scene.uniform(0, 1)) % 1
        to_node = np.minimum(along, 1 - along) * length
        node = bell(to_node, 0.025)
        distance = (np.abs(across) - 1 - 0.12 * node) * width
        tint = 0.5 + 0.35 * np.cos(across * 2 - scene.light[0]) - 0.2 * np.abs(across)
        tint = tint + 0.15 * (scene.noise(5, 3) - 0.5) + 0.1 * along
        cane = ramp(tint, colors) * (1.1 - 0.45 * across * across)[..., None]
        cane = over(cane, mix_colors(colors[2], WHITE, 0.4), node * 0.8)
        dim(cane, 0.45 * bell(to_node - 0.035, 0.015))
        dim(image, 0.35 * inside(distance - 0.04, 0.1))
        image = over(image, cane, inside(distance))
    for _ in range(scene.integer(3, 9)):
        angle = scene.angle()
        x, y, size = scene.uniform(-0.9, 0.9), scene.uniform(-0.9, 0.9), scene.uniform(0.2, 0.45)
        u, v = rotate_axes(X - x, Y - y, angle)
        u, v = u / size, v / size
        half_width = 0.16 * np.clip(1 - u * u, 0, 1) ** 0.8 * (1 - 0.5 * u)
        distance = np.maximum(np.abs(v) - half_width, np.abs(u) - 1)
        tint = np.full_like(image, mix_colors(colors[1], colors[2], scene.uniform()))
        image = over(image, tint * (0.9 + 0.25 * np.sign(v))[..., None], inside(distance * size))
    return image, EVERYWHERE
