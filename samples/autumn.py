"""The sample's shot `autumn`."""

from functools import partial

import numpy as np
import sprites
from landscapes import Landscape, Level, Pose, rgb, tree_crowns
from noise import Floats, Noise, mix, smoothstep, vector
from placing import flock, wood_of
from terrain import Light
from view import Board


def _ground(noise: Noise, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    rolling = noise.octaves(x / 330, y / 330, 5, 0.45, offset=44)
    ridge = noise.octaves(x / 1700, y / 1700, 10, 0.45, ridged=True, offset=61)
    dale = 40 * smoothstep(40, 260, y) * np.exp(-(((x - 0.12 * y) / (60 + 0.35 * y)) ** 2))
    hills = 46 * rolling * smoothstep(20, 300, y) + 0.09 * np.clip(y - 350, 0, 2500) - dale
    peaks = smoothstep(1500, 5000, y) * np.clip(ridge + 0.45, 0, None) * 760
    height = 60 + hills + peaks
    cover = noise.octaves(x / 170, y / 170, 5, 0.55, offset=9) + 0.35 * smoothstep(200, 1500, y) - 0.12
    wood = smoothstep(0.0, 0.10, cover) * smoothstep(210, 330, y) * smoothstep(640, 420, height)
    crowns = tree_crowns(noise, x, y, 8.0)
    height = height + wood * crowns * 11
    tufts = noise.octaves(x / 1.1, y / 1.1, 4, 0.6, offset=3)
    height = height + (1 - wood) * 0.10 * tufts * smoothstep(260, 60, y)
    return height.astype(np.float32), wood * (0.25 + 0.75 * crowns)


def _paint(noise: Noise, x: Floats, y: Floats, height: Floats, slope: Floats, wood: Floats) -> Floats:
    patch = noise.octaves(x / 60, y / 60, 6, 0.6, offset=42)
    grain = noise.octaves(x / 1.3, y / 1.3, 5, 0.75, offset=52)[..., None]
    grass = mix(rgb(0.135, 0.128, 0.042), rgb(0.36, 0.25, 0.085), smoothstep(-0.3, 0.35, patch)[..., None])
    heather = smoothstep(0.16, 0.34, noise.octaves(x / 17, y / 17, 5, 0.65, offset=90) - 0.2 * patch)
    grass = mix(grass, rgb(0.24, 0.075, 0.075), 0.7 * heather[..., None]) * (1 + 0.5 * grain)
    close = smoothstep(90, 25, y)
    blades = noise.octaves(x / 0.16, y / 0.55, 3, 0.7, offset=95) * close
    grass = grass * (1 + 0.55 * blades[..., None])
    flowers = smoothstep(1.10, 1.20, noise.at(x / 0.09, y / 0.22) + 0.5 * noise.at(x / 5, y / 5)) * close
    grass = mix(grass, rgb(0.62, 0.50, 0.22), 0.75 * flowers[..., None])
    tint = noise.octaves(x / 12, y / 12, 3, 0.7, offset=62)
    leaf = mix(rgb(0.030, 0.058, 0.020), rgb(0.13, 0.115, 0.022), smoothstep(-0.4, 0.3, tint)[..., None])
    gold = smoothstep(-0.05, 0.3, noise.octaves(x / 10, y / 10, 2, 0.8, offset=68) + 0.5 * patch)[..., None]
    leaf = mix(leaf, mix(rgb(0.38, 0.19, 0.022), rgb(0.32, 0.08, 0.02), tint[..., None] * 0.5 + 0.5), gold * 0.9)
    color = mix(grass, leaf * (0.4 + 0.95 * wood[..., None]), smoothstep(0.05, 0.3, wood)[..., None])
    strata = noise.octaves(x / 80, height / 14, 4, 0.6, offset=72)[..., None]
    stone = mix(rgb(0.15, 0.13, 0.125), rgb(0.27, 0.235, 0.21), strata * 0.5 + 0.5)
    color = mix(color, stone, smoothstep(470, 640, height + 120 * patch)[..., None])
    return mix(color, rgb(0.8, 0.82, 0.87), smoothstep(760, 960, height + 200 * patch)[..., None])


def _boards(noise: Noise, rng: np.random.Generator, level: Level) -> list[Board]:
    golds = ((0.40, 0.20, 0.025), (0.34, 0.09, 0.02), (0.44, 0.27, 0.04), (0.16, 0.15, 0.03), (0.38, 0.14, 0.02))
    trees = [sprites.broadleaf(number, c) for number, c in enumerate(golds)] + [
        sprites.conifer(number) for number in range(3)
    ]
    stones = [sprites.rock(noise, 5.0 * number + 2) for number in range(4)]
    out = []
    for tree, x, y, tall in (
        (0, -8.6, 21.0, 9.5),
        (2, 15.5, 33.0, 11.0),
        (4, -17.0, 44.0, 11.0),
        (5, 26.0, 50.0, 14.0),
        (1, 9.0, 66.0, 9.5),
    ):
        out.append(Board(trees[tree], x, y, float(level(x, y)) - 0.4, tall))
    ys = 60 * 10 ** rng.uniform(0, 0.8, 1500)
    xs = rng.uniform(-0.75, 0.75, 1500) * ys
    grove = noise.octaves(vector(xs[None] / 60), vector(ys[None] / 60), 3, offset=13)[0]
    fit = grove > rng.uniform(0.0, 0.6, 1500)
    out += wood_of(rng, trees, xs[fit][:255], ys[fit][:255], level(xs, ys)[fit] - 0.4, (7, 13))
    for _ in range(46):
        y = float(13 * 10 ** rng.uniform(0, 0.95))
        x = float(rng.uniform(-0.65, 0.65) * y)
        tall = float(rng.uniform(0.4, 1.9))
        out.append(Board(stones[int(rng.integers(0, 4))], x, y, float(level(x, y)) - 0.25 * tall, tall))
    return out + flock(rng, 11, (16, 55, 76), (-9, 1.5, 0.7), 0.75)


def autumn(noise: Noise) -> Landscape:
    """Late light on rolling autumn hills: the camera moves forward past birches and boulders, birds cross."""
    return Landscape(
        light=Light((-0.66, 0.42, 0.33), (3.6, 2.25, 1.10), (0.17, 0.25, 0.46), (0.55, 0.49, 0.50), 5200.0),
        ground=partial(_ground, noise),
        paint=partial(_paint, noise),
        near=7.0,
        far=9000.0,
        pose=lambda s: Pose(0.8 * s, 4.2 * s, 65.5 + 0.5 * s),
        horizon=0.46,
        focal=0.85,
        zenith=(0.035, 0.12, 0.42),
        pale=(0.50, 0.47, 0.48),
        cover=0.10,
        wind=0.06,
        boards=partial(_boards, noise),
        seed=61,
    )
