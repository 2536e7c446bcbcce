"""The gradient of a large image, tile by tile, in the memory that one tile takes: the same as of the whole image.

Mordvintsev, Olah, Tyka 2015 normalize the gradient of every tile for itself, and let the random shift blur the seams; a
sky then dreams as much as a face. Here a tile is only where the network looks. It looks twice: first for the
activations of the whole image, of which the score and its gradient are taken, whatever the objective is; then tile by
tile for what that gradient is in the image. A tile sees more than it answers for, and what overlaps adds up.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from dreamvideo.models.layers import describe_layers
from dreamvideo.models.objectives import Objective

Score = Callable[[Tensor], Tensor]  # (B, 3, H, W) in [0, 1] -> (B,), differentiable
Activations = Mapping[str, Tensor]  # layer name -> (B, C, h, w) or (B, C)

# Pixels. Tiles begin at multiples of it, so that a network's strides fall on the same pixels as in the whole image; a
# layer without places passes for one of this stride.
GRID = 32

# What a tile sees around what it answers for, over the largest stride of the layers. By measurement on the embedded
# network: its gradient is then the whole image's but for rounding; with 6 it is 0.004 % off, with 4 0.3 %. An ascent
# makes much of the least difference: a source moved by 1e-7 ends 8/255 elsewhere, as good and not the same.
MARGIN = 8


@dataclass(frozen=True, slots=True)
class TileWindow:
    """A tile along one side of the image, in pixels."""

    start: int
    stop: int  # what it sees: from `start` to here
    first: int
    last: int  # what it answers for, and no other window does: from `first` to here
    length: int  # of the whole side

    def places(self, stride: float, start: int = 0) -> slice:
        """What it answers for, of a map of the picture from `start` on."""
        first, last = (round((pixel - start) / stride) for pixel in (self.first, self.last))
        return slice(first, None if self.last == self.length else last)  # a map may end before the picture, or after it


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of the image."""

    down: TileWindow
    across: TileWindow

    def of(self, images: Tensor) -> Tensor:
        """What it sees of (B, C, H, W) images."""
        return images[:, :, self.down.start : self.down.stop, self.across.start : self.across.stop]

    def owned(self, whole: Tensor, stride: float) -> Tensor:
        """What it answers for of the (B, C, h, w) map of the whole image."""
        return whole[:, :, self.down.places(stride), self.across.places(stride)]

    def own(self, part: Tensor, stride: float) -> Tensor:
        """The same of the map of what it sees."""
        down, across = (side.places(stride, side.start) for side in (self.down, self.across))
        return part[:, :, down, across]

    @property
    def share(self) -> float:
        """The part of the image that it answers for."""
        return math.prod((side.last - side.first) / side.length for side in (self.down, self.across))

    @property
    def seen_share(self) -> float:
        """The part of the image that it sees."""
        return math.prod((side.stop - side.start) / side.length for side in (self.down, self.across))


