"""Octaves, jitter and gradient ascent: images in, dreamed images out; knows nothing of video.

Mordvintsev, Olah, Tyka 2015 (DeepDream): octaves from small to large with re-injection of detail, a random circular
shift before each step, a normalised gradient. What differs:

- The gradient is normalised per image, so that an image dreams in a batch as it would alone.
- Lightness and colour take separate ways, see `steps`.
- A step towards black or white shrinks as it nears them (`headroom`), and large areas are pulled to the source's
  brightness and colour (`anchor`); both keep a dream from burning out over thousands of frames.
- The ascent can start from a residual (dream - source) carried from elsewhere, at every octave.
- A mask can leave parts of the source alone.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.graphs import Offsets, replayed
from dreamvideo.settings import DreamSettings
from dreamvideo.smoothing import lowpass
from dreamvideo.steps import shape_step, smoother
from dreamvideo.tiles import Score, at_size, slope_of
from dreamvideo.warp import Shifts, opposite, roll

SMALLEST_SIDE = 130  # pixels; below it the large shapes of a dream have no room. Chosen by eye
LEAST_SIDE = 32  # pixels; no octave is smaller, whatever was asked for
ANCHOR_SIGMA = 24.0  # pixels; what counts as a large area. Chosen by eye

# How firmly a score is held: a step is e times as large for each quarter that it lacks (a fifth less energy of the
# layer), within limits. By measurement: twice as firm, and steps begin to swing from frame to frame.
GRIP = 4.0
GRIP_LIMITS = (0.3, 1.5)


def dream(
    images: Tensor,
    score: Score,
    settings: DreamSettings,
    *,
    residual: Tensor | None = None,
    pace: Tensor | None = None,
    plan: Sequence[int] | None = None,
    ticks: Sequence[int] | None = None,
    goal: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Images on which `score` is higher.

    Args:
        images: (B, 3, H, W) RGB in [0, 1], float32.
        score: images of any size -> (B,) float, differentiable.
        settings: octaves, steps and look.
        residual: (B, 3, H, W) dream minus source to start from; None: zero.
        pace: (B, 1, H, W) factor on each step, place by place; None: 1.
        plan: steps at each octave, small to large; None: `settings.iterations` at each.
        ticks: how many times each image's residual was dreamed on before; its jitter goes on from there. None: 0.
        goal: (B,) scores to be held at the images' own size, see `ascend`; None: as high as the steps lead.
        mask: (B, 1, H, W) in [0, 1], a further factor on each step; where it is 0 the images stay as they are. None: 1.

    Returns:
        (B, 3, H, W) float32 in [0, 1].
    """
    height, width = images.shape[2:]
    sizes = octave_sizes(height, width, settings)
    plan = [settings.iterations] * len(sizes) if plan is None else plan
    ticks = [0] * len(images) if ticks is None else ticks
    whole = not settings.detail and residual is None  # the dreamed picture itself is resized
    if mask is not None:
        pace = mask if pace is None else pace * mask
    dreamed, detail = images, None  # detail: dreamed minus what the octave started from
    for octave, (size, iterations) in enumerate(zip(sizes, plan, strict=True)):
        if not iterations and size != (height, width):
            continue
        base = resize(images, size)  # (B, 3, h, w)
        if whole:
            dreamed = start = resize(dreamed, size)
        else:
            start = base if residual is None else base + resize(residual, size)
            dreamed = start if detail is None else start + enlarge(detail, size)
        if settings.space == "image":
            dreamed = dreamed.clamp(0, 1)
        shifts = [jitter_offsets(settings, octave, iterations, tick, size) for tick in ticks]
        paced = None if pace is None else resize(pace, size)
        held = goal if size == (height, width) else None
        here = at_size(score, size)
        dreamed = ascend(dreamed, base, here, settings, list(zip(*shifts, strict=True)), paced, held)
        detail = dreamed - start
    if mask is not None and whole:  # steps made it fade already, but not the loss of the source's own detail
        dreamed = torch.lerp(images, dreamed, mask)
    return confine(dreamed.clamp(0, 1), images, settings, mask)


def confine(dreamed: Tensor, images: Tensor, settings: DreamSettings, mask: Tensor | None) -> Tensor:
    """`dreamed`, but with the colours of `images` if these are kept, and `images` where the (B, 1, H, W) mask is 0."""
    if settings.keep_colours:
        dreamed = (images + (dreamed - images).mean(1, keepdim=True)).clamp(0, 1)
    return dreamed if mask is None else torch.where(mask > 0, dreamed, images)


@replayed
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
            if settings.normalise == "none":
                slope.div_(gain(images))
            # In place from here on: some 10 to 30 MB less at the peak, at 640x360.
            step = shape_step(slope, settings, i / len(offsets), shifts)
            if settings.tv:
                step = smoother(step, images, settings.tv, settings.step_size)
            step.mul_(settings.step_size)
            if pace is not None:
                step.mul_(pace)
            if goal is not None:
                step.mul_((GRIP * (goal - scores)).exp().clamp(*GRIP_LIMITS)[:, None, None, None])
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
    slope, scores = slope_of(score, roll(images, shifts), gain(images))
    return roll(slope, opposite(shifts)), scores


def gain(images: Tensor) -> float:
    """What a score's gradient is multiplied by on its way, so that fp16 can hold it: a power of two, which is exact.

    A score is a mean over places, so the gradient of each is as small as the image is large.
    """
    h, w = images.shape[2:]
    return 2.0 ** round(math.log2(h * w) - 4)


def octave_sizes(height: int, width: int, settings: DreamSettings) -> list[tuple[int, int]]:
    """(height, width) of each octave, small to large; the last is the image's own.

    Unless `settings.octaves` says how many, as many as bring the shorter side nearest to `SMALLEST_SIDE`. Octaves whose
    shorter side is below `LEAST_SIDE` are left out. Without detail, sides are cut to whole pixels.
    """
    sizes = [(height, width)]
    for k in range(1, settings.octaves or 64):
        if settings.detail:
            shrink = settings.octave_scale**k
            size = (round(height / shrink), round(width / shrink))
        else:
            size = (int(settings.octave_scale**-k * height), int(settings.octave_scale**-k * width))
        if min(size) < (LEAST_SIDE if settings.octaves else SMALLEST_SIDE / settings.octave_scale**0.5):
            break
        sizes.append(size)
    return sizes[::-1]


def jitter_offsets(
    settings: DreamSettings, octave: int, iterations: int, tick: int, size: tuple[int, int]
) -> list[tuple[int, int]]:
    """Circular shifts (dy, dx) of the steps at one octave: the same for every frame and batch that has seen `tick`."""
    furthest = min(settings.jitter, min(size) // 4)
    draw = random.Random(f"{settings.seed} {octave} {tick}")
    return [(draw.randint(-furthest, furthest), draw.randint(-furthest, furthest)) for _ in range(iterations)]


def resize(images: Tensor, size: tuple[int, int]) -> Tensor:
    """`images` shrunk to (height, width) without aliasing."""
    if images.shape[2:] == size:
        return images
    return F.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)


def enlarge(images: Tensor, size: tuple[int, int]) -> Tensor:
    """`images` enlarged to (height, width), smooth."""
    return F.interpolate(images, size, mode="bicubic", align_corners=False)
