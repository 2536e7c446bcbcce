"""The gradient of a large image, tile by tile, in the memory that one tile takes; equal to that of the whole image.

Mordvintsev, Olah, Tyka 2015 normalize the gradient of every tile for itself, and let the random shift blur the seams; a
sky then dreams as much as a face. Here a tile only limits what the network looks at in one pass, and there are two:
first the activations of the whole image are collected, and the score is differentiated with respect to them, whatever
the objective is; then that gradient is propagated to the image, tile by tile. Tiles overlap, and the gradients of
their overlaps add up.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from dreamvideo.devices import tf32_products
from dreamvideo.models.layers import describe_layers
from dreamvideo.models.objectives import Objective
from dreamvideo.tensors import download, place

Score = Callable[[Tensor], Tensor]  # (B, 3, H, W) in [0, 1] -> (B,), differentiable
Activations = Mapping[str, Tensor]  # layer name -> (B, C, h, w) or (B, C)

# Pixels. Tiles begin at multiples of it, so that a network's strides fall on the same pixels as in the whole image; a
# layer without places counts as one of this stride.
GRID = 32

# A tile's margin around its core is so wide that less than this share of a place's gradient, of its norm, lies beyond
# it. The embedded network's gradient then equals the whole image's but for rounding. An ascent amplifies
# the least difference: a source moved by 1e-7 ends 8/255 elsewhere, as good and not the same.
BEYOND = 1e-5


@dataclass(frozen=True, slots=True)
class TileWindow:
    """A tile along one side of the image, px. Cores of a row of windows do not overlap, and cover the side."""

    start: int
    stop: int  # the window: from `start` to here
    core_start: int
    core_stop: int  # its core: from `core_start` to here
    length: int  # of the whole side

    def core(self, stride: float, start: int = 0) -> slice:
        """Return the places of the core in a map of `stride` px that begins at pixel `start`."""
        first, last = (round((pixel - start) / stride) for pixel in (self.core_start, self.core_stop))
        # A map may end before the image, or after it.
        return slice(first, None if self.core_stop == self.length else last)


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of the image: a core with margins."""

    down: TileWindow
    across: TileWindow

    def crop(self, images: Tensor) -> Tensor:
        """Return the tile's view of (B, C, H, W) images, margins included."""
        return images[:, :, self.down.start : self.down.stop, self.across.start : self.across.stop]

    def core_of_image(self, full: Tensor, stride: float) -> Tensor:
        """Return the view of the core in the (B, C, h, w) map, of `stride` px, of the whole image."""
        return full[:, :, self.down.core(stride), self.across.core(stride)]

    def core_of_tile(self, part: Tensor, stride: float) -> Tensor:
        """Return the view of the core in the (B, C, h, w) map, of `stride` px, of this tile."""
        down, across = (side.core(stride, side.start) for side in (self.down, self.across))
        return part[:, :, down, across]

    @property
    def core_share(self) -> float:
        """The share of the image's area that the core covers."""
        return math.prod((side.core_stop - side.core_start) / side.length for side in (self.down, self.across))

    @property
    def share(self) -> float:
        """The share of the image's area that the tile covers."""
        return math.prod((side.stop - side.start) / side.length for side in (self.down, self.across))


