"""The teachers of distillation: EfficientNet-Lite, and what it raises when it dreams of a group of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dreamvideo.models.class_groups import GROUPS
from dreamvideo.models.efficientnet_lite import CLASS_MAP, VARIANTS
from dreamvideo.models.network import load_network
from dreamvideo.models.objectives import Features, Objective, Term, term_score
from dreamvideo.settings.dream import ModelSettings, ObjectiveSettings
from dreamvideo.training.distill_recipe import AscentRecipe


@dataclass(frozen=True, slots=True)
class Teacher:
    """A frozen classifier of ImageNet's classes.

    Args:
        features: (B, 3, H, W) RGB in [0, 1] -> `layer` (B, C, h, w) and "classifier" (B, 1000, h', w'), logits.
        layer: what draws.
        divisors: layer -> (C,), see `objectives.Objective`.
    """

    features: Features
    layer: str
    divisors: Mapping[str, Tensor]


def load_teacher(name: str, device: torch.device) -> Teacher:
    """Load a teacher with the weights of its package, in float32.

    Args:
        name: a key of `efficientnet_lite.VARIANTS`.
        device: where it runs.

    Raises:
        ModelError, WeightsError: the package is not installed, or its file is not the published one.
    """
    settings = ModelSettings(model=name, device=device.type, precision="fp32")
    # Any group: it is asked for so that the network is cut off behind the classifier.
    score = load_network(settings, ObjectiveSettings(classes=(("animals", 1.0),))).score
    return Teacher(score.features, VARIANTS[name].layer, score.divisors)


def group_score(teacher: Teacher, images: Tensor, groups: Sequence[str], recipe: AscentRecipe) -> Tensor:
    """Score each image by what the teacher raises when it dreams of the group of that image.

    It is what `--class` raises: the energy of a layer, focused on where the classes of the group are likely. Added are
    the odds of these classes themselves.

    Args:
        teacher: whose score it is.
        images: (B, 3, H, W) RGB in [0, 1].
        groups: B names of `GROUPS`.
        recipe: gives the weights.

    Returns:
        (B,) float32, differentiable with respect to the images.
    """
    activations = teacher.features(images)
    scores = []
    for number, group in enumerate(groups):
        own = {name: value[number : number + 1] for name, value in activations.items()}
        focus = Term(CLASS_MAP, recipe.focus_weight, "focus", GROUPS[group])
        drawn = Objective(teacher.features, (Term(teacher.layer, kind="l4"), focus), teacher.divisors)
        odds = term_score(own[CLASS_MAP], Term(CLASS_MAP, kind="class", picks=GROUPS[group]))
        scores.append(drawn.score_activations(own) + recipe.odds_weight * odds)
    return torch.cat(scores)
