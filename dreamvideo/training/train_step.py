"""One training step, plain or adversarial within an L2 ball.

The attack is a single gradient step (Goodfellow, Shlens, Szegedy 2015) from a random start, which suffices (Wong, Rice,
Kolter 2020). Features that resist it make dreams bounded and smooth (Engstrom et al. 2019).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.models.dreamnet.net import MAPS, DreamNet
from dreamvideo.training.augment import augment_images
from dreamvideo.training.batches import Batch
from dreamvideo.training.recipe import Recipe
from dreamvideo.training.train_state import TrainState


def heads_loss(maps: dict[str, Tensor], labels: Tensor, recipe: Recipe) -> Tensor:
    """Sum the cross-entropy of all heads; the last has weight 1, the others `recipe.aux_weight`.

    Args:
        maps: head -> (B, classes, h, w) logits, averaged over locations here.
        labels: (B,) class indices.
        recipe: weights and label smoothing.

    Returns:
        A scalar.
    """
    losses = [
        F.cross_entropy(maps[name].mean((2, 3)).float(), labels, label_smoothing=recipe.label_smoothing)
        for name in MAPS
    ]
    return losses[-1] + recipe.aux_weight * sum(losses[:-1])


def attack(net: DreamNet, images: Tensor, labels: Tensor, radius: float, recipe: Recipe) -> Tensor:
    """Move images by one gradient step to where the loss is higher.

    Args:
        net: what is attacked.
        images: (B, 3, H, W) in [0, 1].
        labels: (B,) class indices.
        radius: L2 norm of the step, before clamping.
        recipe: of the loss.

    Returns:
        (B, 3, H, W) in [0, 1], detached.
    """
    parameters = [p for p in net.parameters() if p.requires_grad]
    for p in parameters:
        p.requires_grad_(False)  # a backward pass to the images alone costs half
    start = images.detach().clone().requires_grad_()
    with torch.autocast(images.device.type, torch.bfloat16):
        loss = heads_loss(net.features(start, MAPS), labels, recipe)
    (grad,) = torch.autograd.grad(loss, start)
    for p in parameters:
        p.requires_grad_(True)
    moved = images + radius * grad / (l2_norms(grad) + 1e-12)
    return moved.clamp(0, 1).detach().contiguous(memory_format=torch.channels_last)


def add_noise(images: Tensor, radius: float, generator: torch.Generator) -> Tensor:
    """Move images in a random direction.

    Args:
        images: (B, 3, H, W).
        radius: L2 norm of the noise of each image.
        generator: on the device of `images`.
    """
    noise = torch.randn(images.shape, generator=generator, device=images.device)
    return images + noise * (radius / l2_norms(noise))


def l2_norms(images: Tensor) -> Tensor:
    """Return the L2 norm of each image, (B, 1, 1, 1).

    Args:
        images: (B, 3, H, W).
    """
    norms: Tensor = torch.linalg.vector_norm(images, dim=(1, 2, 3), keepdim=True)
    return norms


def train_step(state: TrainState, batch: Batch, progress: float, recipe: Recipe) -> tuple[float, float]:
    """Take one optimizer step.

    Args:
        state: changed in place.
        batch: images and classes.
        progress: fraction of the run that has passed, 0 to 1.
        recipe: hyperparameters and schedules.

    Returns:
        Loss and accuracy of the last head, on the augmented and attacked batch.
    """
    device = state.net.device
    stored, labels = batch[0].to(device), batch[1].to(device)
    for group in state.optimizer.param_groups:
        group["lr"] = recipe.rate(progress)
    images = augment_images(stored, recipe.size(progress), state.generator)
    radius = recipe.radius(progress)
    if radius > 0:
        images = attack(state.net, add_noise(images, 0.4 * radius, state.generator), labels, radius, recipe)
    with torch.autocast(device.type, torch.bfloat16):
        maps = state.net.features(images, MAPS)
        loss = heads_loss(maps, labels, recipe)
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    parameters = list(state.net.parameters())
    torch.nn.utils.clip_grad_norm_(parameters, 2.0)
    state.optimizer.step()
    state.step += 1
    state.passes += len(labels)
    decay = min(recipe.average, (1 + state.step) / (20 + state.step))  # early on, forget the first weights sooner
    torch._foreach_lerp_(list(state.average.parameters()), [p.detach() for p in parameters], 1 - decay)
    return loss.item(), (maps[MAPS[-1]].mean((2, 3)).argmax(1) == labels).float().mean().item()
