"""Whether a frame shows a picture: its contrast on a coarse grid, beyond the noise of pixels.

Plain frames (black, white, a slide with a small date, noise of a camera in the dark) give the flow nothing, and a dream
nothing to dream of. The contrast is that of large areas, so that noise has none, and that of most of the image, so that
a date has none.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from dreamvideo.frames import NOISE_ROWS

GRID = 48  # cells of the longer side, each a mean of pixels, blurred by another cell
TAIL = 3.0  # percent of the cells at either end that do not count; a date of 10 x 25 of 120 x 214 pixels has 2

# Gray levels of contrast. Up to `NO_PICTURE` a frame is plain: by measurement a film of a covered lens has 5, noise on
# black of 30 and 60 levels 2 and 4, after H.264 and MJPEG, too. From `WHOLE_PICTURE` on it is dreamed in full; between
# the two a picture begins or ends. Ordinary films have 80 and more.
NO_PICTURE = 6.0
WHOLE_PICTURE = 12.0

# Share of the contrast of color that counts: a codec stores color at half the size, and its noise is as coarse.
COLOR = 1 / 3
FINE = 0.3  # gray levels that noise of one level brings into the cells, at 120 rows; at more of them it is less

BAR_LEVEL = 24  # gray levels; no brighter is a black bar
BAR_SPREAD = 6  # gray levels within which a bar's pixels are equal


def contrast_of(image: NDArray[np.uint8], noise: float | None = None) -> float:
    """Return the contrast of a picture, in gray levels.

    Args:
        image: (H, W, 3) RGB; black bars at its borders do not count.
        noise: mean difference of neighboring pixels, in gray levels, where `image` is a small copy; None: measured.
    """
    h, w = image.shape[:2]
    scale = min(1.0, GRID / max(h, w))
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    small = cast("NDArray[np.uint8]", cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    cells = cv2.GaussianBlur(without_bars(small).astype(np.float32), (0, 0), 1.0, borderType=cv2.BORDER_REFLECT)
    planes = np.concatenate([COLOR * cells, cells.mean(2, keepdims=True)], 2).reshape(-1, 4)
    low, high = np.percentile(planes, (TAIL, 100 - TAIL), axis=0)
    noise = _noise_of(image) if noise is None else noise
    return max(0.0, float((high - low).max() - FINE * noise))


def _noise_of(image: NDArray[np.uint8]) -> float:
    red, green, blue = (image[::NOISE_ROWS, :, channel].astype(np.int16) for channel in range(3))
    rows = red + green + blue  # many times as fast as a sum along an axis of three
    return np.abs(np.diff(rows, axis=1)).mean() / 3 if image.shape[1] > 1 else 0.0  # type: ignore[no-any-return]


def presence(contrast: float) -> float:
    """Return how much of a picture there is: 0 for a plain frame, 1 from `WHOLE_PICTURE` on.

    Args:
        contrast: of `contrast_of`.
    """
    return min(1.0, max(0.0, (contrast - NO_PICTURE) / (WHOLE_PICTURE - NO_PICTURE)))


def without_bars(small: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut black bars off an image of cells, and one cell more, which is half a bar and half a picture.

    Args:
        small: (h, w, 3).

    Returns:
        A view of its inside; all of it where there are no bars, or nothing but bars.
    """
    top, bottom = _ends(small)
    left, right = _ends(small.transpose(1, 0, 2))
    inside = small[top:bottom, left:right]
    return inside if inside.size else small


def _ends(rows: NDArray[np.uint8]) -> tuple[int, int]:
    """(first, end) of the rows that are not those of a bar."""
    highest, lowest = rows.max((1, 2)).astype(int), rows.min((1, 2)).astype(int)
    picture = np.flatnonzero((highest > BAR_LEVEL) | (highest - lowest > BAR_SPREAD))
    if not len(picture):
        return 0, len(rows)
    first, last, edge = int(picture[0]), int(picture[-1]), len(rows) - 1
    return first + (first > 0), last + 1 - (last < edge)
