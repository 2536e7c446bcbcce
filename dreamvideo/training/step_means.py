"""Means over steps of what distillation measures, as a line of the log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dreamvideo.training.distill_recipe import DistillRecipe
from dreamvideo.training.distill_step import StepReport


@dataclass(slots=True)
class StepMeans:
    """Sums of what steps measured, since the last line of the log."""

    cosines: list[Tensor] = field(default_factory=list)
    feature_errors: list[float] = field(default_factory=list)
    heads_losses: list[float] = field(default_factory=list)
    by_group: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, report: StepReport) -> None:
        """Count one more step."""
        self.cosines.append(report.cosines.mean(1).cpu())
        self.feature_errors.append(report.feature_error)
        if report.heads_loss is not None:
            self.heads_losses.append(report.heads_loss)
        for group, cosine in zip(report.groups.tolist(), report.cosines.mean(0).tolist(), strict=True):
            self.by_group[group].append(cosine)

    def line(self, recipe: DistillRecipe) -> str:
        """Return the means as text: cosines by blur, the losses, cosines by group.

        Args:
            recipe: names blurs and groups.
        """
        each = zip(recipe.blurs, torch.stack(self.cosines).mean(0).tolist(), strict=True)
        cosines = "  ".join(f"{sigma:g} px {cosine:.3f}" for sigma, cosine in each)
        groups = " ".join(f"{recipe.groups[n]} {_mean(values):.2f}" for n, values in sorted(self.by_group.items()))
        features, heads = _mean(self.feature_errors), _mean(self.heads_losses)
        return f"cosine at {cosines}  features {features:.3f}  heads {heads:.3f}  {groups}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")
