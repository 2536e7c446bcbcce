"""Octaves, jitter and gradient ascent: images in, dreamed images out; knows nothing of video.

Mordvintsev, Olah, Tyka 2015 (DeepDream): octaves from small to large with re-injection of detail, a random circular
shift before each step, a normalized gradient. What differs:

- The gradient is normalized per image, so that an image dreams in a batch as it would alone.
- Lightness and color take separate ways, see `steps`.
- A step towards black or white shrinks as it nears them (`headroom`), and large areas are pulled to the source's
  brightness and color (`anchor`); both keep a dream from burning out over thousands of frames.
- The ascent can start from a residual (dream - source) carried from elsewhere, at every octave.
- A mask can leave parts of the source alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dreamvideo.ascent.ascend import ascend
from dreamvideo.ascent.jitter import jitter_offsets
from dreamvideo.ascent.tiling import Score, at_size
from dreamvideo.settings.dream import DreamSettings
from dreamvideo.tensors import enlarge, resize

SMALLEST_SIDE = 130  # pixels; below it the large shapes of a dream have no room. Chosen by eye
LEAST_SIDE = 32  # pixels; no octave is smaller, whatever was asked for


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
    """`dreamed`, but with the colors of `images` if these are kept, and `images` where the (B, 1, H, W) mask is 0."""
    if settings.keep_colors:
        dreamed = (images + (dreamed - images).mean(1, keepdim=True)).clamp(0, 1)
    return dreamed if mask is None else torch.where(mask > 0, dreamed, images)


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
