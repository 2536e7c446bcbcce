"""Which way up a decoded frame is shown: quarter turns and mirroring, as its display matrix says."""

from __future__ import annotations

from typing import Any, cast

import av
import numpy as np
from numpy.typing import NDArray

_SMALL = (16, 16)
_YUV = ("yuv", "nv", "p0")  # how the names of layouts begin that no PNG has


def display_matrix(frame: av.VideoFrame) -> NDArray[np.int32] | None:
    """[[a, b], [c, d]] of the frame's display matrix in signs, a quarter turn or mirroring; None: shown as it is.

    A stored pixel (x, y) is shown at (a x + c y, b x + d y), up to a shift.
    """
    if not frame.format.name.startswith(_YUV):
        # The color profile of a PNG has a name, which PyAV 18 frees twice once its side data has been looked at.
        return _signs(_matrix_of_rotation(frame.rotation))
    try:
        # A frame and its side data hold each other until the garbage is collected: a small copy of it, then. PyAV's
        # stubs call side_data a dictionary; it is a sequence.
        side_data = cast(Any, frame.reformat(*_SMALL).side_data)
        raw = next((bytes(data) for data in side_data if data.type.name == "DISPLAYMATRIX"), None)
    except ValueError:  # PyAV 18 knows no name for the newest kinds of side data and then shows none at all
        raw = _matrix_of_rotation(frame.rotation)
    return _signs(raw)


def _signs(raw: bytes | None) -> NDArray[np.int32] | None:
    if raw is None:
        return None
    matrix = np.frombuffer(raw, np.int32)[[0, 1, 3, 4]].reshape(2, 2).astype(np.int64)
    straight, crossed = np.abs(matrix.diagonal()), np.abs(matrix[::-1].diagonal())
    # garbage and odd angles are shown as they are stored
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
    return matrix is not None and matrix[0, 0] == 0


def rotate_upright(image: NDArray[np.uint8], matrix: NDArray[np.int32] | None) -> NDArray[np.uint8]:
    """`image` as it is to be shown, contiguous."""
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