def tile_windows(length: int, side: int, margin: int) -> list[TileWindow]:
    """Windows that all see as many pixels, at most `side`, of `length`.

    Args:
        length, side: pixels.
        margin: how far a window sees at least beyond what it answers for, unless the image ends; a multiple of `GRID`.
    """
    if length <= side:
        return [TileWindow(0, length, 0, length, length)]
    # In units of the grid; what is left over all windows see, so that the last one begins on the grid as the others do.
    whole, rest = divmod(length, GRID)
    around = 2 * margin // GRID
    most = (side - rest) // GRID
    steps = math.ceil((whole - most) / (most - around))
    seen = math.ceil((whole + around * steps) / (steps + 1))  # no more than so many windows need to
    starts = [(whole - seen) * i // steps * GRID for i in range(steps + 1)]
    ends = [0, *(start + margin for start in starts[1:]), length]
    return [
        TileWindow(start, start + seen * GRID + rest, first, last, length)
        for start, (first, last) in zip(starts, itertools.pairwise(ends), strict=True)
    ]


@dataclass(frozen=True)
class TiledScore:
    """The score of an objective, and its gradient, in tiles."""

    objective: Objective
    side: int  # pixels, the most that a tile sees
    device: torch.device  # where the objective's network is

    def __call__(self, images: Tensor) -> Tensor:
        """(B,) float32 of (B, 3, H, W) in [0, 1], not differentiable: for the gradient there is `slope`."""
        with torch.no_grad():
            return self.objective.judge(self._seen(images, self._tiles(images)))

    def slope(self, images: Tensor, factor: float) -> tuple[Tensor, Tensor]:
        """Gradient of the images' scores, times `factor`, and the scores.

        Args:
            images: (B, 3, H, W) in [0, 1].

        Returns:
            (B, 3, H, W), (B,).
        """
        tiles = self._tiles(images)
        with torch.no_grad():
            seen = self._seen(images, tiles)
        scores, pulls = self._pulls(seen, factor)
        del seen
        slope = torch.zeros_like(images)
        maps = {name: stride for name, stride in self.strides.items() if stride is not None}
        for tile in tiles:
            # A place is owned by one tile, and draws on all that this sees. A list draws on all that its tile sees, and
            # so do the lists of its neighbors: each keeps what it owns of that.
            if own := {name: tile.owned(pulls[name], stride) for name, stride in maps.items()}:
                tile.of(slope).add_(self._slope_of(tile, images, own))
            if own := {name: tile.seen_share * pull for name, pull in pulls.items() if name not in maps}:
                tile.owned(slope, 1).add_(tile.own(self._slope_of(tile, images, own), 1))
        return slope, scores

    def _seen(self, images: Tensor, tiles: list[Tile]) -> dict[str, Tensor]:
        # Activations of the whole image.
        whole: dict[str, Tensor] = {}
        last = tiles[-1]
        for tile in tiles:
            seen = self.objective.features(tile.of(images).contiguous())
            for name in self.objective.layers:
                part, stride = seen[name], self.strides[name]
                if stride is None:
                    whole[name] = tile.share * part + whole.get(name, 0)
                    continue
                if name not in whole:  # all tiles are of one size, so the last one says where the map ends
                    h, w = (
                        round(side.start / stride) + places
                        for side, places in zip((last.down, last.across), part.shape[2:], strict=True)
                    )
                    whole[name] = part.new_empty(*part.shape[:2], h, w)
                tile.owned(whole[name], stride).copy_(tile.own(part, stride))
        return whole

    def _pulls(self, seen: Activations, factor: float) -> tuple[Tensor, dict[str, Tensor]]:
        # The scores, and their gradient in the activations.
        with torch.enable_grad():
            leaves = {name: activation.requires_grad_() for name, activation in seen.items()}
            scores = self.objective.judge(leaves)
            slopes = torch.autograd.grad(scores, list(leaves.values()), torch.full_like(scores, factor))
        return scores.detach(), dict(zip(leaves, slopes, strict=True))

    def _slope_of(self, tile: Tile, images: Tensor, pulls: Activations) -> Tensor:
        # The gradient in what the tile sees, from that in the activations that `pulls` has.
        with torch.enable_grad():
            part = tile.of(images).clone(memory_format=torch.contiguous_format).requires_grad_()
            seen = self.objective.features(part)
            strides = {name: self.strides[name] for name in pulls}
            made = [seen[name] if stride is None else tile.own(seen[name], stride) for name, stride in strides.items()]
            (slope,) = torch.autograd.grad(made, part, list(pulls.values()))
        return slope

    def _tiles(self, images: Tensor) -> list[Tile]:
        down, across = (tile_windows(length, self.side, self.margin) for length in images.shape[2:])
        return [Tile(*sides) for sides in itertools.product(down, across)]

    @cached_property
    def strides(self) -> dict[str, float | None]:
        """Pixels per place of each layer; None: it has no places, and what an image gives is the mean of its tiles."""
        found = describe_layers(lambda images: self.objective.features(images.to(self.device)))
        return {layer.name: layer.stride for layer in found if layer.name in self.objective.layers}

    @cached_property
    def margin(self) -> int:
        """Pixels, a multiple of `GRID`; at most a quarter of a tile."""
        largest = max((stride or GRID for stride in self.strides.values()), default=GRID)
        return min(math.ceil(MARGIN * largest / GRID), self.side // 4 // GRID) * GRID


def at_size(score: Score, size: tuple[int, int]) -> Score:
    """`score` for images of (height, width): without tiles where one would hold them."""
    return score.objective if isinstance(score, TiledScore) and max(size) <= score.side else score


def tiled_gradient(score: Score, images: Tensor, factor: float) -> tuple[Tensor, Tensor]:
    """Gradient (B, 3, H, W) of the scores of (B, 3, H, W) images, times `factor`, and the (B,) scores."""
    if isinstance(score, TiledScore):
        return score.slope(images, factor)
    with torch.enable_grad():
        images = images.detach().requires_grad_()
        scores = score(images)
        (slope,) = torch.autograd.grad(scores, images, torch.full_like(scores, factor))
    return slope, scores.detach()
