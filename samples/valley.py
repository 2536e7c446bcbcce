"""The sample's shot `valley`."""

from functools import partial

import numpy as np
import sprites
from landscapes import Landscape, Level, Pose, rgb, tree_crowns
from noise import Floats, Noise, mix, smoothstep, vector
from placing import flock, wood_of
from terrain import Light
from view import Board


def _river(y: Floats) -> Floats:
    x: Floats = 46 * np.sin(y / 105 - 1.75) + 75 * np.sin(y / 370 + 0.1) + 0.01 * y
    return x


def _ground(noise: Noise, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    away = np.abs(x - _river(y) + 14 * noise.at(x / 60, y / 60))
    width = 13 + y * 0.022
    bank = away - width
    plain = 7 * smoothstep(0, 160, bank) + np.clip(bank * 0.12, -2.0, 1.4)
    rise = smoothstep(140, 1100, away + 0.05 * y)
    rolling = noise.octaves(x / 520, y / 520, 6, 0.48, offset=3.0)
    hills = rise * (95 + 150 * rolling + 0.07 * away) * (0.5 + smoothstep(300, 2200, y))
    alpine = smoothstep(2300, 6200, y + 0.35 * np.abs(x))
    ridge = noise.octaves(x / 2300, y / 2300, 10, 0.44, ridged=True, offset=21.6)
    gap = 1 - 0.62 * np.exp(-(((x - 250) / 900) ** 2))
    peaks = alpine * np.clip(ridge + 0.30, 0, None) * 1450 * gap
    height = plain + hills + peaks
    cover = noise.octaves(x / 210, y / 210, 5, 0.55, offset=8.0) + 0.62 * rise - 0.30
    wood = (
        smoothstep(280, 480, y + 60 * cover)
        * smoothstep(0.0, 0.12, cover)
        * smoothstep(4, 16, bank)
        * smoothstep(720, 470, height)
    )
    crowns = tree_crowns(noise, x, y, 8.0)
    height = height + wood * crowns * 13
    height = height + (1 - wood) * smoothstep(0.5, 6, bank) * noise.octaves(x / 9, y / 9, 3) * 0.5
    return height.astype(np.float32), wood * (0.25 + 0.75 * crowns)


def _paint(noise: Noise, x: Floats, y: Floats, height: Floats, slope: Floats, wood: Floats) -> Floats:
    patch = noise.octaves(x / 160, y / 160, 5, 0.6, offset=40)[..., None]
    grain = noise.octaves(x / 5, y / 5, 4, 0.7, offset=50)[..., None]
    grass = mix(rgb(0.098, 0.122, 0.036), rgb(0.225, 0.190, 0.068), smoothstep(-0.35, 0.45, patch))
    grass = grass * (1 + 0.5 * grain)
    shrubs = smoothstep(0.30, 0.52, noise.octaves(x / 4.5, y / 4.5, 3, 0.6, offset=81) + 0.3 * patch[..., 0])
    grass = mix(grass, rgb(0.045, 0.066, 0.022), 0.8 * shrubs[..., None])
    tint = smoothstep(-0.4, 0.5, noise.octaves(x / 14, y / 14, 3, 0.7, offset=60))[..., None]
    leaf = mix(rgb(0.026, 0.058, 0.022), rgb(0.088, 0.105, 0.026), tint)
    autumn = smoothstep(0.42, 0.75, noise.octaves(x / 11 + 3, y / 11, 2, 0.8, offset=66) + 0.3 * patch[..., 0])
    leaf = mix(leaf, rgb(0.26, 0.115, 0.022), autumn[..., None] * 0.85)
    color = mix(grass, leaf * (0.45 + 0.9 * wood[..., None]), smoothstep(0.05, 0.3, wood)[..., None])
    strata = noise.octaves(x / 90, height / 14, 4, 0.6, offset=70)[..., None]
    stone = mix(rgb(0.15, 0.135, 0.125), rgb(0.27, 0.245, 0.215), strata * 0.5 + 0.5)
    bare = smoothstep(0.75, 1.15, slope + 0.25 * patch[..., 0]) * smoothstep(60, 200, height)
    bare = np.maximum(bare, smoothstep(430, 760, height + 150 * patch[..., 0]))[..., None]
    color = mix(color, stone, bare)
    snow = smoothstep(620, 900, height + 260 * patch[..., 0] - 190 * np.clip(slope - 0.7, 0, 2))[..., None]
    color = mix(color, rgb(0.80, 0.83, 0.88), snow)
    shore = smoothstep(1.3, 0.35, height)[..., None]
    return mix(color, rgb(0.26, 0.215, 0.145) * (1 + 0.35 * grain), shore)


def _boards(noise: Noise, rng: np.random.Generator, level: Level) -> list[Board]:
    trees = [sprites.conifer(number) for number in range(4)]
    trees += [
        sprites.broadleaf(number, c)
        for number, c in enumerate(((0.11, 0.135, 0.03), (0.24, 0.15, 0.03), (0.075, 0.11, 0.028)))
    ]
    out = []
    ys = 80 * 10 ** rng.uniform(0, 0.95, 2600)
    xs = rng.uniform(-0.85, 0.85, 2600) * ys
    grove = noise.octaves(vector(xs[None] / 70), vector(ys[None] / 70), 3, offset=12)[0]
    fit = (grove > rng.uniform(0.05, 0.6, 2600)) & (level(xs, ys) > 1.4)
    out += wood_of(rng, trees, xs[fit][:420], ys[fit][:420], level(xs, ys)[fit] - 0.4, (8, 16))
    # A group that closes the picture on the right.
    group = ((0, 66, 104, 19), (2, 59, 113, 15), (1, 74, 118, 21), (5, 52, 126, 13), (3, 88, 140, 18))
    for kind, x, y, tall in group:
        out.append(Board(trees[kind], x, y, float(level(x, y)) - 0.4, tall))
    out.append(Board(sprites.balloon(), -12, 240, 55, 46, lambda t: (-5.0 * t, 0, 2.0 * t)))
    out.append(Board(sprites.balloon()[:, ::-1], 395, 1150, 235, 46, lambda t: (5 * t, 0, 3 * t)))
    out += flock(rng, 9, (30, 120, 60), (-9.5, 1.0, 0.9), 1.1)
    return out


def valley(noise: Noise) -> Landscape:
    """Morning over a river valley: the camera glides sideways, a balloon drifts across, birds go by."""
    return Landscape(
        light=Light((-0.80, -0.05, 0.42), (3.1, 2.30, 1.40), (0.20, 0.32, 0.56), (0.42, 0.50, 0.63), 8000.0),
        ground=partial(_ground, noise),
        paint=partial(_paint, noise),
        near=55.0,
        far=11000.0,
        pose=lambda s: Pose(-9 + 22 * s, 2 * s, 43 + 1.5 * s),
        horizon=0.47,
        focal=0.80,
        zenith=(0.04, 0.13, 0.44),
        pale=(0.34, 0.46, 0.66),
        cover=0.17,
        wind=0.05,
        boards=partial(_boards, noise),
        water=(0.10, 0.17, 0.19),
        clarity=0.88,
        ripple=1.0,
        seed=5,
    )
