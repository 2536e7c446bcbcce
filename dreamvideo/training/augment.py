"""Variations of training pictures: turned, scaled, shifted, mirrored, a little recolored."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def to_images(pictures: Tensor, size: int) -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, size, size) float in [0, 1], not varied."""
    images = pictures.permute(0, 3, 1, 2).float().div_(255)
    return F.interpolate(images, (size, size), mode="area").contiguous(memory_format=torch.channels_last)


def varied(pictures: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, size, size) float in [0, 1], each picture varied in its own way.

    Color is hardly touched: the network is to learn it as a feature.
    """
    count, device = len(pictures), pictures.device

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator, device=device) * (high - low) + low

    def normal(deviation: float, *shape: int) -> Tensor:
        return torch.randn(count, *shape, generator=generator, device=device) * deviation

    images = pictures.permute(0, 3, 1, 2).float().div_(255)
    angle = uniform(-0.45, 0.45)
    scale = 0.85 * torch.exp(uniform(-0.4, 0.4))
    mirror = (uniform(0, 1) < 0.5).float() * 2 - 1
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    across = torch.stack([cosine * mirror, -sine, uniform(-0.2, 0.2)], 1)
    down = torch.stack([sine * mirror, cosine, uniform(-0.2, 0.2)], 1)
    grid = F.affine_grid(torch.stack([across, down], 1), [count, 3, size, size], align_corners=False)
    images = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    recolored = (uniform(0, 1, 1, 1) < 0.3).float()
    mixing = torch.eye(3, device=device) + normal(0.03, 3, 3) * recolored  # (B, 3, 3)
    images = torch.einsum("bij,bjhw->bihw", mixing, images - 0.5)
    images = images * torch.exp(normal(0.12, 1, 1, 1)) + 0.5 + normal(0.04, 1, 1, 1)
    return images.clamp(0, 1).contiguous(memory_format=torch.channels_last)
