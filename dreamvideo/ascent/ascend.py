"""TODO"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dreamvideo.ascent.cuda_graphs import Offsets, replay
from dreamvideo.ascent.gaussian import lowpass
from dreamvideo.ascent.gradient_shaping import choose_smoother, shape_step
from dreamvideo.ascent.jitter import Shifts, opposite_shifts, roll
from dreamvideo.ascent.tiling import Score, tiled_gradient
from dreamvideo.settings.dream import DreamSettings

ANCHOR_SIGMA = 24.0  # pixels; what counts as a large area. Chosen by eye

# How firmly a score is held: a step is e times as large for each quarter that it lacks (a fifth less energy of the
# layer), within limits. By measurement: twice as firm, and steps begin to swing from frame to frame.
CONTROL_GAIN = 4.0
CONTROL_LIMITS = (0.3, 1.5)


@replay
def ascend(
    images: Tensor,
    base: Tensor,
    score: Score,
    settings: DreamSettings,
    offsets: Offsets,
    pace: Tensor | None = None,
    goal: Tensor | None = None,
) -> Tensor:
    """`images` after one ascent step for each row of `offsets`, at one size.

    Args:
        images: (B, 3, H, W) in [0, 1], where the ascent starts.
        base: (B, 3, H, W) the source, to whose large areas the images are held.
        offsets: for each step the circular shift (dy, dx) of each image, pixels; or a (steps, B, 2) tensor of them.
        pace: (B, 1, H, W) factor on each step; None: 1.
        goal: (B,) scores to be held: an image that scores more takes smaller steps, one that scores less larger ones.

    Returns:
        (B, 3, H, W) in [0, 1].
    """
    if not len(offsets):
        return images
    calm = lowpass(base, ANCHOR_SIGMA) if settings.anchor else None
    for i, shifts in enumerate(offsets):
        slope, scores = gradient(images, score, shifts)
        with torch.no_grad():
            if settings.normalize == "none":
                slope.div_(gain(images))
            # In place from here on: some 10 to 30 MB less at the peak, at 640x360.
            step = shape_step(slope, settings, i / len(offsets), shifts)
            if settings.tv:
                step = choose_smoother(step, images, settings.tv, settings.step_size)
            step.mul_(settings.step_size)
            if pace is not None:
                step.mul_(pace)
            if goal is not None:
                step.mul_((CONTROL_GAIN * (goal - scores)).exp().clamp(*CONTROL_LIMITS)[:, None, None, None])
            if settings.headroom:
                # What is left towards white where the step is up, towards black where it is down. Six times as fast
                # as `torch.where`; where the step is 0 it does not matter.
                room = torch.sign(step).mul_(0.5 - images).add_(0.5)
                step.mul_(room.div_(settings.headroom).clamp_(0, 1))
            images = step.add_(images)
            if calm is not None:
                images.add_(calm - lowpass(images, ANCHOR_SIGMA), alpha=settings.anchor)
            if settings.space == "image":
                images.clamp_(0, 1)
    return images


def gradient(images: Tensor, score: Score, shifts: Shifts) -> tuple[Tensor, Tensor]:
    """Gradient of the images' scores, each image shifted by its (dy, dx) pixels and the gradient back; and the scores.

    The circular shift moves the network's grid of strides and tiles over the image, so that it leaves no pattern.
    The gradient comes multiplied by `gain`, for its size means nothing.
    """
    slope, scores = tiled_gradient(score, roll(images, shifts), gain(images))
    return roll(slope, opposite_shifts(shifts)), scores


def gain(images: Tensor) -> float:
    """What a score's gradient is multiplied by on its way, so that fp16 can hold it: a power of two, which is exact.

    A score is a mean over places, so the gradient of each is as small as the image is large.
    """
    h, w = images.shape[2:]
    return 2.0 ** round(math.log2(h * w) - 4)
