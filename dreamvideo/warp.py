"""Warping along optical flow and circular shifts, on any device: pure geometry, no networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Shifts = Sequence[tuple[int, int]] | Tensor  # (dy, dx) of each image, pixels; or (B, 2) integers


def warp(image: Tensor, flow: Tensor, mode: str = "bilinear") -> Tensor:
    """Pull `image` along a backward flow: out(x) = image(x + flow(x)), border repeated.

    Args:
        image: (B, C, H, W) float.
        flow: (B, 2, H, W) pixels, channel 0 = dx (right), channel 1 = dy (down).
        mode: "bilinear", or "bicubic", which does not blur what is warped over and over.

    Returns:
        (B, C, H, W), dtype and device of `image`.

    Raises:
        ValueError: batch or spatial sizes differ.
    """
    b, _, h, w = image.shape
    if flow.shape != (b, 2, h, w):
        raise ValueError(f"got a flow of shape {tuple(flow.shape)}, expected {(b, 2, h, w)}")
    x = flow[:, 0] + torch.arange(w, device=flow.device, dtype=flow.dtype)  # (B, H, W)
    y = flow[:, 1] + torch.arange(h, device=flow.device, dtype=flow.dtype)[:, None]
    grid = torch.stack([x * (2 / max(w - 1, 1)) - 1, y * (2 / max(h - 1, 1)) - 1], 3)  # (B, H, W, 2) in [-1, 1]
    return F.grid_sample(image, grid.to(image.dtype), mode=mode, padding_mode="border", align_corners=True)


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


def opposite(shifts: Shifts) -> Shifts:
    """The shifts that undo `shifts`."""
    return -shifts if isinstance(shifts, Tensor) else [(-dy, -dx) for dy, dx in shifts]
