"""One step of training: plain, or against an attack within an L2 ball.

The attack is a single gradient step (Goodfellow, Shlens, Szegedy 2015) from a random start, which makes it enough
(Wong, Rice, Kolter 2020). Features that resist it make a dream bounded and smooth (Engstrom et al. 2019).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.dreamnet.augment import varied
from dreamvideo.dreamnet.batches import Batch
from dreamvideo.dreamnet.recipe import Recipe
from dreamvideo.dreamnet.state import State


def loss_of(found: dict[str, Tensor], labels: Tensor, recipe: Recipe) -> Tensor:
    """Cross-entropy of both heads."""
    last, aux = (
        F.cross_entropy(found[name].float(), labels, label_smoothing=recipe.label_smoothing)
        for name in ("logits", "aux")
    )
    return last + recipe.aux_weight * aux


def attacked(state: State, images: Tensor, labels: Tensor, radius: float, recipe: Recipe) -> Tensor:
    """`images` moved by up to 1.4 `radius` (L2) to where the loss is higher: a random start and one gradient step."""
    state.net.requires_grad_(False)
    noise = torch.randn(images.shape, generator=state.generator, device=images.device)
    start = noise * (0.4 * radius / norms(noise))
    moved = (images + start).requires_grad_()
    with torch.autocast(images.device.type, torch.bfloat16):
        loss = loss_of(state.net.features(moved), labels, recipe)
    (gradient,) = torch.autograd.grad(loss, moved)
    state.net.requires_grad_(True)
    moved = images + start + radius * gradient / (norms(gradient) + 1e-12)
    return moved.clamp(0, 1).detach().contiguous(memory_format=torch.channels_last)


def norms(images: Tensor) -> Tensor:
    """(B, 1, 1, 1) L2 norm of each image."""
    lengths: Tensor = torch.linalg.vector_norm(images, dim=(1, 2, 3), keepdim=True)
    return lengths


def train_step(state: State, batch: Batch, progress: float, recipe: Recipe) -> tuple[float, float]:
    """One step of the optimizer; (loss, accuracy) on the batch, attacked as it is."""
    device = state.net.fc.weight.device
    pictures, labels = batch[0].to(device), batch[1].to(device)
    for group in state.optimizer.param_groups:
        group["lr"] = recipe.rate(progress)
    images = varied(pictures, recipe.size(progress), state.generator)
    radius = recipe.radius(progress)
    if radius > 0:
        images = attacked(state, images, labels, radius, recipe)
    with torch.autocast(device.type, torch.bfloat16):
        found = state.net.features(images)
        loss = loss_of(found, labels, recipe)
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    parameters = list(state.net.parameters())
    torch.nn.utils.clip_grad_norm_(parameters, 2.0)
    state.optimizer.step()
    state.step += 1
    state.passes += len(labels)
    decay = min(recipe.average, (1 + state.step) / (20 + state.step))  # a young average forgets sooner
    torch._foreach_lerp_(list(state.average.parameters()), [p.detach() for p in parameters], 1 - decay)
    return loss.item(), (found["logits"].argmax(1) == labels).float().mean().item()
