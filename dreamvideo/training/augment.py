"""Augments training images: rotation, scale, shift, mirroring, and slight changes of color."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def to_images(images: Tensor, size: int) -> Tensor:
    """Convert stored images to network input, without augmentation.

    Args:
        images: (B, H, W, 3) uint8 RGB.
        size: side of the result in pixels; images are resized by area averaging.

    Returns:
        (B, 3, size, size) float32 in [0, 1], channels_last.
    """
    converted = images.permute(0, 3, 1, 2).float().div_(255)
    return F.interpolate(converted, (size, size), mode="area").contiguous(memory_format=torch.channels_last)


def augment_images(images: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Convert stored images to network input, each with its own random augmentation.

    Hue and saturation hardly change: the network is meant to learn color as a feature.

    Args:
        images: (B, H, W, 3) uint8 RGB.
        size: side of the result in pixels.
        generator: source of randomness, on the device of `images`.

    Returns:
        (B, 3, size, size) float32 in [0, 1], channels_last.
    """
    count, device = len(images), images.device

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator, device=device) * (high - low) + low

    def normal(deviation: float, *shape: int) -> Tensor:
        return torch.randn(count, *shape, generator=generator, device=device) * deviation

    sources = images.permute(0, 3, 1, 2).float().div_(255)
    angle = uniform(-0.45, 0.45)  # radians
    scale = 0.85 * torch.exp(uniform(-0.4, 0.4))
    mirror = (uniform(0, 1) < 0.5).float() * 2 - 1
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    x_row = torch.stack([cosine * mirror, -sine, uniform(-0.2, 0.2)], 1)
    y_row = torch.stack([sine * mirror, cosine, uniform(-0.2, 0.2)], 1)
    grid = F.affine_grid(torch.stack([x_row, y_row], 1), [count, 3, size, size], align_corners=False)
    warped = F.grid_sample(sources, grid, padding_mode="reflection", align_corners=False)
    recolor = (uniform(0, 1, 1, 1) < 0.3).float()
    color_matrix = torch.eye(3, device=device) + normal(0.03, 3, 3) * recolor  # (B, 3, 3)
    augmented = torch.einsum("bij,bjhw->bihw", color_matrix, warped - 0.5)
    augmented = augmented * torch.exp(normal(0.12, 1, 1, 1)) + 0.5 + normal(0.04, 1, 1, 1)
    return augmented.clamp(0, 1).contiguous(memory_format=torch.channels_last)
