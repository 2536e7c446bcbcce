"""Which way up a decoded frame or image is shown: quarter turns and mirroring, in eight orientations."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from dreamvideo.media.side_data import side_data_of


def display_matrix(frame: av.VideoFrame) -> NDArray[np.int32] | None:
    """Read the display matrix of a frame, reduced to a quarter turn or mirroring.

    A stored pixel (x, y) is shown at (a x + c y, b x + d y), up to a shift.

    Args:
        frame: a decoded frame.

    Returns:
        [[a, b], [c, d]] of -1, 0 and 1; None: the frame is shown as it is stored.
    """
    side_data = side_data_of(frame)
    return _signs(_matrix_of_rotation(frame.rotation) if side_data is None else side_data.get("DISPLAYMATRIX"))


def _signs(raw: bytes | None) -> NDArray[np.int32] | None:
    if raw is None:
        return None
    matrix = np.frombuffer(raw, np.int32)[[0, 1, 3, 4]].reshape(2, 2).astype(np.int64)
    straight, crossed = np.abs(matrix.diagonal()), np.abs(matrix[::-1].diagonal())
    # Garbage and odd angles are shown as they are stored.
    if straight.min() > 10 * crossed.max():
        signs = np.sign(np.diag(matrix.diagonal()))
    elif crossed.min() > 10 * straight.max():
        signs = np.sign(matrix)
        signs[[0, 1], [0, 1]] = 0
    else:
        return None
    signs = signs.astype(np.int32)
    return None if np.array_equal(signs, np.eye(2)) else signs


def _matrix_of_rotation(degrees: int) -> bytes | None:
    turns = {-90: (0, 1, -1, 0), 90: (0, -1, 1, 0), 180: (-1, 0, 0, -1), -180: (-1, 0, 0, -1)}
    if degrees not in turns:
        return None
    a, b, c, d = turns[degrees]
    return np.array([a, b, 0, c, d, 0, 0, 0, 1], np.int32).tobytes()


def swaps_axes(matrix: NDArray[np.int32] | None) -> bool:
    """Tell whether width and height are swapped when an image is turned upright.

    Args:
        matrix: as `display_matrix` returns it.

    Returns:
        Whether it contains a quarter turn.
    """
    return matrix is not None and matrix[0, 0] == 0


def rotate_upright(image: NDArray[Any], matrix: NDArray[np.int32] | None) -> NDArray[Any]:
    """(H, W, C) or (W, H, C), contiguous: the stored (H, W, C) `image` turned and mirrored as `matrix` says."""
    if matrix is None:
        return image
    (a, b), (c, d) = matrix
    if a == 0:
        image = image.transpose(1, 0, 2)
        a, d = c, b
    if a < 0:
        image = image[:, ::-1]
    if d < 0:
        image = image[::-1]
    return np.ascontiguousarray(image)
