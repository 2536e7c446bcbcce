"""Images of the camera on the device of the dream: shrunk and composed there as OpenCV does it on the CPU."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dreamvideo.tensors import enlarge


def shrink_planes(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """Shrink (1, 3, H, W) uint8 to (h, w) = `size`; each pixel is the mean of what it covers, as `cv2.INTER_AREA`."""
    if planes.shape[2:] == size:
        return planes
    return _shrink_along(_shrink_along(planes, 2, size[0]), 3, size[1]).round_().to(torch.uint8)


def _shrink_along(planes: Tensor, dim: int, length: int) -> Tensor:
    """The float means over `dim`: each is a sum of the few pixels that it covers, the first and the last in part."""
    scale = planes.shape[dim] / length
    start = torch.arange(length, device=planes.device) * scale
    covered = start.floor() + torch.arange(math.ceil(scale) + 1, device=planes.device)[:, None]  # (K, length) pixels
    shares = (torch.minimum(covered + 1, start + scale) - torch.maximum(covered, start)).clamp(min=0) / scale
    index = covered.long().clamp(max=planes.shape[dim] - 1).flatten()
    parts: Tensor = planes.index_select(dim, index).float().unflatten(dim, shares.shape)  # type: ignore[no-untyped-call]
    return (parts * (shares if dim == 3 else shares[..., None])).sum(dim)


def compose_planes(residual: Tensor, planes: Tensor) -> Tensor:
    """Add a residual, resized, to an image.

    Args:
        residual: (1, 3, h, w) float32.
        planes: (1, 3, H, W) uint8.

    Returns:
        (H, W, 3) uint8, rounded.
    """
    size = (planes.shape[2], planes.shape[3])
    large = residual if residual.shape[2:] == size else enlarge(residual, size)
    return (large * 255).add_(planes).round_().clamp_(0, 255)[0].permute(1, 2, 0).to(torch.uint8).contiguous()


def enlarged_planes(source: Tensor, size: tuple[int, int]) -> Tensor:
    """Enlarge the (1, 3, h, w) uint8 source of a dream to (H, W) = `size`."""
    return enlarge(source.float(), size).round_().clamp_(0, 255).to(torch.uint8)
