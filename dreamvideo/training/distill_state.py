"""The state of a run of distillation between two steps, and its checkpoint file."""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dreamvideo.errors import ModelError
from dreamvideo.models.dreamnet.trained import Trained
from dreamvideo.training.distill_recipe import DistillRecipe
from dreamvideo.training.student import Student


@dataclass(frozen=True, slots=True)
class Example:
    """An image, and where the teachers' ascent of a group leads from it; tensors are float16, to save memory.

    Args:
        image: (3, H, W) in [0, 1].
        displacement: (3, H, W), the end of the ascent minus the image.
        group: number of the group.
        features: (C, H/16, W/16), what the first teacher sees in the image, channels divided by their `feature_rms`.
    """

    image: Tensor
    displacement: Tensor
    group: int
    features: Tensor


@dataclass(frozen=True, slots=True)
class AscentEnd:
    """An image at the end of an ascent, from which another may go on.

    Args:
        image: (H, W, 3) uint8 RGB.
        group: number of the group.
        age: ascents so far.
    """

    image: Tensor
    group: int
    age: int


@dataclass(slots=True)
class DistillState:
    """Everything that a step reads or changes.

    Args:
        student: trained by the optimizer.
        optimizer: of the parameters of `student`.
        rng: of all choices.
        generator: of all noise, on the CPU, so that every device has the same.
        feature_rms: (C,) root mean square of the channels of the first teacher's features.
        ends: ends of ascents that wait to go on.
        examples: what the student learns from, oldest first; not in the checkpoint, since they would be most of it.
        seconds: spent so far, resumed runs included.
        step: optimizer steps so far.
    """

    student: Student
    optimizer: torch.optim.Optimizer
    rng: random.Random
    generator: torch.Generator
    feature_rms: Tensor
    ends: list[AscentEnd] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    seconds: float = 0.0
    step: int = 0

    @property
    def device(self) -> torch.device:
        """Where the student is trained."""
        return self.student.net.device


def begin_distillation(
    recipe: DistillRecipe, trained: Trained, feature_count: int, device: torch.device
) -> DistillState:
    """Create a student with its optimizer.

    Args:
        recipe: gives the seed, the groups and the optimizer's hyperparameters.
        trained: the weights that the student begins with.
        feature_count: channels of the first teacher's features.
        device: where to train.
    """
    with torch.random.fork_rng([]):
        torch.manual_seed(recipe.seed)
        student = Student(trained, recipe.groups, feature_count).to(device)
    optimizer = torch.optim.Adam(student.parameters(), lr=recipe.learning_rate, betas=recipe.betas)
    generator = torch.Generator().manual_seed(recipe.seed)
    ones = torch.ones(feature_count, device=device)
    return DistillState(student, optimizer, random.Random(recipe.seed), generator, ones)


def save_distillation(path: Path, state: DistillState, recipe: DistillRecipe) -> None:
    """Write a checkpoint atomically: an interruption leaves the old file or the new one.

    Args:
        path: of the file.
        state: what is written, without its examples.
        recipe: stored beside it, and compared by `resume_distillation`.
    """
    part = path.with_suffix(".part")
    content = {
        "recipe": dataclasses.asdict(recipe),
        "student": state.student.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "rng": state.rng.getstate(),
        "generator": state.generator.get_state(),
        "feature_rms": state.feature_rms,
        "ends": [(end.image, end.group, end.age) for end in state.ends],
        "counters": {"seconds": state.seconds, "step": state.step},
    }
    torch.save(content, part)
    part.replace(path)


def resume_distillation(path: Path, state: DistillState, recipe: DistillRecipe) -> None:
    """Restore a state from a checkpoint. Its examples are made anew, by the student that it has become.

    Args:
        path: of the file.
        state: from `begin_distillation`; changed in place.
        recipe: must be that of the checkpoint; only the minutes may differ.

    Raises:
        ModelError: there is no checkpoint, or another recipe wrote it.
    """
    if not path.exists():
        raise ModelError(f"{path}: no checkpoint to resume; omit --resume to start a new run")
    content: dict[str, Any] = torch.load(path, map_location=state.device, weights_only=True)
    stored = {**content["recipe"], "minutes": recipe.minutes}
    if stored != dataclasses.asdict(recipe):
        raise ModelError(f"{path}: was trained by {stored}, got {recipe}: resume with the same options")
    state.student.load_state_dict(content["student"])
    state.optimizer.load_state_dict(content["optimizer"])
    state.rng.setstate(content["rng"])
    state.generator.set_state(content["generator"].cpu())
    state.feature_rms = content["feature_rms"]
    state.ends = [AscentEnd(image.cpu(), group, age) for image, group, age in content["ends"]]
    state.examples = []
    state.seconds, state.step = content["counters"]["seconds"], content["counters"]["step"]
