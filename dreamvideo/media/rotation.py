"""Which way up a decoded frame or image is shown: quarter turns and mirroring, in eight orientations."""

from __future__ import annotations

from typing import Any, cast

import av
import numpy as np
from numpy.typing import NDArray

_SMALL = (16, 16)
_YUV = ("yuv", "nv", "p0")  # how the names of layouts begin that no PNG has


def display_matrix(frame: av.VideoFrame) -> NDArray[np.int32] | None:
    """Read the display matrix of a frame, reduced to a quarter turn or mirroring.

    A stored pixel (x, y) is shown at (a x + c y, b x + d y), up to a shift.

    Args:
        frame: a decoded frame.

    Returns:
        [[a, b], [c, d]] of -1, 0 and 1; None: the frame is shown as it is stored.
    """
    if not frame.format.name.startswith(_YUV):
        # The color profile of a PNG has a name, which PyAV 18 frees twice once its side data has been looked at.
        return _signs(_matrix_of_rotation(frame.rotation))
    try:
        # A frame and its side data hold each other until garbage is collected, so a small copy is looked at. PyAV's
        # stubs call side_data a dictionary; it is a sequence.
        side_data = cast(Any, frame.reformat(*_SMALL).side_data)
        raw = next((bytes(data) for data in side_data if data.type.name == "DISPLAYMATRIX"), None)
    except ValueError:  # PyAV 18 has no name for the newest kinds of side data and then shows none at all
        raw = _matrix_of_rotation(frame.rotation)
    return _signs(raw)


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
