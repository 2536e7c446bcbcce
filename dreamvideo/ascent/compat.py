"""What others' ascents do that this program's does not, to the letter, for those who want a look of theirs.

JitheshPavan/deep_dream, after gordicaleksa/pytorch-deepdream: the gradient is smoothed by three kernels of 9 x 9
pixels, cut however wide their Gaussians are, while the picture is still shifted; and steps are taken in the colors
that a network of ImageNet is given. The rest of it is settings: no detail, no division, one size of smoothing. The
steps of the notebook of 2015 (google/deepdream) are settings alone.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.ascent.jitter import Shifts, opposite_shifts, roll

RADIUS = 4  # pixels


def nine_by_nine(slope: Tensor, sigma: float, shifts: Shifts) -> Tensor:
    """`slope` smoothed by the mean of three kernels, of half, once and twice `sigma` pixels; 0: as it is.

    Args:
        slope: (B, C, H, W), where the picture is; H and W at least 5.
        sigma: pixels.
        shifts: how each image was shifted when it was looked at: the mirrors stand at the edges of the shifted one.
    """
    if not sigma:
        return slope
    c = slope.shape[1]
    mirrored = F.pad(roll(slope, shifts), (RADIUS,) * 4, mode="reflect")
    smoothed = F.conv2d(mirrored, kernel(sigma, slope.device).expand(c, 1, -1, -1), groups=c)
    return roll(smoothed, opposite_shifts(shifts))


# Constants are kept for good: a recorded graph points to those that it was recorded with.


@cache
def kernel(sigma: float, device: torch.device) -> Tensor:
    """(9, 9) mean of three Gaussians, each of which sums to 1 though it is cut."""
    x = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float64)
    total = torch.zeros(len(x), len(x), dtype=torch.float64)
    for width in (sigma / 2, sigma, 2 * sigma):
        weights = torch.exp(-0.5 * (x / width) ** 2)
        weights = weights / weights.sum()
        total += weights[:, None] * weights / 3
    return total.float().to(device)


@cache
def network_deviations(device: torch.device) -> Tensor:
    """(3, 1, 1) deviations of red, green and blue in ImageNet, by which its networks have their input divided."""
    return torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1).to(device)
