"""TODO"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from dreamvideo.settings.dream import DreamSettings


def jitter_offsets(
    settings: DreamSettings, octave: int, iterations: int, tick: int, size: tuple[int, int]
) -> list[tuple[int, int]]:
    """Circular shifts (dy, dx) of the steps at one octave: the same for every frame and batch that has seen `tick`."""
    furthest = min(settings.jitter, min(size) // 4)
    draw = random.Random(f"{settings.seed} {octave} {tick}")
    return [(draw.randint(-furthest, furthest), draw.randint(-furthest, furthest)) for _ in range(iterations)]


Shifts = Sequence[tuple[int, int]] | Tensor  # (dy, dx) of each image, pixels; or (B, 2) integers


def roll(images: Tensor, shifts: Shifts) -> Tensor:
    """(B, C, H, W) with each image shifted circularly by its own (dy, dx) pixels, of a list or a (B, 2) tensor."""
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
    """The shifts that undo `shifts`."""
    return -shifts if isinstance(shifts, Tensor) else [(-dy, -dx) for dy, dx in shifts]
