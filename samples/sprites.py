"""What stands or moves in the landscape as flat pictures facing the camera: trees, balloons, birds, a boat, rocks.

Each is drawn once, large, with the sun on its left side, and comes as (H, W, 4): linear reflectance times the light,
and how much it covers. Drawn on 8 bits without smoothing: they are shrunk a lot before anybody sees them.
"""

from functools import lru_cache

import cv2
import numpy as np
from noise import Floats, Noise, mix, smoothstep, vector
from numpy.typing import NDArray

Color = tuple[float, float, float]
Canvas = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def _canvas(height: int, width: int) -> Canvas:
    return np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)


def _ink(color: Floats | Color, light: float) -> tuple[int, ...]:
    """Linear color as 8-bit square roots, which keep the darks apart."""
    return tuple(int(v) for v in np.sqrt(np.clip(np.asarray(color) * light, 0, 1)) * 255)


def _finish(canvas: Canvas) -> Floats:
    picture = (canvas[0].astype(np.float32) / 255) ** 2
    return np.dstack([picture, canvas[1].astype(np.float32) / 255])


@lru_cache(maxsize=32)
def conifer(seed: int, needles: Color = (0.030, 0.062, 0.026)) -> Floats:
    """A spruce, 640 high: drooping branches, the higher over the lower, light on the left, dark inside."""
    rng = np.random.default_rng(seed)
    h, w = 640, 320
    canvas = _canvas(h, w)
    middle = w / 2
    for mask_or_picture, ink in ((canvas[0], _ink((0.06, 0.04, 0.03), 0.8)), (canvas[1], 255)):
        cv2.line(mask_or_picture, (int(middle), 30), (int(middle), h - 1), ink, 9)
    spread = rng.uniform(0.36, 0.46) * w
    lean = rng.uniform(-0.05, 0.05)
    for level in np.linspace(1, 0, 62):  # from the ground up: the higher branches hang over the lower ones
        y0 = 14 + level**0.93 * (h - 60)
        reach = spread * (level**0.85 + 0.03) * rng.uniform(0.75, 1.12)
        for _ in range(int(9 + 26 * level)):
            side = rng.uniform(-1, 1)
            depth = np.sqrt(1 - side**2)  # 1: towards us
            length = reach * rng.uniform(0.55, 1.0)
            x1 = middle + side * length + lean * (h - y0)
            y1 = y0 + abs(side) * length * 0.28 + depth * length * 0.42 + rng.uniform(-4, 6)
            x0 = middle + side * length * 0.25 + lean * (h - y0)
            light = 0.35 + 1.5 * max(0.0, -0.75 * side + 0.3 * depth) + rng.uniform(-0.15, 0.2)
            ink = _ink(np.array(needles) * rng.uniform(0.75, 1.3, 3), max(light, 0.2))
            for t in np.linspace(0.15, 1, 5):
                px, py = x0 + (x1 - x0) * t, y0 + (y1 - y0) * t**1.4
                twig = 3 + 8 * level * rng.uniform(0.4, 1)
                end = (int(px + side * twig), int(py + twig * rng.uniform(0.5, 1.3)))
                cv2.line(canvas[0], (int(px), int(py)), end, ink, 3)
                cv2.line(canvas[1], (int(px), int(py)), end, 255, 3)
    return _finish(canvas)


