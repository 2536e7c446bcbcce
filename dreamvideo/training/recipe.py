"""How the network is trained: every number of it, and what they are at a given time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dreamvideo.errors import SettingsError

PLAIN_MINUTES = 6.0  # before the attack begins


@dataclass(frozen=True, slots=True)
class Recipe:
    """The numbers of a training run; the defaults are those of the embedded weights."""

    minutes: float = 72.0
    seed: int = 1
    pictures: int = 45_000
    per_shard: int = 500
    batch: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.03
    aux_weight: float = 0.4  # of the losses of the heads before the last
    average: float = 0.999  # decay of the moving average of the weights
    largest_radius: float = 1.0  # of the attack, L2 over a picture of 64x64 in 0..1

    def __post_init__(self) -> None:
        if not self.minutes > 0:
            raise SettingsError(f"--minutes {self.minutes}: expected more than 0")
        if not 1 < self.batch <= self.per_shard:
            raise SettingsError(f"batches of {self.batch} from shards of {self.per_shard}: expected 1 < batch <= shard")
        if self.shards < 2:
            raise SettingsError(f"--pictures {self.pictures}: expected at least {2 * self.per_shard}, two shards")

    @property
    def shards(self) -> int:
        """How many there are, with the one held out."""
        return self.pictures // self.per_shard

    def size(self, progress: float) -> int:
        """Pixels a side of the pictures trained on; `progress` goes from 0 to 1."""
        return 64 if progress < 0.88 else 72

    def rate(self, progress: float) -> float:
        """Learning rate: a short rise, then a cosine to almost nothing."""
        rise = min(1.0, progress / 0.03 + 0.02)
        fall = 0.5 + 0.5 * math.cos(math.pi * max(0.0, progress - 0.03) / 0.97)
        return self.learning_rate * rise * fall + 1e-5

    def radius(self, progress: float) -> float:
        """Radius of the attack for pictures of `size(progress)`: none at first, then growing."""
        # A run of ten minutes needs most of them to learn the classes at all, a long one a fifth.
        plain = min(0.6, max(0.2, PLAIN_MINUTES / self.minutes))
        attacked = max(0.0, progress - plain) / (1 - plain)
        share = np.interp(attacked, [0, 0.125, 0.3125, 0.625, 1], [0, 0.4, 0.8, 1, 1])
        return float(share) * self.largest_radius * self.size(progress) / 64
