"""What a gradient becomes before it is added to a picture: smoothed, coloured, scaled.

Lightness and colour take separate ways: the gradient is rotated to luma, red-green and yellow-blue, colour is blurred
wider and given a chosen share of luma's spread. A network's own gradient is nearly grey noise in colour. Instead the
gradient can be mixed as colours are in photographs (Olah, Mordvintsev, Schubert 2017, Feature Visualization), or be of
lightness alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.ancestors import network_deviations, nine_by_nine
from dreamvideo.settings import DreamSettings
from dreamvideo.smoothing import blur, cascade
from dreamvideo.warp import Shifts

CHROMA_SIGMA = 2.5  # pixels; narrower gives rainbow fringes. Chosen by eye

# A root of the covariance of red, green and blue in ImageNet's pictures: M M^T is the covariance. From Lucid, as are
# its roundings.
NATURAL_COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))

SOFT = 2 / 255  # differences of neighbours below it count for less in the total variation; chosen by eye


def shape_step(slope: Tensor, settings: DreamSettings, share: float, shifts: Shifts) -> Tensor:
    """A gradient smoothed, coloured, and divided by its size in each image.

    Args:
        slope: (B, 3, H, W).
        settings: smoothing, colour and what is divided by.
        share: how much of the ascent at this octave is behind it, 0 to 1; smoothing grows with it.
        shifts: how each image was shifted when it was looked at.

    Returns:
        (B, 3, H, W), contiguous; with a mean absolute value of 1 per image unless `settings.normalise` says otherwise.
    """

    def smoothed(planes: Tensor) -> Tensor:
        if settings.smoothing == "fixed":
            return nine_by_nine(planes, settings.smooth, shifts)
        return cascade(planes, settings.smooth * (1 + share))

    scale = network_deviations(slope.device) if settings.space == "imagenet" else None
    if scale is not None:
        slope = slope * scale
    if settings.keep_colours:
        shaped = smoothed(slope.mean(1, keepdim=True)).repeat(1, 3, 1, 1)
    elif settings.decorrelate:
        shaped = smoothed(mix(natural_colours(slope.device), slope))
    elif settings.colour < 0:
        shaped = smoothed(slope)
    else:
        shaped = coloured(slope, smoothed, settings.colour)
    step = NORMALISED[settings.normalise](shaped)
    return step if scale is None else step * scale


def coloured(slope: Tensor, smoothed: Callable[[Tensor], Tensor], colour: float) -> Tensor:
    """(B, 3, H, W) in which the colour planes have a spread of `colour` against that of luma, and are smooth."""
    opponent = opponent_axes(slope.device)
    planes = mix(opponent, slope)
    luma = smoothed(planes[:, :1])
    chroma = blur(planes[:, 1:], CHROMA_SIGMA)
    weights = torch.cat([1 / spread(luma), (colour / spread(chroma)).expand(-1, 2, 1, 1)], 1)  # (B, 3, 1, 1)
    return mix(opponent.T * weights.view(-1, 1, 3), torch.cat([luma, chroma], 1))


def mix(matrix: Tensor, planes: Tensor) -> Tensor:
    """(B, 3, H, W) of which every pixel has been multiplied by a (3, 3) or (B, 3, 3) matrix."""
    mixed: Tensor = matrix @ planes.flatten(2)
    return mixed.view(planes.shape)


def smoother(step: Tensor, images: Tensor, amount: float, step_size: float) -> Tensor:
    """`step`, changed in place, less the slope of the images' total variation, which weighs `amount` times as much."""
    size = amount * step.abs().mean((1, 2, 3), keepdim=True)  # `amount`, if steps are normalised by their mean
    # Rounded off to twice what a step can reach: at most it brings neighbours together, and never past each other.
    soft = (2 * step_size * size).clamp(min=SOFT)
    return step.sub_(variation_slope(images, soft).mul_(size))


def variation_slope(images: Tensor, soft: Tensor) -> Tensor:
    """Gradient of the total variation of (B, 3, H, W) images, in -1 to 1.

    The sum of |difference| over pairs of neighbours side by side and one above the other (Rudin, Osher, Fatemi 1992,
    but not isotropic), rounded off below `soft`, (B, 1, 1, 1), and divided by the four neighbours of a pixel.
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
def natural_colours(device: torch.device) -> Tensor:
    """(3, 3) the symmetric root of the covariance of colours in photographs, its largest eigenvalue 1.

    Of the roots of a covariance it is the one that leaves red red: it turns no axis into another.
    """
    root = torch.tensor(NATURAL_COLOURS, dtype=torch.float64)
    variances, axes = torch.linalg.eigh(root @ root.T)
    matrix: Tensor = axes * (variances / variances.max()).sqrt() @ axes.T
    return matrix.float().to(device)


def spread(planes: Tensor) -> Tensor:
    """(B, 1, 1, 1) standard deviation of each image; `torch.std` is a third as fast."""
    centred = planes - planes.mean((1, 2, 3), keepdim=True)
    count = centred[0].numel() - 1
    norm: Tensor = torch.linalg.vector_norm(centred, dim=(1, 2, 3), keepdim=True)
    return norm / math.sqrt(count) + 1e-12


def normalise(step: Tensor) -> Tensor:
    """`step` with a mean absolute value of 1 per image; a zero stays zero."""
    return step / (step.abs().mean((1, 2, 3), keepdim=True) + 1e-12)


def standardise(step: Tensor) -> Tensor:
    """`step` with a mean of 0 and a standard deviation of 1 per image; a constant becomes zero."""
    return (step - step.mean((1, 2, 3), keepdim=True)) / spread(step)


NORMALISED: Mapping[str, Callable[[Tensor], Tensor]] = {
    "mean": normalise,
    "std": standardise,
    "none": lambda step: step,
}
