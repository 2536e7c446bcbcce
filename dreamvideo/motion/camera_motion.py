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

MOVING_SHARE = 0.3  # of the places of a cell that move, above which it does

# Share of the image's shorter side around what moves within which a flow drags the ground along. By measurement.
HALO = 0.043

# Depth, over that, from which one sees no ground but the mover itself. By measurement: at 1 ground that comes back is
# missed; without it the roof of a bus is taken for ground, and the error along its flow rises from 17 to 26.
DEEP = 2


def camera_matrix(backward: NDArray[np.float32], scale: float = 1.0) -> NDArray[np.float64] | None:
    """Fit the camera's motion to a flow.

    Args:
        backward: (2, H, W) px (dx, dy), current to previous.
        scale: pixels of the images to one of the flow: limits count in those.

    Returns:
        (3, 3) homography from positions of the current frame, px, to those of the previous one; exactly the identity
        for a fixed camera; None: the flow agrees with no homography.
    """
    return fit_camera(camera_places(torch.from_numpy(backward)).numpy(), (backward.shape[1], backward.shape[2]), scale)


def camera_places(backward: Tensor) -> Tensor:
    """Return the part of a flow that the camera's motion is fitted to.

    Args:
        backward: (2, H, W) px on any device.

    Returns:
        (2, rows, columns) px, a view.
    """
    return backward[:, GRID // 2 :: GRID, GRID // 2 :: GRID]


def fit_camera(places: NDArray[np.float32], size: tuple[int, int], scale: float = 1.0) -> NDArray[np.float64] | None:
    """Fit the camera's motion to a part of a flow.

    Args:
        places: (2, rows, columns) px, see `camera_places`.
        size: (H, W) of the whole flow.
        scale: see `camera_matrix`, and there for what is returned.
    """
    h, w = size
    y, x = np.mgrid[GRID // 2 : h : GRID, GRID // 2 : w : GRID]
    here = np.stack([x.ravel(), y.ravel()], 1).astype(np.float32)
    flow = np.ascontiguousarray(places.reshape(2, -1).T)  # (N, 2)
    if len(here) < 16:
        return None
    if np.mean((flow**2).sum(1) < (STILL / scale) ** 2) > 0.5:
        return np.eye(3)
    matrix, agree = cv2.findHomography(here, here + flow, cv2.RANSAC, max(AGAINST / scale, 0.002 * min(h, w)))
    if matrix is None or agree.mean() < AGREEING:
        return None
    return np.asarray(matrix, np.float64)


def enlarged_matrix(matrix: NDArray[np.float64], scale: tuple[float, float]) -> NDArray[np.float64]:
    """Return the camera's motion of images from that of smaller copies of them.

    Args:
        matrix: (3, 3), see `camera_matrix`, in pixels of the copies.
        scale: (across, down) pixels of the images to one of the copies.
    """
    if is_fixed(matrix):
        return matrix
    across, down = scale
    enlarge = np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]])
    return enlarge @ matrix @ np.linalg.inv(enlarge)


def is_fixed(matrix: NDArray[np.float64]) -> bool:
    """Return whether a camera is fixed.

    Args:
        matrix: (3, 3), see `camera_matrix`.
    """
    return np.array_equal(matrix, np.eye(3))


def camera_flow(matrix: NDArray[np.float64], size: tuple[int, int], device: torch.device | None = None) -> Tensor:
    """Return the backward flow of a homography.

    Args:
        matrix: (3, 3), see `camera_matrix`.
        size: (height, width) px.
        device: where it is computed; None: on the CPU.

    Returns:
        (1, 2, height, width) float32 px (dx, dy).
    """
    height, width = size
    x = torch.arange(width, dtype=torch.float32, device=device)
    y = torch.arange(height, dtype=torch.float32, device=device)[:, None]
    return camera_displacement(matrix, x, y)[None]


def camera_displacement(matrix: NDArray[np.float64], x: Tensor, y: Tensor) -> Tensor:
    """Return where a homography moves a grid of places to, relative to them.

    Args:
        matrix: (3, 3), see `camera_matrix`.
        x: (w,) float32 px, the places' columns.
        y: (h, 1) float32 px, their rows.

    Returns:
        (2, h, w) float32 px (dx, dy).
    """
    if is_fixed(matrix):
        return torch.zeros(2, len(y), len(x), device=x.device)
    across, down, depth = (float(a) * x + float(b) * y + float(c) for a, b, c in matrix)
    return torch.stack([across / depth - x, down / depth - y])


def speed_against(backward: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return how fast what is seen moves against the camera, in every other row and column.

    Args:
        backward: (2, H, W) px.
        matrix: (3, 3), see `camera_matrix`.

    Returns:
        (ceil(H / 2), ceil(W / 2)) px per frame.
    """
    dx, dy = backward[:, ::2, ::2]
    if not is_fixed(matrix):
        h, w = backward.shape[1:]
        x, y = np.arange(0, w, 2, dtype=np.float32), np.arange(0, h, 2, dtype=np.float32)[:, None]
        across, down, depth = (np.float32(a) * x + np.float32(b) * y + np.float32(c) for a, b, c in matrix)
        dx, dy = dx - (across / depth - x), dy - (down / depth - y)
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
    wide = cv2.dilate(cells.astype(np.uint8), disc(radius))
    deep = cv2.erode(cells.astype(np.uint8), disc(DEEP * radius))  # what is beyond the edges counts as moving
    near, inside = (cv2.resize(each, (w, h), interpolation=cv2.INTER_NEAREST) > 0 for each in (wide, deep))
    return near, inside


def disc(radius: float) -> NDArray[np.uint8]:
    """Return a structuring element.

    Args:
        radius: of it, px.

    Returns:
        (side, side): 1 within that radius, else 0.
    """
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
    return cv2.resize(moving.astype(np.float32), size, interpolation=cv2.INTER_AREA) > MOVING_SHARE
