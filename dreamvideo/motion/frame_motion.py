"""What is known of the motion from one frame to the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

SMALL = 80  # pixels of the longer side of the copies of images that fades are found in


@dataclass(frozen=True, slots=True)
class Motion:
    """The motion from the previous frame to the current one."""

    backward: Tensor  # (1, 2, H, W) float32 px (dx, dy): current(x) is found at previous(x + backward(x))
    occluded: Tensor  # (1, 1, H, W) bool: True = do not trust
    trust: Tensor  # (1, 1, H, W) float32 in [0, 1]: the same with soft edges, 0 = do not trust
    unseen: float  # share of `occluded` that is True, 0..1
    near: Tensor  # (1, 1, H, W) bool: near something that moves against the camera, or that is not to be trusted
    any_near: bool  # whether anything is
    inside: Tensor  # (1, 1, H, W) bool: far inside of something that moves against the camera
    mismatch: Tensor  # (1, 1, H, W) float32 in [0, 1]: how little the flow explains the image around there
    mismatch_share: float  # mean of `mismatch`
    camera: NDArray[np.float64] | None  # (3, 3) `camera_matrix`; None: it is not known
    small: Tensor | None = None  # of `shrink_motion`, on the CPU; None: the planes are there


def small_size(height: int, width: int) -> tuple[int, int]:
    """Return the (height, width) px of a small copy of an image, whose longer side has at most `SMALL` pixels.

    Args:
        height, width: of the image, px.
    """
    scale = min(1.0, SMALL / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def shrink_motion(backward: Tensor, trust: Tensor, size: tuple[int, int]) -> Tensor:
    """Return a motion for small copies of the images.

    Args:
        backward: (1, 2, H, W) px.
        trust: (1, 1, H, W) in [0, 1].
        size: (height, width) of the copies, px.

    Returns:
        (1, 3, height, width): the backward flow in their pixels, and the trust.
    """
    h, w = backward.shape[2:]
    height, width = size
    small = F.interpolate(torch.cat([backward, trust], 1), (height, width), mode="area")
    small[:, 0].mul_(width / w)
    small[:, 1].mul_(height / h)
    return small


def no_motion(height: int, width: int, device: torch.device | None = None) -> Motion:
    """Return the motion of a frame in which everything stays where it is.

    Args:
        height: of the frame, px.
        width: of the frame, px.
        device: where its planes are; None: on the CPU.
    """
    nowhere = torch.zeros(1, 1, height, width, dtype=torch.bool, device=device)
    flow = torch.zeros(1, 2, height, width, device=device)
    still, trust = torch.zeros_like(flow[:, :1]), torch.ones_like(flow[:, :1])
    small = torch.zeros(1, 3, *small_size(height, width))
    small[:, 2] = 1
    return Motion(flow, nowhere, trust, 0.0, nowhere, False, nowhere, still, 0.0, np.eye(3), small)
