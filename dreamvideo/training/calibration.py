"""Measures a trained network: batch statistics, accuracy, the strength of its channels, and its whitening divisors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import torch
from torch import Tensor, nn

from dreamvideo.ascent.octaves import dream
from dreamvideo.models.dreamnet.net import BLOCKS, GROUP_CHANNELS, GROUPS_NODE, MAPS, DreamNet
from dreamvideo.models.dreamnet.trained import plain_divisor
from dreamvideo.models.objectives import Objective, Term
from dreamvideo.settings.dream import DreamSettings
from dreamvideo.training.augment import to_images
from dreamvideo.training.batches import Batch
from dreamvideo.training.recipe import Recipe
from dreamvideo.training.render import render
from dreamvideo.training.train_step import attack

BALANCED = ("s8b", "s16a")  # the nodes that the default look dreams on
BALANCE = 0.35  # 0: channels weigh as on renders; larger damps those that win every dream. Chosen by eye
BATCH = 100  # images at once, to bound memory

Ascend: TypeAlias = Callable[[Tensor, Mapping[str, Tensor]], Tensor]  # (images, divisors) -> dreamed images


@torch.no_grad()
def recalibrate(net: DreamNet, batches: Iterable[Tensor]) -> None:
    """Measure the running statistics of every batch normalization from scratch.

    Args:
        net: changed in place, left in evaluation mode.
        batches: (B, 3, H, W) in [0, 1] each.
    """
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the batches
    net.train()
    for images in batches:
        net.features(images, MAPS)
    net.eval()


def head_accuracy(net: DreamNet, batch: Batch, size: int = 80, radius: float = 0.0) -> dict[str, Tensor]:
    """Classify images with every head.

    Args:
        net: in evaluation mode.
        batch: images and their classes.
        size: side in pixels at which the images are classified.
        radius: L2 norm of the gradient step against the network by which each image is moved first. Default: none.

    Returns:
        Head (`map.s8b`, ...) -> (N,) bool, whether it names the class of each image.
    """
    correct: dict[str, list[Tensor]] = {name: [] for name in MAPS}
    for stored, labels in zip(*(torch.split(part.to(net.device), BATCH) for part in batch), strict=True):
        images = to_images(stored, size)
        if radius:
            images = attack(net, images, labels, radius, Recipe())
        with torch.no_grad():
            maps = net.features(images, MAPS)
        for name in MAPS:
            correct[name].append((maps[name].mean((2, 3)).argmax(1) == labels).cpu())
    return {name: torch.cat(parts) for name, parts in correct.items()}


@torch.no_grad()
def channel_rms(net: DreamNet, images: Tensor, size: int = 96) -> dict[str, Tensor]:
    """Measure how strong each channel is.

    Args:
        net: in evaluation mode.
        images: (N, H, W, 3) uint8 RGB.
        size: side in pixels to which the images are resized.

    Returns:
        Node -> (C,) root mean square of its channels over all images and locations.
    """
    names = (*BLOCKS, GROUPS_NODE) if net.group_names else BLOCKS
    energy = {name: torch.zeros(0) for name in names}
    for some in torch.split(images, BATCH):
        for name, value in net.features(to_images(some.to(net.device), size), names).items():
            summed = value.float().square().mean((2, 3)).sum(0).cpu()
            energy[name] = energy[name] + summed if len(energy[name]) else summed
    return {name: (value / len(images)).sqrt() for name, value in energy.items()}


def group_divisors(net: DreamNet, rms: Tensor) -> Tensor:
    """Compute the divisors of the maps of groups: one for each group, so that all groups weigh alike.

    Args:
        net: that has groups.
        rms: (C,) of the node `groups`, from `channel_rms`.

    Returns:
        (C,) the root mean square of the whole map of a group, at each of its channels.
    """
    whole = rms.view(len(net.group_names), GROUP_CHANNELS).square().mean(1).sqrt()
    return whole.repeat_interleave(GROUP_CHANNELS)


def balanced_divisors(
    net: DreamNet, rms: Mapping[str, Tensor], images: Tensor, ascend: Ascend | None = None
) -> dict[str, Tensor]:
    """Compute divisors that damp the channels which dominate the network's own dreams.

    Args:
        net: in evaluation mode.
        rms: node -> (C,) on the training images, from `channel_rms`.
        images: (N, 3, H, W) in [0, 1] to dream on.
        ascend: dreams images with given divisors. Default: `dreamvideo.ascent.octaves.dream`.

    Returns:
        Node of `BALANCED` -> (C,) divisors.
    """
    ascend = ascend or _default_ascend(net)
    plain = {name: plain_divisor(rms[name]) for name in BALANCED}
    energy = {name: torch.zeros_like(plain[name]) for name in BALANCED}
    for image in torch.split(images, 1):
        dreamed = ascend(image, plain)
        with torch.no_grad():
            features = net.features(dreamed, BALANCED)
        for name in BALANCED:
            energy[name] += features[name].float().square().mean((0, 2, 3)).cpu() / len(images)
    divisors = {}
    for name in BALANCED:
        excess = energy[name].sqrt() / plain[name]
        excess = excess / excess.square().mean().sqrt()
        divisors[name] = plain[name] * excess.clamp(0.5, 4) ** BALANCE
    return divisors


def _default_ascend(net: DreamNet) -> Ascend:
    settings = DreamSettings(octaves=3, iterations=8)
    terms = tuple(Term(name, kind="log") for name in BALANCED)

    def ascend(images: Tensor, divisors: Mapping[str, Tensor]) -> Tensor:
        on_device = {name: value.to(net.device) for name, value in divisors.items()}
        score = Objective(lambda x: net.features(x, BALANCED), terms, on_device)
        return dream(images.to(net.device), score, settings)

    return ascend


def calibration_images() -> Tensor:
    """Render the images on which the balance is measured; renders, so that nothing foreign enters the weights.

    Returns:
        (6, 3, 160, 160) in [0, 1]: three backgrounds, a dog, a castle, a tree.
    """
    names = ("background", "background", "background", "dog", "castle", "tree")
    images = [torch.from_numpy(render(31 + seed, name, 160).image) for seed, name in enumerate(names)]
    return torch.stack(images).permute(0, 3, 1, 2).float() / 255
