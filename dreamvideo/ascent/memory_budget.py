"""Memory budget: fewer images at once, then smaller tiles, until an ascent fits into memory.

On a CPU the need is estimated first: with overcommit, running out of memory kills the process instead of raising. On a
GPU an allocation fails, and the work is done again with less. The sizes that fit are kept for later work.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, TypeVar

import torch
from torch import Tensor

from dreamvideo.ascent import cuda_graphs
from dreamvideo.ascent.memory import available_bytes, measure_peak
from dreamvideo.ascent.tiling import Score, TiledScore, tiled_gradient
from dreamvideo.devices import is_out_of_memory
from dreamvideo.errors import MemoryBudgetError
from dreamvideo.kernels.graph_capture import while_nothing_is_recorded
from dreamvideo.models.objectives import Objective
from dreamvideo.settings.job import MIN_TILE

log = logging.getLogger(__name__)

T = TypeVar("T")

# Bytes per pixel, by measurement.
HELD: Final = 80  # held beside the network while it runs
STEP: Final = 160  # at the peak of a step, when the network does not run
PLENTY: Final = 4000  # more than any network takes: with as much free memory nothing is measured

SCORING: Final = 5  # memory to score a whole image in tiles, over the size of its activations; by measurement

TRIAL: Final = 256  # pixels a side of the image that a network is measured with

SLACK: Final = 1.2  # factor for fragmentation and what libraries take, about; 1.1 was 3 % too little at 8K


class MemoryBudget:
    """The number of images that fit into memory at once, and the size of their tiles; adapted while it is used."""

    def __init__(self, tile: int | None = None) -> None:
        """Start with tiles of `tile` px a side; None: with whole images."""
        self.tile = tile
        self.rows: int | None = None  # images at once; None: the whole batch
        self.failures = 0  # times that memory ran out
        self._estimated: set[torch.Size] = set()
        self._tiled: TiledScore | None = None

    def run_in_batches(
        self,
        images: Tensor,
        objective: Objective,
        work: Callable[[slice, Score], list[T]],
        device: torch.device | None = None,
    ) -> list[T]:
        """Call `work` on as many images at a time as fit into memory.

        Args:
            images: (B, 3, H, W); their shape and their device are read.
            objective: what scores them.
            work: (the rows of the batch, the score in whole images or tiles) -> a result for each row.
            device: where `work` takes memory; None: that of the images.

        Returns:
            The results of all rows.

        Raises:
            MemoryBudgetError: one image does not fit, even in the smallest tiles.
        """
        device = device or images.device
        self._estimate(images.shape, objective, device)
        results: list[T] = []
        while len(results) < len(images):
            rows = slice(len(results), min(len(images), len(results) + (self.rows or len(images))))
            try:
                results += work(rows, self._score(objective, device))
                continue
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            # Outside the except clause: the error's traceback kept the tensors alive.
            self.failures += 1
            if release_memory(device) and self.failures == 1:
                continue  # what recordings of other sizes and looks held may have been enough
            self._shrink(rows.stop - rows.start, images.shape, objective, device)
        return results

    def _score(self, objective: Objective, device: torch.device) -> Score:
        if self.tile is None:
            return objective
        if self._tiled is None or self._tiled.side != self.tile or self._tiled.objective is not objective:
            self._tiled = TiledScore(objective, self.tile, device)
        return self._tiled

    def _estimate(self, shape: torch.Size, objective: Objective, device: torch.device) -> None:
        # Once for each size: later, memory that an ascent keeps for the next one counts as used, and yet is available.
        if device.type != "cpu" or shape in self._estimated:
            return
        self._estimated.add(shape)
        free = available_bytes(device)
        count, _, h, w = shape
        if free is None or count * h * w * PLENTY < free:
            return
        rows = min(count, self.rows or count)
        while rows * estimate_bytes(h, w, self.tile, objective, device) > free:
            rows = self._shrink(rows, shape, objective, device)

    def _shrink(self, rows: int, shape: torch.Size, objective: Objective, device: torch.device) -> int:
        # Take half as many images, then the next smaller tiles; returns the number of images at once.
        h, w = shape[2:]
        if rows > 1:
            self.rows = rows = (rows + 1) // 2
            log.info("little memory: %d images at once", rows)
            return rows
        smaller = smaller_tile(h, w, self.tile)
        if smaller is None:
            raise MemoryBudgetError(_describe(h, w, self.tile, objective, device))
        self.tile = smaller
        log.info("little memory: tiles of %d pixels", smaller)
        return rows


def smaller_tile(height: int, width: int, tile: int | None) -> int | None:
    """Return the next smaller side of tiles for an image, all in px; `tile` None: it is whole. None: there is none."""
    side = max(height, width)
    if tile is None or tile >= side:  # the largest of MIN_TILE times a power of two that is smaller than the image
        tile = MIN_TILE
        while 2 * tile < side:
            tile *= 2
        return tile if tile < side else None
    return max(MIN_TILE, tile // 2) if tile > MIN_TILE else None


def estimate_bytes(height: int, width: int, tile: int | None, objective: Objective, device: torch.device) -> int:
    """Estimate the memory that the ascent of one image takes.

    Args:
        height, width: of the image, px.
        tile: side of the tiles, px; None: the image is whole.
        objective: measured on an image of `TRIAL` px a side.
        device: where it runs.

    Returns:
        Bytes.
    """
    trial = torch.full((1, 3, TRIAL, TRIAL), 0.5, device=device)
    network = measure_peak(lambda: tiled_gradient(objective, trial, 1.0)) / TRIAL**2
    pixels = height * width
    if tile is None or tile >= max(height, width):
        return round(SLACK * pixels * max(STEP, HELD + network))
    with torch.no_grad():
        activations = sum(activation.nbytes for activation in objective.features(trial).values()) / TRIAL**2
    tile_pixels = min(tile, height) * min(tile, width)
    return round(SLACK * (pixels * max(STEP, HELD + SCORING * activations) + tile_pixels * network))


def release_memory(device: torch.device) -> bool:
    """Release recordings and cached memory.

    Args:
        device: where memory is short.

    Returns:
        Whether there were recordings.
    """
    if device.type != "cuda":
        return False
    recorded = cuda_graphs.forget_recordings()
    with while_nothing_is_recorded():
        torch.cuda.empty_cache()
    return recorded


def _describe(height: int, width: int, tile: int | None, objective: Objective, device: torch.device) -> str:
    need, free = _describe_need(height, width, tile, objective, device), available_bytes(device)
    least = f" even with --tile {tile}" if tile is not None and tile < max(height, width) else ""
    there = "less" if free is None else f"{free / 1e9:.1f} GB"
    live = max(32, min(height, width) // 2)
    elsewhere = "" if device.type == "cpu" else ", or --device cpu"
    return (
        f"{width}x{height} pixels need {need}{least}, {device} has {there} free: expected "
        f"a smaller image (of a video: --size {max(16, height // 2)}, live: --dream-size {live}){elsewhere}"
    )


def _describe_need(height: int, width: int, tile: int | None, objective: Objective, device: torch.device) -> str:
    try:
        return f"about {estimate_bytes(height, width, tile, objective, device) / 1e9:.1f} GB of memory"
    except (RuntimeError, MemoryError) as error:  # not even for the image that the network is measured with
        if not is_out_of_memory(error):
            raise
    return "more memory"
