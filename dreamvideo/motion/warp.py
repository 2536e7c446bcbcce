"""Warping along optical flow on any device: pure geometry, no networks. On the CPU `occlusion.remap` is faster."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def warp(image: Tensor, flow: Tensor, mode: str = "bilinear") -> Tensor:
    """Warp `image` along a backward flow: out(x) = image(x + flow(x)), edges repeated outwards.

    Args:
        image: (B, C, H, W) float.
        flow: (B, 2, H, W) px, channel 0 = dx (right), channel 1 = dy (down).
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
