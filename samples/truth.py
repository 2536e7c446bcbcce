"""The true optical flow between two views of a scene, from where each pixel's point lay before."""

from typing import Any

import numpy as np
from noise import Floats
from numpy.typing import NDArray
from sky import LIFT
from terrain import FAR, Camera
from view import OVER, Stage, View

_SAME = 0.03  # relative difference of depth below which two points are taken for one surface; chosen by eye


def _came_from(
    stage: Stage, now: View, camera: Camera, time: float, camera_before: Camera, time_before: float
) -> tuple[Floats, Floats, Floats]:
    """Column, row and depth in the view before of what each pixel shows now."""
    shift = np.zeros((len(stage.boards) + 1, 3), np.float32)  # the last row, number -1: what stands still
    for number in np.unique(now.mover[now.mover >= 0]):
        moves = stage.boards[number].moves
        if moves is not None:
            shift[number] = np.subtract(moves(time), moves(time_before))
    moved = shift[now.mover]
    up = np.where(now.z < 0, -moved[..., 2], moved[..., 2])  # a mirror image rises downwards
    column, row, depth = camera_before.project(now.x - moved[..., 0], now.y - moved[..., 1], now.z - up)

    h, w = now.depth.shape
    here_x, here_y = np.arange(w, dtype=np.float32)[None, :], np.arange(h, dtype=np.float32)[:, None]
    slope = np.abs(here_y - np.float32(camera.horizon)) / np.float32(camera.focal)  # the mirrored sky drifts alike
    drift = np.float32(stage.sky.wind * (time - time_before) * camera.focal) * (slope + np.float32(LIFT))
    far = now.depth >= FAR
    column = np.where(far, here_x + np.float32(camera_before.center_x - camera.center_x) - drift, column)
    row = np.where(far, here_y + np.float32(camera_before.horizon - camera.horizon), row)
    return column, row, np.where(far, np.float32(FAR), depth)


def _tolerance(depth: Floats) -> Floats:
    """Relative difference of depth that neighboring samples of one surface may have: much on ground seen at a flat
    angle, little elsewhere. The smaller of both neighbors' differences, since the other may lie across an edge."""
    log = np.log(depth)
    total = np.full(depth.shape, np.float32(_SAME))
    for axis, first, last in ((0, log[:1], log[-1:]), (1, log[:, :1], log[:, -1:])):
        step = np.abs(np.diff(log, axis=axis, prepend=first, append=last))
        total += 1.5 * np.minimum(step[:-1] if axis == 0 else step[:, :-1], step[1:] if axis == 0 else step[:, 1:])
    return total


def _hidden(column: Floats, row: Floats, depth: Floats, now: View, before: View) -> NDArray[np.bool_]:
    """Where a point that would lie at (column, row, depth) was not seen in the view before.

    It was seen if at least half of what a bilinear reading takes there has the point's depth.
    """
    h, w = before.depth.shape
    half = OVER / 2
    outside = (column < -half) | (row < -half) | (column > w - 1 + half) | (row > h - 1 + half) | (depth <= 0)
    x0, y0 = np.floor(column), np.floor(row)
    fx, fy = column - x0, row - y0
    x0, y0 = np.clip(x0, -2, w).astype(np.int32), np.clip(y0, -2, h).astype(np.int32)
    tolerance = _tolerance(now.depth)
    wanted = np.log(np.maximum(depth, np.float32(1e-3)))
    log = np.log(before.depth)
    seen = np.zeros(depth.shape, np.float32)
    for dy, weight_y in ((0, 1 - fy), (1, fy)):
        for dx, weight_x in ((0, 1 - fx), (1, fx)):
            there = log[np.clip(y0 + dy, 0, h - 1), np.clip(x0 + dx, 0, w - 1)]
            seen += weight_x * weight_y * (np.abs(there - wanted) < tolerance)
    hidden: NDArray[np.bool_] = outside | (seen < 0.5)
    return hidden


def blocks(samples: NDArray[Any]) -> NDArray[Any]:
    """(H, W) samples -> (H / OVER, W / OVER, OVER * OVER), a pixel's samples side by side."""
    h, w = samples.shape
    blocks = samples.reshape(h // OVER, OVER, w // OVER, OVER).swapaxes(1, 2)
    return blocks.reshape(h // OVER, w // OVER, OVER * OVER)


def flow_and_occlusion(
    stage: Stage, now: View, camera: Camera, time: float, before: View, camera_before: Camera, time_before: float
) -> tuple[Floats, NDArray[np.bool_]]:
    """Backward flow (2, H, W) in pixels of the finished picture, and the true occlusion mask (H, W).

    A pixel speaks for the surface that holds most of it (of two equal ones the nearer).
    """
    column, row, depth = _came_from(stage, now, camera, time, camera_before, time_before)
    hidden = blocks(_hidden(column, row, depth, now, before))
    h, w = now.depth.shape
    dx = blocks(column - np.arange(w, dtype=np.float32)[None, :]) / np.float32(OVER)
    dy = blocks(row - np.arange(h, dtype=np.float32)[:, None]) / np.float32(OVER)
    depths = blocks(now.depth)
    chosen = np.sort(depths, axis=-1)[..., 1:2]
    belongs = (np.abs(depths / chosen - 1) < 0.1).astype(np.float32)
    count = belongs.sum(-1)
    flow = np.stack([(dx * belongs).sum(-1) / count, (dy * belongs).sum(-1) / count])
    return flow.astype(np.float32), (hidden * belongs).sum(-1) * 2 >= count
