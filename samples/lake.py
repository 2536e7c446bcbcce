"""The sample's shot `lake`."""

from functools import partial

import numpy as np
import sprites
from landscapes import Landscape, Level, Pose, rgb, tree_crowns
from noise import Floats, Noise, mix, smoothstep
from placing import flock, wood_of
from terrain import Light
from view import Board


def _ground(noise: Noise, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    cove = 60 * noise.octaves(x / 190, y / 600 + 2.5, 4, 0.5, offset=4)
    shore = y - 430 - cove + 0.42 * np.clip(-x - 40, 0, None) - 0.10 * np.clip(x, 0, None)
    point = 150 * np.exp(-(((x - 150) / 62) ** 2)) - 0.16 * np.abs(y - 330)  # a wooded point from the right
    land = np.maximum(shore, 0.5 * (point - 75) + 0.1 * (x - 150) + 6 * noise.at(x / 23, y / 23))
    rolling = noise.octaves(x / 420, y / 420, 6, 0.5, offset=15)
    hills = smoothstep(60, 900, land) * (110 + 150 * rolling)
    ridge = noise.octaves(x / 1900 + 0.55, y / 1900, 10, 0.45, ridged=True, offset=33.0)
    peaks = smoothstep(900, 4200, y + 0.15 * np.abs(x)) * np.clip(ridge + 0.5, 0, None) * 900
    height = np.clip(land * 0.06, -3, 5) + np.maximum(hills, 0) + peaks
    wood = smoothstep(45, 75, land + 12 * noise.at(x / 30, y / 30)) * smoothstep(520, 300, height)
    crowns = tree_crowns(noise, x, y, 7.5)
    return (height + wood * crowns * 12).astype(np.float32), wood * (0.25 + 0.75 * crowns)


def _paint(noise: Noise, x: Floats, y: Floats, height: Floats, slope: Floats, wood: Floats) -> Floats:
    patch = noise.octaves(x / 140, y / 140, 5, 0.6, offset=41)
    tint = noise.octaves(x / 13, y / 13, 3, 0.7, offset=61)
    leaf = mix(rgb(0.022, 0.048, 0.022), rgb(0.085, 0.090, 0.022), smoothstep(-0.4, 0.5, tint)[..., None])
    gold = smoothstep(0.10, 0.45, noise.octaves(x / 10, y / 10, 2, 0.8, offset=67) + 0.5 * patch)
    leaf = mix(leaf, rgb(0.33, 0.135, 0.018), gold[..., None] * 0.85)
    grass = mix(rgb(0.13, 0.12, 0.035), rgb(0.25, 0.19, 0.06), smoothstep(-0.3, 0.4, patch)[..., None])
    color = mix(grass, leaf * (0.45 + 0.9 * wood[..., None]), smoothstep(0.05, 0.3, wood)[..., None])
    strata = noise.octaves(x / 90, height / 15, 4, 0.6, offset=71)[..., None]
    stone = mix(rgb(0.14, 0.125, 0.125), rgb(0.26, 0.235, 0.215), strata * 0.5 + 0.5)
    color = mix(color, stone, smoothstep(300, 520, height + 140 * patch)[..., None])
    snow = smoothstep(560, 820, height + 200 * patch - 170 * np.clip(slope - 0.7, 0, 2))[..., None]
    color = mix(color, rgb(0.80, 0.82, 0.87), snow)
    return mix(color, rgb(0.22, 0.18, 0.13), smoothstep(0.9, 0.2, height)[..., None])


def _boards(noise: Noise, rng: np.random.Generator, level: Level) -> list[Board]:
    golds = ((0.32, 0.15, 0.02), (0.36, 0.22, 0.035), (0.13, 0.13, 0.03), (0.34, 0.10, 0.025))
    trees = [sprites.conifer(number) for number in range(4)] + [
        sprites.broadleaf(number, c) for number, c in enumerate(golds)
    ]
    out = []
    ys = rng.uniform(230, 640, 2600)
    xs = rng.uniform(-0.75, 0.75, 2600) * ys
    zs = level(xs, ys)
    fit = (zs > 0.3) & (zs < 18)
    out += wood_of(rng, trees, xs[fit][:420], ys[fit][:420], np.maximum(zs[fit] - 3, 0.1), (9, 18))
    stones = [sprites.rock(noise, 5.0 * number) for number in range(4)]
    places = (
        (-4.3, 9.5, 1.15),
        (-2.9, 8.4, 0.5),
        (-6.6, 12.5, 0.9),
        (5.2, 13.5, 0.75),
        (6.9, 16.0, 1.5),
        (9.3, 19.5, 0.8),
        (-13.0, 27.0, 1.3),
        (3.9, 11.2, 0.3),
        (-1.9, 13.0, 0.35),
        (13.5, 34.0, 1.2),
    )
    for number, (x, y, tall) in enumerate(places):
        out.append(Board(stones[number % 4], x, y, -0.1, tall))
    out.append(Board(sprites.boat(), -12.5, 38, -0.25, 9.0, lambda t: (4.2 * t, 0, 0)))
    out.append(Board(sprites.boat()[:, ::-1], 48, 190, -0.25, 9.0, lambda t: (-2.5 * t, 0, 0)))
    return out + flock(rng, 7, (-9, 60, 15), (7.5, 0.5, 0.8), 0.7)


def lake(noise: Noise) -> Landscape:
    """Evening close to still water: a boat sails past in front of the far shore, rocks stand near by."""
    return Landscape(
        light=Light((-0.82, 0.10, 0.36), (3.4, 2.15, 1.10), (0.19, 0.30, 0.52), (0.53, 0.48, 0.50), 7000.0),
        ground=partial(_ground, noise),
        paint=partial(_paint, noise),
        near=6.0,
        far=9000.0,
        pose=lambda s: Pose(0.9 - 1.5 * s, 0.4 * s, 2.3 + 0.15 * s),
        horizon=0.52,
        focal=0.85,
        zenith=(0.035, 0.12, 0.40),
        pale=(0.56, 0.47, 0.42),
        cover=0.10,
        wind=-0.06,
        boards=partial(_boards, noise),
        water=(0.06, 0.10, 0.14),
        clarity=0.95,
        ripple=1.0,
        seed=23,
    )
