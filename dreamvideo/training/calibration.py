"""What is measured on a trained network: accuracy, the strength of channels, and how dreams are to be balanced."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import torch
from torch import Tensor, nn

from dreamvideo.models.dreamnet.net import BLOCKS, MAPS, DreamNet
from dreamvideo.models.dreamnet.trained import plain_divisor
from dreamvideo.training.augment import to_images
from dreamvideo.training.batches import Batch
from dreamvideo.training.recipe import Recipe
from dreamvideo.training.train_step import attacked

BALANCED = ("s8b", "s16a")  # the nodes that are dreamed on by default
BALANCE = 0.35  # 0: channels weigh as on renders; more holds back what wins every dream. Chosen by eye

Ascend: TypeAlias = Callable[[Tensor, Mapping[str, Tensor]], Tensor]  # (images, divisors) -> dreamed images


@torch.no_grad()
def recalibrate(net: DreamNet, batches: Iterable[Tensor]) -> None:
    """Measure the statistics of every batch normalization anew; leaves `net` in evaluation mode."""
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the batches
    net.train()
    for images in batches:
        net.features(images, MAPS)
    net.eval()


def accuracy(net: DreamNet, pictures: Batch, size: int = 80, radius: float = 0.0) -> dict[str, Tensor]:
    """Head (`map.s8b`, ...) -> (N,) whether it names the class of each picture.

    Args:
        size: pixels a side.
        radius: L2 length of the gradient step against the network that each picture is moved by first; 0: none.
    """
    right: dict[str, list[Tensor]] = {name: [] for name in MAPS}
    for some, labels in zip(*(torch.split(part.to(net.device), 100) for part in pictures), strict=True):
        images = to_images(some, size)
        if radius:
            images = attacked(net, images, labels, radius, Recipe())
        with torch.no_grad():
            found = net.features(images, MAPS)
        for name in MAPS:
            right[name].append((found[name].mean((2, 3)).argmax(1) == labels).cpu())
    return {name: torch.cat(parts) for name, parts in right.items()}


@torch.no_grad()
def channel_rms(net: DreamNet, pictures: Tensor, size: int = 96) -> dict[str, Tensor]:
    """Node -> (C,) root mean square of its channels over pictures (N, H, W, 3) uint8."""
    device = net.device
    energy = {name: torch.zeros(0) for name in BLOCKS}
    for some in torch.split(pictures, 100):
        for name, value in net.features(to_images(some.to(device), size), BLOCKS).items():
            summed = value.float().square().mean((2, 3)).sum(0).cpu()
            energy[name] = energy[name] + summed if len(energy[name]) else summed
    return {name: (value / len(pictures)).sqrt() for name, value in energy.items()}


def balanced_divisors(
    net: DreamNet, rms: Mapping[str, Tensor], pictures: Tensor, ascend: Ascend | None = None
) -> dict[str, Tensor]:
    """Node -> (C,) divisors that hold back the channels which take over the network's own dreams.

    Args:
        rms: node -> (C,) on the training pictures.
        pictures: (N, 3, H, W) in [0, 1] to dream on.
        ascend: dreams; None: `dreamvideo.ascent.octaves`.
    """
    ascend = ascend or _default_ascend(net)
    plain = {name: plain_divisor(rms[name]) for name in BALANCED}
    energy = {name: torch.zeros_like(plain[name]) for name in BALANCED}
    for picture in torch.split(pictures, 1):
        dreamed = ascend(picture, plain)
        with torch.no_grad():
            found = net.features(dreamed, BALANCED)
        for name in BALANCED:
            energy[name] += found[name].float().square().mean((0, 2, 3)).cpu() / len(pictures)
    divisors = {}
    for name in BALANCED:
        excess = energy[name].sqrt() / plain[name]
        excess = excess / excess.square().mean().sqrt()
        divisors[name] = plain[name] * excess.clamp(0.5, 4) ** BALANCE
    return divisors


def _default_ascend(net: DreamNet) -> Ascend:
    # Imported late: training needs the dreaming half of the program for this alone.
    from dreamvideo.ascent.octaves import dream
    from dreamvideo.models.objectives import Objective, Term
    from dreamvideo.settings.dream import DreamSettings

    settings = DreamSettings(octaves=3, iterations=8)
    terms = tuple(Term(name, kind="log") for name in BALANCED)

    def ascend(images: Tensor, divisors: Mapping[str, Tensor]) -> Tensor:
        device = net.device
        there = {name: value.to(device) for name, value in divisors.items()}
        score = Objective(lambda x: net.features(x, BALANCED), terms, there)
        return dream(images.to(device), score, settings)

    return ascend


def pictures_to_dream_on() -> Tensor:
    """(6, 3, 160, 160) in [0, 1]: renders, so that nothing foreign enters the weights."""
    from dreamvideo.training.render import render

    names = ("background", "background", "background", "dog", "castle", "tree")
    images = [torch.from_numpy(render(31 + seed, name, 160).image) for seed, name in enumerate(names)]
    return torch.stack(images).permute(0, 3, 1, 2).float() / 255
