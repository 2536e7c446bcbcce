"""Jitter: a random shift of the image before each step, undone after it.

Mordvintsev, Olah, Tyka 2015. The shift moves the network's grid of strides over the image, so that it leaves no
pattern. Theirs is circular: what leaves at one edge enters at the other, and the seam is dreamed as stripes along the
edges. Here, by default, the image enters mirrored, and the gradient of a mirrored pixel belongs to that pixel: over all
shifts each is seen as often as any other. Each image of a batch has its own shifts, drawn from a seed, an octave and an
index: a frame is shifted the same way in every run and every batch.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dreamvideo.settings.dream import DreamSettings

Shifts = Sequence[tuple[int, int]] | Tensor  # (dy, dx) of each image, px; or (B, 2) integers


def jitter_offsets(
    settings: DreamSettings, octave: int, iterations: int, jitter_index: int, size: tuple[int, int]
) -> list[tuple[int, int]]:
    """Return the shifts (dy, dx) px of an image, one for each step at one octave.

    Args:
        settings: `jitter`, the largest shift in px, and `seed` are read.
        octave: its number.
        iterations: number of steps.
        jitter_index: number of the draw, see `dream`.
        size: (height, width) of the octave, px; no shift is larger than a quarter of the shorter side.
    """
    largest = min(settings.jitter, min(size) // 4)
    draw = random.Random(f"{settings.seed} {octave} {jitter_index}")
    return [(draw.randint(-largest, largest), draw.randint(-largest, largest)) for _ in range(iterations)]


def shift(images: Tensor, shifts: Shifts, border: str) -> Tensor:
    """Shift each image by its own (dy, dx) px.

    Args:
        images: (B, C, H, W).
        shifts: a list of B pairs, smaller than the image; or a (B, 2) tensor of integers, whose values a recorded graph
            reads when it runs.
        border: what enters at the edges: "reflect", the image mirrored with its edge repeated; "wrap", what left.

    Returns:
        (B, C, H, W).
    """
    if isinstance(shifts, Tensor):
        for side in (2, 3):
            images = images.gather(side, _sources(shifts, side, images, border))
        return images
    return _each(images, shifts, _move if border == "reflect" else torch.roll)


def shift_gradient(grads: Tensor, shifts: Shifts, border: str) -> Tensor:
    """Differentiate `shift`: the gradient of images from that of the shifted images.

    Args:
        grads: (B, C, H, W), with respect to the shifted images.
        shifts, border: as for `shift`.

    Returns:
        (B, C, H, W).
    """
    if isinstance(shifts, Tensor):
        for side in (3, 2):
            grads = torch.zeros_like(grads).scatter_add_(side, _sources(shifts, side, grads, border), grads)
        return grads
    if border == "reflect":
        return _each(grads, shifts, _move_back)
    return _each(grads, [(-dy, -dx) for dy, dx in shifts], torch.roll)


def _each(images: Tensor, shifts: Sequence[tuple[int, int]], move: Callable[..., Tensor]) -> Tensor:
    if len(set(shifts)) == 1:
        return move(images, shifts[0], (2, 3))
    return torch.stack([move(image, shift, (1, 2)) for image, shift in zip(images, shifts, strict=True)])


def _sources(shifts: Tensor, side: int, images: Tensor, border: str) -> Tensor:
    """(B, C, H, W) int64: the row (`side` 2) or column (3) of the image that each pixel of the shifted one shows."""
    length = images.shape[side]
    places = torch.arange(length, device=images.device) - shifts[:, side - 2, None]  # (B, length)
    if border == "reflect":
        places = torch.where(places < 0, -1 - places, places)
        places = torch.where(places >= length, 2 * length - 1 - places, places)
    else:
        places = places % length
    return (places[:, None, :, None] if side == 2 else places[:, None, None, :]).expand_as(images)


def _move(images: Tensor, shift: tuple[int, int], sides: tuple[int, int]) -> Tensor:
    for by, side in zip(shift, sides, strict=True):
        kept = images.shape[side] - abs(by)
        if by > 0:
            images = torch.cat([images.narrow(side, 0, by).flip(side), images.narrow(side, 0, kept)], side)
        elif by < 0:
            images = torch.cat([images.narrow(side, -by, kept), images.narrow(side, kept, -by).flip(side)], side)
    return images


def _move_back(grads: Tensor, shift: tuple[int, int], sides: tuple[int, int]) -> Tensor:
    for by, side in reversed(list(zip(shift, sides, strict=True))):  # the order of the recorded one: sums round alike
        if not by:
            continue
        kept = grads.shape[side] - abs(by)
        moved = torch.zeros_like(grads)
        start, mirrored = (0, 0) if by > 0 else (-by, kept)  # of what is shown, and of what is shown mirrored
        moved.narrow(side, start, kept).copy_(grads.narrow(side, max(by, 0), kept))
        moved.narrow(side, mirrored, abs(by)).add_(grads.narrow(side, mirrored, abs(by)).flip(side))
        grads = moved
    return grads
