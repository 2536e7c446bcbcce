"""Reads training images back from shards, in random batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from dreamvideo.training.shards import HELD_OUT, shard_path

Batch: TypeAlias = tuple[Tensor, Tensor]  # (B, H, W, 3) uint8 RGB, (B,) int64 class indices


class ShardReader:
    """Holds in memory the images of all shards that a folder has so far; the held-out shard is left out.

    Args:
        folder: where `render_in_background` writes its shards.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._loaded: dict[Path, Batch] = {}

    def refresh(self) -> None:
        """Load shards that were written since the last call."""
        for path in sorted(self.folder.glob("shard_*.npz")):
            if path not in self._loaded and path != shard_path(self.folder, HELD_OUT):
                self._loaded[path] = read_shard(path)

    def __len__(self) -> int:
        return sum(len(labels) for _, labels in self._loaded.values())

    def batches(self, size: int, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield every image once, in random order; an incomplete last batch is dropped.

        Args:
            size: images of a batch.
            rng: decides the order.
        """
        shards = list(self._loaded.values())
        ends = np.cumsum([len(labels) for _, labels in shards])
        order = rng.permutation(len(self))
        for start in range(0, len(order) - size + 1, size):
            places = [
                (shard, int(index - ends[shard] + len(shards[shard][1])))
                for index in order[start : start + size]
                for shard in [int(np.searchsorted(ends, index, "right"))]
            ]
            yield (
                torch.stack([shards[shard][0][at] for shard, at in places]),
                torch.stack([shards[shard][1][at] for shard, at in places]),
            )


def read_shard(path: Path) -> Batch:
    """Load a whole shard as one batch.

    Args:
        path: a file that `render_shard` wrote.
    """
    with np.load(path) as arrays:
        return torch.from_numpy(arrays["images"]), torch.from_numpy(arrays["labels"].astype(np.int64))