def tile_windows(length: int, side: int, margin: int) -> list[TileWindow]:
    """Cover `length` by windows of one size.

    Args:
        length: px.
        side: px, the largest size of a window.
        margin: px, the least distance of a core from the ends of its window, unless the image ends there; a multiple
            of `GRID`.
    """
    if length <= side:
        return [TileWindow(0, length, 0, length, length)]
    # In units of the grid; the rest is added to every window, so that the last one begins on the grid as the others do.
    units, rest = divmod(length, GRID)
    margins = 2 * margin // GRID
    most = (side - rest) // GRID
    steps = math.ceil((units - most) / (most - margins))
    size = math.ceil((units + margins * steps) / (steps + 1))  # the smallest with which so many windows suffice
    starts = [(units - size) * i // steps * GRID for i in range(steps + 1)]
    ends = [0, *(start + margin for start in starts[1:]), length]
    return [
        TileWindow(start, start + size * GRID + rest, first, last, length)
        for start, (first, last) in zip(starts, itertools.pairwise(ends), strict=True)
    ]


@dataclass(frozen=True)
class TiledScore:
    """The score of an objective and its gradient, computed in tiles."""

    objective: Objective
    side: int  # pixels, the largest size of a tile
    device: torch.device  # where the objective's network is

    def __call__(self, images: Tensor) -> Tensor:
        """Score images. The result is not differentiable: see `grad`.

        Args:
            images: (B, 3, H, W) in [0, 1].

        Returns:
            (B,) float32.
        """
        with torch.no_grad(), tf32_products(self.objective.tf32):
            return self.objective.score_activations(self._activations(images, self._tiles(images)))

    @property
    def largest_gain(self) -> float:
        """That of the objective."""
        return self.objective.largest_gain

    def grad(self, images: Tensor, factor: float) -> tuple[Tensor, Tensor]:
        """Differentiate the scores of images.

        Args:
            images: (B, 3, H, W) in [0, 1].
            factor: what the gradient is multiplied by.

        Returns:
            The gradient (B, 3, H, W), and the scores (B,).
        """
        tiles = self._tiles(images)
        with torch.no_grad():
            activations = self._activations(images, tiles)
        scores, grads = self._grad_of_activations(activations, factor)
        del activations
        grad = torch.zeros_like(images)
        maps = {name: stride for name, stride in self.strides.items() if stride is not None}
        for tile in tiles:
            # Feature maps: each place belongs to the core of one tile, whose gradient covers the margins too; add up.
            if parts := {name: tile.core_of_image(grads[name], stride) for name, stride in maps.items()}:
                tile.crop(grad).add_(self._grad_of_tile(tile, images, parts))
            # Pooled vectors: every tile contributes, and neighbors see the same pixels; keep the gradient of the core.
            if parts := {name: tile.share * part for name, part in grads.items() if name not in maps}:
                core = tile.core_of_tile(self._grad_of_tile(tile, images, parts), 1)
                tile.core_of_image(grad, 1).add_(core)
        return grad, scores

    def _activations(self, images: Tensor, tiles: list[Tile]) -> dict[str, Tensor]:
        """Activations of the whole image."""
        full: dict[str, Tensor] = {}
        last = tiles[-1]
        for tile in tiles:
            activations = self.objective.features(tile.crop(images).contiguous())
            for name in self.objective.layers:
                part, stride = activations[name], self.strides[name]
                if stride is None:
                    full[name] = tile.core_share * part + full.get(name, 0)
                    continue
                if name not in full:  # all tiles are of one size, so the last one says where the map ends
                    h, w = (
                        round(side.start / stride) + places
                        for side, places in zip((last.down, last.across), part.shape[2:], strict=True)
                    )
                    full[name] = part.new_empty(*part.shape[:2], h, w)
                tile.core_of_image(full[name], stride).copy_(tile.core_of_tile(part, stride))
        return full

    def _grad_of_activations(self, activations: Activations, factor: float) -> tuple[Tensor, dict[str, Tensor]]:
        """The scores, and their gradient with respect to the activations."""
        with torch.enable_grad():
            leaves = {name: activation.requires_grad_() for name, activation in activations.items()}
            scores = self.objective.score_activations(leaves)
            grads = torch.autograd.grad(scores, list(leaves.values()), torch.full_like(scores, factor))
        return scores.detach(), dict(zip(leaves, grads, strict=True))

    def _grad_of_tile(self, tile: Tile, images: Tensor, grads: Activations) -> Tensor:
        """The gradient with respect to the tile's pixels, from that with respect to the activations of `grads`."""
        with torch.enable_grad():
            part = tile.crop(images).clone(memory_format=torch.contiguous_format).requires_grad_()
            activations = self.objective.features(part)
            strides = {name: self.strides[name] for name in grads}
            outputs = [
                activations[name] if stride is None else tile.core_of_tile(activations[name], stride)
                for name, stride in strides.items()
            ]
            (grad,) = torch.autograd.grad(outputs, part, list(grads.values()))
        return grad

    def _tiles(self, images: Tensor) -> list[Tile]:
        down, across = (tile_windows(length, self.side, self.margin) for length in images.shape[2:])
        return [Tile(*sides) for sides in itertools.product(down, across)]

    @cached_property
    def strides(self) -> dict[str, float | None]:
        """Pixels per place of each layer; None: it has no places, and an image's vector is the mean of its tiles'."""
        layers = describe_layers(lambda images: self.objective.features(place(images, self.device)))
        return {layer.name: layer.stride for layer in layers if layer.name in self.objective.layers}

    @cached_property
    def margin(self) -> int:
        """Pixels, a multiple of `GRID`; at most a quarter of a tile."""
        reach = max(
            (self._reach(name) for name, stride in self.strides.items() if stride is not None),
            default=self.side // 4,
        )
        return min(math.ceil(reach / GRID), self.side // 4 // GRID) * GRID

    def _reach(self, layer: str) -> int:
        """Pixels, in either direction, within which the gradient of a place in the middle of a tile lies."""
        noise = place(torch.rand(1, 3, self.side, self.side, generator=torch.Generator().manual_seed(0)), self.device)
        with torch.enable_grad():
            noise.requires_grad_()
            activation = self.objective.features(noise)[layer]
            h, w = activation.shape[2:]
            (grad,) = torch.autograd.grad(activation[:, :, h // 2, w // 2].float().square().sum(), noise)
        # On the CPU: on CUDA the order of these sums, and with it the last bit, would be another one each time.
        energy = download(grad[0].square().sum(0)).numpy().astype(np.float64)  # Metal has no float64
        offsets = np.abs(np.arange(self.side) - self.side // 2)
        within = np.bincount(np.maximum(offsets[:, None], offsets).ravel(), energy.ravel(), self.side // 2 + 1)
        beyond = 1 - within.cumsum() / within.sum()
        return int((beyond > BEYOND**2).sum())


def at_size(score: Score, size: tuple[int, int]) -> Score:
    """Return a score without tiles where one tile would hold the image.

    Args:
        score: in tiles or not.
        size: (height, width) px of the images.
    """
    return score.objective if isinstance(score, TiledScore) and max(size) <= score.side else score


def score_tf32(score: Score) -> bool | None:
    """Return whether a score is to run in TF32, see `devices.tf32_products`.

    Args:
        score: in tiles or not.

    Returns:
        None: it does not say.
    """
    objective = score.objective if isinstance(score, TiledScore) else score
    return objective.tf32 if isinstance(objective, Objective) else None


def tiled_gradient(score: Score, images: Tensor, factor: float) -> tuple[Tensor, Tensor]:
    """Differentiate the scores of images, in tiles if `score` is a `TiledScore`.

    Args:
        score: (B, 3, H, W) -> (B,).
        images: (B, 3, H, W) in [0, 1].
        factor: what the gradient is multiplied by.

    Returns:
        The gradient (B, 3, H, W), and the scores (B,), both detached.
    """
    if isinstance(score, TiledScore):
        return score.grad(images, factor)
    with torch.enable_grad():
        images = images.detach().requires_grad_()
        scores = score(images)
        (grad,) = torch.autograd.grad((scores * factor).sum(), images)  # with a gradient given torch imports sympy
    return grad, scores.detach()
