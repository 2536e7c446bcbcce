"""Cells that fill a plane: overlapping scales, feathers, bricks, panes; and bent coordinates for them."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dreamvideo.training.render.canvas import (
    EVERYWHERE,
    SIZE,
    Color,
    Field,
    Image,
    X,
    Y,
    bell,
    f32,
    hash_cell,
    inside,
    mix_colors,
    over,
    polar,
    rotate_axes,
    smoothstep,
)
from dreamvideo.training.render.palettes import WHITE, ramp
from dreamvideo.training.render.scene import Scene


class Cells(NamedTuple):
    """Position of each pixel in its cell, and which cell that is."""

    x: Field  # -1..1 across
    y: Field  # -1..1 along
    rim: Field  # 0 at the center, 1 at the rim
    column: Field
    row: Field


def bent_coordinates(scene: Scene, scale: float, amount: float = 0.5) -> tuple[Field, Field]:
    """Return coordinates from -scale to scale, rotated at random and bent by `amount`."""
    u, v = rotate_axes(X, Y, scene.angle())
    bend_u, bend_v = scene.noise(2, 2), scene.noise(2, 2)
    return (u + amount * (bend_u - 0.5)) * scale, (v + amount * (bend_v - 0.5)) * scale


def patch(scene: Scene) -> Field:
    """Choose the coverage of a texture: everywhere, or a blob."""
    if scene.chance(0.6):
        return EVERYWHERE
    radius, angle = polar(X, Y)
    edge = 0.8 + 0 * angle
    for wave in range(2, 6):
        edge = edge + 0.35 * scene.normal(0, 0.5) / wave * np.cos(wave * angle + scene.uniform(0, 6.3))
    return inside(radius - edge, 0.03)


def scale_cells(u: Field, v: Field, width: float = 0.62, length: float = 1.05) -> Cells:
    """Arrange overlapping scales, one per unit of u and v, in staggered rows; upper rows lie on top."""
    row_above = np.floor(v)
    cells = Cells(np.zeros_like(u), np.zeros_like(u), np.full_like(u, 2.0), np.zeros_like(u), np.zeros_like(u))
    for step in range(1, -3, -1):
        row = row_above + step
        offset = 0.5 * np.mod(row, 2)
        column = np.floor(u - offset + 0.5)
        x, y = (u - offset - column) / width, (v - row) / length
        distance = np.sqrt(np.abs(x) ** 2.0 + np.abs(y) ** 2.0)
        hit = distance < 1
        found = Cells(x, y, distance, column, row)
        cells = Cells(*(np.where(hit, new, old) for new, old in zip(found, cells, strict=True)))
    return cells._replace(rim=np.minimum(cells.rim, 1))


def scales(
    scene: Scene, u: Field, v: Field, colors: list[Color] | None = None, relief: float = 0.05, longer: float = 1.0
) -> tuple[Image, Field, Cells]:
    """(color, height, cells) of scaly skin."""
    cells = scale_cells(u, v, scene.uniform(0.58, 0.68), scene.uniform(0.9, 1.2) * longer)
    colors = scene.palette(3) if colors is None else colors
    tint = hash_cell(cells.column, cells.row) * 0.5 + 0.5 * cells.rim
    light = 1.1 - 0.45 * smoothstep(0.7, 1, cells.rim) + 0.2 * smoothstep(-0.2, 0.9, cells.y)
    image = ramp(tint, colors) * light[..., None]
    image *= (0.8 + 0.4 * hash_cell(cells.column, cells.row, 2.0))[..., None]
    height = (1 - cells.rim**3) * relief + cells.y * relief * 0.8
    return image, height.astype(f32), cells


def feathers(
    scene: Scene,
    u: Field,
    v: Field,
    colors: list[Color] | None = None,
    length: float = 1.7,
    barred: bool | None = None,
) -> tuple[Image, Field]:
    """(color, height) of overlapping feathers with barbs and a white shaft."""
    cells = scale_cells(u, v, 0.6, length)
    colors = scene.palette(3, (0.2, 1), (0.25, 1)) if colors is None else colors
    fineness = scene.uniform(16, 26)
    which = hash_cell(cells.column, cells.row)
    barbs = 0.5 + 0.5 * np.sin((cells.y * 1.6 - np.abs(cells.x) * 1.1) * fineness + which * 6)
    tint = smoothstep(-0.2, 1, cells.y) * 0.6 + which * 0.4
    if scene.chance(0.4) if barred is None else barred:
        tint = tint * 0.4 + 0.6 * (0.5 + 0.5 * np.sin(cells.y * scene.uniform(6, 12) + cells.x * cells.x * 2))
    image = ramp(tint, colors) * (0.82 + 0.22 * barbs)[..., None]
    image = image * (1 - 0.4 * smoothstep(0.75, 1, cells.rim))[..., None]
    image = image * (0.75 + 0.5 * hash_cell(cells.column, cells.row, 3.0))[..., None]
    image = over(image, mix_colors(colors[-1], WHITE, 0.25), bell(cells.x, 0.07) * 0.5)
    image *= (0.55 + 0.55 * smoothstep(-0.6, 0.4, cells.y))[..., None]
    return image, ((1 - cells.rim**2) * 0.05 + cells.y * 0.06).astype(f32)


class Bricks(NamedTuple):
    """Position of each pixel in a wall of staggered bricks."""

    x: Field  # 0..1 in the brick
    y: Field
    column: Field
    row: Field


def staggered(u: Field, v: Field) -> Bricks:
    """Arrange bricks of one unit, every second row shifted by half."""
    row = np.floor(v)
    shifted = u + 0.5 * np.mod(row, 2)
    column = np.floor(shifted)
    return Bricks(shifted - column, v - row, column, row)


def brick_wall(u: Field, v: Field, color: Color) -> tuple[Image, Field]:
    """(color, height) of bricks with darker mortar."""
    brick = staggered(u, v)
    edge = np.minimum(np.minimum(brick.x, 1 - brick.x) * 2, np.minimum(brick.y, 1 - brick.y))
    face = smoothstep(0.03, 0.13, edge)
    image = color * (0.65 + 0.6 * hash_cell(brick.column, brick.row))[..., None]
    return over(color * 0.4, image, face), (face * 0.03).astype(f32)


def panes(scene: Scene, count: int) -> tuple[NDArray[Any], Field, int]:
    """(which pane, distance to its edge, number of panes): about `count` irregular panes (Voronoi cells)."""
    side = int(np.ceil(np.sqrt(count)))
    ticks = (np.arange(side + 2) - 0.5) / side * 2 - 1
    grid_x, grid_y = np.meshgrid(ticks, ticks)
    centers = np.stack([grid_x.ravel(), grid_y.ravel()], 1)
    centers = (centers + scene.rng.normal(0, 0.33 * 2 / side, centers.shape)).astype(f32)
    pixels = np.stack([X.ravel(), Y.ravel()], 1)
    squared = (pixels[:, :1] - centers[:, 0]) ** 2 + (pixels[:, 1:] - centers[:, 1]) ** 2  # (pixels, panes)
    two = np.argpartition(squared, 2, 1)[:, :2]  # the nearest two, in any order
    distance = np.take_along_axis(squared, two, 1)
    swapped = distance[:, 0] > distance[:, 1]
    first, second = np.where(swapped, two[:, 1], two[:, 0]), np.where(swapped, two[:, 0], two[:, 1])
    a, b = centers[first], centers[second]
    edge = (((a + b) / 2 - pixels) * (b - a)).sum(1) / (np.linalg.norm(b - a, axis=1) + 1e-6)
    return first.reshape(SIZE, SIZE), np.clip(edge, 0, 1).reshape(SIZE, SIZE).astype(f32), len(centers)