@lru_cache(maxsize=32)
def broadleaf(seed: int, leaves: Color) -> Floats:
    """A round-crowned tree, 560 high: boughs, then clumps of leaves from the back to the front."""
    rng = np.random.default_rng(seed)
    h, w = 560, 560
    canvas = _canvas(h, w)
    bark = np.array((0.042, 0.037, 0.033))

    def bough(x: float, y: float, angle: float, length: float, width: float) -> list[tuple[float, float, float]]:
        x1, y1 = x + np.sin(angle) * length, y - np.cos(angle) * length
        ink = _ink(bark, rng.uniform(0.6, 1.1))
        cv2.line(canvas[0], (int(x), int(y)), (int(x1), int(y1)), ink, max(2, int(width)))
        cv2.line(canvas[1], (int(x), int(y)), (int(x1), int(y1)), 255, max(2, int(width)))
        if length < 34:
            return [(x1, y1, length)]
        ends = [(x1, y1, length)] if length < 70 else []
        for turn in (rng.uniform(-0.75, -0.3), rng.uniform(-0.12, 0.15), rng.uniform(0.3, 0.75)):
            ends += bough(x1, y1, angle + turn, length * rng.uniform(0.66, 0.82), width * 0.62)
        return ends

    ends = bough(w / 2, h - 1, rng.uniform(-0.06, 0.06), 120, 20)
    clumps = [(x, y, rng.uniform(-1, 1), rng.uniform(24, 44)) for x, y, _ in ends]
    clumps.sort(key=lambda clump: clump[2])
    xs, ys = np.array([c[0] for c in clumps]), np.array([c[1] for c in clumps])
    center, size = (xs.mean(), ys.mean()), (xs.std() * 2 + 1, ys.std() * 2 + 1)
    for x, y, depth, radius in clumps:
        whole = -0.55 * (x - center[0]) / size[0] - 0.5 * (y - center[1]) / size[1] + 0.25 * depth
        tint = np.array(leaves) * rng.uniform(0.82, 1.2, 3)
        angle, far = rng.uniform(0, 2 * np.pi, 70), np.sqrt(rng.uniform(0, 1, 70))
        dx, dy = np.cos(angle) * far, np.sin(angle) * far * 0.75
        light = 0.50 + 0.85 * whole + 0.75 * (-0.6 * dx - 0.6 * dy) + rng.uniform(-0.2, 0.25, 70)
        shades = tint * rng.uniform(0.85, 1.15, (70, 3)) * np.maximum(light, 0.12)[:, None] * 1.25
        inks = (np.sqrt(np.clip(shades, 0, 1)) * 255).astype(int).tolist()
        places = np.stack([x + dx * radius, y + dy * radius], 1).astype(int).tolist()
        sizes = rng.integers((2, 2), (6, 4), (70, 2)).tolist()
        for at, axes, turn, ink in zip(places, sizes, rng.uniform(0, 180, 70).tolist(), inks, strict=True):
            cv2.ellipse(canvas[0], at, axes, turn, 0, 360, ink, -1)
            cv2.ellipse(canvas[1], at, axes, turn, 0, 360, 255, -1)
    return _finish(canvas)


def balloon() -> Floats:
    """A hot-air balloon with gores in warm stripes, 640 high, its basket hanging below."""
    h, w = 640, 480
    row, column = np.mgrid[0:h, 0:w].astype(np.float32)
    x, y = (column - w / 2) / 225, (row - 232) / 225
    lower = np.clip((y - 0.15) / 1.05, 0, 1)
    half_width = np.where(
        y < 0.15, np.sqrt(np.clip(1 - (y - 0.15) ** 2 / 1.15**2, 0, 1)), 1 - 0.84 * lower**1.55
    ).astype(np.float32)
    inside = (np.abs(x) < half_width) & (y > -1.0) & (y < 1.2)
    around = np.clip(x / np.maximum(half_width, 1e-3), -1, 1)
    longitude = np.arcsin(around) + 0.35
    gore = np.floor(longitude / (np.pi / 9)).astype(int)
    palette = vector([(0.62, 0.10, 0.06), (0.80, 0.38, 0.07), (0.82, 0.68, 0.36), (0.10, 0.17, 0.33)])
    color = palette[np.mod(gore, 4)]
    band = (np.abs(y - 0.28 + 0.05 * np.abs(np.mod(longitude * 9 / np.pi, 1) - 0.5)) < 0.1)[..., None]
    color = np.where(band, vector((0.82, 0.74, 0.55)), color)
    seam = np.abs(np.mod(longitude / (np.pi / 9), 1) - 0.5)
    light = 0.30 + 1.05 * np.clip(-0.72 * around + 0.45 * np.sqrt(1 - around**2) - 0.35 * y, 0, 1.2)
    light *= 1 - 0.22 * smoothstep(0.40, 0.5, seam)
    light *= 0.85 + 0.15 * np.cos(longitude * 18)
    picture = np.dstack([color * light[..., None], inside.astype(np.float32)]).astype(np.float32)
    basket = (np.abs(column - w / 2) < 26) & (row > 575) & (row < 622)
    weave = 0.8 + 0.2 * np.sign(np.sin(row * 0.9)) * np.sign(np.sin(column * 0.6))
    brown = vector((0.24, 0.13, 0.06)) * (weave * (1.25 - (column - w / 2) / 45))[..., None]
    picture[basket] = np.dstack([brown, np.ones_like(row)])[basket]
    for side in (-1, -0.35, 0.35, 1):
        start, end = (int(w / 2 + side * 34), 498), (int(w / 2 + side * 24), 580)
        cv2.line(picture, start, end, (0.09, 0.07, 0.05, 1.0), 2)
    return picture


