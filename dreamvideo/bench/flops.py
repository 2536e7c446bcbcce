"""Counts the operations that a dream needs at least: the plain network up to its layer, 2 per multiply-add."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.feature_extraction import create_feature_extractor

from dreamvideo.ascent.octaves import octave_sizes
from dreamvideo.models.dreamnet.net import DreamNet
from dreamvideo.models.efficientnet_lite import VARIANTS, EfficientNetLite
from dreamvideo.models.registry import build_classifier
from dreamvideo.settings.dream import DreamSettings


@functools.cache
def gradient_flop(name: str, layers: tuple[str, ...], height: int, width: int) -> int:
    """Count the operations of one forward pass up to `layers` and of the gradient of one image, not of the weights.

    Operations that an implementation merges, pads or repeats are not counted: this is the work that the result needs.

    Args:
        name: "dreamnet", an EfficientNet-Lite, or a classifier of torchvision.
        layers: names of the layers that are ascended.
        height, width: of the image, in pixels.
    """
    if name == "dreamnet":
        net = DreamNet(1).to("meta").requires_grad_(False)
        return count_flop(lambda images: list(net.features(images, layers).values()), height, width)
    whole = EfficientNetLite(VARIANTS[name]) if name in VARIANTS else build_classifier(name)
    extractor = create_feature_extractor(whole, list(layers)).to("meta").requires_grad_(False)
    return count_flop(lambda images: list(extractor(images).values()), height, width)


def count_flop(activations: Callable[[Tensor], Sequence[Tensor]], height: int, width: int) -> int:
    """Count the operations of `activations` of one image and of the gradient of their sum, on meta tensors.

    Args:
        activations: (1, 3, H, W) -> tensors whose sum is differentiated.
        height, width: of the image, in pixels.
    """
    images = torch.empty(1, 3, height, width, device="meta", requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        total = torch.stack([activation.sum() for activation in activations(images)]).sum()
        total.backward()  # type: ignore[no-untyped-call]
    return int(counter.get_total_flops())


def dream_flop(name: str, layers: tuple[str, ...], height: int, width: int, settings: DreamSettings) -> int:
    """Count the operations of a whole dream of one image from scratch, without smoothing and resizing.

    Args:
        name, layers, height, width: as in `gradient_flop`.
        settings: octaves and iterations of the dream.
    """
    sizes = octave_sizes(height, width, settings)
    return settings.iterations * sum(gradient_flop(name, layers, h, w) for h, w in sizes)
