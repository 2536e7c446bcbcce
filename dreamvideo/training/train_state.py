"""The state of a training run between two steps, and its checkpoint file."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dreamvideo.errors import ModelError
from dreamvideo.models.dreamnet.net import DreamNet
from dreamvideo.training.recipe import Recipe


@dataclass(slots=True)
class TrainState:
    """Everything that a training step reads or changes.

    Args:
        net: trained by the optimizer.
        average: moving average of the weights of `net`; what is exported.
        optimizer: of the parameters of `net`.
        generator: of the augmentation and the random start of the attack.
        seconds: spent so far, resumed runs included.
        step: optimizer steps so far.
        passes: images trained on so far, with repetition.
        epoch: completed passes over the shards.
    """

    net: DreamNet
    average: DreamNet
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    seconds: float = 0.0
    step: int = 0
    passes: int = 0
    epoch: int = 0


def new_state(recipe: Recipe, class_count: int, device: torch.device) -> TrainState:
    """Create an untrained network with its optimizer.

    Args:
        recipe: gives the seed and the optimizer's hyperparameters.
        class_count: outputs of each head.
        device: where to train.
    """
    torch.manual_seed(recipe.seed)
    net: DreamNet = DreamNet(class_count, trainable=True).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    weights = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98))
    generator = torch.Generator(device).manual_seed(recipe.seed)
    return TrainState(net, copy.deepcopy(net).requires_grad_(False), optimizer, generator)


def save_checkpoint(path: Path, state: TrainState, recipe: Recipe) -> None:
    """Write a checkpoint atomically: an interruption leaves the old file or the new one.

    Args:
        path: of the file.
        state: what is written.
        recipe: stored beside it, and compared by `load_checkpoint`.
    """
    part = path.with_suffix(".part")
    content = {
        "recipe": dataclasses.asdict(recipe),
        "net": state.net.state_dict(),
        "average": state.average.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "generator": state.generator.get_state(),
        "counters": {name: getattr(state, name) for name in ("seconds", "step", "passes", "epoch")},
    }
    torch.save(content, part)
    part.replace(path)


def load_checkpoint(path: Path, state: TrainState, recipe: Recipe) -> None:
    """Restore a state from a checkpoint.

    Args:
        path: of the file.
        state: from `new_state`; changed in place.
        recipe: must be that of the checkpoint; only the minutes may differ.

    Raises:
        ModelError: there is no checkpoint, or another recipe wrote it.
    """
    if not path.exists():
        raise ModelError(f"{path}: no checkpoint to resume; omit --resume to start a new run")
    content: dict[str, Any] = torch.load(path, map_location=state.net.device, weights_only=True)
    stored = {**content["recipe"], "minutes": recipe.minutes}
    if stored != dataclasses.asdict(recipe):
        raise ModelError(f"{path}: was trained by {stored}, got {recipe}: resume with the same options")
    state.net.load_state_dict(content["net"])
    state.average.load_state_dict(content["average"])
    state.optimizer.load_state_dict(content["optimizer"])
    state.generator.set_state(content["generator"].cpu())
    for name, value in content["counters"].items():
        setattr(state, name, value)
