"""Measures dreams: how colorful they are, how clipped, and what a network recognizes in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.models.dreamnet.net import MAPS, DreamNet
from dreamvideo.models.dreamnet.trained import Trained
from dreamvideo.tensors import resize
from dreamvideo.training.render import BACKGROUND, by_theme

DARKEST, BRIGHTEST = 3, 252  # gray levels of 255; below and above, no structure is visible


def rgb_colorfulness(image: NDArray[np.uint8]) -> float:
    """Measure colorfulness after Hasler and Suesstrunk 2003.

    Args:
        image: (H, W, 3) RGB.

    Returns:
        0 for gray, about 15 for slightly, 60 for quite, 100 for extremely colorful.
    """
    red, green, blue = np.moveaxis(image.astype(np.float64), 2, 0)
    opponents = red - green, (red + green) / 2 - blue
    spread = np.hypot(*(plane.std() for plane in opponents))
    offset = np.hypot(*(plane.mean() for plane in opponents))
    return float(spread + 0.3 * offset)


def hard_share(image: NDArray[np.uint8]) -> float:
    """Return the fraction of pixels that are nearly black or white: luma below `DARKEST` or above `BRIGHTEST`.

    Args:
        image: (H, W, 3) RGB.
    """
    luma = np.rint(image @ np.array([0.299, 0.587, 0.114]))  # BT.601, as in JPEG
    return float(((luma < DARKEST) | (luma > BRIGHTEST)).mean())


@torch.no_grad()
def class_probabilities(net: DreamNet, images: Tensor) -> Tensor:
    """Return what the last head recognizes at each location.

    Args:
        net: in evaluation mode.
        images: (B, 3, H, W) in [0, 1].

    Returns:
        (B, classes, h, w) probabilities, on the CPU.
    """
    return net.features(images.to(net.device), MAPS[-1:])[MAPS[-1]].float().softmax(1).cpu()


def raised_classes(before: Tensor, after: Tensor, factor: float = 10.0) -> Tensor:
    """Find the classes whose mean probability grew by a factor.

    Args:
        before, after: (B, classes, h, w) probabilities; the number of locations may differ.
        factor: by which the mean over images and locations must have grown.

    Returns:
        (classes,) bool.
    """
    return after.mean((0, 2, 3)) >= factor * before.mean((0, 2, 3))


def motif_shares(maps: Sequence[Tensor], without: int | None = None) -> Tensor:
    """Return the fraction of all locations at which each class is the most likely.

    Args:
        maps: (B, classes, h, w) probabilities each, of any size; larger images have more locations.
        without: index of a class that does not compete, such as the background.

    Returns:
        (classes,), summing to 1.
    """
    classes = maps[0].shape[1]
    counts = torch.zeros(classes)
    for probabilities in maps:
        competing = probabilities.clone()
        if without is not None:
            competing[:, without] = -torch.inf
        counts += torch.bincount(competing.argmax(1).flatten(), minlength=classes)
    return counts / counts.sum()


def top_classes(scores: Tensor, classes: Sequence[str], count: int = 3, without: str = "") -> list[str]:
    """Return the names of the classes with the highest scores, highest first.

    Args:
        scores: (classes,).
        classes: names, in the order of `scores`.
        count: how many names.
        without: a class that is left out.
    """
    order = scores.argsort(descending=True).tolist()
    return [classes[number] for number in order if classes[number] != without][:count]


def theme_classes(name: str) -> frozenset[str]:
    """Return a class and the others of its theme; a class that has no motif is alone.

    Args:
        name: of the class.
    """
    for motifs in by_theme().values():
        names = frozenset(motif.name for motif in motifs)
        if name in names:
            return names
    return frozenset({name})


def shrink_image(image: Tensor, shorter: int) -> Tensor:
    """Shrink an image if it is larger.

    Args:
        image: (1, 3, H, W).
        shorter: largest shorter side of the result, in pixels.
    """
    height, width = image.shape[2:]
    scale = min(1.0, shorter / min(height, width))
    return resize(image, (round(height * scale), round(width * scale)))


@torch.no_grad()
def best_classes(trained: Trained, image: Tensor) -> list[str]:
    """Return the three most likely classes besides the background, best first.

    Args:
        trained: the network that looks.
        image: (1, 3, H, W) in [0, 1].
    """
    return top_classes(trained.net(image.to(trained.net.device))[0], trained.classes, 3, BACKGROUND)
