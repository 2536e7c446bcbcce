"""How much arithmetic a dream needs at least: counted on the plain network cut off at its layer, 2 per multiply-add."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.feature_extraction import create_feature_extractor

from dreamvideo.ascent.octaves import octave_sizes
from dreamvideo.models.dreamnet.net import DreamNet
from dreamvideo.models.registry import build_classifier
from dreamvideo.settings.dream import DreamSettings


@functools.cache
def gradient_flop(name: str, layers: tuple[str, ...], height: int, width: int) -> int:
    """Operations of one forward pass as far as `layers` and of the gradient of one picture; of no weight's gradient.

    What an engine merges, pads or computes twice counts for nothing: this is the work, not what is made of it.
    """
    if name == "dreamnet":
        net = DreamNet(1).to("meta").requires_grad_(False)
        return count_flop(lambda images: list(net.features(images, layers).values()), height, width)
    whole = build_classifier(name)
    extractor = create_feature_extractor(whole, list(layers)).to("meta").requires_grad_(False)
    return count_flop(lambda images: list(extractor(images).values()), height, width)


def count_flop(activations: Callable[[Tensor], Sequence[Tensor]], height: int, width: int) -> int:
    """Operations of `activations` of one picture, and of their sum's gradient; on tensors that hold nothing."""
    images = torch.empty(1, 3, height, width, device="meta", requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        total = torch.stack([activation.sum() for activation in activations(images)]).sum()
        total.backward()  # type: ignore[no-untyped-call]
    return int(counter.get_total_flops())


def dream_flop(name: str, layers: tuple[str, ...], height: int, width: int, settings: DreamSettings) -> int:
    """Operations of a whole dream from scratch, of one picture; smoothing and resizing not counted."""
    sizes = octave_sizes(height, width, settings)
    return settings.iterations * sum(gradient_flop(name, layers, h, w) for h, w in sizes)
