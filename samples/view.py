"""One frame of a scene: its picture, and for every pixel the point in space that it shows.

Everything is drawn at twice the size, so that edges come out smooth; the points are kept at that size too.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
from noise import Floats, look_up, mix, vector
from numpy.typing import NDArray
from sky import Sky
from terrain import FAR, Camera, Light, Terrain, film, trace

OVER = 2  # samples per pixel, each way


@dataclass(frozen=True)
class Board:
    """A flat picture that faces the camera; `moves` gives its displacement in meters after t seconds."""

    picture: Floats  # (H, W, 4) linear light and cover; the last row is the foot
    x: float
    y: float
    z: float
    height: float
    moves: Callable[[float], tuple[float, float, float]] | None = None
    mirrored: bool = True
    visible: Callable[[float], bool] | None = None  # for things that show one of several pictures at a time


@dataclass(frozen=True)
class Stage:
    """A shot made ready for drawing at one size."""

    terrain: Terrain
    sky: Sky
    boards: tuple[Board, ...]  # far to near, lit, hazed, shrunk: colors times cover
    water: tuple[float, float, float]  # what still water adds of its own, in picture values
    clarity: float  # how much of the reflection comes back at a flat angle
    ripple: float  # meters of water that share one reflection; blurs it downwards


def _halvings(picture: Floats) -> list[Floats]:
    """A picture multiplied by its cover, and its halvings down to a few rows."""
    levels = [np.dstack([picture[..., :3] * picture[..., 3:], picture[..., 3]])]
    while min(levels[-1].shape[:2]) > 4:
        h, w = levels[-1].shape[:2]
        levels.append(cv2.resize(levels[-1], ((w + 1) // 2, (h + 1) // 2), interpolation=cv2.INTER_AREA))
    return levels


def prepare_board(board: Board, light: Light, pixels: float, halvings: dict[int, list[Floats]]) -> Board:
    """Shrink a board to about `pixels` high, put it behind its haze, and multiply it by its cover.

    `halvings` keeps what boards with the same picture share.
    """
    if id(board.picture) not in halvings:
        halvings[id(board.picture)] = _halvings(board.picture)
    levels = halvings[id(board.picture)]
    h, w = board.picture.shape[:2]
    scale = min(1.0, max(pixels, 3.0) / h)
    shrunk_size = (max(2, round(w * scale)), max(2, round(h * scale)))
    picture: NDArray[Any] = next(
        level for level in reversed(levels) if level.shape[0] >= shrunk_size[1] or level is levels[0]
    )
    picture = cv2.resize(picture, shrunk_size, interpolation=cv2.INTER_AREA)
    cover = picture[..., 3:]
    linear = picture[..., :3] / np.maximum(cover, 1e-4) * vector(light.sun) / np.float32(2.2)
    veil = vector([1 - np.exp(-board.y / light.reach)])
    shown = film(mix(linear, np.broadcast_to(vector(light.haze), linear.shape), veil)) * cover
    picture = np.pad(np.dstack([shown, cover]), ((1, 1), (1, 1), (0, 0)))  # clear edges blend smoothly
    return replace(board, picture=picture.astype(np.float32))


@dataclass
class View:
    """Picture (H, W, 3) in [0, 1] and what it shows: points, depth (FAR: sky), number of the moving board or -1."""

    color: Floats
    x: Floats
    y: Floats
    z: Floats
    depth: Floats
    mover: np.ndarray = field(repr=False)


def _scenery(stage: Stage, camera: Camera, time: float, shape: tuple[int, int], mirrored: bool) -> tuple[View, Floats]:
    """Ground and sky, straight or mirrored, without boards; and how much of each pixel is water."""
    h, w = shape
    hits = trace(stage.terrain, camera, shape, mirrored)
    terrain = stage.terrain
    color = look_up(terrain.color, terrain.columns(hits.x, hits.y), terrain.rows(hits.y))
    across = (np.arange(w, dtype=np.float32) - np.float32(camera.center_x)) / np.float32(camera.focal)
    up = (np.float32(camera.horizon) - np.arange(h, dtype=np.float32)) / np.float32(camera.focal)
    if mirrored:
        up = -up
    azimuth, elevation = np.broadcast_arrays(across[None, :], up[:, None])
    sky = stage.sky.look(azimuth, elevation, time)
    color = np.where(hits.seen[..., None], color, sky)
    depth = np.where(hits.seen, hits.y - np.float32(camera.y), np.float32(FAR))
    view = View(color, hits.x, hits.y, hits.z, depth, np.full(shape, -1, np.int16))
    return view, np.where(hits.seen, hits.water, np.float32(0))


def _place(view: View, camera: Camera, board: Board, number: int, time: float, mirrored: bool) -> None:
    """Draw a board where nothing nearer stands; where it covers most, the pixel shows the board's point."""
    if board.visible is not None and not board.visible(time):
        return
    dx, dy, dz = board.moves(time) if board.moves else (0.0, 0.0, 0.0)
    x, y, z = board.x + dx, board.y + dy, board.z + dz
    depth = y - camera.y
    if depth < 0.5:
        return
    h, w = view.depth.shape
    ph, pw = board.picture.shape[:2]
    scale = camera.focal * board.height / depth / (ph - 2)  # two rows are clear edge
    column = camera.center_x + camera.focal * (x - camera.x) / depth
    foot = camera.horizon - camera.focal * (z - camera.z) / depth
    left, top, sy = column - scale * (pw - 1) / 2, foot - scale * (ph - 1.5), scale
    if mirrored:
        top, sy = camera.horizon + camera.focal * (z + camera.z) / depth + scale * (ph - 1.5), -scale
    low_y, high_y = sorted((top, top + sy * (ph - 1)))
    x0, x1 = max(0, int(np.floor(left))), min(w, int(np.ceil(left + scale * (pw - 1))) + 1)
    y0, y1 = max(0, int(np.floor(low_y))), min(h, int(np.ceil(high_y)) + 1)
    if x0 >= x1 or y0 >= y1:
        return
    matrix = np.array([[scale, 0, left - x0], [0, sy, top - y0]], np.float64)
    drawn = cv2.warpAffine(board.picture, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)
    part = np.s_[y0:y1, x0:x1]
    rows = np.arange(y0, y1, dtype=np.float32)[:, None]
    free = view.depth[part] > depth
    if mirrored:
        # Water farther off than the board cannot show it.
        free &= depth * (rows - camera.horizon) > camera.focal * camera.z
    drawn *= free[..., None]
    view.color[part] = view.color[part] * (1 - drawn[..., 3:]) + drawn[..., :3]
    solid = drawn[..., 3] > 0.5
    columns = np.arange(x0, x1, dtype=np.float32)[None, :]
    point_x = np.float32(camera.x) + depth * (columns - np.float32(camera.center_x)) / np.float32(camera.focal)
    point_z = np.float32(camera.z) - depth * (rows - np.float32(camera.horizon)) / np.float32(camera.focal)
    view.x[part] = np.where(solid, point_x, view.x[part])
    view.y[part] = np.where(solid, np.float32(y), view.y[part])
    view.z[part] = np.where(solid, point_z, view.z[part])
    view.depth[part] = np.where(solid, np.float32(depth), view.depth[part])
    view.mover[part] = np.where(solid, np.int16(number if board.moves else -1), view.mover[part])


