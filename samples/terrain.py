"""A landscape as a stack of upright slices that a moving camera sees in exact perspective.

Each slice stands at a fixed distance and holds the ground's height along it. The surface between two slices is
straight, so the scene is one definite shape, whatever the camera: where a pixel's point lay in another frame follows
from projecting it, with no guessing. A still-water plane at height 0 mirrors what stands behind it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from noise import Floats, look_up, mix, smoothstep, vector
from numpy.typing import NDArray

FAR = 1.0e6  # meters; the depth given to the sky


@dataclass(frozen=True)
class Camera:
    """A camera that looks along +y and never turns: pans and tilts shift the lens, as architects do it.

    x, y, z are meters (z above the water); the center is in pixels of the picture, the focal length too.
    """

    x: float
    y: float
    z: float
    center_x: float
    horizon: float
    focal: float

    def project(self, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats, Floats]:
        """Column, row and depth of points in space."""
        depth = y - np.float32(self.y)
        column = self.center_x + self.focal * (x - np.float32(self.x)) / depth
        row = self.horizon - self.focal * (z - np.float32(self.z)) / depth
        return column, row, depth


@dataclass(frozen=True)
class Light:
    """The sun's direction (towards it), its color, the sky's color, the haze's color and its reach in meters."""

    direction: tuple[float, float, float]
    sun: tuple[float, float, float]
    sky: tuple[float, float, float]
    haze: tuple[float, float, float]
    reach: float


@dataclass(frozen=True)
class Terrain:
    """The baked slices: distance (N,), height (N, J) and color (N, J, 3), J along x in steps that grow with y."""

    near: float
    far: float
    step: float  # meters along x between columns, for each meter of distance
    height: Floats
    color: Floats

    @property
    def distances(self) -> Floats:
        return slice_distances(self.near, self.far, self.height.shape[0])

    def columns(self, x: Floats, y: Floats) -> Floats:
        """The (fractional) table column of points in space."""
        return x / (np.float32(self.step) * y) + np.float32((self.height.shape[1] - 1) / 2)

    def rows(self, y: Floats) -> Floats:
        """The (fractional) table row of points in space."""
        growth = np.log(self.far / self.near) / (self.height.shape[0] - 1)
        rows: Floats = (np.log(y / np.float32(self.near)) / np.float32(growth)).astype(np.float32)
        return rows


def slice_distances(near: float, far: float, count: int) -> Floats:
    """Distances that grow by the same factor from slice to slice, as detail on the screen asks for."""
    return np.geomspace(near, far, count).astype(np.float32)


def film(linear: Floats) -> Floats:
    """Light to picture values in [0, 1]: a soft shoulder for the highlights, then display gamma."""
    x = np.maximum(linear, 0)
    curve: Floats = (x * (2.51 * x + 0.03)) / (x * (2.43 * x + 0.59) + 0.14)  # Narkowicz 2015, fitted to ACES
    values: Floats = np.clip(curve, 0, 1) ** np.float32(1 / 2.2)
    return values


def _tree_shadows(terrain: Terrain, light: Light, casters: list[tuple[float, float, float]]) -> Floats:
    """Light left over (rows, columns) by trees: a long soft ellipse away from the sun, a small dark one at the foot."""
    lit = np.ones_like(terrain.height)
    rows, columns = lit.shape
    sx, sy, sz = light.direction
    flat = float(np.hypot(sx, sy))
    for x, y, tall in casters:
        length = min(tall * flat / sz, 3.0 * tall)
        middle_x, middle_y = x - 0.45 * length * sx / flat, y - 0.45 * length * sy / flat
        edge = 0.6 * length + 0.4 * tall
        ys = vector([max(middle_y - edge, terrain.near), max(middle_y + edge, terrain.near * 1.01)])
        r0, r1 = (int(v) for v in np.clip(terrain.rows(ys), 0, rows))
        corners = terrain.columns(vector([[middle_x - edge, middle_x + edge]]), ys[:, None])
        c0, c1 = (int(v) for v in np.clip([corners.min(), corners.max()], 0, columns))
        if r1 <= r0 or c1 <= c0:
            continue
        y_grid = terrain.distances[r0:r1, None]
        across = (np.arange(c0, c1, dtype=np.float32) - np.float32((columns - 1) / 2)) * np.float32(terrain.step)
        dx, dy = y_grid * across[None, :] - np.float32(middle_x), y_grid - np.float32(middle_y)
        along, aside = (dx * sx + dy * sy) / flat, (dx * sy - dy * sx) / flat
        long = (along / (0.55 * length)) ** 2 + (aside / (0.26 * tall)) ** 2
        foot = ((dx + middle_x - x) ** 2 + (dy + middle_y - y) ** 2) / (0.2 * tall) ** 2
        shade = np.maximum(0.85 * np.exp(-(long**2)), 0.8 * np.exp(-foot))
        lit[r0:r1, c0:c1] *= 1 - shade
    return lit


