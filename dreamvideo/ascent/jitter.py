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
        shifts, border: as for `shift`; those of a tensor are at most a quarter of the image, as in `jitter_offsets`.

    Returns:
        (B, C, H, W).
    """
    if isinstance(shifts, Tensor):
        for side in (3, 2):
            grads = _gather_back(grads, shifts, side, border)
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
    return _along(places, side, images)


def _gather_back(grads: Tensor, shifts: Tensor, side: int, border: str) -> Tensor:
    """Differentiate the shift along one side: each pixel collects what `_sources` made of it, at most two others.

    `scatter_add_` would be shorter, but on CUDA it adds in another order each time.
    """
    length = grads.shape[side]
    by = shifts[:, side - 2, None]
    own = torch.arange(length, device=grads.device)
    shown = own + by  # (B, length): where each pixel is shown
    if border != "reflect":
        return grads.gather(side, _along(shown % length, side, grads))
    mirrored = torch.where(by > 0, by - 1 - own, 2 * length - 1 + by - own)  # and where it is shown mirrored

    def collect(places: Tensor, like: Tensor) -> Tensor:
        return grads.gather(side, _along(places.clamp(0, length - 1), side, like))

    collected = collect(shown, grads)
    near = length // 4  # px from either end; further inside each pixel is shown once, and not mirrored
    for start in (0, length - near):
        end = collected.narrow(side, start, near)
        here, there = (places.narrow(1, start, near) for places in (shown, mirrored))
        outside, absent = (_along((places < 0) | (places >= length), side, end) for places in (here, there))
        end.masked_fill_(outside, 0).add_(collect(there, end).masked_fill_(absent, 0))
    return collected


def _along(values: Tensor, side: int, images: Tensor) -> Tensor:
    """(B, length) values along a side of (B, C, H, W) images, at all of their pixels."""
    return (values[:, None, :, None] if side == 2 else values[:, None, None, :]).expand_as(images)


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
