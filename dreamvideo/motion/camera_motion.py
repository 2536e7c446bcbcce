"""The camera's own motion: a homography that most of a flow agrees with, and what moves against it."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

GRID = 12  # pixels between the places of a flow that are looked at

STILL = 0.1  # pixels; a flow that is shorter in most places is that of a fixed camera
AGAINST = 0.5  # pixels per frame by which something moves against the camera
AGREEING = 0.4  # share of the places that must agree with a homography

# Share of the image's shorter side around what moves within which a flow drags the ground along. By measurement.
HALO = 0.043

# Depth, over that, from which one sees no ground but the mover itself. By measurement: at 1 ground that comes back is
# missed; without it the roof of a bus is taken for ground, and the error along its flow rises from 17 to 26.
DEEP = 2


def camera_matrix(backward: NDArray[np.float32]) -> NDArray[np.float64] | None:
    """Fit the camera's motion to a flow.

    Args:
        backward: (2, H, W) px (dx, dy), current to previous.

    Returns:
        (3, 3) homography from positions of the current frame, px, to those of the previous one; exactly the identity
        for a fixed camera; None: the flow agrees with no homography.
    """
    h, w = backward.shape[1:]
    y, x = np.mgrid[GRID // 2 : h : GRID, GRID // 2 : w : GRID]
    here = np.stack([x.ravel(), y.ravel()], 1).astype(np.float32)
    flow = backward[:, y, x].reshape(2, -1).T  # (N, 2)
    if len(here) < 16:
        return None
    if np.mean((flow**2).sum(1) < STILL**2) > 0.5:
        return np.eye(3)
    matrix, agree = cv2.findHomography(here, here + flow, cv2.RANSAC, max(AGAINST, 0.002 * min(h, w)))
    if matrix is None or agree.mean() < AGREEING:
        return None
    return np.asarray(matrix, np.float64)


def is_fixed(matrix: NDArray[np.float64]) -> bool:
    """Return whether a camera is fixed.

    Args:
        matrix: (3, 3), see `camera_matrix`.
    """
    return np.array_equal(matrix, np.eye(3))


def camera_flow(matrix: NDArray[np.float64], height: int, width: int, step: int = 1) -> Tensor:
    """Return the backward flow of a homography.

    Args:
        matrix: (3, 3), see `camera_matrix`.
        height, width: px.
        step: px between the rows and columns that are returned.

    Returns:
        (1, 2, ceil(height / step), ceil(width / step)) float32 px (dx, dy).
    """
    x, y = np.arange(0, width, step, dtype=np.float32), np.arange(0, height, step, dtype=np.float32)[:, None]
    if is_fixed(matrix):
        return torch.zeros(1, 2, len(y), len(x))
    across, down, depth = (np.float32(a) * x + np.float32(b) * y + np.float32(c) for a, b, c in matrix)
    return torch.from_numpy(np.stack([across / depth - x, down / depth - y]))[None]


def speed_against(backward: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return how fast what is seen moves against the camera, in every other row and column.

    Args:
        backward: (2, H, W) px.
        matrix: (3, 3), see `camera_matrix`.

    Returns:
        (ceil(H / 2), ceil(W / 2)) px per frame.
    """
    h, w = backward.shape[1:]
    dx, dy = backward[:, ::2, ::2] - camera_flow(matrix, h, w, step=2).numpy()[0]
    speed: NDArray[np.float32] = np.sqrt(dx * dx + dy * dy)
    return speed


def near_movers(speed: NDArray[np.float32], lost: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return what moves against the camera or is lost, with a margin as wide as flows drag the ground along.

    Args:
        speed: of `speed_against`.
        lost: (H, W) where the flow is not trusted.

    Returns:
        near: (H, W), True = near.
        inside: (H, W), True = so far inside of what moves that no ground can be seen there.
    """
    h, w = lost.shape
    cells = _moving_cells((speed > AGAINST) | lost[::2, ::2], lost.shape)
    if not cells.any():
        nowhere = np.zeros(lost.shape, np.bool_)
        return nowhere, nowhere
    radius = HALO * min(h, w) / 4
    wide = cv2.dilate(cells.astype(np.uint8), _disc(radius))
    deep = cv2.erode(cells.astype(np.uint8), _disc(DEEP * radius))  # what is beyond the edges counts as moving
    near, inside = (cv2.resize(each, (w, h), interpolation=cv2.INTER_NEAREST) > 0 for each in (wide, deep))
    return near, inside


def _disc(radius: float) -> NDArray[np.uint8]:
    side = 2 * max(1, round(radius)) + 1
    return cast("NDArray[np.uint8]", cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))


def moving_places(speed: NDArray[np.float32], least: float, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return where something moves against the camera, in cells of 4 x 4 pixels.

    Args:
        speed: of `speed_against`.
        least: px per frame, what is slower does not count.
        shape: (H, W) of the image.

    Returns:
        (H, W), True = moves.
    """
    cells = _moving_cells(speed > least, shape).astype(np.uint8)
    return cv2.resize(cells, shape[::-1], interpolation=cv2.INTER_NEAREST) > 0


def _moving_cells(moving: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """(H / 4, W / 4) of an image of shape (H, W): where most of what is looked at moves; single places are noise."""
    size = (max(1, shape[1] // 4), max(1, shape[0] // 4))
    return cv2.resize(moving.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.3
