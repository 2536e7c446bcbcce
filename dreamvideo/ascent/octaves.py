"""Octaves of gradient ascent: images in, dreamed images out; knows nothing of video.

Mordvintsev, Olah, Tyka 2015 (Inceptionism; the DeepDream notebook): octaves from small to large with re-injection of
detail, a random circular shift before each step, a normalized gradient. What differs:

- The gradient is normalized per image, so that an image dreams in a batch as it would alone.
- Lightness and color are smoothed and scaled apart, see `gradient_shaping`.
- A step towards black or white shrinks as it nears them (`headroom`), and large areas are held at the source's
  brightness and color (`anchor`); both keep a dream from burning out over thousands of frames.
- The ascent can start from a residual (dream - source) carried over from another frame, at every octave.
- A mask can leave parts of the source alone; black bars are, see `bars`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.ascent.ascend import ascend
from dreamvideo.ascent.bars import picture_area
from dreamvideo.ascent.jitter import jitter_offsets
from dreamvideo.ascent.tiling import Score, at_size, score_tf32
from dreamvideo.devices import tf32_products
from dreamvideo.settings.dream import DreamSettings
from dreamvideo.tensors import as_float32, checked_images, enlarge, resize
from dreamvideo.torch_state import plain_torch

SMALLEST_SIDE = 130  # pixels; below it an octave is too small for the large shapes of a dream. Chosen by eye
LEAST_SIDE = 32  # pixels; no octave is smaller, whatever the settings


@plain_torch()
def dream(
    images: Tensor,
    score: Score,
    settings: DreamSettings,
    *,
    residual: Tensor | None = None,
    step_scale: Tensor | None = None,
    steps_per_octave: Sequence[int] | None = None,
    jitter_index: Sequence[int] | None = None,
    target_score: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Change images so that their score rises: DeepDream (Mordvintsev, Olah, Tyka 2015).

    Images are resized to each octave, small to large; at each, what the ascent added so far is enlarged and put on the
    resized image, and the gradient of the score is followed. The module's docstring lists what differs from the paper.

    Args:
        images: (B, 3, H, W) RGB in [0, 1], of any float type.
        score: images (B, 3, h, w) in [0, 1] of any size -> (B,) float, differentiable; such as `Network.score`.
        settings: octaves, steps and look.
        residual: (B, 3, H, W) dream minus source in [-1, 1], on which the ascent starts at every octave; None: zero.
        step_scale: (B, 1, H, W) factor, 0 or more, on the steps at each place; None: 1.
        steps_per_octave: number of steps at each octave, small to large, one for each of `octave_sizes`; octaves
            without steps are skipped. None: `settings.iterations` at each.
        jitter_index: for each image the number of its draw of random shifts: the same number, the same shifts. None: 0.
        target_score: (B,) scores at which the images are held at their full size, see `ascend`; None: none.
        mask: (B, 1, H, W) in [0, 1], a further factor on the steps; where it is 0 images stay as they are. None: 1.

    Returns:
        (B, 3, H, W) float32 in [0, 1].

    Raises:
        SettingsError: the images have another shape, type or range.
    """
    others = (residual, step_scale, target_score, mask)
    residual, step_scale, target_score, mask = (None if each is None else as_float32(each) for each in others)
    return dream_octaves(
        checked_images(images),
        score,
        settings,
        residual=residual,
        step_scale=step_scale,
        steps_per_octave=steps_per_octave,
        jitter_index=jitter_index,
        target_score=target_score,
        mask=mask,
    )


