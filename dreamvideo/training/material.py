"""What distillation learns from: teachers, photographs, renders."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from dreamvideo.training.batches import Batch, read_shard
from dreamvideo.training.crops import Pictures, load_photos
from dreamvideo.training.distill_recipe import DistillRecipe
from dreamvideo.training.shards import HELD_OUT, render_in_background, shard_path
from dreamvideo.training.teacher import Teacher, load_teacher

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Material:
    """What a run learns from.

    Args:
        teachers: at least one.
        pictures: what ascents begin with.
        renders: all renders that are trained on, and their classes.
        held_out: renders that accuracy and statistics are measured on.
    """

    teachers: Sequence[Teacher]
    pictures: Pictures
    renders: Batch
    held_out: Batch


def gather_material(photos: Path, renders: Path, recipe: DistillRecipe, device: torch.device, workers: int) -> Material:
    """Load teachers and photographs, and render what is missing of the renders.

    Args:
        photos: folder of photographs, as `training.photographs` extracts them.
        renders: folder of shards; created if it does not exist.
        recipe: names the teachers, the size of photographs and the number of renders.
        device: where the teachers run.
        workers: processes that render.

    Raises:
        ModelError, WeightsError: a teacher's package is not installed.
        SourceError: there are no photographs.
    """
    found = load_photos(photos, recipe.crops)
    teachers = [load_teacher(name, device) for name in recipe.teachers]
    log.info("%d photographs; %d renders", len(found), recipe.shards * recipe.per_shard)
    with render_in_background(renders, recipe.shards, recipe.per_shard, recipe.seed, workers) as all_rendered:
        while not all_rendered():
            time.sleep(0.2)
    shards = [read_shard(shard_path(renders, number)) for number in range(recipe.shards)]
    drawn, labels = (torch.cat(parts) for parts in zip(*shards[HELD_OUT + 1 :], strict=True))
    return Material(teachers, Pictures(found, drawn.numpy()), (drawn, labels), shards[HELD_OUT])
