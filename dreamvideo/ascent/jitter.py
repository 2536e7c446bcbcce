"""Jitter: a random circular shift of the image before each step, undone after it.

Mordvintsev, Olah, Tyka 2015. The shift moves the network's grid of strides over the image, so that it leaves no
pattern. Here each image of a batch has its own shifts, drawn from a seed, an octave and an index: a frame is shifted
the same way in every run and every batch.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from dreamvideo.settings.dream import DreamSettings

Shifts = Sequence[tuple[int, int]] | Tensor  # (dy, dx) of each image, px; or (B, 2) integers


def jitter_offsets(
    settings: DreamSettings, octave: int, iterations: int, jitter_index: int, size: tuple[int, int]
) -> list[tuple[int, int]]:
    """Return the circular shifts (dy, dx) px of an image, one for each step at one octave.

    Args:
        settings: `jitter`, the largest shift in px, and `seed` are read.
        octave: its number.
        iterations: number of steps.
        jitter_index: number of the draw, see `dream`.
        size: (height, width) of the octave, px; no shift is larger than a quarter of the shorter side.
    """
    largest = min(settings.jitter, min(size) // 4)
    draw = random.Random(f"{settings.seed} {octave} {jitter_index}")
    return [(draw.randint(-largest, largest), draw.randint(-largest, largest)) for _ in range(iterations)]


def roll(images: Tensor, shifts: Shifts) -> Tensor:
    """Shift each image circularly by its own (dy, dx) px.

    Args:
        images: (B, C, H, W).
        shifts: a list of B pairs, or a (B, 2) tensor of integers, whose values a recorded graph reads when it runs.

    Returns:
        (B, C, H, W).
    """
    if isinstance(shifts, Tensor):
        b, c, h, w = images.shape
        rows = (torch.arange(h, device=images.device) - shifts[:, :1]) % h  # (B, H)
        columns = (torch.arange(w, device=images.device) - shifts[:, 1:]) % w  # (B, W)
        images = images.gather(2, rows[:, None, :, None].expand(b, c, h, w))
        return images.gather(3, columns[:, None, None, :].expand(b, c, h, w))
    if len(set(shifts)) == 1:
        return torch.roll(images, shifts[0], (2, 3))
    return torch.stack([torch.roll(image, shift, (1, 2)) for image, shift in zip(images, shifts, strict=True)])


def opposite_shifts(shifts: Shifts) -> Shifts:
    """Return the shifts that undo `shifts`."""
    return -shifts if isinstance(shifts, Tensor) else [(-dy, -dx) for dy, dx in shifts]
