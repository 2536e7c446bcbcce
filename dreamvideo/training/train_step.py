"""One step of training: plain, or against an attack within an L2 ball.

The attack is a single gradient step (Goodfellow, Shlens, Szegedy 2015) from a random start, which makes it enough
(Wong, Rice, Kolter 2020). Features that resist it make a dream bounded and smooth (Engstrom et al. 2019).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.models.dreamnet.net import MAPS, DreamNet
from dreamvideo.training.augment import varied
from dreamvideo.training.batches import Batch
from dreamvideo.training.recipe import Recipe
from dreamvideo.training.train_state import State


def loss_of(found: dict[str, Tensor], labels: Tensor, recipe: Recipe) -> Tensor:
    """Cross-entropy of all heads; the last counts fully, the others `recipe.aux_weight`."""
    losses = [
        F.cross_entropy(found[name].mean((2, 3)).float(), labels, label_smoothing=recipe.label_smoothing)
        for name in MAPS
    ]
    return losses[-1] + recipe.aux_weight * sum(losses[:-1])


def attacked(net: DreamNet, images: Tensor, labels: Tensor, radius: float, recipe: Recipe) -> Tensor:
    """`images` moved by `radius` (L2) to where the loss is higher, by one gradient step."""
    parameters = [p for p in net.parameters() if p.requires_grad]
    for p in parameters:
        p.requires_grad_(False)  # a backward pass of the images alone costs half
    start = images.detach().clone().requires_grad_()
    with torch.autocast(images.device.type, torch.bfloat16):
        loss = loss_of(net.features(start, MAPS), labels, recipe)
    (gradient,) = torch.autograd.grad(loss, start)
    for p in parameters:
        p.requires_grad_(True)
    moved = images + radius * gradient / (norms(gradient) + 1e-12)
    return moved.clamp(0, 1).detach().contiguous(memory_format=torch.channels_last)


def jittered(images: Tensor, radius: float, generator: torch.Generator) -> Tensor:
    """`images` moved by `radius` (L2) in a random direction."""
    noise = torch.randn(images.shape, generator=generator, device=images.device)
    return images + noise * (radius / norms(noise))


def norms(images: Tensor) -> Tensor:
    """(B, 1, 1, 1) L2 norm of each image."""
    lengths: Tensor = torch.linalg.vector_norm(images, dim=(1, 2, 3), keepdim=True)
    return lengths


def train_step(state: State, batch: Batch, progress: float, recipe: Recipe) -> tuple[float, float]:
    """One step of the optimizer; (loss, accuracy) on the batch, attacked as it is."""
    device = state.net.device
    pictures, labels = batch[0].to(device), batch[1].to(device)
    for group in state.optimizer.param_groups:
        group["lr"] = recipe.rate(progress)
    images = varied(pictures, recipe.size(progress), state.generator)
    radius = recipe.radius(progress)
    if radius > 0:
        images = attacked(state.net, jittered(images, 0.4 * radius, state.generator), labels, radius, recipe)
    with torch.autocast(device.type, torch.bfloat16):
        found = state.net.features(images, MAPS)
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
    return loss.item(), (found[MAPS[-1]].mean((2, 3)).argmax(1) == labels).float().mean().item()
