"""Dissolves: at a seam what is shown goes over from one dream of the same frames to another.

A crossfade of two patterns that are not alike is 0.7 times as strong as both in the middle. So what is faded are the
residuals, each over its strength, with weights whose squares add up to 1: of patterns without any likeness the same
share changes in every frame. The sum gets a strength between theirs; where they are alike it would be too strong.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from dreamvideo.frames import Frame, Image
from dreamvideo.tensors import to_planes
from dreamvideo.video.lanes import LaneStep
from dreamvideo.video.seams import pack_carries

FAINTEST = 1e-3  # gray levels of a strength, by which a gain divides


def dissolve_dreams(
    dreams: Iterator[tuple[LaneStep, Frame]],
) -> Generator[tuple[LaneStep, Frame], None, None]:
    """Make one frame of the two dreams of each frame at a seam; all others pass through.

    Args:
        dreams: in any order; those of one frame have the same index.
    """
    first: dict[int, tuple[LaneStep, Frame]] = {}
    for step, frame in dreams:
        if step.share is None:
            yield step, _with_carry(step, [frame])
        elif step.index not in first:
            first[step.index] = step, frame
        else:
            pair = sorted([first.pop(step.index), (step, frame)], key=lambda each: each[0].shot)
            (_, earlier), (later_step, later) = pair
            image = dissolve(step.frame.image, earlier.image, later.image, later_step.share or 0.0)
            yield step, _with_carry(step, [replace(earlier, image=image), later])


def _with_carry(step: LaneStep, dreams: list[Frame]) -> Frame:
    """The first of the dreams of a frame, with the carries of all."""
    waits = [dream.carry for dream in dreams if dream.carry is not None]
    if step.place is None or not waits:
        return dreams[0]
    start = step.place.shot_start
    return replace(dreams[0], carry=lambda: pack_carries(start, [wait() for wait in waits]))


def dissolve(source: Image, earlier: Image, later: Image, share: float) -> Image:
    """Return an image between two dreams.

    Args:
        source: (H, W, 3) uint8, an array or a tensor, as are the others.
        earlier, later: dreams of it.
        share: of the later one, 0 to 1.

    Returns:
        (H, W, 3) uint8, of the kind of the dreams: at share 0 the earlier one, at 1 the later one.
    """
    if not 0 < share < 1:
        return later if share else earlier
    device = earlier.device if isinstance(earlier, Tensor) else torch.device("cpu")
    base, one, other = (to_planes(image, device).float() for image in (source, earlier, later))
    one, other = one - base, other - base
    strength, other_strength = (each.abs().mean().clamp(min=FAINTEST) for each in (one, other))
    angle = share * math.pi / 2
    mixed = math.cos(angle) * one / strength + math.sin(angle) * other / other_strength
    mixed = mixed * torch.lerp(strength, other_strength, share) / mixed.abs().mean().clamp(min=FAINTEST)
    image = (base + mixed).round().clamp(0, 255).to(torch.uint8)[0].permute(1, 2, 0).contiguous()
    return image.numpy() if isinstance(earlier, np.ndarray) else image