def boat() -> Floats:
    """A small sailing boat seen from the side, 480 high, under a warm sail."""
    h, w = 480, 420
    canvas = _canvas(h, w)

    def shape(points: list[tuple[int, int]], color: Color, light: float) -> None:
        polygon = np.array(points, np.int32)
        cv2.fillPoly(canvas[0], [polygon], _ink(color, light))
        cv2.fillPoly(canvas[1], [polygon], 255)

    curve = np.linspace(0, 1, 24)
    leech = [(int(206 - 150 * t - 20 * np.sin(t * np.pi)), int(24 + 350 * t)) for t in curve]
    shape([(206, 24), *leech, (204, 380)], (0.74, 0.62, 0.44), 1.15)
    for seam in range(1, 7):  # the cloths of the sail
        y = 24 + seam * 50
        cv2.line(canvas[0], (int(206 - 3 * seam * 8.4), y + 8), (205, y), _ink((0.55, 0.45, 0.31), 1), 2)
    jib = [(int(216 + 128 * t - 12 * np.sin(t * np.pi)), int(60 + 318 * t)) for t in curve]
    shape([(216, 60), *jib, (222, 372)], (0.66, 0.30, 0.17), 1.0)
    for picture, ink in ((canvas[0], _ink((0.16, 0.09, 0.05), 1)), (canvas[1], 255)):
        cv2.line(picture, (211, 8), (211, 420), ink, 6)
        cv2.line(picture, (60, 386), (208, 386), ink, 5)
    shape([(34, 408), (372, 398), (396, 396), (340, 462), (80, 466), (50, 440)], (0.20, 0.09, 0.05), 1.2)
    shape([(32, 402), (398, 390), (392, 404), (38, 416)], (0.62, 0.52, 0.36), 1.1)
    shape([(150, 404), (146, 372), (158, 352), (172, 352), (182, 374), (184, 404)], (0.07, 0.10, 0.17), 1.2)
    for picture, ink in ((canvas[0], _ink((0.45, 0.28, 0.2), 1)), (canvas[1], 255)):
        cv2.circle(picture, (165, 340), 13, ink, -1)
    return _finish(canvas)


def bird(lift: float) -> Floats:
    """A gliding bird from behind, 120 high; `lift` from -1 (wings down) to 1 (wings up)."""
    h, w = 120, 240
    canvas = _canvas(h, w)
    for side in (-1, 1):
        wing = [(0, 0, 9), (38, -22 * lift - 8, 8), (72, -38 * lift, 5), (104, -30 * lift + 12, 2)]
        upper = [(120 + side * x, 62 + y - thick) for x, y, thick in wing]
        lower = [(120 + side * x, 62 + y + thick) for x, y, thick in reversed(wing)]
        polygon = np.array(upper + lower, np.int32)
        cv2.fillPoly(canvas[0], [polygon], _ink((0.10, 0.09, 0.085), 1.3 if side < 0 else 0.8))
        cv2.fillPoly(canvas[1], [polygon], 255)
    cv2.ellipse(canvas[0], (120, 64), (11, 15), 0, 0, 360, _ink((0.13, 0.12, 0.11), 1), -1)
    cv2.ellipse(canvas[1], (120, 64), (11, 15), 0, 0, 360, 255, -1)
    return _finish(canvas)


def rock(noise: Noise, offset: float) -> Floats:
    """A weathered boulder, 300 high, its foot cut straight by the ground or the water."""
    h, w = 300, 480
    row, column = np.mgrid[0:h, 0:w].astype(np.float32)
    x, y = (column - w / 2) / 215, (h - row) / 265
    bumps = noise.octaves(column / 110, row / 110, 5, 0.5, offset=offset)
    inside_amount = 1 - (np.abs(x) ** 2.4 + np.abs(y) ** 1.9) + 0.32 * bumps
    swell = np.sqrt(np.clip(inside_amount, 0, 1)) * 90
    cracks = noise.octaves(column / 60, row / 38, 6, 0.6, ridged=True, offset=offset + 9)
    form = cv2.GaussianBlur(swell, (0, 0), 3) + bumps * 26 - 10 * np.clip(cracks, 0, 1)
    gy, gx = np.gradient(form)
    facing = np.clip((0.72 * gx + 0.55 * gy * 1.1 + 0.42) / np.sqrt(gx**2 + gy**2 + 1), 0, None)
    grain = noise.octaves(column / 9, row / 9, 4, 0.7, offset=offset + 4)
    stone = mix(vector((0.115, 0.11, 0.108)), vector((0.20, 0.19, 0.18)), (grain * 0.5 + 0.5)[..., None])
    moss = smoothstep(0.05, 0.4, noise.octaves(column / 70, row / 50, 4, offset=offset + 2) + 0.35 * (y - 0.4))
    stone = mix(stone, vector((0.055, 0.065, 0.022)), moss[..., None] * 0.8)
    wet = smoothstep(0.16, 0.05, y + 0.03 * bumps)[..., None]
    lit = stone * (0.28 + 1.5 * facing)[..., None] * (1 - 0.6 * wet)
    return np.dstack([lit, (inside_amount > 0.02).astype(np.float32)]).astype(np.float32)
