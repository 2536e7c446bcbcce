"""Black bars of a letterboxed or pillarboxed image, found in the image alone.

A bar is a run of rows or columns along a border, dark and of one level. There is one at either side, about as wide as
the other: so a bar is found where subtitles stand in it, if its opposite is clean. On a GPU nothing is decided by the
CPU, which would wait for it: an image without bars has an area of ones.
"""

from __future__ import annotations

import torch
from torch import Tensor

LEVEL = 24 / 255  # the border of a bar is no brighter
SPREAD = 8 / 255  # and its pixels differ no more from that: noise, and what a codec leaves of an edge

CLEAN = 0.98  # share of a row that is the bar's, with noise
BLURRED = 0.6  # the same at the bar's edge, where a codec leaves some of the picture, and where subtitles stand
WRITTEN = 0.42  # the same where subtitles are dense: at 120 rows they cover half of a row,
MARGIN = 1 / 16  # but not its ends, of this share each:
EMPTY = 0.8  # of them that much is the bar's, with noise of a codec

UNEVEN = 0.015  # of the side by which the bars differ: pixels that a crop or a codec's blocks have moved
SMALLEST = 0.02  # of the side; narrower ones are edges of a scan
LARGEST = 0.8  # of the side, both bars together; what is left would be no picture


def picture_area(images: Tensor) -> Tensor | None:
    """Return where images are not black bars.

    Args:
        images: (B, 3, H, W) in [0, 1].

    Returns:
        (B, 1, H, W): 0 in bars, 1 elsewhere. None on a CPU if no border looks like that of a bar.
    """
    if images.device.type == "cpu" and not (_may_have_bars(images) or _may_have_bars(images.transpose(2, 3))):
        return None
    brightest = images.amax(1)  # of the channels
    rows = _inside(brightest)[:, None, :, None]
    columns = _inside(brightest.transpose(1, 2))[:, None, None, :]
    return (rows & columns).to(images.dtype)


def _may_have_bars(images: Tensor) -> bool:
    """Whether the first or the last of the rows of (B, 3, H, W) images is a bar's: else `_inside` finds none."""
    ends = images[:, :, [0, -1]].amax(1)
    level = _level_of(ends)
    clean = ((ends - level).abs() <= SPREAD).float().mean(2) >= CLEAN
    return bool((clean & (level[:, 0] <= LEVEL)).any())


def _level_of(brightest: Tensor) -> Tensor:
    """(B, 1, 1) brightness of a bar, if the first and the last rows are bars."""
    return torch.minimum(*(brightest[:, row].median(1).values for row in (0, -1)))[:, None, None]


def _inside(brightest: Tensor) -> Tensor:
    """(B, H) bool, which rows of (B, H, W) brightness are not those of bars."""
    height = brightest.shape[1]
    level = _level_of(brightest)
    in_bar = ((brightest - level).abs() <= SPREAD) & (level <= LEVEL)
    share, margin = in_bar.float().mean(2), max(1, round(MARGIN * in_bar.shape[2]))
    ends_share = torch.cat([in_bar[:, :, :margin], in_bar[:, :, -margin:]], 2).float().mean(2)
    uneven = max(2, round(UNEVEN * height))
    clean_top, clean_bottom = _runs(share >= CLEAN)
    top, bottom = _runs((share >= BLURRED) | ((share >= WRITTEN) & (ends_share >= EMPTY)))
    # What is written on counts as far as the clean bar at the other side reaches.
    first = torch.maximum(clean_top, torch.minimum(top, clean_bottom + uneven))
    second = torch.maximum(clean_bottom, torch.minimum(bottom, clean_top + uneven))
    first, second = torch.minimum(first, second + uneven), torch.minimum(second, first + uneven)
    smallest = max(2, round(SMALLEST * height))
    real = (torch.minimum(first, second) >= smallest) & (torch.maximum(clean_top, clean_bottom) >= smallest)
    real &= first + second <= LARGEST * height
    row = torch.arange(height, device=brightest.device)[None]
    return ~(real[:, None] & ((row < first[:, None]) | (row >= height - second[:, None])))


def _runs(rows: Tensor) -> tuple[Tensor, Tensor]:
    """How many of (B, H) rows are True from the first on, and up to the last."""
    from_first, to_last = (ends.int().cumprod(1).sum(1) for ends in (rows, rows.flip(1)))
    return from_first, to_last
