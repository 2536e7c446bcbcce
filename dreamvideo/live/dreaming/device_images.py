"""Images of the camera on the device of the dream: shrunk and composed there as OpenCV does it on the CPU."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamvideo.tensors import enlarge


def compose_planes(residual: Tensor, planes: Tensor, amount: float = 1.0) -> Tensor:
    """Add a residual, resized, to an image.

    Args:
        residual: (1, 3, h, w) float32.
        planes: (1, 3, H, W) uint8.
        amount: how much of the residual is added, 0 to 2.

    Returns:
        (H, W, 3) uint8, rounded.
    """
    size = (planes.shape[2], planes.shape[3])
    large = residual if residual.shape[2:] == size else enlarge(residual, size)
    return (
        (large * (255 * amount)).add_(planes).round_().clamp_(0, 255)[0].permute(1, 2, 0).to(torch.uint8).contiguous()
    )


def enlarged_planes(source: Tensor, size: tuple[int, int]) -> Tensor:
    """Enlarge the (1, 3, h, w) uint8 source of a dream to (H, W) = `size`."""
    return enlarge(source.float(), size).round_().clamp_(0, 255).to(torch.uint8)
