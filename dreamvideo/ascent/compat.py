"""Steps of other DeepDream programs that this one takes differently, reproduced exactly for their looks.

JitheshPavan/deep_dream, after gordicaleksa/pytorch-deepdream: the gradient is smoothed by three kernels of 9 x 9
pixels, truncated however wide their Gaussians are, while the image is still shifted; and steps are taken in the scaled
colors that a network of ImageNet gets as input. The rest of it is settings: no detail, no division, one size of
smoothing. The steps of the notebook of 2015 (google/deepdream) are settings alone.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.ascent.jitter import Shifts, shift, shift_gradient
from dreamvideo.tensors import place

RADIUS = 4  # pixels


def nine_by_nine(grad: Tensor, sigma: float, shifts: Shifts) -> Tensor:
    """Smooth a gradient by the mean of three kernels, of half, once and twice `sigma`.

    Args:
        grad: (B, C, H, W), shifted back to where the image is; H and W at least 5.
        sigma: px; 0: the gradient is returned as it is.
        shifts: (dy, dx) px of each image while its gradient was taken: edges are mirrored at those of the shifted one.

    Returns:
        (B, C, H, W).
    """
    if not sigma:
        return grad
    c = grad.shape[1]
    mirrored = F.pad(shift(grad, shifts, "wrap"), (RADIUS,) * 4, mode="reflect")
    smoothed = F.conv2d(mirrored, kernel(sigma, grad.device).expand(c, 1, -1, -1), groups=c)
    return shift_gradient(smoothed, shifts, "wrap")


# Constants are cached forever: a recorded graph points to those that it was recorded with.


@cache
def kernel(sigma: float, device: torch.device) -> Tensor:
    """(9, 9) mean of three truncated Gaussians, each of which sums to 1."""
    x = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float64)
    total = torch.zeros(len(x), len(x), dtype=torch.float64)
    for width in (sigma / 2, sigma, 2 * sigma):
        weights = torch.exp(-0.5 * (x / width) ** 2)
        weights = weights / weights.sum()
        total += weights[:, None] * weights / 3
    return place(total.float(), device)


@cache
def network_deviations(device: torch.device) -> Tensor:
    """(3, 1, 1) standard deviations of red, green and blue in ImageNet, which its networks divide by."""
    return place(torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1), device)
