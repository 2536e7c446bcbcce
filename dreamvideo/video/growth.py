"""Local growth: what has lost its dream, or loses it all the time, is dreamed in a few windows of the image.

Windows of all octaves have one size, so that one batch holds them, and one gradient steps at several sizes at once. A
window of a small octave covers much of the image. Only what has to grow changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.ascent.ascend import ascend
from dreamvideo.ascent.jitter import jitter_offsets
from dreamvideo.ascent.octaves import octave_sizes
from dreamvideo.ascent.tiling import Score, at_size, score_tf32
from dreamvideo.devices import tf32_products
from dreamvideo.kernels.graph_capture import recorded_on
from dreamvideo.settings.dream import DreamSettings
from dreamvideo.tensors import enlarge, resize, upload
from dreamvideo.video.octave_turns import local_gains

CELL = 8  # pixels a side of the cells in which what has to grow is counted
LEAST_NEED = 2.0  # cells that have to grow, below which a window does not pay
LARGEST_SIDE = 128  # pixels; what fits into every octave. Larger ones cost more than they give, by measurement
CORE = 0.8  # share of a window's side within which it counts as covering
MOST_SHARE = 0.25  # of the image's pixels that the windows of one octave take, at most

LARGEST_RECORDED = 32  # windows of a recorded batch, a power of two: so six recordings do for any number of them

JITTER_DRAW = 64  # number of the first draw of shifts; octaves of whole images have the smaller ones


@dataclass(frozen=True, slots=True)
class Window:
    """A square part of an octave's image."""

    octave: int  # its number, 0 the smallest
    top: int  # px of the octave's image
    left: int


@dataclass(frozen=True, slots=True)
class LocalStep:
    """One step of a frame in windows."""

    index: int  # number of its draw of random shifts, see `octaves.dream`
    gains: Mapping[int, float]  # octave -> factor on its steps; others do not step
    windows: tuple[Window, ...]


def window_side(size: tuple[int, int]) -> int:
    """Return the side of windows, px, for images whose smallest octave has this (height, width)."""
    side = min(*size, LARGEST_SIDE)
    return side // 32 * 32 if side >= 32 else side


