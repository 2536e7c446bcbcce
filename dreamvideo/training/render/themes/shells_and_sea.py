"""The sea: coral, bubbles, shells, tentacles, jellyfish, waves."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dreamvideo.training.render.canvas import (
    EVERYWHERE,
    PI,
    SIZE,
    Color,
    Field,
    Image,
    Painted,
    X,
    Y,
    bell,
    blur_canvas,
    dim,
    f32,
    inside,
    mix_colors,
    over,
    plain,
    polar,
    smoothstep,
)
from dreamvideo.training.render.cells import patch
from dreamvideo.training.render.motif import motif
from dreamvideo.training.render.palettes import WHITE, ramp, rgb
from dreamvideo.training.render.scene import Scene
from dreamvideo.training.render.shading import diffuse_light, highlight, shade
from dreamvideo.training.render.strokes import Ink


@motif("coral", texture=True)
def coral(scene: Scene) -> Painted:
    """Brain coral: a labyrinth grown by reaction and diffusion, flat or as a ball."""
    maze = scene.rng.normal(0, 1, (SIZE, SIZE)).astype(f32)
    sigma = scene.uniform(2.0, 4.2)
    for _ in range(7):
        maze = blur_canvas(maze, sigma) - blur_canvas(maze, sigma * 1.6)
        maze = np.tanh(maze / (maze.std() + 1e-6) * 1.3)
    colors = scene.palette(3, (0.4, 1), (0.3, 1))
    image = ramp(maze * 0.5 + 0.5, colors) * (0.75 + 0.5 * scene.noise(20, 2))[..., None]
    image = shade(scene, image, blur_canvas(maze, 1) * 0.07, 1.0, 0.35, 0.3)
    image *= (0.45 + 0.6 * smoothstep(-1, 0.5, maze))[..., None]
    if not scene.chance(0.5):
        return image, patch(scene)
    radius = np.hypot(X, Y)
    image = shade(scene, image, np.sqrt(np.clip(0.95 - radius * radius, 0, 1)) * f32(0.6), 0.8, 0.4, 0)
    return image, inside(radius - 0.9 * (1 + 0.1 * (scene.noise(4, 2) - 0.5)), 0.03)


@motif("bubbles")
def bubbles(scene: Scene) -> Painted:
    """Pearls, or soap bubbles with their colors."""
    image = plain(scene.color(value=(0.1, 0.5)))
    cover = np.zeros((SIZE, SIZE), f32)
    colors = scene.palette(3, (0.0, 0.9), (0.5, 1))
    pearls = scene.chance(0.5)
    for number in range(scene.integer(10, 26)):
        radius = scene.uniform(0.08, 0.34)
        x, y = scene.uniform(-0.8, 0.8), scene.uniform(-0.8, 0.8)
        u, v = (X - x) / radius, (Y - y) / radius
        squared = u * u + v * v
        disc = inside(np.sqrt(squared) - 1, 0.06)
        if pearls:
            bulge = np.sqrt(np.clip(1 - squared, 0, 1))
            ball = colors[number % 3] * (0.25 + 0.85 * diffuse_light(scene, u, v, bulge))[..., None]
            ball = ball + 0.2 * smoothstep(0.7, 1, squared)[..., None] * colors[(number + 1) % 3]
            opacity = disc
            dim(image, 0.5 * np.exp(-(((np.sqrt(squared) - 1).clip(0, 9) / 0.15) ** 2)))
        else:
            film = 0.5 + 0.5 * np.sin(squared * 6 + np.arctan2(v, u) * 2 + number)
            ball = ramp(film, colors) * (0.3 + 0.9 * squared**2)[..., None]
            opacity = disc * (0.25 + 0.75 * squared**2)
        ball = ball + highlight(u - scene.light[0] * 0.45, v - scene.light[1] * 0.5, 30)[..., None]
        image = over(image, np.clip(ball, 0, 1), opacity)
        cover = np.maximum(cover, disc)
    return image, EVERYWHERE if scene.chance(0.4) else cover


class _Spiral(NamedTuple):
    """A logarithmic spiral: position of each pixel in its whorl."""

    radius: Field
    across: Field  # 0..1 from the inner to the outer wall
    angle: Field  # grows from whorl to whorl


def _spiral(growth: float) -> _Spiral:
    radius, angle = polar(X, Y)
    whorls = np.log(radius) / (2 * PI * growth) - angle / (2 * PI)
    whorl = np.floor(whorls)
    return _Spiral(radius, whorls - whorl, angle + 2 * PI * whorl)


def _ends_at(spiral: _Spiral, limit: float) -> Field:
    """Coverage of a spiral that stops at this angle."""
    return blur_canvas((spiral.angle < limit).astype(f32), 0.8)


@motif("nautilus")
def nautilus(scene: Scene) -> Painted:
    """A coiled shell, ribbed, banded, cloudy or striped."""
    growth = scene.uniform(0.12, 0.24)
    spiral = _spiral(growth)
    colors = scene.palette(4, (0.1, 0.8), (0.4, 1))
    limit = np.log(0.95) / growth
    across = spiral.across * 2 - 1
    ribs = np.sin(spiral.angle * scene.integer(8, 20) + across * across * scene.uniform(-2, 2))
    pattern = scene.integer(0, 3)
    if pattern == 0:
        tint = 0.5 + 0.5 * np.sin(spiral.angle * scene.uniform(2, 9) + across * 2)
    elif pattern == 1:
        tint = spiral.across
    elif pattern == 2:
        tint = scene.noise(5, 4) * 1.6 - 0.3
    else:
        tint = smoothstep(0.0, 0.4, np.sin(across * scene.uniform(5, 9)))
    image = ramp(tint, colors) * (0.8 + 0.12 * ribs + 0.2 * (scene.noise(12, 3) - 0.5))[..., None]
    tube = np.sqrt(np.clip(1 - across * across, 0, 1)) * spiral.radius
    image = shade(scene, image, tube * 0.55 + 0.012 * ribs * spiral.radius, 0.8, 0.35, 0.5, soften=0.7)
    dim(image, 0.5 * smoothstep(0.8, 1, np.abs(across)))
    aperture = smoothstep(limit - 0.9, limit - 0.2, spiral.angle) * scene.chance(0.6)
    image = over(image, colors[3] * 0.35, aperture * smoothstep(1, 0.6, np.abs(across)))
    return image, _ends_at(spiral, limit)


@motif("tentacle")
def tentacle(scene: Scene) -> Painted:
    """An arm of an octopus with two rows of suckers, coiled or waving."""
    colors = scene.palette(3, (0.3, 0.9), (0.25, 0.9))
    growth = scene.uniform(0.1, 0.17)
    if scene.chance(0.35):
        amplitude, frequency = scene.uniform(0.15, 0.35), scene.uniform(2, 4)
        width = 0.38 * (1.1 - 0.4 * (X + 1))
        arm = _Spiral(0.5 * width * 2, ((Y - amplitude * np.sin(X * frequency)) / width) * 0.5 + 0.5, X * 3.5)
        cover = inside(np.abs(arm.across - 0.5) - 0.5, 0.05)
    else:
        arm = _spiral(growth)
        cover = _ends_at(arm, np.log(1.0) / growth)
    across = arm.across * 2 - 1
    image = ramp(scene.noise(8, 3) * 0.7 + 0.3 * arm.across, colors)
    image = over(image, image * 0.4, smoothstep(0.58, 0.65, scene.noise(18, 2)) * (arm.across > 0.45))
    height = np.sqrt(np.clip(1 - across * across, 0, 1)) * arm.radius * 0.5
    flesh = [
        rgb(0.15, 0.08, 0.1),
        colors[0] * 0.5,
        mix_colors(colors[1], WHITE, 0.65),
        mix_colors(colors[1], WHITE, 0.35),
        colors[1] * 0.4,
    ]
    for row, place in ((0, 0.2), (1, 0.42)):
        along = ((arm.angle * 7.0 / (2 * PI) * 1.6 + 0.5 * row) % 1) - 0.5
        distance = np.sqrt((along * 1.25) ** 2 + ((arm.across - place) / 0.16 * 0.5) ** 2)
        sucker = inside(distance - 0.45, 0.08)
        image = over(image, ramp(distance / 0.45, flesh), sucker)
        height = height + sucker * 0.05 * arm.radius * np.sin(np.clip(distance / 0.45, 0, 1) * PI)
    image = shade(scene, image, height, 0.9, 0.4, 0.6, soften=0.8)
    dim(image, 0.5 * smoothstep(0.8, 1, np.abs(across)))
    return image, cover


@motif("scallop")
def scallop(scene: Scene) -> Painted:
    """A fan-shaped shell with ribs and growth bands."""
    radius, angle = polar(X, Y - 0.8)
    angle = angle + PI / 2
    half_angle, ribs = scene.uniform(0.75, 1.0), scene.integer(9, 17)
    colors = scene.palette(3, (0.1, 0.8), (0.5, 1))
    turned = angle / half_angle
    rim = 1.6 * np.maximum(np.cos(angle * 0.75), 1e-3) ** 0.4 * (1 + 0.015 * np.cos(turned * ribs * PI))
    distance = np.maximum(radius - rim, (np.abs(angle) - half_angle) * radius)
    rib = np.cos(turned * ribs * PI)
    outward = radius / (rim + 1e-3)
    bands = 0.5 + 0.5 * np.sin(outward * scene.uniform(10, 25) + scene.noise(4, 2) * 2)
    image = ramp(bands * 0.6 + 0.4 * scene.noise(6, 3), colors) * (0.82 + 0.18 * rib)[..., None]
    image = image * (0.9 + 0.1 * np.sin(outward * 90))[..., None]
    height = rib * 0.03 * radius + 0.35 * np.sin(np.clip(outward, 0, 1) * PI * 0.8)
    image = shade(scene, image, height, 0.9, 0.4, 0.35)
    hinge = np.maximum(np.abs(Y - 0.76) - 0.07, np.abs(X) - 0.32)
    ridged = colors[1] * 0.7 * (0.8 + 0.2 * np.sin(X * 60))[..., None]
    image = over(image, ridged, inside(hinge) * (distance > 0))
    return image, inside(np.minimum(distance, hinge), 0.025)


def _tendrils(scene: Scene, colors: tuple[Color, Color], width: float) -> Ink:
    ink = Ink()
    for _ in range(scene.integer(12, 24)):
        root, length = scene.uniform(-width * 0.85, width * 0.85), scene.uniform(0.5, 1.0)
        y = np.linspace(-0.15, -0.15 + length * 1.15, 14)
        phase, frequency = scene.uniform(0, 6), scene.uniform(4, 10)
        x = root + np.sin(y * frequency + phase) * 0.06 * (y + 0.3) + root * 0.15 * (y + 0.15)
        thickness = scene.pick(2, 2, 3)
        color = mix_colors(*colors, scene.uniform()) * scene.uniform(0.7, 1.1)
        ink.line(x, y, color, thickness, opacity=scene.uniform(0.5, 1))
    for arm in range(scene.integer(2, 5)):
        root = scene.uniform(-width * 0.4, width * 0.4)
        y = np.linspace(-0.2, scene.uniform(0.3, 0.8), 20)
        ink.line(root + np.sin(y * 11 + arm) * 0.06, y, mix_colors(colors[1], WHITE, 0.4), 4, opacity=0.8)
    return ink


@motif("jellyfish", large=True)
def jellyfish(scene: Scene) -> Painted:
    """A jellyfish: a glassy bell over tendrils."""
    outer, inner = scene.palette(2, (0.3, 0.9), (0.6, 1))
    width, height = scene.uniform(0.68, 0.88), scene.uniform(0.55, 0.72)
    image, tendrils = _tendrils(scene, (outer, inner), width).painted()
    u, v = X / width, (Y + 0.2) / height
    hem = (Y + 0.2) - 0.08 + 0.03 * np.cos(u * scene.integer(12, 22)) + 0.05 * u * u
    radius = np.sqrt(u * u + v * v)
    distance = np.maximum(radius - 1, hem)
    up = np.clip(-v, 0, 1)
    meridian = np.arcsin(np.clip(u / np.sqrt(np.clip(1 - up * up, 0.02, 1)), -1, 1))
    ribs = scene.integer(6, 12)
    glow = ramp(radius, [mix_colors(inner, WHITE, 0.5), inner, outer, mix_colors(outer, WHITE, 0.5)])
    glow = glow * (0.7 + 0.3 * np.cos(meridian * ribs))[..., None]
    glow += 0.5 * highlight(u - scene.light[0] * 0.4, v + 0.6, 14)[..., None]
    glow *= (1.1 - 0.3 * smoothstep(0, 0.9, -v))[..., None]
    glow = over(glow, mix_colors(outer, WHITE, 0.6), bell(distance + 0.03, 0.025) * 0.6)
    umbrella = inside(distance / 2, 0.03)
    image = over(image, np.clip(glow, 0, 1), umbrella)
    return image, np.maximum(tendrils * 0.9, umbrella * scene.uniform(0.75, 1))


@motif("waves", texture=True)
def waves(scene: Scene) -> Painted:
    """Rows of waves with foam on their crests."""
    colors = scene.palette(3, (0.5, 0.95), (0.3, 0.95))
    image: Image = plain(colors[0])
    foam_color = mix_colors(colors[2], rgb(0.9, 0.95, 1), scene.uniform(0.3, 0.8))
    rows = scene.integer(3, 6)
    for row in range(rows):
        base = -1 + 2.3 * (row + 0.3) / rows
        amplitude, frequency, phase = scene.uniform(0.06, 0.16), scene.uniform(2, 4.5), scene.uniform(0, 6)
        swell = np.abs(np.sin(X * frequency + phase))
        crest = base - amplitude * (swell**0.6 * 2 - 1) + 0.05 * (scene.noise(3, 3) - 0.5)
        below = Y - crest
        depth = np.clip(below / (2.3 / rows), 0, 1.2)
        streaks = np.sin((below * 26 - swell * 6) + 3 * scene.noise(3, 2))
        water = ramp(1 - depth, colors) * (0.9 + 0.14 * streaks)[..., None]
        flecks = smoothstep(0.5, 0.62, scene.noise(14, 3) + 0.35 * bell(depth, 0.16) - 0.08)
        foam = np.clip(bell(depth, 0.1) * 0.7 + flecks * bell(depth, 0.3) * 0.6, 0, 1)
        water = over(water, foam_color, foam)
        image = over(image, water, inside(-below))
    return image, EVERYWHERE