def draw(stage: Stage, camera: Camera, time: float, shape: tuple[int, int]) -> View:
    """The whole picture at `shape`: scenery, boards, and their mirror image in the water."""
    view, water = _scenery(stage, camera, time, shape, mirrored=False)
    wet_rows = np.flatnonzero(water.any(axis=1))
    if wet_rows.size:
        image, _ = _scenery(stage, camera, time, shape, mirrored=True)
        for number, board in enumerate(stage.boards):
            if board.mirrored:
                _place(image, camera, board, number, time, mirrored=True)
        below = np.maximum(np.arange(shape[0], dtype=np.float32) - np.float32(camera.horizon), 1)
        # Small waves smear a reflection downwards, in proportion to its height on the screen.
        soft: NDArray[Any] = cv2.blur(image.color, (1, max(3, int(stage.ripple * shape[0] * 0.02) | 1)))
        softer: NDArray[Any] = cv2.blur(soft, (3, max(3, int(stage.ripple * shape[0] * 0.055) | 1)))
        nearness = np.clip(below / np.float32(shape[0] * 0.45), 0, 1)[:, None, None]
        reflection = mix(soft, softer, nearness)
        angle = below / np.float32(camera.focal)
        strength = np.float32(stage.clarity) * (0.35 + 0.65 * np.exp(-angle * 2.6))[:, None, None]
        reflection = mix(np.broadcast_to(vector(stage.water), reflection.shape), reflection, strength)
        view.color = mix(view.color, reflection, water[..., None])
        wet = water > 0.5
        for name in ("x", "y", "z", "depth", "mover"):
            setattr(view, name, np.where(wet, getattr(image, name), getattr(view, name)))
        # What stands in the water is in front of the mirror image: compare boards with the water itself.
        rows_below = np.broadcast_to(below[:, None], shape)
        surface = np.float32(camera.focal * camera.z) / rows_below
        behind = view.depth
        view.depth = np.where(wet, np.minimum(surface, behind), behind)
        for number, board in enumerate(stage.boards):
            _place(view, camera, board, number, time, mirrored=False)
        untouched = wet & (view.depth == np.minimum(surface, behind))
        view.depth = np.where(untouched, behind, view.depth)
    else:
        for number, board in enumerate(stage.boards):
            _place(view, camera, board, number, time, mirrored=False)
    return view
