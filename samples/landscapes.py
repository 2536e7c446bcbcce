"""The shots of the sample: what the land looks like, where the light comes from, what stands and moves in it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sprites
from noise import Floats, Noise, mix, smoothstep
from numpy.typing import NDArray
from placing import flock, wood_of
from terrain import Light
from view import Board

Ground = Callable[[Floats, Floats], tuple[Floats, Floats]]


Level = Callable[[NDArray | float, NDArray | float], NDArray]  # (x, y) -> the ground's height, all of one shape


@dataclass(frozen=True)
class Pose:
    """A camera position in meters; `aim` shifts the picture to the right by shares of its width."""

    x: float
    y: float
    z: float
    aim: float = 0.0


@dataclass(frozen=True)
class Landscape:
    """All that a shot needs before a size is chosen. Lengths in meters, times in seconds."""

    light: Light
    ground: Ground
    paint: Callable[[Floats, Floats, Floats, Floats, Floats], Floats]
    near: float
    far: float
    pose: Callable[[float], Pose]  # share of the shot in [0, 1] -> where the camera is
    horizon: float  # share of the height
    focal: float  # share of the width
    zenith: tuple[float, float, float]
    pale: tuple[float, float, float]
    cover: float
    wind: float
    boards: Callable[[np.random.Generator, Level], list[Board]]
    water: tuple[float, float, float] = (0.05, 0.09, 0.09)
    clarity: float = 0.9
    ripple: float = 1.0
    seed: int = 0


def _crowns(noise: Noise, x: Floats, y: Floats, size: float) -> Floats:
    """Bumps like tree crowns seen from above, 0 to 1."""
    bumps = noise.at(x / size, y / size) * 0.65 + noise.at(x / size * 2.3 + 7, y / size * 2.3) * 0.35
    return np.clip(bumps * 0.9 + 0.45, 0, 1)


def _rgb(*color: float) -> Floats:
    return np.float32(color)


def valley(noise: Noise) -> Landscape:
    """Morning over a river valley: the camera glides sideways, a balloon drifts across, birds go by."""
    light = Light((-0.80, -0.05, 0.42), (3.1, 2.30, 1.40), (0.20, 0.32, 0.56), (0.42, 0.50, 0.63), 8000.0)

    def river(y: Floats) -> Floats:
        return 46 * np.sin(y / 105 - 1.75) + 75 * np.sin(y / 370 + 0.1) + 0.01 * y

    def ground(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        away = np.abs(x - river(y) + 14 * noise.at(x / 60, y / 60))
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
        crowns = _crowns(noise, x, y, 8.0)
        height = height + wood * crowns * 13
        height = height + (1 - wood) * smoothstep(0.5, 6, bank) * noise.octaves(x / 9, y / 9, 3) * 0.5
        return height.astype(np.float32), wood * (0.25 + 0.75 * crowns)

    def paint(x: Floats, y: Floats, height: Floats, slope: Floats, wood: Floats) -> Floats:
        patch = noise.octaves(x / 160, y / 160, 5, 0.6, offset=40)[..., None]
        grain = noise.octaves(x / 5, y / 5, 4, 0.7, offset=50)[..., None]
        grass = mix(_rgb(0.098, 0.122, 0.036), _rgb(0.225, 0.190, 0.068), smoothstep(-0.35, 0.45, patch))
        grass = grass * (1 + 0.5 * grain)
        shrubs = smoothstep(0.30, 0.52, noise.octaves(x / 4.5, y / 4.5, 3, 0.6, offset=81) + 0.3 * patch[..., 0])
        grass = mix(grass, _rgb(0.045, 0.066, 0.022), 0.8 * shrubs[..., None])
        tint = smoothstep(-0.4, 0.5, noise.octaves(x / 14, y / 14, 3, 0.7, offset=60))[..., None]
        leaf = mix(_rgb(0.026, 0.058, 0.022), _rgb(0.088, 0.105, 0.026), tint)
        autumn = smoothstep(0.42, 0.75, noise.octaves(x / 11 + 3, y / 11, 2, 0.8, offset=66) + 0.3 * patch[..., 0])
        leaf = mix(leaf, _rgb(0.26, 0.115, 0.022), autumn[..., None] * 0.85)
        color = mix(grass, leaf * (0.45 + 0.9 * wood[..., None]), smoothstep(0.05, 0.3, wood)[..., None])
        strata = noise.octaves(x / 90, height / 14, 4, 0.6, offset=70)[..., None]
        stone = mix(_rgb(0.15, 0.135, 0.125), _rgb(0.27, 0.245, 0.215), strata * 0.5 + 0.5)
        bare = smoothstep(0.75, 1.15, slope + 0.25 * patch[..., 0]) * smoothstep(60, 200, height)
        bare = np.maximum(bare, smoothstep(430, 760, height + 150 * patch[..., 0]))[..., None]
        color = mix(color, stone, bare)
        snow = smoothstep(620, 900, height + 260 * patch[..., 0] - 190 * np.clip(slope - 0.7, 0, 2))[..., None]
        color = mix(color, _rgb(0.80, 0.83, 0.88), snow)
        shore = smoothstep(1.3, 0.35, height)[..., None]
        return mix(color, _rgb(0.26, 0.215, 0.145) * (1 + 0.35 * grain), shore)

    def boards(rng: np.random.Generator, level: Level) -> list[Board]:
        trees = [sprites.conifer(number) for number in range(4)]
        trees += [
            sprites.broadleaf(number, c)
            for number, c in enumerate(((0.11, 0.135, 0.03), (0.24, 0.15, 0.03), (0.075, 0.11, 0.028)))
        ]
        out = []
        ys = 80 * 10 ** rng.uniform(0, 0.95, 2600)
        xs = rng.uniform(-0.85, 0.85, 2600) * ys
        grove = noise.octaves(np.float32(xs[None] / 70), np.float32(ys[None] / 70), 3, offset=12)[0]
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

    return Landscape(
        light,
        ground,
        paint,
        55.0,
        11000.0,
        lambda s: Pose(-9 + 22 * s, 2 * s, 43 + 1.5 * s),
        0.47,
        0.80,
        (0.04, 0.13, 0.44),
        (0.34, 0.46, 0.66),
        0.17,
        0.05,
        boards,
        (0.10, 0.17, 0.19),
        0.88,
        1.0,
        5,
    )


def lake(noise: Noise) -> Landscape:
    """Evening close to still water: a boat sails past in front of the far shore, rocks stand near by."""
    light = Light((-0.82, 0.10, 0.36), (3.4, 2.15, 1.10), (0.19, 0.30, 0.52), (0.53, 0.48, 0.50), 7000.0)

    def ground(x: Floats, y: Floats) -> tuple[Floats, Floats]:
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
        crowns = _crowns(noise, x, y, 7.5)
        return (height + wood * crowns * 12).astype(np.float32), wood * (0.25 + 0.75 * crowns)

    def paint(x: Floats, y: Floats, height: Floats, slope: Floats, wood: Floats) -> Floats:
        patch = noise.octaves(x / 140, y / 140, 5, 0.6, offset=41)
        tint = noise.octaves(x / 13, y / 13, 3, 0.7, offset=61)
        leaf = mix(_rgb(0.022, 0.048, 0.022), _rgb(0.085, 0.090, 0.022), smoothstep(-0.4, 0.5, tint)[..., None])
        gold = smoothstep(0.10, 0.45, noise.octaves(x / 10, y / 10, 2, 0.8, offset=67) + 0.5 * patch)
        leaf = mix(leaf, _rgb(0.33, 0.135, 0.018), gold[..., None] * 0.85)
        grass = mix(_rgb(0.13, 0.12, 0.035), _rgb(0.25, 0.19, 0.06), smoothstep(-0.3, 0.4, patch)[..., None])
        color = mix(grass, leaf * (0.45 + 0.9 * wood[..., None]), smoothstep(0.05, 0.3, wood)[..., None])
        strata = noise.octaves(x / 90, height / 15, 4, 0.6, offset=71)[..., None]
        stone = mix(_rgb(0.14, 0.125, 0.125), _rgb(0.26, 0.235, 0.215), strata * 0.5 + 0.5)
        color = mix(color, stone, smoothstep(300, 520, height + 140 * patch)[..., None])
        snow = smoothstep(560, 820, height + 200 * patch - 170 * np.clip(slope - 0.7, 0, 2))[..., None]
        color = mix(color, _rgb(0.80, 0.82, 0.87), snow)
        return mix(color, _rgb(0.22, 0.18, 0.13), smoothstep(0.9, 0.2, height)[..., None])

    def boards(rng: np.random.Generator, level: Level) -> list[Board]:
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

    return Landscape(
        light,
        ground,
        paint,
        6.0,
        9000.0,
        lambda s: Pose(0.9 - 1.5 * s, 0.4 * s, 2.3 + 0.15 * s),
        0.52,
        0.85,
        (0.035, 0.12, 0.40),
        (0.56, 0.47, 0.42),
        0.10,
        -0.06,
        boards,
        (0.06, 0.10, 0.14),
        0.95,
        1.0,
        23,
    )


def autumn(noise: Noise) -> Landscape:
    """Late light on rolling autumn hills: the camera moves forward past birches and boulders, birds cross."""
    light = Light((-0.66, 0.42, 0.33), (3.6, 2.25, 1.10), (0.17, 0.25, 0.46), (0.55, 0.49, 0.50), 5200.0)

    def ground(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        rolling = noise.octaves(x / 330, y / 330, 5, 0.45, offset=44)
        ridge = noise.octaves(x / 1700, y / 1700, 10, 0.45, ridged=True, offset=61)
        dale = 40 * smoothstep(40, 260, y) * np.exp(-(((x - 0.12 * y) / (60 + 0.35 * y)) ** 2))
        hills = 46 * rolling * smoothstep(20, 300, y) + 0.09 * np.clip(y - 350, 0, 2500) - dale
        peaks = smoothstep(1500, 5000, y) * np.clip(ridge + 0.45, 0, None) * 760
        height = 60 + hills + peaks
        cover = noise.octaves(x / 170, y / 170, 5, 0.55, offset=9) + 0.35 * smoothstep(200, 1500, y) - 0.12
        wood = smoothstep(0.0, 0.10, cover) * smoothstep(210, 330, y) * smoothstep(640, 420, height)
        crowns = _crowns(noise, x, y, 8.0)
        height = height + wood * crowns * 11
        tufts = noise.octaves(x / 1.1, y / 1.1, 4, 0.6, offset=3)
        height = height + (1 - wood) * 0.10 * tufts * smoothstep(260, 60, y)
        return height.astype(np.float32), wood * (0.25 + 0.75 * crowns)

    def paint(x: Floats, y: Floats, height: Floats, slope: Floats, wood: Floats) -> Floats:
        patch = noise.octaves(x / 60, y / 60, 6, 0.6, offset=42)
        grain = noise.octaves(x / 1.3, y / 1.3, 5, 0.75, offset=52)[..., None]
        grass = mix(_rgb(0.135, 0.128, 0.042), _rgb(0.36, 0.25, 0.085), smoothstep(-0.3, 0.35, patch)[..., None])
        heather = smoothstep(0.16, 0.34, noise.octaves(x / 17, y / 17, 5, 0.65, offset=90) - 0.2 * patch)
        grass = mix(grass, _rgb(0.24, 0.075, 0.075), 0.7 * heather[..., None]) * (1 + 0.5 * grain)
        close = smoothstep(90, 25, y)
        blades = noise.octaves(x / 0.16, y / 0.55, 3, 0.7, offset=95) * close
        grass = grass * (1 + 0.55 * blades[..., None])
        flowers = smoothstep(1.10, 1.20, noise.at(x / 0.09, y / 0.22) + 0.5 * noise.at(x / 5, y / 5)) * close
        grass = mix(grass, _rgb(0.62, 0.50, 0.22), 0.75 * flowers[..., None])
        tint = noise.octaves(x / 12, y / 12, 3, 0.7, offset=62)
        leaf = mix(_rgb(0.030, 0.058, 0.020), _rgb(0.13, 0.115, 0.022), smoothstep(-0.4, 0.3, tint)[..., None])
        gold = smoothstep(-0.05, 0.3, noise.octaves(x / 10, y / 10, 2, 0.8, offset=68) + 0.5 * patch)[..., None]
        leaf = mix(leaf, mix(_rgb(0.38, 0.19, 0.022), _rgb(0.32, 0.08, 0.02), tint[..., None] * 0.5 + 0.5), gold * 0.9)
        color = mix(grass, leaf * (0.4 + 0.95 * wood[..., None]), smoothstep(0.05, 0.3, wood)[..., None])
        strata = noise.octaves(x / 80, height / 14, 4, 0.6, offset=72)[..., None]
        stone = mix(_rgb(0.15, 0.13, 0.125), _rgb(0.27, 0.235, 0.21), strata * 0.5 + 0.5)
        color = mix(color, stone, smoothstep(470, 640, height + 120 * patch)[..., None])
        return mix(color, _rgb(0.8, 0.82, 0.87), smoothstep(760, 960, height + 200 * patch)[..., None])

    def boards(rng: np.random.Generator, level: Level) -> list[Board]:
        golds = ((0.40, 0.20, 0.025), (0.34, 0.09, 0.02), (0.44, 0.27, 0.04), (0.16, 0.15, 0.03), (0.38, 0.14, 0.02))
        trees = [sprites.broadleaf(number, c) for number, c in enumerate(golds)] + [
            sprites.conifer(number) for number in range(3)
        ]
        stones = [sprites.rock(noise, 5.0 * number + 2) for number in range(4)]
        out = []
        for tree, x, y, tall in (
            (0, -8.6, 21, 9.5),
            (2, 15.5, 33, 11.0),
            (4, -17, 44, 11.0),
            (5, 26, 50, 14.0),
            (1, 9, 66, 9.5),
        ):
            out.append(Board(trees[tree], x, y, float(level(x, y)) - 0.4, tall))
        ys = 60 * 10 ** rng.uniform(0, 0.8, 1500)
        xs = rng.uniform(-0.75, 0.75, 1500) * ys
        grove = noise.octaves(np.float32(xs[None] / 60), np.float32(ys[None] / 60), 3, offset=13)[0]
        fit = grove > rng.uniform(0.0, 0.6, 1500)
        out += wood_of(rng, trees, xs[fit][:255], ys[fit][:255], level(xs, ys)[fit] - 0.4, (7, 13))
        for _ in range(46):
            y = float(13 * 10 ** rng.uniform(0, 0.95))
            x = float(rng.uniform(-0.65, 0.65) * y)
            tall = float(rng.uniform(0.4, 1.9))
            out.append(Board(stones[int(rng.integers(0, 4))], x, y, float(level(x, y)) - 0.25 * tall, tall))
        return out + flock(rng, 11, (16, 55, 76), (-9, 1.5, 0.7), 0.75)

    return Landscape(
        light,
        ground,
        paint,
        7.0,
        9000.0,
        lambda s: Pose(0.8 * s, 4.2 * s, 65.5 + 0.5 * s),
        0.46,
        0.85,
        (0.035, 0.12, 0.42),
        (0.50, 0.47, 0.48),
        0.10,
        0.06,
        boards,
        seed=61,
    )
