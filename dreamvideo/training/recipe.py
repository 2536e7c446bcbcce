"""The hyperparameters of a training run, and their schedules."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dreamvideo.errors import SettingsError

PLAIN_MINUTES = 6.0  # of training before the adversarial attack begins; the classes are learned by then


@dataclass(frozen=True, slots=True)
class Recipe:
    """Hyperparameters of a training run; the defaults are those of the embedded weights.

    Args:
        minutes: length of the run, in wall-clock time; all schedules are functions of the fraction that has passed.
        seed: of the renders, the initial weights, the order and the augmentation.
        images: renders to train on, the held-out shard included.
        per_shard: images of a shard.
        batch: images of a batch.
        learning_rate: at its maximum, see `rate`.
        weight_decay: of AdamW; biases and batch normalization have none.
        label_smoothing: of the cross-entropy.
        aux_weight: weight of the losses of all heads but the last.
        average: decay per step of the moving average of the weights.
        largest_radius: of the attack: L2 norm over an image of 64x64 in [0, 1].

    Raises:
        SettingsError: a value is out of range.
    """

    minutes: float = 72.0
    seed: int = 1
    images: int = 45_000
    per_shard: int = 500
    batch: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.03
    aux_weight: float = 0.4
    average: float = 0.999
    largest_radius: float = 1.0

    def __post_init__(self) -> None:
        if not self.minutes > 0:
            raise SettingsError(f"--minutes {self.minutes}: expected more than 0")
        if not 1 < self.batch <= self.per_shard:
            raise SettingsError(
                f"--batch {self.batch} with --per-shard {self.per_shard}: expected 1 < batch <= images per shard"
            )
        if self.shards < 2:
            raise SettingsError(f"--images {self.images}: expected at least {2 * self.per_shard}, two shards")

    @property
    def shards(self) -> int:
        """Number of shards, the held-out one included."""
        return self.images // self.per_shard

    def size(self, progress: float) -> int:
        """Return the side of the training images in pixels.

        Args:
            progress: fraction of the run that has passed, 0 to 1.
        """
        return 64 if progress < 0.88 else 72

    def rate(self, progress: float) -> float:
        """Return the learning rate: a short linear rise, then a cosine down to almost 0.

        Args:
            progress: fraction of the run that has passed, 0 to 1.
        """
        rise = min(1.0, progress / 0.03 + 0.02)
        fall = 0.5 + 0.5 * math.cos(math.pi * max(0.0, progress - 0.03) / 0.97)
        return self.learning_rate * rise * fall + 1e-5

    def radius(self, progress: float) -> float:
        """Return the L2 radius of the attack on images of `size(progress)`: 0 at first, then growing.

        Args:
            progress: fraction of the run that has passed, 0 to 1.
        """
        # A run of ten minutes needs most of them to learn the classes at all, a long one a fifth.
        plain = min(0.6, max(0.2, PLAIN_MINUTES / self.minutes))
        attack_progress = max(0.0, progress - plain) / (1 - plain)
        growth = np.interp(attack_progress, [0, 0.125, 0.3125, 0.625, 1], [0, 0.4, 0.8, 1, 1])
        return float(growth) * self.largest_radius * self.size(progress) / 64
