"""One step of distillation: the student's gradient is turned along the displacements of the teachers' ascents.

For each example the student's score of the group is differentiated with respect to the image, as an ascent does it. The
loss is 1 minus the cosine between that gradient and the displacement, both blurred, at several blurs. Its derivatives
with respect to the weights take a second backward pass, as in double backpropagation (Drucker, LeCun 1992) and in
training on a teacher's derivatives (Sobolev training, Czarnecki et al. 2017; Jacobian matching, Srinivas, Fleuret
2018). What differs: the direction is not the teacher's derivative but the displacement that its ascent makes.

A map that imitates the teacher's features (FitNets, Romero et al. 2015) supports it, and is not exported. The drawn
classes are kept by classifying renders under attack, as in `train_step`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dreamvideo.ascent.gaussian import gaussian_blur
from dreamvideo.models.dreamnet.net import MAPS
from dreamvideo.models.objectives import log_mean_square
from dreamvideo.training.augment import augment_images
from dreamvideo.training.batches import Batch
from dreamvideo.training.distill_recipe import DistillRecipe
from dreamvideo.training.distill_state import DistillState, Example
from dreamvideo.training.recipe import Recipe
from dreamvideo.training.train_step import add_noise, attack, heads_loss

_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class StepReport:
    """What a step measured.

    Args:
        cosines: (blurs, B), of each example at each blur.
        groups: (B,) numbers of the examples' groups.
        feature_error: relative squared error of the imitated features.
        heads_loss: cross-entropy on attacked renders; None: this step had none.
    """

    cosines: Tensor
    groups: Tensor
    feature_error: float
    heads_loss: float | None


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


def distill_step(state: DistillState, renders: Batch, progress: float, recipe: DistillRecipe) -> StepReport:
    """Take one optimizer step.

    Args:
        state: changed in place; has at least `recipe.batch` examples.
        renders: all renders and their classes, from which some are drawn.
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
    classified: float | None = None
    if state.step % recipe.steps_per_heads == 0:
        drawn = _heads_loss(state, renders, recipe)
        loss, classified = loss + recipe.heads_weight * drawn, drawn.item()
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(state.student.parameters(), recipe.gradient_norm)
    state.optimizer.step()
    state.step += 1
    return StepReport(cosines.detach(), groups, feature_error.item(), classified)


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


def _heads_loss(state: DistillState, renders: Batch, recipe: DistillRecipe) -> Tensor:
    net, defaults = state.student.net, Recipe()
    chosen = torch.tensor([state.rng.randrange(len(renders[1])) for _ in range(recipe.heads_batch)])
    images = augment_images(renders[0][chosen], recipe.heads_side, state.generator)
    images = add_noise(images, recipe.heads_noise, state.generator).to(state.device)
    labels = renders[1][chosen].to(state.device)
    images = attack(net, images, labels, recipe.heads_radius, defaults)
    return heads_loss(net.features(images, MAPS), labels, defaults)
