"""What every node of the network dreams: one picture, dreamed on each in turn, on one sheet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.ascent.octaves import dream
from dreamvideo.media.contact_sheet import contact_sheet
from dreamvideo.models.dreamnet.net import BLOCKS, MAPS, DreamNet
from dreamvideo.models.dreamnet.trained import Trained
from dreamvideo.models.objectives import Objective, Term
from dreamvideo.settings.dream import DreamSettings

LOOK: Final = DreamSettings(octaves=3)
_COLUMNS: Final = 4


def node_sheet(trained: Trained, picture: Tensor, look: DreamSettings = LOOK) -> NDArray[np.uint8]:
    """The picture, then its dream on each of `BLOCKS` and `MAPS`, labeled; (H, W, 3) uint8 RGB.

    Args:
        picture: (1, 3, H, W) in [0, 1].
    """
    net = trained.net
    picture = picture.to(net.device)
    divisors = {name: value.to(net.device) for name, value in trained.divisors.items()}
    names = (*BLOCKS, *MAPS)
    dreams = [dream(picture, _score(net, name, divisors), look) for name in names]
    return contact_sheet([_bytes(each) for each in (picture, *dreams)], ["source", *names], _COLUMNS)


def _score(net: DreamNet, name: str, divisors: Mapping[str, Tensor]) -> Objective:
    # A map dreams of whatever class is nearest at each place; its logits have no energy to speak of.
    term = Term(name, kind="class" if name in MAPS else "log")
    return Objective(lambda images: net.features(images, [name]), (term,), divisors)


def _bytes(image: Tensor) -> NDArray[np.uint8]:
    rounded: NDArray[np.uint8] = (image[0].permute(1, 2, 0) * 255).round().to(torch.uint8).cpu().numpy()
    return rounded
