"""What there is room for: fewer images at once, then smaller tiles, until an ascent fits into memory.

On a CPU it is estimated beforehand, for a system that has given away more than it has ends the process, not the
request. On a GPU the request fails, and is made again, smaller. What was learned is kept.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, TypeVar

import torch
from torch import Tensor

from dreamvideo.ascent import cuda_graphs
from dreamvideo.ascent.memory import available_bytes, is_out_of_memory, measure_peak
from dreamvideo.ascent.tiling import Score, TiledScore, tiled_gradient
from dreamvideo.errors import MemoryBudgetError
from dreamvideo.models.objectives import Objective
from dreamvideo.settings.job import MIN_TILE

log = logging.getLogger(__name__)

T = TypeVar("T")

# Bytes per pixel, by measurement: what a dream takes when it is the network's turn, besides the network; what it takes
# at most when it is not; and the sum of the two for any network, about, up to which nothing is measured.
HELD: Final = 80
STEP: Final = 160
PLENTY: Final = 4000

# What is held to take the score of a whole image, over the size of its activations. By measurement.
JUDGING: Final = 5

TRIAL: Final = 256  # pixels a side of the image that a network is measured with

SLACK: Final = 1.2  # what is lost between blocks of memory and in libraries, about; 1.1 was 3 % too little at 8K


class MemoryBudget:
    """How many images fit into memory at once, and in tiles of what size; it learns."""

    def __init__(self, tile: int | None = None) -> None:
        """`tile`: pixels a side, the size to begin with; None: images are whole as long as they fit."""
        self.tile = tile
        self.rows: int | None = None  # images at once; None: all that there are
        self._foreseen: set[torch.Size] = set()
        self._tiled: TiledScore | None = None

    def portions(self, images: Tensor, objective: Objective, work: Callable[[slice, Score], list[T]]) -> list[T]:
        """What `work` makes of (B, 3, H, W) images: of some of them at a time, given as a slice, by the score given.

        Raises:
            RoomError: one image does not fit, even in the smallest tiles.
        """
        self._foresee(images, objective)
        made: list[T] = []
        while len(made) < len(images):
            rows = slice(len(made), min(len(images), len(made) + (self.rows or len(images))))
            try:
                made += work(rows, self._score(objective, images.device))
                continue
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            # Only here, after the error, is that free which it held.
            release_memory(images.device)
            self._shrink(rows.stop - rows.start, images, objective)
        return made

    def _score(self, objective: Objective, device: torch.device) -> Score:
        if self.tile is None:
            return objective
        if self._tiled is None or self._tiled.side != self.tile or self._tiled.objective is not objective:
            self._tiled = TiledScore(objective, self.tile, device)
        return self._tiled

    def _foresee(self, images: Tensor, objective: Objective) -> None:
        # Once for each size: later, what an ascent has left for the next is not free, and yet there for it.
        if images.device.type != "cpu" or images.shape in self._foreseen:
            return
        self._foreseen.add(images.shape)
        free = available_bytes(images.device)
        count, _, h, w = images.shape
        if free is None or count * h * w * PLENTY < free:
            return
        rows = min(count, self.rows or count)
        while rows * estimate_bytes(h, w, self.tile, objective, images.device) > free:
            rows = self._shrink(rows, images, objective)

    def _shrink(self, rows: int, images: Tensor, objective: Objective) -> int:
        # To the next smaller way; how many images at once that is.
        h, w = images.shape[2:]
        if rows > 1:
            self.rows = rows = (rows + 1) // 2
            log.info("little memory: %d images at once", rows)
            return rows
        smaller = smaller_tile(h, w, self.tile)
        if smaller is None:
            raise MemoryBudgetError(_told(h, w, self.tile, objective, images.device))
        self.tile = smaller
        log.info("little memory: tiles of %d pixels", smaller)
        return rows


def smaller_tile(height: int, width: int, tile: int | None) -> int | None:
    """The side of the next smaller tiles in which to dream an image; None: there are none."""
    side = max(height, width)
    if tile is None or tile >= side:  # halves of a whole: the largest that is not the image itself
        tile = MIN_TILE
        while 2 * tile < side:
            tile *= 2
        return tile if tile < side else None
    return max(MIN_TILE, tile // 2) if tile > MIN_TILE else None


def estimate_bytes(height: int, width: int, tile: int | None, objective: Objective, device: torch.device) -> int:
    """Bytes that the ascent of one image takes, about."""
    trial = torch.full((1, 3, TRIAL, TRIAL), 0.5, device=device)
    network = measure_peak(lambda: tiled_gradient(objective, trial, 1.0)) / TRIAL**2
    pixels = height * width
    if tile is None or tile >= max(height, width):
        return round(SLACK * pixels * max(STEP, HELD + network))
    with torch.no_grad():
        seen = sum(activation.nbytes for activation in objective.features(trial).values()) / TRIAL**2
    return round(SLACK * (pixels * max(STEP, HELD + JUDGING * seen) + min(tile, height) * min(tile, width) * network))


def release_memory(device: torch.device) -> None:
    """Let go of what is kept for later."""
    if device.type == "cuda":
        cuda_graphs.forget_recordings()
        torch.cuda.empty_cache()


def _told(height: int, width: int, tile: int | None, objective: Objective, device: torch.device) -> str:
    need, free = estimate_bytes(height, width, tile, objective, device), available_bytes(device)
    least = f" even with --tile {tile}" if tile is not None and tile < max(height, width) else ""
    there = "less" if free is None else f"{free / 1e9:.1f} GB"
    elsewhere = "" if device.type == "cpu" else ", or --device cpu"
    return (
        f"{width}x{height} pixels need about {need / 1e9:.1f} GB of memory{least}, {device} has {there} free: expected "
        f"a smaller picture (of a video: --size {max(16, height // 2)}){elsewhere}"
    )
