"""An ascent step in few passes over memory, for CUDA: the operations between two gradients, each of them one kernel.

What `ascend` does with PyTorch's operations in some seventy passes over the image takes nine here. Each operation has
a plain version, which runs on every device and which the kernel is held to.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.ascent.gaussian import gaussian
from dreamvideo.ascent.gradient_shaping import CHROMA_SIGMA, mix_channels, natural_colors, opponent_axes
from dreamvideo.ascent.jitter import shift, shift_gradient
from dreamvideo.ascent.step_numbers import ANCHOR, COLOR, HEADROOM, StepNumbers
from dreamvideo.kernels.library import define, launcher
from dreamvideo.settings.dream import DreamSettings
from dreamvideo.tensors import place

PART = 512  # pixels of which the kernel adds up the magnitudes


def suits(settings: DreamSettings) -> bool:
    """Return whether the fused step takes the steps of a look; it does of all but those of other programs.

    Args:
        settings: the look.
    """
    usual = settings.space == "image" and settings.normalize == "mean" and settings.smoothing == "growing"
    return usual and not (settings.keep_colors or settings.tv)


def _shifted(images: Tensor, shifts: Tensor, reflect: bool) -> Tensor:
    """`jitter.shift`."""
    return shift(images, shifts, "reflect" if reflect else "wrap").contiguous()


def _folded(grads: Tensor, shifts: Tensor, area: Tensor | None, matrix: Tensor, reflect: bool) -> Tensor:
    """`jitter.shift_gradient`, then 0 for what is not finite, times (B, 1, H, W) `area`, colors mixed by a matrix."""
    grad = shift_gradient(grads.float().contiguous(), shifts, "reflect" if reflect else "wrap").nan_to_num(0, 0, 0)
    return mix_channels(matrix, grad if area is None else grad * area)


def _blurred_down(planes: Tensor, weights: Tensor, sources: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, P, H, W): plane `sources[p]` convolved along H with (P, 2 r + 1) `weights[p]`."""
    radius = weights.shape[1] // 2
    padded = F.pad(planes.index_select(1, sources), (0, 0, radius, radius), mode="replicate")
    return F.conv2d(padded, weights[:, None, :, None], groups=len(weights))


def _blurred_across(planes: Tensor, weights: Tensor, sources: Tensor, count: int) -> Tensor:
    """(B, P, H, W) -> (B, count, H, W): planes convolved along W; those of one source are added up."""
    radius = weights.shape[1] // 2
    blurred = F.conv2d(
        F.pad(planes, (radius, radius, 0, 0), mode="replicate"), weights[:, None, None, :], groups=len(weights)
    )
    return planes.new_zeros(len(planes), count, *planes.shape[2:]).index_add_(1, sources, blurred)