def count_cells(need: Tensor) -> Tensor:
    """Return the means of what has to grow over cells of `CELL` pixels a side.

    Args:
        need: (1, 1, H, W) in [0, 1].

    Returns:
        (ceil(H / CELL), ceil(W / CELL)).
    """
    h, w = need.shape[2:]
    return F.interpolate(need, (-(-h // CELL), -(-w // CELL)), mode="area")[0, 0]


def plan_local_steps(
    cells: NDArray[np.float32],
    size: tuple[int, int],
    settings: DreamSettings,
    frame_index: int,
    calls: int,
    steps: Sequence[int],
) -> tuple[LocalStep, ...]:
    """Choose the windows of a frame.

    Args:
        cells: (rows, columns) of `count_cells`.
        size: (height, width) px of the frame.
        settings: the octaves.
        frame_index: frames since the shot began.
        calls: steps in windows, less one if the whole image steps.
        steps: of the whole image at each octave.
    """
    sizes = octave_sizes(*size, settings)
    side = window_side(sizes[0])
    most = max(1, round(MOST_SHARE * size[0] * size[1] / side**2))
    planned = []
    for call in range(calls - any(steps)):
        index = frame_index * calls + call
        gains = local_gains(len(sizes), index, finest=not steps[-1])
        windows = choose_windows(cells, {octave: sizes[octave] for octave in gains}, side, most)
        planned.append(LocalStep(index, gains, tuple(windows)))
    return tuple(planned)


def covered_by(step: LocalStep, size: tuple[int, int], settings: DreamSettings, device: torch.device) -> Tensor:
    """Return the windows of the finest octave that steps.

    Args:
        step: with windows.
        size: (height, width) px of the frame.
        settings: the octaves.
        device: where the mask goes.

    Returns:
        (1, 1, H, W) float32: 1 in them, else 0.
    """
    sizes = octave_sizes(*size, settings)
    side, finest = window_side(sizes[0]), max(step.gains)
    covered = torch.zeros(1, 1, *size, device=device)
    for window in step.windows:
        if window.octave == finest:
            _cut_of_image(covered, window, side, sizes[finest]).fill_(1)
    return covered


def choose_windows(
    need: NDArray[np.float32], sizes: Mapping[int, tuple[int, int]], side: int, most: int
) -> list[Window]:
    """Cover what has to grow by windows at some octaves.

    Args:
        need: (rows, columns) in [0, 1], means over equal cells of the image.
        sizes: octave -> (height, width) px, of those that step; each at least `side`.
        side: px of a window.
        most: windows of one octave.

    Returns:
        At each octave first those that cover most.
    """
    windows = []
    for octave, (height, width) in sizes.items():
        left = need.copy()
        cell_height, cell_width = height / need.shape[0], width / need.shape[1]  # px of the octave
        core = (max(1, round(CORE * side / cell_width)), max(1, round(CORE * side / cell_height)))
        for _ in range(most):
            covered = cv2.boxFilter(left, -1, core, normalize=False, borderType=cv2.BORDER_CONSTANT)
            row, column = divmod(int(covered.argmax()), covered.shape[1])
            if covered[row, column] < LEAST_NEED:
                break
            part = np.zeros_like(left)
            top, start = max(0, row - core[1] // 2), max(0, column - core[0] // 2)
            box = np.s_[top : top + core[1], start : start + core[0]]
            part[box] = left[box]
            # What is covered may lie at an edge of the box: the window is put around its middle.
            middle_y = (part.sum(1) @ (np.arange(len(part)) + 0.5)) / part.sum() * cell_height
            middle_x = (part.sum(0) @ (np.arange(part.shape[1]) + 0.5)) / part.sum() * cell_width
            y, x = (
                min(max(0, round(float(middle) - side / 2)), length - side)
                for middle, length in ((middle_y, height), (middle_x, width))
            )
            windows.append(Window(octave, y, x))
            left[
                int(y / cell_height) : -int(-(y + side) // cell_height),
                int(x / cell_width) : -int(-(x + side) // cell_width),
            ] = 0
    return windows


def grow(
    sources: Tensor,
    residuals: Tensor,
    needs: Tensor,
    score: Score,
    settings: DreamSettings,
    steps: Sequence[LocalStep],
) -> Tensor:
    """Take one step in windows where something has to grow.

    Args:
        sources: (B, 3, H, W) in [0, 1].
        residuals: (B, 3, H, W) dream - source.
        needs: (B, 1, H, W) in [0, 1], factor on the steps.
        score: is ascended.
        settings: how.
        steps: of each image; at least one of them has windows.

    Returns:
        The residuals, (B, 3, H, W).
    """
    h, w = sources.shape[2:]
    all_sizes = octave_sizes(h, w, settings)
    side = window_side(all_sizes[0])
    size = (side, side)
    windows = [(row, each) for row, step in enumerate(steps) for each in step.windows]
    sizes = {octave: all_sizes[octave] for octave in sorted({each.octave for _, each in windows})}
    before = residuals
    planes = torch.cat([sources, residuals, needs], 1)
    octaves = {octave: resize(planes, octave_size) for octave, octave_size in sizes.items()}
    parts = torch.cat([_cut(octaves[each.octave][row : row + 1], each, side) for row, each in windows])
    _step_once(parts[:, 6], windows, side)
    bases, images = parts[:, :3].contiguous(), (parts[:, :3] + parts[:, 3:6]).clamp(0, 1)
    factors = torch.tensor([steps[row].gains[each.octave] for row, each in windows])
    scale = parts[:, 6:] * upload(factors, parts.device).view(-1, 1, 1, 1)
    offsets = [
        jitter_offsets(settings, JITTER_DRAW + number, 1, step.index, size)[0]
        for step in steps
        for number in range(len(step.windows))
    ]
    changes = []
    with tf32_products(score_tf32(score)):
        for rows in _batches(len(windows), recorded_on(images.device)):
            batch = images[rows]
            shifts = [offsets[rows]]
            changes.append(ascend(batch, bases[rows], at_size(score, size), settings, shifts, scale[rows]) - batch)
    for octave, octave_size in sizes.items():
        total = sources.new_zeros(len(sources), 3, *octave_size)
        for (row, window), change in zip(windows, torch.split(torch.cat(changes), 1), strict=True):
            if window.octave == octave:
                _cut(total[row : row + 1], window, side).add_(change)
        residuals = residuals + (total if octave_size == (h, w) else enlarge(total, (h, w)))
    residuals = (sources + residuals).clamp(0, 1) - sources
    return torch.where(needs > 0, residuals, before)


def _batches(count: int, recorded: bool) -> list[slice]:
    """Rows of the batches that windows are ascended in: all of them, or numbers that come again and again."""
    if not recorded:
        return [slice(0, count)]
    slices, start = [], 0
    while start < count:
        size = min(LARGEST_RECORDED, 1 << (count - start).bit_length() - 1)
        slices.append(slice(start, start + size))
        start += size
    return slices


def _cut(image: Tensor, window: Window, side: int) -> Tensor:
    """The view of a window in the (1, C, h, w) image of its octave."""
    return image[:, :, window.top : window.top + side, window.left : window.left + side]


def _cut_of_image(image: Tensor, window: Window, side: int, size: tuple[int, int]) -> Tensor:
    """The view of a window of an octave of `size` in the (1, C, H, W) image at full size."""
    rows, columns = (
        slice(round(start * full / length), round((start + side) * full / length))
        for start, length, full in zip((window.top, window.left), size, image.shape[2:], strict=True)
    )
    return image[:, :, rows, columns]


def _step_once(needs: Tensor, windows: Sequence[tuple[int, Window]], side: int) -> None:
    """Set (N, side, side) needs of windows to 0 where an earlier one of the same image and octave lies, in place."""
    for i, (row, one) in enumerate(windows):
        for earlier_row, earlier in windows[:i]:
            if (earlier_row, earlier.octave) == (row, one.octave):
                top, left = earlier.top - one.top, earlier.left - one.left
                needs[i, max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)] = 0
