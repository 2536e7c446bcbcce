"""A training run between two steps, and its checkpoint file."""

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
class State:
    """All that a run is, between two steps."""

    net: DreamNet
    average: DreamNet
    optimizer: torch.optim.Optimizer
    generator: torch.Generator  # of the variations and of the attack's start
    seconds: float = 0.0  # spent so far, with all resumptions
    step: int = 0
    passes: int = 0  # pictures seen
    epoch: int = 0


def new_state(recipe: Recipe, class_count: int, device: torch.device) -> State:
    """An untrained network and all that goes with it."""
    torch.manual_seed(recipe.seed)
    net: DreamNet = DreamNet(class_count, trainable=True).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    weights = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98))
    generator = torch.Generator(device).manual_seed(recipe.seed)
    return State(net, copy.deepcopy(net).requires_grad_(False), optimizer, generator)


def save_checkpoint(path: Path, state: State, recipe: Recipe) -> None:
    """Write `state` so that an interruption leaves the old file or the new one."""
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


def load_checkpoint(path: Path, state: State, recipe: Recipe) -> None:
    """Make `state` what it was when the checkpoint was written.

    Raises:
        ModelError: there is none, or it was made by another recipe (the minutes may differ).
    """
    if not path.exists():
        raise ModelError(f"{path}: no checkpoint to resume; leave out --resume to begin anew")
    content: dict[str, Any] = torch.load(path, map_location=state.net.device, weights_only=True)
    made_by = {**content["recipe"], "minutes": recipe.minutes}
    if made_by != dataclasses.asdict(recipe):
        raise ModelError(f"{path}: was trained by {made_by}, got {recipe}: resume with the same options")
    state.net.load_state_dict(content["net"])
    state.average.load_state_dict(content["average"])
    state.optimizer.load_state_dict(content["optimizer"])
    state.generator.set_state(content["generator"].cpu())
    for name, value in content["counters"].items():
        setattr(state, name, value)
