"""Gaussian smoothing, as fast as convolutions of PyTorch allow."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

# Constants are kept for good: a recorded graph points to those that it was recorded with.


@cache
def gaussian(sigma: float, device: torch.device) -> Tensor:
    """(2 r + 1,) weights of a Gaussian cut at three sigma, summing to 1."""
    radius = max(1, round(3 * sigma))
    x = torch.arange(-radius, radius + 1, dtype=torch.float32)
    weights = torch.exp(-0.5 * (x / sigma) ** 2)
    return (weights / weights.sum()).to(device)


def gaussian_blur(images: Tensor, sigma: float) -> Tensor:
    """(B, C, H, W) convolved with a Gaussian of `sigma` pixels, edges repeated."""
    weights = gaussian(sigma, images.device)
    columns = sliding_sum(images.permute(0, 2, 1, 3), weights)  # (B, H, C, W)
    return sliding_sum(columns.permute(0, 3, 2, 1), weights).permute(0, 2, 3, 1)  # (B, W, C, H), then as it came


def sliding_sum(planes: Tensor, weights: Tensor) -> Tensor:
    """(B, N, C, M) convolved along N with (2 r + 1,) weights, ends repeated.

    Every element of a row passes for a channel of its own: a depthwise convolution of channels_last has all its data
    side by side and is 2 to 5 times as fast as one of planes.
    """
    b, n, c, m = planes.shape
    radius = len(weights) // 2
    rows = torch.arange(-radius, n + radius, device=planes.device).clamp(0, n - 1)
    padded = planes.index_select(1, rows).view(b, n + 2 * radius, 1, c * m).permute(0, 3, 1, 2)
    slid = F.conv2d(padded, weights.view(1, 1, -1, 1).expand(c * m, 1, -1, 1), groups=c * m)  # (B, C M, N, 1)
    return slid.permute(0, 2, 3, 1).reshape(b, n, c, m)


def cascade(images: Tensor, sigma: float) -> Tensor:
    """Mean of `images` blurred by half, once and twice `sigma`: smooth, with a rest of fine detail."""
    if not sigma:
        return images
    return (gaussian_blur(images, sigma / 2) + gaussian_blur(images, sigma) + gaussian_blur(images, sigma * 2)) / 3


def lowpass(images: Tensor, sigma: float) -> Tensor:
    """(B, C, H, W) blurred by about `sigma` pixels, cheaply: shrunk, blurred, enlarged."""
    h, w = images.shape[2:]
    factor = max(1, min(int(sigma / 3), min(h, w) // 4))
    small = F.avg_pool2d(images, factor, ceil_mode=True, count_include_pad=False)
    down, across = (
        _spreading(*sides, sigma / factor, images.device) for sides in zip(small.shape[2:], (h, w), strict=True)
    )
    enlarged: Tensor = down @ (small @ across.T)
    return enlarged


@cache
def _spreading(small: int, large: int, sigma: float, device: torch.device) -> Tensor:
    # (large, small): blurs and enlarges, along one side. As a product it is four times as fast as step by step.
    units = gaussian_blur(torch.eye(small).view(small, 1, small, 1), sigma)
    return F.interpolate(units, (large, 1), mode="bilinear", align_corners=False)[:, 0, :, 0].T.contiguous().to(device)