def bake(
    ground: Callable[[Floats, Floats], tuple[Floats, Floats]],
    paint: Callable[[Floats, Floats, Floats, Floats, Floats], Floats],
    light: Light,
    near: float,
    far: float,
    step: float,
    slices: int,
    columns: int,
    casters: list[tuple[float, float, float]],
) -> Terrain:
    """Height and lit, hazy color of a landscape, once for a shot.

    Args:
        ground: (x, y) meters -> height in meters and wood cover in [0, 1].
        paint: (x, y, height, slope, wood) -> (..., 3) reflectance, linear.
        step: meters between columns for each meter of distance.
        casters: (x, y, height) of the trees that throw a shadow on the ground.
    """
    y = np.broadcast_to(slice_distances(near, far, slices)[:, None], (slices, columns))
    across = (np.arange(columns, dtype=np.float32) - (columns - 1) / 2) * np.float32(step)
    x = y * across[None, :]
    height, wood = ground(x, y)
    terrain = Terrain(near, far, step, height, np.zeros((0, 0, 3), np.float32))

    slope_x = np.gradient(height, axis=1) / (np.float32(step) * y)
    along = np.gradient(height, axis=0) / np.gradient(y, axis=0)
    slope_y = along - slope_x * across[None, :]  # a table column runs along a ray, not along y
    steepness = np.sqrt(slope_x**2 + slope_y**2)
    normal_z = 1 / np.sqrt(1 + steepness**2)
    sx, sy, sz = (np.float32(v) for v in np.array(light.direction) / np.linalg.norm(light.direction))
    facing = np.clip((sz - slope_x * sx - slope_y * sy) * normal_z, 0, None)

    lit = np.ones_like(height)
    flat = np.float32(np.hypot(sx, sy))
    for distance in np.geomspace(0.012, 0.9, 14):  # shares of the distance to the eye
        reach = np.float32(distance) * y
        there_x, there_y = x + reach * sx / flat, np.maximum(y + reach * sy / flat, near)
        ray = height + reach * sz / flat
        blocker = look_up(height, terrain.columns(there_x, there_y), terrain.rows(there_y))
        lit = np.minimum(lit, smoothstep(-0.04, 0.05, (ray - blocker) / reach))
    lit *= _tree_shadows(terrain, light, casters)
    hollow = cv2.blur(height, (31, 15)) - height
    open_sky = np.clip(1 - hollow / (0.02 * y), 0.45, 1.15) * (0.45 + 0.55 * normal_z)

    color = paint(x, y, height, steepness, wood)
    sun, sky = vector(light.sun), vector(light.sky)
    radiance = color * ((facing * lit)[..., None] * sun + open_sky[..., None] * sky)
    # A little light comes back from the sunlit ground, which keeps shadows from going dead.
    radiance += color * np.float32(0.06) * sun * (1 - normal_z * 0.5)[..., None]
    veil = 1 - np.exp(-y / np.float32(light.reach))
    # Haze lies low: the higher the point the clearer.
    veil = veil * np.clip(1.08 - height / np.float32(2600), 0.5, 1.0)
    warm = np.clip(across[None, :] * sx / flat, -0.6, 0.8)[..., None]  # towards the sun the haze glows
    haze = vector(light.haze) * (1 + vector((0.45, 0.25, 0.02)) * warm)
    radiance = mix(radiance, haze, veil[..., None])
    return Terrain(near, far, step, height, film(radiance).astype(np.float32))


@dataclass
class Hits:
    """What each pixel of a view meets: (H, W) points in space; `seen` is False where only sky is."""

    x: Floats
    y: Floats
    z: Floats
    seen: np.ndarray
    water: Floats  # 0 to 1: how much of the pixel is water


def trace(terrain: Terrain, camera: Camera, shape: tuple[int, int], mirrored: bool) -> Hits:
    """The nearest point of the landscape for every pixel, or of its mirror image under the water."""
    h, w = shape
    y = terrain.distances
    first = int(np.searchsorted(y, camera.y + terrain.near * 0.2))
    y = y[first:]
    depth = (y - np.float32(camera.y))[:, None]
    across = ((np.arange(w, dtype=np.float32) - np.float32(camera.center_x)) / np.float32(camera.focal))[None, :]
    x = np.float32(camera.x) + depth * across
    table_row = np.broadcast_to(np.arange(first, first + len(y), dtype=np.float32)[:, None], x.shape)
    ground = look_up(terrain.height, terrain.columns(x, y[:, None]), table_row)

    eye, horizon = (-camera.z, h - 1 - camera.horizon) if mirrored else (camera.z, camera.horizon)
    surface = np.maximum(ground, 0)
    if mirrored:
        # Only what stands beyond a column's last water can be seen in it; nearer banks would shine through.
        beyond = np.logical_or.accumulate((ground < 0)[::-1], axis=0)[::-1]
        surface = np.where(beyond, np.float32(2 * eye), surface)
    top = np.float32(horizon) - np.float32(camera.focal) * (surface - np.float32(eye)) / depth
    skyline = np.minimum.accumulate(top, axis=0)

    # A pixel's slice is the number of slices that end below it: a histogram by rows and its running sum.
    ends = np.clip(np.floor(skyline), -1, h - 1).astype(np.int32) + 1  # covers rows >= ends
    bins = ends * w + np.arange(w, dtype=np.int32)
    covered = np.bincount(bins.ravel(), minlength=(h + 1) * w).reshape(h + 1, w)[:h]
    index = len(y) - np.cumsum(covered, axis=0)
    seen = index < len(y)
    index = np.clip(index, 1, len(y) - 1)

    column = np.broadcast_to(np.arange(w), (h, w))
    here, before = top[index, column], top[index - 1, column]
    rows = np.arange(h, dtype=np.float32)[:, None]
    part = np.clip((before - rows) / np.maximum(before - here, np.float32(1e-6)), 0, 1)
    distance = mix(y[index - 1], y[index], part)
    deep = mix(ground[index - 1, column], ground[index, column], part)
    water = smoothstep(0.0, -0.03, deep) if not mirrored else np.zeros_like(distance)
    depth_here = distance - np.float32(camera.y)
    hit_x = np.float32(camera.x) + depth_here * across
    hit_z = np.float32(eye) - (rows - np.float32(horizon)) * depth_here / np.float32(camera.focal)
    hits = Hits(hit_x, distance, hit_z, seen, water)
    if mirrored:
        parts: list[NDArray[Any]] = [hit_x, distance, -hit_z, seen, water]
        hits = Hits(*(np.ascontiguousarray(part[::-1]) for part in parts))
    return hits
