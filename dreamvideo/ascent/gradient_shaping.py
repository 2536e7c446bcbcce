"""Gradient shaping: smooths, colors and scales a gradient before it is added to an image.

Lightness and color are treated apart: the gradient is rotated to luma, red-green and yellow-blue, color is blurred
more and scaled to a chosen share of luma's spread. A network's own gradient is nearly gray noise in color. Instead the
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
from dreamvideo.ascent.step_numbers import Number
from dreamvideo.settings.dream import DreamSettings
from dreamvideo.tensors import place

CHROMA_SIGMA = 2.5  # pixels; narrower gives rainbow fringes. Chosen by eye

# A root of the covariance of red, green and blue in ImageNet: M M^T is the covariance. From Lucid, as are its
# roundings.
NATURAL_COLORS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))

SOFT = 2 / 255  # differences of neighbors below it count for less in the total variation; chosen by eye


def shape_step(
    grad: Tensor, settings: DreamSettings, progress: float, shifts: Shifts, color: Number | None = None
) -> Tensor:
    """Smooth and color a gradient, and divide it by its size in each image.

    Args:
        grad: (B, 3, H, W).
        settings: smoothing, color and normalization.
        progress: share of the steps at this octave that were taken before, 0 to 1; smoothing grows with it.
        shifts: (dy, dx) px of each image while its gradient was taken.
        color: of the settings, or as data; None: of the settings.

    Returns:
        (B, 3, H, W), contiguous; with a mean absolute value of 1 per image unless `settings.normalize` says otherwise.
    """

    def smoothed(planes: Tensor) -> Tensor:
        if settings.smoothing == "fixed":
            return nine_by_nine(planes, settings.smooth, shifts)
        return cascade(planes, settings.smooth * (1 + progress))

    scale = network_deviations(grad.device) if settings.space == "imagenet" else None
    if scale is not None:
        grad = grad * scale
    if settings.keep_colors:
        shaped = smoothed(grad.mean(1, keepdim=True)).repeat(1, 3, 1, 1)
    elif settings.decorrelate:
        shaped = smoothed(mix_channels(natural_colors(grad.device), grad))
    elif settings.color < 0:
        shaped = smoothed(grad)
    else:
        shaped = balance_color(grad, smoothed, settings.color if color is None else color)
    step = NORMALIZERS[settings.normalize](shaped)
    return step if scale is None else step * scale


def balance_color(grad: Tensor, smoothed: Callable[[Tensor], Tensor], color: Number) -> Tensor:
    """Smooth luma and color apart, and scale color.

    Args:
        grad: (B, 3, H, W).
        smoothed: smooths the (B, 1, H, W) luma; color is blurred by `CHROMA_SIGMA`.
        color: the spread of both color planes, over that of luma.

    Returns:
        (B, 3, H, W).
    """
    opponent = opponent_axes(grad.device)
    planes = mix_channels(opponent, grad)
    luma = smoothed(planes[:, :1])
    chroma = gaussian_blur(planes[:, 1:], CHROMA_SIGMA)
    # A reciprocal, as PyTorch divides a number: one that is data gives the same last bit.
    weights = torch.cat([1 / spread(luma), (1 / spread(chroma) * color).expand(-1, 2, 1, 1)], 1)  # (B, 3, 1, 1)
    return mix_channels(opponent.T * weights.view(-1, 1, 3), torch.cat([luma, chroma], 1))


def mix_channels(matrix: Tensor, planes: Tensor) -> Tensor:
    """Multiply every pixel of (B, 3, H, W) by a (3, 3) or (B, 3, 3) matrix."""
    mixed: Tensor = matrix @ planes.flatten(2)
    return mixed.view(planes.shape)


def choose_smoother(step: Tensor, images: Tensor, amount: Number, step_size: Number) -> Tensor:
    """Subtract the gradient of the images' total variation from a step, in place.

    Args:
        step: (B, 3, H, W), changed.
        images: (B, 3, H, W) in [0, 1].
        amount: its weight, over the mean absolute value of the step.
        step_size: what the step is multiplied by afterwards.

    Returns:
        `step`.
    """
    size = amount * step.abs().mean((1, 2, 3), keepdim=True)  # `amount`, if steps are normalized by their mean
    # Rounded off to twice the reach of a step: it can bring neighbors together, but not past each other.
    soft = (2 * step_size * size).clamp(min=SOFT)
    return step.sub_(total_variation_gradient(images, soft).mul_(size))


def total_variation_gradient(images: Tensor, soft: Tensor) -> Tensor:
    """Differentiate the total variation of images.

    The sum of |difference| over pairs of neighbors side by side and one above the other (Rudin, Osher, Fatemi 1992,
    but not isotropic), rounded off below `soft` and divided by 4, the neighbors of a pixel.

    Args:
        images: (B, 3, H, W).
        soft: (B, 1, 1, 1) size of a difference.

    Returns:
        (B, 3, H, W) in [-1, 1].
    """
    grad = torch.zeros_like(images)
    for side in (2, 3):
        rows = images.shape[side] - 1
        change = images.diff(dim=side)
        grad_of_pair = change / (4 * (change.square() + soft.square()).sqrt())
        grad.narrow(side, 1, rows).add_(grad_of_pair)
        grad.narrow(side, 0, rows).sub_(grad_of_pair)
    return grad


# Constants are cached forever: a recorded graph points to those that it was recorded with.


@cache
def opponent_axes(device: torch.device) -> Tensor:
    """(3, 3) rows luma, red-green, yellow-blue of RGB columns; orthonormal."""
    axes = F.normalize(torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [1.0, 1.0, -2.0]]))
    return place(axes, device)


@cache
def natural_colors(device: torch.device) -> Tensor:
    """(3, 3) the symmetric root of the covariance of colors in photographs, its largest eigenvalue 1.

    The symmetric one among the roots leaves red red: it does not rotate the axes.
    """
    root = torch.tensor(NATURAL_COLORS, dtype=torch.float64)
    variances, axes = torch.linalg.eigh(root @ root.T)
    matrix: Tensor = axes * (variances / variances.max()).sqrt() @ axes.T
    return place(matrix.float(), device)


def spread(planes: Tensor) -> Tensor:
    """(B, 1, 1, 1) standard deviation of each image; `torch.std` is a third as fast."""
    centered = planes - planes.mean((1, 2, 3), keepdim=True)
    count = centered[0].numel() - 1
    norm: Tensor = torch.linalg.vector_norm(centered, dim=(1, 2, 3), keepdim=True)
    return norm / math.sqrt(count) + 1e-12


def normalize_mean(step: Tensor) -> Tensor:
    """Divide (B, 3, H, W) by its mean absolute value per image; a zero stays zero."""
    return step / (step.abs().mean((1, 2, 3), keepdim=True) + 1e-12)


def normalize_std(step: Tensor) -> Tensor:
    """Shift and scale (B, 3, H, W) to a mean of 0 and a standard deviation of 1 per image; a constant becomes zero."""
    return (step - step.mean((1, 2, 3), keepdim=True)) / spread(step)


NORMALIZERS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "mean": normalize_mean,
    "std": normalize_std,
    "none": lambda step: step,
}
