"""TODO"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.devices import fetch, upload

GUIDE_SIDE = 224  # pixels of the longer side of a guide, as in the 2015 notebook


def to_tensor(image: NDArray[np.uint8], device: torch.device) -> Tensor:
    """(1, 3, H, W) float32 in [0, 1] from (H, W, 3) uint8."""
    return upload(torch.from_numpy(image), device).permute(2, 0, 1)[None].float() / 255


def to_guide(image: NDArray[np.uint8]) -> Tensor:
    """(1, 3, h, w) float32 in [0, 1] on the CPU from (H, W, 3) uint8; at most `GUIDE_SIDE` pixels a side."""
    guide = to_tensor(image, torch.device("cpu"))
    shrink = min(1.0, GUIDE_SIDE / max(guide.shape[2:]))
    height, width = (max(1, round(side * shrink)) for side in guide.shape[2:])
    return resize(guide, (height, width))


def to_mask(mask: NDArray[np.uint8], device: torch.device) -> Tensor:
    """(1, 1, H, W) float32 in [0, 1] from (H, W) uint8."""
    return upload(torch.from_numpy(mask), device)[None, None].float() / 255


def to_image(image: Tensor) -> NDArray[np.uint8]:
    """(H, W, 3) uint8, rounded, from (1, 3, H, W) in [0, 1]."""
    return fetch(to_uint8(image))().numpy()


def to_uint8(image: Tensor) -> Tensor:
    """(H, W, 3) uint8, rounded, where the (1, 3, H, W) in [0, 1] is."""
    return (image[0] * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous()


def resize(images: Tensor, size: tuple[int, int]) -> Tensor:
    """`images` shrunk to (height, width) without aliasing."""
    if images.shape[2:] == size:
        return images
    return F.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)


def enlarge(images: Tensor, size: tuple[int, int]) -> Tensor:
    """`images` enlarged to (height, width), smooth."""
    return F.interpolate(images, size, mode="bicubic", align_corners=False)
