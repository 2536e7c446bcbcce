"""Shows what every node of a network dreams: one image, dreamed on each node in turn, as a contact sheet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.ascent.octaves import dream
from dreamvideo.media.contact_sheet import contact_sheet
from dreamvideo.models.dreamnet.net import BLOCKS, MAPS, DreamNet
from dreamvideo.models.dreamnet.trained import Trained
from dreamvideo.models.objectives import Objective, Term
from dreamvideo.settings.dream import DreamSettings
from dreamvideo.tensors import to_image

LOOK: Final = DreamSettings(octaves=3)  # chosen by eye, for images of 160 pixels a side
_COLUMNS: Final = 4


def node_sheet(trained: Trained, image: Tensor, look: DreamSettings = LOOK) -> NDArray[np.uint8]:
    """Dream an image on each of `BLOCKS` and `MAPS`.

    Args:
        trained: the network and its divisors.
        image: (1, 3, H, W) in [0, 1].
        look: how to dream.

    Returns:
        (H, W, 3) uint8 RGB: the image itself, then its dreams, labeled.
    """
    net = trained.net
    image = image.to(net.device)
    divisors = {name: value.to(net.device) for name, value in trained.divisors.items()}
    names = (*BLOCKS, *MAPS)
    dreams = [dream(image, _score(net, name, divisors), look) for name in names]
    return contact_sheet([to_image(each) for each in (image, *dreams)], ["source", *names], _COLUMNS)


def _score(net: DreamNet, name: str, divisors: Mapping[str, Tensor]) -> Objective:
    # On a map each location dreams of its most likely class: the energy of logits has no meaning.
    term = Term(name, kind="class" if name in MAPS else "log")
    return Objective(lambda images: net.features(images, [name]), (term,), divisors)