def _magnitudes(planes: Tensor, matrix: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, parts) sums of the absolute values of what a (B, 3, 3) matrix makes of every pixel."""
    sums = mix_channels(matrix, planes).abs().sum(1).flatten(1)
    return F.pad(sums, (0, -sums.shape[1] % PART)).view(len(planes), -1, PART).sum(2)


def _stepped(
    planes: Tensor,
    matrix: Tensor,
    images: Tensor,
    factors: Tensor | None,
    area: Tensor | None,
    highest: Tensor | None,
    numbers: Tensor,
    shrinks: bool,
) -> Tensor:
    """Images after the step that the matrix makes of the planes: see `ascend`; `shrinks`: by the headroom."""
    step = mix_channels(matrix, planes)
    for factor in (factors, area):
        step = step if factor is None else step * factor
    if shrinks:
        up = 1 - images if highest is None else torch.minimum(1 - images, highest)
        step = step * (torch.where(step > 0, up, images) / numbers[HEADROOM]).clamp(0, 1)
    return images + step


def _held(images: Tensor, base_areas: Tensor, areas: Tensor, numbers: Tensor, pull: float, clamp: bool) -> Tensor:
    """Images whose large areas are held at those of the source, in the dark more by the factor `pull` + 1."""
    strength = numbers[ANCHOR]
    if pull:
        darkness = 1 - (base_areas.amax(1, keepdim=True) / numbers[HEADROOM]).clamp(max=1)
        strength = strength * (pull * darkness + 1)
    held: Tensor = images + strength * (base_areas - areas)
    return held.clamp(0, 1) if clamp else held


def _color_matrix(luma: Tensor, chroma: Tensor, axes: Tensor, numbers: Tensor) -> Tensor:
    """(B, 3, 3) that mix luma and chroma to colors, both divided by their (B,) spread, chroma times the color."""
    weights = torch.stack([1 / (luma + 1e-12), *[numbers[COLOR] / (chroma + 1e-12)] * 2], 1)
    return axes.T * weights[:, None]


def _sized(
    matrix: Tensor,
    parts: Tensor,
    shares: Tensor | None,
    scores: Tensor,
    targets: Tensor | None,
    numbers: list[float],
) -> Tensor:
    """(B, 3, 3) matrices over the mean of (B, parts) sums, times all that is one factor for a whole image.

    `numbers`: step size, values in an image, gain of the controller and its limits.
    """
    step_size, values, gain, low, high = numbers
    size = step_size / (parts.sum(1) / values + 1e-12)
    if shares is not None:
        size = size * shares
    if targets is not None:
        size = size * (gain * (targets - scores)).nan_to_num(0).exp().clamp(low, high)
    return matrix * size[:, None, None]


def _draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


_EXAMPLE = torch.tensor(StepNumbers(step_size=1.0, color=0.65, headroom=0.2, anchor=0.5, noise=0.0, tv=0.0))


def _shift_examples() -> list[tuple[Any, ...]]:
    shifts = torch.tensor([[3, -5], [-4, 0]])
    return [(_draw(2, 3, 21, 34), shifts, reflect) for reflect in (True, False)]


def _fold_examples() -> list[tuple[Any, ...]]:
    shifts, matrix = torch.tensor([[3, -5], [-4, 0]]), _draw(3, 3, seed=1)
    grads = _draw(2, 3, 21, 34) - 0.5
    grads[0, 1, 7, 9] = torch.nan
    last = grads.contiguous(memory_format=torch.channels_last)
    area = _draw(2, 1, 21, 34, seed=2).round()
    return [
        (grads, shifts, None, matrix, True),
        (last, shifts, area, matrix, True),
        (last, shifts, None, matrix, False),
    ]


def _blur_examples() -> tuple[Tensor, Tensor, Tensor]:
    return _draw(2, 3, 21, 34), _draw(5, 7, seed=1), torch.tensor([0, 0, 0, 1, 2])


def _step_examples() -> list[tuple[Any, ...]]:
    planes, matrix, images = _draw(2, 3, 21, 34) - 0.5, _draw(2, 3, 3, seed=1) - 0.5, _draw(2, 3, 21, 34, seed=2)
    factors, area, highest = (_draw(2, 1, 21, 34, seed=seed) for seed in (3, 4, 5))
    return [
        (planes, matrix, images, factors, area.round(), highest, _EXAMPLE, True),
        (planes, matrix, images, None, None, None, _EXAMPLE, True),
        (planes, matrix, images, factors, None, None, _EXAMPLE, False),
    ]


def _size_examples() -> list[tuple[Any, ...]]:
    matrix, parts, shares = _draw(2, 3, 3), _draw(2, 1500, seed=1), _draw(2, seed=2)
    scores, targets = _draw(2, seed=3), _draw(2, seed=4)
    targets[1] = torch.nan
    numbers = [0.009, 4500.0, 4.0, 0.3, 1.5]
    return [(matrix, parts, shares, scores, targets, numbers), (matrix, parts, None, scores, None, numbers)]


def _hold_examples() -> list[tuple[Any, ...]]:
    images, base_areas, areas = (_draw(2, 3, 21, 34, seed=seed) for seed in (0, 1, 2))
    return [(images, base_areas, areas, _EXAMPLE, pull, clamp) for pull, clamp in ((10.0, True), (0.0, False))]


shift_op = define(
    "shift_images(Tensor images, Tensor shifts, bool reflect) -> Tensor",
    _shifted,
    launcher("step_kernels", "shift_images"),
    _shift_examples,
)
fold_op = define(
    "fold_gradient(Tensor grads, Tensor shifts, Tensor? area, Tensor matrix, bool reflect) -> Tensor",
    _folded,
    launcher("step_kernels", "fold_gradient"),
    _fold_examples,
)
blur_down_op = define(
    "blur_down(Tensor planes, Tensor weights, Tensor sources) -> Tensor",
    _blurred_down,
    launcher("step_kernels", "blur_down"),
    lambda: [_blur_examples()],
)
blur_across_op = define(
    "blur_across(Tensor planes, Tensor weights, Tensor sources, int count) -> Tensor",
    _blurred_across,
    launcher("step_kernels", "blur_across"),
    lambda: [(_draw(2, 5, 21, 34), *_blur_examples()[1:], 3)],
)
magnitude_op = define(
    "magnitude_parts(Tensor planes, Tensor matrix) -> Tensor",
    _magnitudes,
    launcher("update_kernels", "magnitude_parts"),
    lambda: [(_draw(2, 3, 21, 34) - 0.5, _draw(2, 3, 3, seed=1) - 0.5)],
)
step_op = define(
    "take_step(Tensor planes, Tensor matrix, Tensor images, Tensor? factors, Tensor? area, Tensor? highest, "
    "Tensor numbers, bool shrinks) -> Tensor",
    _stepped,
    launcher("update_kernels", "take_step"),
    _step_examples,
)
color_op = define(
    "color_matrix(Tensor luma, Tensor chroma, Tensor axes, Tensor numbers) -> Tensor",
    _color_matrix,
    launcher("update_kernels", "color_matrix"),
    lambda: [(_draw(2), _draw(2, seed=1), _draw(3, 3, seed=2), _EXAMPLE)],
)
size_op = define(
    "sized_matrix(Tensor matrix, Tensor parts, Tensor? shares, Tensor scores, Tensor? targets, float[] numbers) "
    "-> Tensor",
    _sized,
    launcher("update_kernels", "sized_matrix"),
    _size_examples,
)
hold_op = define(
    "hold_areas(Tensor images, Tensor base_areas, Tensor areas, Tensor numbers, float pull, bool clamp) -> Tensor",
    _held,
    launcher("update_kernels", "hold_areas"),
    _hold_examples,
)


def shaped_planes(
    grads: Tensor, settings: DreamSettings, progress: float, shifts: Tensor, area: Tensor | None, numbers: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Shift a gradient back, smooth and color it as `shape_step` does.

    Args:
        grads: (B, 3, H, W) of the shifted images.
        settings: border, smoothing and color.
        progress: share of the steps at this octave that were taken before, 0 to 1.
        shifts: (B, 2) integers, px.
        area: (B, 1, H, W) as for `ascend`; None: 1.
        numbers: those of the look as data, see `numbers_data`.

    Returns:
        (B, 3, H, W) planes, the (B, 3, 3) matrix that makes a step of them, and (B, parts) whose sum is that of the
        step's absolute values.
    """
    balanced = not settings.decorrelate and settings.color >= 0
    device, b = grads.device, len(grads)
    first = opponent_axes(device) if balanced else natural_colors(device) if settings.decorrelate else _same(device)
    planes = fold_op(grads, shifts, area, first, settings.border == "reflect")
    down, across, sources = _blurs(settings.smooth * (1 + progress), balanced, device)
    planes = blur_across_op(blur_down_op(planes, down, sources), across, sources, 3)
    matrix = _same(device).expand(b, 3, 3)
    if balanced:
        luma, chroma = planes[:, :1].std((1, 2, 3)), planes[:, 1:].std((1, 2, 3))
        matrix = color_op(luma, chroma, opponent_axes(device), numbers)
    return planes, matrix, magnitude_op(planes, matrix)


# Constants are cached forever: a recorded graph points to those that it was recorded with.


@cache
def _same(device: torch.device) -> Tensor:
    return place(torch.eye(3), device)


@cache
def _blurs(sigma: float, balanced: bool, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Weights down and across, (P, 2 r + 1) each, and (P,) sources: `cascade` of luma or of all, chroma blurred."""
    cascaded = [(width, 1 / 3) for width in (sigma / 2, sigma, 2 * sigma)] if sigma else [(0.0, 1.0)]
    blurs = [(source, width, share) for source in range(1 if balanced else 3) for width, share in cascaded]
    if balanced:
        blurs += [(source, CHROMA_SIGMA, 1.0) for source in (1, 2)]
    cpu = torch.device("cpu")
    kernels = [gaussian(width, cpu) if width else torch.ones(1) for _, width, _ in blurs]
    radius = max(len(each) for each in kernels) // 2
    down = torch.stack([F.pad(each, (radius - len(each) // 2,) * 2) for each in kernels])
    shares = torch.tensor([share for _, _, share in blurs])
    sources = torch.tensor([source for source, _, _ in blurs])
    return place(down, device), place(down * shares[:, None], device), place(sources, device)
