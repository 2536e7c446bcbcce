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

from dreamvideo import graphs
from dreamvideo.errors import RoomError
from dreamvideo.memory import available, is_out_of_memory, peak_of
from dreamvideo.objectives import Objective
from dreamvideo.settings import LEAST_TILE
from dreamvideo.tiles import Score, Tiled, slope_of

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


class Room:
    """How many images fit into memory at once, and in tiles of what size; it learns."""

    def __init__(self, tile: int | None = None) -> None:
        """`tile`: pixels a side, the size to begin with; None: images are whole as long as they fit."""
        self.tile = tile
        self.rows: int | None = None  # images at once; None: all that there are
        self._foreseen: set[torch.Size] = set()
        self._tiled: Tiled | None = None

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
            give_back(images.device)
            self._shrink(rows.stop - rows.start, images, objective)
        return made

    def _score(self, objective: Objective, device: torch.device) -> Score:
        if self.tile is None:
            return objective
        if self._tiled is None or self._tiled.side != self.tile or self._tiled.objective is not objective:
            self._tiled = Tiled(objective, self.tile, device)
        return self._tiled

    def _foresee(self, images: Tensor, objective: Objective) -> None:
        # Once for each size: later, what an ascent has left for the next is not free, and yet there for it.
        if images.device.type != "cpu" or images.shape in self._foreseen:
            return
        self._foreseen.add(images.shape)
        free = available(images.device)
        count, _, h, w = images.shape
        if free is None or count * h * w * PLENTY < free:
            return
        rows = min(count, self.rows or count)
        while rows * needed(h, w, self.tile, objective, images.device) > free:
            rows = self._shrink(rows, images, objective)

    def _shrink(self, rows: int, images: Tensor, objective: Objective) -> int:
        # To the next smaller way; how many images at once that is.
        h, w = images.shape[2:]
        if rows > 1:
            self.rows = rows = (rows + 1) // 2
            log.info("little memory: %d images at once", rows)
            return rows
        smaller = next_tile(h, w, self.tile)
        if smaller is None:
            raise RoomError(_told(h, w, self.tile, objective, images.device))
        self.tile = smaller
        log.info("little memory: tiles of %d pixels", smaller)
        return rows


def next_tile(height: int, width: int, tile: int | None) -> int | None:
    """The side of the next smaller tiles in which to dream an image; None: there are none."""
    side = max(height, width)
    if tile is None or tile >= side:  # halves of a whole: the largest that is not the image itself
        tile = LEAST_TILE
        while 2 * tile < side:
            tile *= 2
        return tile if tile < side else None
    return max(LEAST_TILE, tile // 2) if tile > LEAST_TILE else None


def needed(height: int, width: int, tile: int | None, objective: Objective, device: torch.device) -> int:
    """Bytes that the ascent of one image takes, about."""
    trial = torch.full((1, 3, TRIAL, TRIAL), 0.5, device=device)
    network = peak_of(lambda: slope_of(objective, trial, 1.0)) / TRIAL**2
    pixels = height * width
    if tile is None or tile >= max(height, width):
        return round(SLACK * pixels * max(STEP, HELD + network))
    with torch.no_grad():
        seen = sum(activation.nbytes for activation in objective.features(trial).values()) / TRIAL**2
    return round(SLACK * (pixels * max(STEP, HELD + JUDGING * seen) + min(tile, height) * min(tile, width) * network))


def give_back(device: torch.device) -> None:
    """Let go of what is kept for later."""
    if device.type == "cuda":
        graphs.forget()
        torch.cuda.empty_cache()


def _told(height: int, width: int, tile: int | None, objective: Objective, device: torch.device) -> str:
    need, free = needed(height, width, tile, objective, device), available(device)
    least = f" even with --tile {tile}" if tile is not None and tile < max(height, width) else ""
    there = "less" if free is None else f"{free / 1e9:.1f} GB"
    elsewhere = "" if device.type == "cpu" else ", or --device cpu"
    return (
        f"{width}x{height} pixels need about {need / 1e9:.1f} GB of memory{least}, {device} has {there} free: expected "
        f"a smaller picture (of a video: --size {max(16, height // 2)}){elsewhere}"
    )