def dream_octaves(
    images: Tensor,
    score: Score,
    settings: DreamSettings,
    *,
    residual: Tensor | None = None,
    step_scale: Tensor | None = None,
    steps_per_octave: Sequence[int] | None = None,
    jitter_index: Sequence[int] | None = None,
    target_score: Tensor | None = None,
    mask: Tensor | None = None,
    area: Tensor | Literal["find"] | None = "find",
) -> Tensor:
    """Dream as `dream` does, without its checks, which wait for the device.

    Args:
        images, score, settings, residual, step_scale, steps_per_octave, jitter_index, target_score, mask: as for
            `dream`; all tensors float32.
        area: `dreamed_area` of the images; `find`: it is not known.

    Returns:
        (B, 3, H, W) float32 in [0, 1].
    """
    if isinstance(area, str):
        area = dreamed_area(images, settings)
    sizes = octave_sizes(images.shape[2], images.shape[3], settings)
    steps_per_octave = [settings.iterations] * len(sizes) if steps_per_octave is None else steps_per_octave
    jitter_index = [0] * len(images) if jitter_index is None else jitter_index
    whole = not settings.detail and residual is None  # the dreamed image itself is resized
    if mask is not None:
        step_scale = mask if step_scale is None else step_scale * mask
    dreamed, detail = images, None  # detail: dreamed minus what the octave started from
    for octave, (size, iterations) in enumerate(zip(sizes, steps_per_octave, strict=True)):
        full_size = size == sizes[-1]
        if not iterations and not full_size:
            continue
        base = resize(images, size)  # (B, 3, h, w)
        start = resize(dreamed, size) if whole else _add_residual(base, residual)
        dreamed = start if whole or detail is None else start + enlarge(detail, size)
        if settings.space == "image":
            dreamed = dreamed.clamp(0, 1)
        shifts = [jitter_offsets(settings, octave, iterations, index, size) for index in jitter_index]
        offsets = list(zip(*shifts, strict=True))  # step -> image -> (dy, dx)
        scale = None if step_scale is None else resize(step_scale, size)
        inside = None if area is None else F.interpolate(area, size)  # to the nearest, so that ones stay ones
        target = target_score if full_size else None
        with tf32_products(score_tf32(score)):
            dreamed = ascend(dreamed, base, at_size(score, size), settings, offsets, scale, target, inside)
        detail = dreamed - start
    if mask is not None and whole:  # small steps let it fade, but the source's own detail is lost under it too
        dreamed = torch.lerp(images, dreamed, mask)
    return confine(dreamed.clamp(0, 1), images, settings, mask, area)


def _add_residual(base: Tensor, residual: Tensor | None) -> Tensor:
    """(B, 3, h, w) images plus a (B, 3, H, W) residual that is resized; None: zero."""
    return base if residual is None else base + resize(residual, (base.shape[2], base.shape[3]))


def dreamed_area(images: Tensor, settings: DreamSettings) -> Tensor | None:
    """Return where images are dreamed: everywhere but in black bars.

    Args:
        images: (B, 3, H, W) in [0, 1].
        settings: `dream_bars` is read.

    Returns:
        As `picture_area`; None: everywhere.
    """
    return None if settings.dream_bars else picture_area(images)


def confine(
    dreamed: Tensor, images: Tensor, settings: DreamSettings, mask: Tensor | None, area: Tensor | None
) -> Tensor:
    """Take back what a dream must not change: colors, if `settings.keep_colors`, all where the mask is 0, black bars.

    Args:
        dreamed: (B, 3, H, W) in [0, 1].
        images: (B, 3, H, W) in [0, 1], the source.
        settings: `keep_colors` is read.
        mask: (B, 1, H, W) in [0, 1]; None: 1.
        area: `dreamed_area` of the images.

    Returns:
        (B, 3, H, W) in [0, 1].
    """
    if settings.keep_colors:
        dreamed = (images + (dreamed - images).mean(1, keepdim=True)).clamp(0, 1)
    if area is not None:
        mask = area if mask is None else mask * area
    return dreamed if mask is None else torch.where(mask > 0, dreamed, images)


def octave_sizes(height: int, width: int, settings: DreamSettings) -> list[tuple[int, int]]:
    """Return the size of each octave, small to large; the last is the image's own.

    `settings.octaves` of them, or if that is None as many as bring the shorter side nearest to `SMALLEST_SIDE`.
    Octaves whose shorter side is below `LEAST_SIDE` are left out.

    Args:
        height, width: of the images, px.
        settings: `octaves`, `octave_scale` and `detail` are read. Without `detail` sides are truncated to whole pixels,
            as in the programs whose looks that is for, and else rounded.

    Returns:
        (height, width) px of each octave.
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
