"""Ends a run of distillation: measures the student and writes its weights file."""

from __future__ import annotations

import copy
import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from dreamvideo._version import __version__
from dreamvideo.errors import ModelError
from dreamvideo.models.dreamnet.net import GROUPS_NODE
from dreamvideo.models.dreamnet.trained import load_dreamnet
from dreamvideo.training.calibration import (
    Ascend,
    balanced_divisors,
    calibration_images,
    channel_rms,
    group_divisors,
    head_accuracy,
)
from dreamvideo.training.crops import random_crop
from dreamvideo.training.distill_recipe import DistillRecipe
from dreamvideo.training.distill_state import DistillState
from dreamvideo.training.export import export, outputs_match
from dreamvideo.training.material import Material

log = logging.getLogger(__name__)

_MEASURED_CROPS: Final = 200  # on which the strength of the groups' maps is measured


def finish_weights(
    state: DistillState,
    classes: Sequence[str],
    material: Material,
    recipe: DistillRecipe,
    path: Path,
    ascend: Ascend | None = None,
) -> None:
    """Measure the student's statistics and write its weights file.

    Args:
        state: at the end of a run.
        classes: of the renders, in the order of the logits.
        material: what is measured on.
        recipe: stored in the file.
        path: of the file; an existing one is overwritten.
        ascend: dreams images while the divisors are balanced. Default: `dreamvideo.ascent.octaves.dream`.

    Raises:
        OutputError: the file cannot be written.
        ModelError: half precision does not hold the weights.
    """
    net = copy.deepcopy(state.student.net).eval().requires_grad_(False)
    accuracies = {name: float(right.float().mean()) for name, right in head_accuracy(net, material.held_out).items()}
    log.info("accuracy on %d held-out renders: %s", len(material.held_out[1]), accuracies)
    rms = channel_rms(net, material.held_out[0])
    # Photographs are what groups are dreamed on.
    rms[GROUPS_NODE] = channel_rms(net, _measured_crops(state, material, recipe))[GROUPS_NODE]
    divisors = balanced_divisors(net, rms, calibration_images(), ascend)
    divisors[GROUPS_NODE] = group_divisors(net, rms[GROUPS_NODE])
    history = {
        "rms": "per-channel RMS of the node output on renders, of groups on photographs and renders",
        "training_data": "procedural renders; photographs of training/photographs.csv; dreams on both; as teachers "
        f"{', '.join(recipe.teachers)}, trained on ImageNet (Apache-2.0)",
        "recipe": dataclasses.asdict(recipe),
        "seed": recipe.seed,
        "steps": state.step,
        "accuracy": accuracies,
        "version": __version__,
    }
    export(path, net, classes, rms, divisors, history)
    if not outputs_match(net, load_dreamnet(path).net):
        raise ModelError(f"{path}: half precision does not represent these weights; train with a lower rate")
    log.info("wrote %s after %d steps", path, state.step)


def _measured_crops(state: DistillState, material: Material, recipe: DistillRecipe) -> Tensor:
    """(N, side, side, 3) uint8."""
    crops = [
        random_crop(material.pictures, recipe.ascents.side, recipe.crops, state.rng, state.generator)
        for _ in range(_MEASURED_CROPS)
    ]
    return (torch.stack(crops) * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
