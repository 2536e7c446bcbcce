"""What a figure moves over and before: a yard with a plastered wall, a street of setts, a meadow before a hedge.

Each takes columns x and rows y in meters on the plane in which the figure moves, y downwards from its feet, and gives
picture values (H, W, 3). Behind that plane the ground goes on to the foot of the wall or hedge, in perspective.
"""

from collections.abc import Callable

import cv2
import numpy as np
from noise import Floats, Noise, mix, smoothstep, vector
from terrain import film

Scenery = Callable[[Noise, Floats, Floats], Floats]

FOOT = 0.86  # share of the height at which the figure's feet are
_DISTANCE = 7.0  # from the camera to the figure
_EYE = 1.6  # the camera's height
_WALL = -0.85  # y of the wall's foot
_FAR = _EYE / (_EYE + _WALL)  # how many times farther than the figure the wall is
_FINER = 2  # painted that much finer each way, then shrunk
_SHARPEST = 1.6  # blur of what is sharpest, in those finer samples, four to a pixel; chosen by eye


def _grid(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Finer columns and rows, as (H, W) arrays."""
    step = float(x[1] - x[0]) / _FINER
    shift = (np.arange(_FINER, dtype=np.float32) - (_FINER - 1) / 2) * np.float32(step)
    fine_x, fine_y = ((v[:, None] + shift[None, :]).reshape(-1) for v in (x, y))
    u, v = np.broadcast_arrays(fine_x[None, :], fine_y[:, None])
    return np.ascontiguousarray(u, np.float32), np.ascontiguousarray(v, np.float32)


def _on_the_ground(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """(x, z): meters across and away from the camera of the ground that is seen at (x, y)."""
    depth = np.float32(_EYE) / (np.maximum(y, np.float32(_WALL)) + np.float32(_EYE))
    return x * depth, np.float32(_DISTANCE) * depth


def _finish(light: Floats, x: Floats, y: Floats) -> Floats:
    shape = (light.shape[1] // _FINER, light.shape[0] // _FINER)
    return cv2.resize(film(light), shape, interpolation=cv2.INTER_AREA).astype(np.float32)


def _soften(picture: Floats, y: Floats, meters: float) -> Floats:
    """Blur what is behind the figure's plane, as a lens does; from the wall's foot upwards in full.

    The rest is blurred by less than half a pixel, so that small sizes do not flicker while the camera pans.
    """
    step = float(y[1, 0] - y[0, 0])
    sharp = cv2.GaussianBlur(picture, (0, 0), _SHARPEST).astype(np.float32)
    soft = cv2.GaussianBlur(picture, (0, 0), float(np.hypot(meters / step, _SHARPEST))).astype(np.float32)
    return mix(sharp, soft, smoothstep(-0.15, _WALL, y)[..., None])


def _foot_of_wall(y: Floats) -> Floats:
    """The dark line along the wall's foot, on both sides."""
    light: Floats = 1 - np.float32(0.35) * np.exp(-np.abs(y - np.float32(_WALL)) / np.float32(0.07))
    return light


def _table(seed: int) -> Floats:
    return np.random.default_rng(seed).uniform(-1, 1, (64, 64)).astype(np.float32)


def _stones(x: Floats, z: Floats, length: float, width: float, seed: int) -> tuple[Floats, Floats]:
    """Rows of stones laid in bond: a value of each stone, -1 to 1, and the distance from its edge in meters."""
    table = _table(seed)
    row = np.floor(z / np.float32(width)).astype(np.int32)
    along = x / np.float32(length) + table[row % 64, 0] * 0.5 + 0.5 * (row % 2)
    column = np.floor(along).astype(np.int32)
    inside_x = (0.5 - np.abs(along - column - 0.5)) * np.float32(length)
    inside_z = (0.5 - np.abs(z / np.float32(width) - row - 0.5)) * np.float32(width)
    corner = np.float32(0.3 * min(length, width))
    round_off = np.hypot(np.maximum(corner - inside_x, 0), np.maximum(corner - inside_z, 0))
    edge = np.where(round_off > 0, corner - round_off, np.minimum(inside_x, inside_z))
    return table[row % 64, column % 64], edge.astype(np.float32)


def yard(noise: Noise, x: Floats, y: Floats) -> Floats:
    """Pale smooth pavement before a plastered wall: little texture anywhere."""
    u, v = _grid(x, y)
    across, away = _on_the_ground(u, v)
    stain = noise.octaves(across / 1.7, away / 1.7, 4, 0.5, offset=5)
    grain = noise.octaves(across / 0.06, away / 0.06, 2, offset=8)
    pavement = vector((0.44, 0.425, 0.40)) * (1 + 0.07 * stain + 0.03 * grain)[..., None]
    pavement = pavement * (1 - 0.10 * smoothstep(9.5, 14.0, away))[..., None]
    up = np.float32(_WALL) - v
    cloud = noise.octaves(u / 1.1, v / 0.8, 4, 0.55, offset=15)
    plaster = mix(vector((0.56, 0.46, 0.33)), vector((0.66, 0.57, 0.44)), smoothstep(-0.5, 0.5, cloud)[..., None])
    plaster = plaster * (1 - 0.13 * smoothstep(0.9, 3.2, up))[..., None]
    plinth = smoothstep(0.305, 0.295, up)[..., None]
    stone = vector((0.36, 0.345, 0.33)) * (1 + 0.08 * noise.octaves(u / 0.25, v / 0.25, 4, offset=25))[..., None]
    ledge = np.exp(-(((up - 0.315) / 0.015) ** 2))[..., None]
    wall = mix(plaster, stone, plinth) * (1 + 0.18 * ledge)
    light = np.where((v < _WALL)[..., None], wall, pavement) * _foot_of_wall(v)[..., None]
    return _finish(_soften(light.astype(np.float32), v, 0.006), u, v)


def street(noise: Noise, x: Floats, y: Floats) -> Floats:
    """A street paved with setts before a wall of brick."""
    u, v = _grid(x, y)
    across, away = _on_the_ground(u, v)
    uneven = 0.018 * noise.octaves(across / 0.25, away / 0.25, 2, offset=3)
    tint, edge = _stones(across + uneven, away - uneven, 0.30, 0.27, 1)
    worn = noise.octaves(across / 0.09, away / 0.09, 4, 0.6, offset=9)
    damp = smoothstep(0.05, 0.5, noise.octaves(across / 1.9, away / 1.9, 3, offset=19))
    sett = vector((0.20, 0.195, 0.19)) * (1 + 0.34 * tint + 0.28 * worn - 0.22 * damp)[..., None]
    sett = sett * (0.70 + 0.42 * smoothstep(0.012, 0.075, edge))[..., None]
    joint = vector((0.075, 0.068, 0.055)) * (1 + 0.4 * worn)[..., None]
    paved = mix(joint, sett, smoothstep(0.010, 0.026, edge)[..., None])
    paved = mix(paved, vector((0.155, 0.15, 0.145)), (0.55 * smoothstep(8.5, 14.5, away))[..., None])
    up = np.float32(_WALL) - v
    hue, rim = _stones(u, up, 0.21, 0.075, 2)
    rough = noise.octaves(u / 0.05, v / 0.04, 3, 0.6, offset=29)
    old = noise.octaves(u / 1.2, v / 0.9, 4, offset=39)
    brick = mix(vector((0.17, 0.060, 0.040)), vector((0.33, 0.145, 0.085)), (0.5 + 0.5 * hue)[..., None])
    brick = brick * (1 + 0.22 * rough + 0.25 * old)[..., None]
    wall = mix(vector((0.30, 0.27, 0.23)) * (1 + 0.2 * old)[..., None], brick, smoothstep(0.004, 0.010, rim)[..., None])
    light = np.where((v < _WALL)[..., None], wall, paved) * _foot_of_wall(v)[..., None]
    return _finish(_soften(light.astype(np.float32), v, 0.008), u, v)


def meadow(noise: Noise, x: Floats, y: Floats) -> Floats:
    """Short grass strewn with leaves before a hedge."""
    u, v = _grid(x, y)
    across, away = _on_the_ground(u, v)
    height = np.float32(_EYE) * np.log(away)  # changes along the picture's columns as `across` does along its rows
    blade = noise.octaves(across / 0.020, height / 0.042, 4, 0.7, offset=4)
    tuft = noise.octaves(across / 0.30, away / 0.45, 4, 0.6, offset=14)
    dry = smoothstep(-0.2, 0.6, noise.octaves(across / 1.3, away / 1.6, 3, offset=24) + 0.3 * tuft)
    grass = mix(vector((0.085, 0.135, 0.030)), vector((0.24, 0.235, 0.075)), dry[..., None])
    grass = grass * np.clip(1 + 0.50 * blade + 0.38 * tuft, 0.2, None)[..., None]
    grass = _strew(noise, grass, across, away)
    crowns = noise.octaves(u / 0.34, v / 0.26, 3, 0.6, offset=34)
    leaf = noise.octaves(u / 0.075, v / 0.055, 3, 0.75, offset=44)
    lit = np.clip(0.75 + 0.65 * crowns + 0.75 * leaf, 0.12, None)
    hedge = mix(vector((0.030, 0.058, 0.018)), vector((0.095, 0.125, 0.030)), smoothstep(-0.4, 0.5, leaf)[..., None])
    hedge = hedge * (lit * (0.75 + 0.35 * smoothstep(0.1, 2.6, np.float32(_WALL) - v)))[..., None]
    edge = np.float32(_WALL) + 0.035 * noise.octaves(u / 0.10, u * 0 + 3, 3, offset=54)
    behind = smoothstep(0.012, -0.012, v - edge)[..., None]
    light = mix(grass, hedge, behind) * (1 - 0.45 * np.exp(-np.abs(v - edge) / 0.06))[..., None]
    return _finish(_soften(light.astype(np.float32), v, 0.010), u, v)


def _strew(noise: Noise, ground: Floats, across: Floats, away: Floats) -> Floats:
    """Fallen leaves on the ground: yellow and brown ovals, each with a place and a tilt of its own."""
    for layer, size in enumerate((0.21, 0.17, 0.26)):
        x, z = across / np.float32(size) + 0.37 * layer, away / np.float32(2.4 * size) + 0.61 * layer
        column, row = np.floor(x).astype(np.int32), np.floor(z).astype(np.int32)
        jitter_x, jitter_z, turn, hue = (_table(60 + 4 * layer + k)[row % 64, column % 64] for k in range(4))
        dx, dz = x - column - 0.5 - 0.25 * jitter_x, z - row - 0.5 - 0.25 * jitter_z
        cos, sin = np.cos(3 * turn), np.sin(3 * turn)
        a, b = dx * cos + dz * sin, (dz * cos - dx * sin) * 1.9
        oval = smoothstep(0.235, 0.185, np.hypot(a, b)) * (hue > -0.25)
        rib = 1 - 0.35 * np.exp(-((b / 0.03) ** 2))
        color = mix(vector((0.20, 0.085, 0.030)), vector((0.55, 0.36, 0.065)), np.clip(hue, 0, 1)[..., None])
        ground = mix(ground, color * (rib * (1 + 0.25 * noise.at(x * 4, z * 4)))[..., None], oval[..., None])
    return ground
