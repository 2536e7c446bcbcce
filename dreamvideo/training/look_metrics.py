"""What is measured of dreams: how colorful, how burnt out, and what a network sees in them; pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.models.dreamnet.net import MAPS, DreamNet
from dreamvideo.training.render import by_theme

DARKEST, BRIGHTEST = 3, 252  # gray levels of 255; what is darker or brighter has no structure left that could be seen


def color_spread(image: NDArray[np.uint8]) -> float:
    """Hasler and Suesstrunk 2003 of (H, W, 3) RGB: 0 is gray, about 15 slightly, 60 quite, 100 extremely colorful."""
    red, green, blue = np.moveaxis(image.astype(np.float64), 2, 0)
    opponents = red - green, (red + green) / 2 - blue
    spread = np.hypot(*(plane.std() for plane in opponents))
    offset = np.hypot(*(plane.mean() for plane in opponents))
    return float(spread + 0.3 * offset)


def hard_share(image: NDArray[np.uint8]) -> float:
    """Share of the pixels of (H, W, 3) RGB that are all but black or white: luma below `DARKEST`, above `BRIGHTEST`."""
    luma = np.rint(image @ np.array([0.299, 0.587, 0.114]))  # of BT.601, as in JPEG
    return float(((luma < DARKEST) | (luma > BRIGHTEST)).mean())


@torch.no_grad()
def probabilities(net: DreamNet, images: Tensor) -> Tensor:
    """(B, classes, h, w) how likely the last head finds each class at each place of (B, 3, H, W) in [0, 1]."""
    return net.features(images.to(net.device), MAPS[-1:])[MAPS[-1]].float().softmax(1).cpu()


def raised(before: Tensor, after: Tensor, factor: float = 10.0) -> Tensor:
    """(classes,) bool: whose mean over places is at least `factor` times as large after as before.

    Args:
        before, after: (B, classes, h, w) probabilities; the places need not be the same.
    """
    return after.mean((0, 2, 3)) >= factor * before.mean((0, 2, 3))


def motif_shares(maps: Sequence[Tensor], without: int | None = None) -> Tensor:
    """(classes,) share of all places of all maps at which a class is the likeliest.

    Args:
        maps: (B, classes, h, w) probabilities each, of any size; larger pictures have more places.
        without: a class that does not compete, such as the background.
    """
    classes = maps[0].shape[1]
    counts = torch.zeros(classes)
    for places in maps:
        rivals = places.clone()
        if without is not None:
            rivals[:, without] = -torch.inf
        counts += torch.bincount(rivals.argmax(1).flatten(), minlength=classes)
    return counts / counts.sum()


def top(scores: Tensor, classes: Sequence[str], count: int = 3, without: str = "") -> list[str]:
    """The names of the `count` highest of (classes,) scores, highest first, `without` left out."""
    order = scores.argsort(descending=True).tolist()
    return [classes[number] for number in order if classes[number] != without][:count]


def siblings(name: str) -> frozenset[str]:
    """The class itself and the others of its theme; of a class that is no motif, the class alone."""
    for motifs in by_theme().values():
        names = frozenset(motif.name for motif in motifs)
        if name in names:
            return names
    return frozenset({name})
