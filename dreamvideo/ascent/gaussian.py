"""Gaussian smoothing, as fast as PyTorch's convolutions allow."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.tensors import place

# Constants are cached forever: a recorded graph points to those that it was recorded with.


@cache
def gaussian(sigma: float, device: torch.device) -> Tensor:
    """(2 r + 1,) weights of a Gaussian of `sigma` px, truncated at three sigma; they sum to 1."""
    radius = max(1, round(3 * sigma))
    x = torch.arange(-radius, radius + 1, dtype=torch.float32)
    weights = torch.exp(-0.5 * (x / sigma) ** 2)
    return place(weights / weights.sum(), device)


def gaussian_blur(images: Tensor, sigma: float) -> Tensor:
    """Convolve images with a Gaussian, edges repeated outwards.

    Args:
        images: (B, C, H, W).
        sigma: px.

    Returns:
        (B, C, H, W).
    """
    weights = gaussian(sigma, images.device)
    columns = sliding_sum(images.permute(0, 2, 1, 3), weights)  # (B, H, C, W)
    return sliding_sum(columns.permute(0, 3, 2, 1), weights).permute(0, 2, 3, 1)  # (B, W, C, H), then (B, C, H, W)


def sliding_sum(planes: Tensor, weights: Tensor) -> Tensor:
    """Convolve (B, N, C, M) along N with (2 r + 1,) weights, ends repeated outwards.

    Every element of a row is treated as a channel of its own: a depthwise convolution of channels_last reads contiguous
    data and is 2 to 5 times as fast as one of planes.
    """
    b, n, c, m = planes.shape
    radius = len(weights) // 2
    rows = torch.arange(-radius, n + radius, device=planes.device).clamp(0, n - 1)
    padded = planes.index_select(1, rows).view(b, n + 2 * radius, 1, c * m).permute(0, 3, 1, 2)
    slid = F.conv2d(padded, weights.view(1, 1, -1, 1).expand(c * m, 1, -1, 1), groups=c * m)  # (B, C M, N, 1)
    return slid.permute(0, 2, 3, 1).reshape(b, n, c, m)


def cascade(images: Tensor, sigma: float) -> Tensor:
    """Return the mean of (B, C, H, W) blurred by half, once and twice `sigma` px: smooth, with some fine detail."""
    if not sigma:
        return images
    return (gaussian_blur(images, sigma / 2) + gaussian_blur(images, sigma) + gaussian_blur(images, sigma * 2)) / 3


def lowpass(images: Tensor, sigma: float) -> Tensor:
    """Blur (B, C, H, W) by about `sigma` px, cheaply: shrink, blur, enlarge."""
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
    # (large, small) matrix that blurs and enlarges along one side; four times as fast as doing so step by step.
    units = gaussian_blur(torch.eye(small).view(small, 1, small, 1), sigma)
    spread = F.interpolate(units, (large, 1), mode="bilinear", align_corners=False)[:, 0, :, 0]
    return place(spread.T.contiguous(), device)
