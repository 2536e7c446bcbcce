"""What a gradient becomes before it is added to a picture: smoothed, colored, scaled.

Lightness and color take separate ways: the gradient is rotated to luma, red-green and yellow-blue, color is blurred
wider and given a chosen share of luma's spread. A network's own gradient is nearly gray noise in color. Instead the
gradient can be mixed as colors are in photographs (Olah, Mordvintsev, Schubert 2017, Feature Visualization), or be of
lightness alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.ascent.compat import network_deviations, nine_by_nine
from dreamvideo.ascent.gaussian import cascade, gaussian_blur
from dreamvideo.ascent.jitter import Shifts
from dreamvideo.settings.dream import DreamSettings

CHROMA_SIGMA = 2.5  # pixels; narrower gives rainbow fringes. Chosen by eye

# A root of the covariance of red, green and blue in ImageNet's pictures: M M^T is the covariance. From Lucid, as are
# its roundings.
NATURAL_COLORS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))

SOFT = 2 / 255  # differences of neighbors below it count for less in the total variation; chosen by eye


def shape_step(slope: Tensor, settings: DreamSettings, share: float, shifts: Shifts) -> Tensor:
    """A gradient smoothed, colored, and divided by its size in each image.

    Args:
        slope: (B, 3, H, W).
        settings: smoothing, color and what is divided by.
        share: how much of the ascent at this octave is behind it, 0 to 1; smoothing grows with it.
        shifts: how each image was shifted when it was looked at.

    Returns:
        (B, 3, H, W), contiguous; with a mean absolute value of 1 per image unless `settings.normalize` says otherwise.
    """

    def smoothed(planes: Tensor) -> Tensor:
        if settings.smoothing == "fixed":
            return nine_by_nine(planes, settings.smooth, shifts)
        return cascade(planes, settings.smooth * (1 + share))

    scale = network_deviations(slope.device) if settings.space == "imagenet" else None
    if scale is not None:
        slope = slope * scale
    if settings.keep_colors:
        shaped = smoothed(slope.mean(1, keepdim=True)).repeat(1, 3, 1, 1)
    elif settings.decorrelate:
        shaped = smoothed(mix_channels(natural_colors(slope.device), slope))
    elif settings.color < 0:
        shaped = smoothed(slope)
    else:
        shaped = balance_color(slope, smoothed, settings.color)
    step = NORMALIZERS[settings.normalize](shaped)
    return step if scale is None else step * scale


def balance_color(slope: Tensor, smoothed: Callable[[Tensor], Tensor], color: float) -> Tensor:
    """(B, 3, H, W) in which the color planes have a spread of `color` against that of luma, and are smooth."""
    opponent = opponent_axes(slope.device)
    planes = mix_channels(opponent, slope)
    luma = smoothed(planes[:, :1])
    chroma = gaussian_blur(planes[:, 1:], CHROMA_SIGMA)
    weights = torch.cat([1 / spread(luma), (color / spread(chroma)).expand(-1, 2, 1, 1)], 1)  # (B, 3, 1, 1)
    return mix_channels(opponent.T * weights.view(-1, 1, 3), torch.cat([luma, chroma], 1))


def mix_channels(matrix: Tensor, planes: Tensor) -> Tensor:
    """(B, 3, H, W) of which every pixel has been multiplied by a (3, 3) or (B, 3, 3) matrix."""
    mixed: Tensor = matrix @ planes.flatten(2)
    return mixed.view(planes.shape)


def choose_smoother(step: Tensor, images: Tensor, amount: float, step_size: float) -> Tensor:
    """`step`, changed in place, less the slope of the images' total variation, which weighs `amount` times as much."""
    size = amount * step.abs().mean((1, 2, 3), keepdim=True)  # `amount`, if steps are normalized by their mean
    # Rounded off to twice what a step can reach: at most it brings neighbors together, and never past each other.
    soft = (2 * step_size * size).clamp(min=SOFT)
    return step.sub_(total_variation_gradient(images, soft).mul_(size))


def total_variation_gradient(images: Tensor, soft: Tensor) -> Tensor:
    """Gradient of the total variation of (B, 3, H, W) images, in -1 to 1.

    The sum of |difference| over pairs of neighbors side by side and one above the other (Rudin, Osher, Fatemi 1992,
    but not isotropic), rounded off below `soft`, (B, 1, 1, 1), and divided by the four neighbors of a pixel.
    """
    slope = torch.zeros_like(images)
    for side in (2, 3):
        rows = images.shape[side] - 1
        change = images.diff(dim=side)
        pull = change / (4 * (change.square() + soft.square()).sqrt())
        slope.narrow(side, 1, rows).add_(pull)
        slope.narrow(side, 0, rows).sub_(pull)
    return slope


# Constants are kept for good: a recorded graph points to those that it was recorded with.


@cache
def opponent_axes(device: torch.device) -> Tensor:
    """(3, 3) rows luma, red-green, yellow-blue of RGB columns; orthonormal."""
    return F.normalize(torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [1.0, 1.0, -2.0]])).to(device)


@cache
def natural_colors(device: torch.device) -> Tensor:
    """(3, 3) the symmetric root of the covariance of colors in photographs, its largest eigenvalue 1.

    Of the roots of a covariance it is the one that leaves red red: it turns no axis into another.
    """
    root = torch.tensor(NATURAL_COLORS, dtype=torch.float64)
    variances, axes = torch.linalg.eigh(root @ root.T)
    matrix: Tensor = axes * (variances / variances.max()).sqrt() @ axes.T
    return matrix.float().to(device)


def spread(planes: Tensor) -> Tensor:
    """(B, 1, 1, 1) standard deviation of each image; `torch.std` is a third as fast."""
    centered = planes - planes.mean((1, 2, 3), keepdim=True)
    count = centered[0].numel() - 1
    norm: Tensor = torch.linalg.vector_norm(centered, dim=(1, 2, 3), keepdim=True)
    return norm / math.sqrt(count) + 1e-12


def normalize_mean(step: Tensor) -> Tensor:
    """`step` with a mean absolute value of 1 per image; a zero stays zero."""
    return step / (step.abs().mean((1, 2, 3), keepdim=True) + 1e-12)


def normalize_std(step: Tensor) -> Tensor:
    """`step` with a mean of 0 and a standard deviation of 1 per image; a constant becomes zero."""
    return (step - step.mean((1, 2, 3), keepdim=True)) / spread(step)


NORMALIZERS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "mean": normalize_mean,
    "std": normalize_std,
    "none": lambda step: step,
}
