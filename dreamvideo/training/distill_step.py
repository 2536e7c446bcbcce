"""One step of distillation: the student's gradient is turned along the displacements of the teachers' ascents.

For each example the student's score of the group is differentiated with respect to the image, as an ascent does it. The
loss is 1 minus the cosine between that gradient and the displacement, both blurred, at several blurs. Its derivatives
with respect to the weights take a second backward pass, as in double backpropagation (Drucker, LeCun 1992) and in
training on a teacher's derivatives (Sobolev training, Czarnecki et al. 2017; Jacobian matching, Srinivas, Fleuret
2018). What differs: the direction is not the teacher's derivative but the displacement that its ascent makes.

A map that imitates the teacher's features (FitNets, Romero et al. 2015) supports it, and is not exported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dreamvideo.ascent.gaussian import gaussian_blur
from dreamvideo.models.objectives import log_mean_square
from dreamvideo.training.distill_recipe import DistillRecipe
from dreamvideo.training.distill_state import DistillState, Example

_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class StepReport:
    """What a step measured.

    Args:
        cosines: (blurs, B), of each example at each blur.
        groups: (B,) numbers of the examples' groups.
        feature_error: relative squared error of the imitated features.
    """

    cosines: Tensor
    groups: Tensor
    feature_error: float


def blurred_cosine(first: Tensor, second: Tensor, sigma: float) -> Tensor:
    """Return the cosine of the angle between two directions in which each image can move, both blurred.

    Args:
        first, second: (B, 3, H, W).
        sigma: of the Gaussian, pixels.

    Returns:
        (B,).
    """
    a, b = (gaussian_blur(each, sigma).flatten(1) for each in (first, second))
    lengths = torch.linalg.vector_norm(a, dim=1) * torch.linalg.vector_norm(b, dim=1)
    cosines: Tensor = (a * b).sum(1) / (lengths + _TINY)
    return cosines


def distill_step(state: DistillState, progress: float, recipe: DistillRecipe) -> StepReport:
    """Take one optimizer step.

    Args:
        state: changed in place; has at least `recipe.batch` examples.
        progress: fraction of the run that has passed, 0 to 1.
        recipe: hyperparameters.
    """
    for group in state.optimizer.param_groups:
        group["lr"] = recipe.rate(state.step, progress)
    images, displacements, groups, features = _draw_batch(state, recipe)
    own, imitated = state.student.maps(images, groups)
    (grad,) = torch.autograd.grad(log_mean_square(own).sum(), images, create_graph=True)
    cosines = torch.stack([blurred_cosine(grad, displacements, sigma) for sigma in recipe.blurs])
    feature_error = (imitated - features).square().mean() / features.square().mean()
    loss = recipe.direction_weight * (1 - cosines).mean() + recipe.feature_weight * feature_error
    loss = loss + recipe.scale_weight * own.square().mean().log().square()
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(state.student.parameters(), recipe.gradient_norm)
    state.optimizer.step()
    state.step += 1
    return StepReport(cosines.detach(), groups, feature_error.item())


def _draw_batch(state: DistillState, recipe: DistillRecipe) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images that require a gradient, displacements, groups, features; half of the batches are mirrored."""
    chosen: Sequence[Example] = [state.examples[n] for n in state.rng.sample(range(len(state.examples)), recipe.batch)]
    images, displacements, features = (
        torch.stack(parts).to(state.device).float()
        for parts in zip(*((each.image, each.displacement, each.features) for each in chosen), strict=True)
    )
    if state.rng.random() < 0.5:
        images, displacements, features = images.flip(3), displacements.flip(3), features.flip(3)
    images = images + state.rng.choice(recipe.noises) * torch.randn(images.shape, generator=state.generator).to(images)
    groups = torch.tensor([example.group for example in chosen], device=state.device)
    return images.contiguous(memory_format=torch.channels_last).requires_grad_(), displacements, groups, features
