"""Gradient ascent at one size: shift, differentiate the score, shape the gradient, step.

The step of Mordvintsev, Olah, Tyka 2015 with a controller that holds a score, steps that shrink towards black and
white (`headroom`), and large areas held at the source's brightness and color (`anchor`). In the dark a step up is no
larger than one down can be: else the dark would become brighter, and brown where its channels differ.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dreamvideo.ascent.cuda_graphs import Offsets, replay
from dreamvideo.ascent.fused_step import hold_op, shaped_planes, shift_op, size_op, step_op, suits
from dreamvideo.ascent.gaussian import lowpass
from dreamvideo.ascent.gradient_shaping import choose_smoother, shape_step
from dreamvideo.ascent.jitter import Shifts, shift, shift_gradient
from dreamvideo.ascent.noise import noise_field
from dreamvideo.ascent.step_numbers import Number, numbers_data, step_numbers
from dreamvideo.ascent.tiling import Score, tiled_gradient
from dreamvideo.kernels.library import fused_on
from dreamvideo.settings.dream import DreamSettings
from dreamvideo.tensors import upload

ANCHOR_SIGMA = 24.0  # pixels; what counts as a large area. Chosen by eye

# By how much more large areas are held in the dark: so the color of black ground, 10 of 255, stays within a level.
DARK_PULL = 10.0
DARK_SIGMA = 6.0  # pixels; how far the brightness of a place is that of its surroundings. Chosen by eye

# Gain of the controller that holds a score: a step is e times as large for each quarter that the score is below its
# target (a fifth less energy of the layer), within limits. By measurement: with twice the gain, steps begin to swing
# from frame to frame.
CONTROL_GAIN = 4.0
CONTROL_LIMITS = (0.3, 1.5)


@replay
def ascend(
    images: Tensor,
    base: Tensor,
    score: Score,
    settings: DreamSettings,
    offsets: Offsets,
    step_scale: Tensor | None = None,
    target_score: Tensor | None = None,
    area: Tensor | None = None,
    numbers: Tensor | None = None,
) -> Tensor:
    """Take one ascent step for each row of `offsets`, at one size.

    Args:
        images: (B, 3, H, W) in [0, 1], where the ascent starts.
        base: (B, 3, H, W) in [0, 1], the source, at which the large areas of the images are held.
        score: (B, 3, H, W) -> (B,).
        settings: step size and look.
        offsets: for each step the shift (dy, dx) px of each image; or a (steps, B, 2) tensor of integers.
        step_scale: (B, 1, H, W) factor on each step, place by place; None: 1.
        target_score: (B,) scores to hold: an image above its target takes smaller steps, one below it larger ones.
            None: steps of one size.
        area: (B, 1, H, W) 1 where there is a picture, 0 in bars: these take no steps. None: 1.
        numbers: those of the look as data, see `numbers_data`, which take the place of those in `settings`.

    Returns:
        (B, 3, H, W) in [0, 1], unless `settings.space` is "imagenet", where steps are not clamped.
    """
    if not len(offsets):
        return images
    if suits(settings) and fused_on(images.device):
        data = numbers_data(settings, images.device) if numbers is None else numbers
        return _ascend_fused(images, base, score, settings, offsets, step_scale, target_score, area, data)
    look = step_numbers(settings, numbers)
    base_areas, highest = _held_of(base, settings)
    pull = None if base_areas is None or highest is None else _pull_of_dark(base_areas, look.headroom)
    for i, shifts in enumerate(offsets):
        grad, scores = gradient(images, score, shifts, settings.border, look.noise if settings.noise else None)
        with torch.no_grad():
            _clean(grad, gain(images, score) if settings.normalize == "none" else 1.0, area)
            # In place from here on: some 10 to 30 MB less at the peak, at 640x360.
            step = shape_step(grad, settings, i / len(offsets), shifts, look.color)
            if area is not None:  # normalized over the whole image, although there are only those of the picture
                step.mul_(area * area.mean((1, 2, 3), keepdim=True))
            if settings.tv:
                step = choose_smoother(step, images, look.tv, look.step_size)
            step.mul_(look.step_size)
            if step_scale is not None:
                step.mul_(step_scale)
            if target_score is not None:
                step.mul_(_control(target_score - scores))
            if settings.headroom:
                step.mul_(_distance(step, images, highest).div_(look.headroom).clamp_(0, 1))
            images = step.add_(images)
            if base_areas is not None:
                _draw_back(images, base_areas, pull, look.anchor)
            if settings.space == "image":
                images.clamp_(0, 1)
    return images


def _clean(grad: Tensor, divisor: float, area: Tensor | None) -> None:
    """Divide a gradient, and zero it where it is not finite and in bars, in place."""
    grad.nan_to_num_(0, 0, 0)  # what float16 could not hold: no step, else it would be carried for ever
    if divisor != 1:
        grad.div_(divisor)
    if area is not None:
        grad.mul_(area)


def _draw_back(images: Tensor, base_areas: Tensor, pull: Tensor | None, anchor: Number) -> None:
    """Draw the large areas of images back to those of the source, in place."""
    missing = base_areas - lowpass(images, ANCHOR_SIGMA)
    missing = missing if pull is None else missing.mul_(pull)
    if isinstance(anchor, Tensor):
        images.addcmul_(missing, anchor)
    else:
        images.add_(missing, alpha=anchor)


def _ascend_fused(
    images: Tensor,
    base: Tensor,
    score: Score,
    settings: DreamSettings,
    offsets: Offsets,
    step_scale: Tensor | None,
    target_score: Tensor | None,
    area: Tensor | None,
    data: Tensor,
) -> Tensor:
    """`ascend` by the operations of `fused_step`."""
    shifts = offsets if isinstance(offsets, Tensor) else upload(torch.tensor(offsets), images.device)
    base_areas, highest = _held_of(base, settings)
    clamps, noise = settings.space == "image", step_numbers(settings, data).noise
    for i in range(len(shifts)):
        with torch.no_grad():
            seen = shift_op(images, shifts[i], settings.border == "reflect")
            if settings.noise:
                seen.add_(noise * noise_field(images.shape[2], images.shape[3], images.device))
        grads, scores = tiled_gradient(score, seen, gain(images, score))
        with torch.no_grad():
            planes, matrix, parts = shaped_planes(grads, settings, i / len(shifts), shifts[i], area, data)
            shares = None if area is None else area.mean((1, 2, 3))
            numbers = [settings.step_size, images[0].numel(), CONTROL_GAIN, *CONTROL_LIMITS]
            matrix = size_op(matrix, parts, shares, scores, target_score, numbers)
            images = step_op(planes, matrix, images, step_scale, area, highest, data, settings.headroom > 0)
            if base_areas is not None:
                pull = 0.0 if highest is None else DARK_PULL
                areas = lowpass(images, ANCHOR_SIGMA)
                images = hold_op(images, base_areas, areas, data, pull, clamps)
            elif clamps:
                images.clamp_(0, 1)
    return images


def _held_of(base: Tensor, settings: DreamSettings) -> tuple[Tensor | None, Tensor | None]:
    """(B, 3, H, W) large areas of the source, and (B, 1, H, W) to how bright a step may make a place; None: any."""
    base_areas = lowpass(base, ANCHOR_SIGMA) if settings.anchor else None
    spares_dark = settings.headroom > 0 and not settings.dream_bars
    return base_areas, lowpass(base.amax(1, keepdim=True), DARK_SIGMA) if spares_dark else None


def _control(missing: Tensor) -> Tensor:
    """(B, 1, 1, 1) factor on steps of images whose (B,) scores miss their targets by so much."""
    return (CONTROL_GAIN * missing).nan_to_num(0).exp().clamp(*CONTROL_LIMITS)[:, None, None, None]


def _distance(step: Tensor, images: Tensor, highest: Tensor | None) -> Tensor:
    """(B, 3, H, W) distance of images to white where a step is up, to black where it is down.

    A step up has at most `highest`, (B, 1, H, W). Six times as fast as `torch.where`; where a step is 0 it does not
    matter.
    """
    sign = torch.sign(step)
    distance = (0.5 - images).mul_(sign).add_(0.5)
    if highest is None:
        return distance
    return torch.minimum(distance, sign.neg_().add_(1).add_(highest))  # 2 more where it is down: no limit


def _pull_of_dark(base_areas: Tensor, headroom: Number) -> Tensor:
    """(B, 1, H, W) factor on `anchor`: 1 where the areas of the source are no darker than `headroom`."""
    darkness = 1 - (base_areas.amax(1, keepdim=True) / headroom).clamp_(max=1)
    return darkness.mul_(DARK_PULL).add_(1)


def gradient(
    images: Tensor, score: Score, shifts: Shifts, border: str = "reflect", noise: Number | None = None
) -> tuple[Tensor, Tensor]:
    """Differentiate the scores of shifted images.

    Args:
        images: (B, 3, H, W) in [0, 1].
        score: (B, 3, H, W) -> (B,).
        shifts: (dy, dx) px by which each image is shifted, and its gradient back.
        border: what the shift moves into the image at its edges, see `jitter.shift`.
        noise: deviation of the noise that is added to the shifted images, see `noise_field`; None: 0.

    Returns:
        The gradient (B, 3, H, W), multiplied by `gain`, since its size means nothing; and the scores (B,).
    """
    seen = shift(images, shifts, border)
    if noise is not None:
        seen = seen + noise * noise_field(images.shape[2], images.shape[3], images.device)
    grad, scores = tiled_gradient(score, seen, gain(images, score))
    return shift_gradient(grad, shifts, border), scores


def gain(images: Tensor, score: Score) -> float:
    """Return a factor for the gradient of the score of (B, C, H, W) images, so that fp16 can hold it in the network.

    A score is a mean over places, so the gradient of each is as small as the image is large; an objective tells where
    it is not. The factor is a power of two: multiplying and dividing by it is exact.
    """
    h, w = images.shape[2:]
    return min(2.0 ** round(math.log2(h * w) - 4), getattr(score, "largest_gain", math.inf))
