"""The network that all contenders share: one set of weights, as torchvision builds it and as a file for us."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from dreamvideo.bench.synthetic import synthetic_image
from dreamvideo.errors import ModelError
from dreamvideo.models.dreamnet.trained import load_dreamnet as load_dreamnet
from dreamvideo.models.registry import CLASSIFIERS, DREAMNET, build_classifier
from dreamvideo.models.tracing import SCALINGS
from dreamvideo.models.weights import load_needed_weights, read_weights

SEED = 2015


@dataclass(frozen=True, slots=True)
class BenchNetwork:
    """A network, whole, with its weights open to gradients: what a newcomer's loop begins with."""

    name: str  # as in the table of networks
    layer: str  # what is excited, by its name for us
    whole: nn.Module  # (B, 3, H, W) scaled as for ImageNet -> logits
    module: str  # the layer's name inside `whole`
    weights: str | None  # file of the same weights; None: dreamnet's own


class FromImageNet(nn.Module):
    """A network of pictures in [0, 1], fed with pictures scaled as for ImageNet, so that all loops share one space."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.net(from_imagenet(x)))


def to_imagenet(images: Tensor) -> Tensor:
    """Pictures in [0, 1] scaled as classifiers of ImageNet want them."""
    mean, std = (_column(values, images) for values in SCALINGS["imagenet"])
    return (images - mean) / std


def from_imagenet(images: Tensor) -> Tensor:
    """The inverse of `to_imagenet`."""
    mean, std = (_column(values, images) for values in SCALINGS["imagenet"])
    return images * std + mean


def _column(values: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device).view(1, 3, 1, 1)


def make_network(name: str, layer: str | None, weights: str | None, folder: Path, device: torch.device) -> BenchNetwork:
    """The network `name` on `device` with weights from a file or, of a classifier, random ones, written to `folder`.

    Raises:
        ModelError: no such network or layer, or weights that do not fit it.
        WeightsError: the file cannot be read.
    """
    if name == DREAMNET:
        layer = layer or "s8b"
        net = load_dreamnet(weights).net.requires_grad_(True)
        return _checked(BenchNetwork(name, layer, FromImageNet(net).to(device).eval(), f"net.{layer}", weights))
    if name not in CLASSIFIERS:
        raise ModelError(f"no network {name!r}; one of: {DREAMNET}, {', '.join(CLASSIFIERS)}")
    layer = layer or CLASSIFIERS[name].layer
    whole = build_classifier(name)
    if weights is not None:
        load_needed_weights(whole, read_weights(Path(weights)), weights)
    else:
        set_random_weights(whole)
        weights = str(folder / f"{name}.pth")
        # The heads of some are a hundred million weights, which no dream needs.
        torch.save({k: v for k, v in whole.state_dict().items() if not k.startswith("classifier.")}, weights)
    return _checked(BenchNetwork(name, layer, whole.to(device), layer, weights))


def _checked(subject: BenchNetwork) -> BenchNetwork:
    if subject.module not in dict(subject.whole.named_modules()):
        raise ModelError(f"no layer {subject.layer!r} in {subject.name} that is a module of it, as --layer must be")
    return subject


def set_random_weights(whole: nn.Module) -> None:
    """Give a network random weights, the same each time, under which activations keep their size from end to end."""
    generator = torch.Generator().manual_seed(SEED)
    for module in whole.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # what it then learns is the mean over all that it sees
    pictures = torch.cat([synthetic_image(160, 160, seed) for seed in range(4)])
    for module in whole.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.train()
    with torch.no_grad():
        whole(to_imagenet(pictures))
    whole.eval()


@contextlib.contextmanager
def capture_output(whole: nn.Module, module: str) -> Generator[dict[str, Tensor], None, None]:
    """A dict that holds, after each pass of `whole`, the output of its `module`."""
    heard: dict[str, Tensor] = {}
    handle = whole.get_submodule(module).register_forward_hook(lambda _, __, output: heard.update({module: output}))
    try:
        yield heard
    finally:
        handle.remove()


class _Enough(Exception):
    """Ends a forward pass early."""


def run_until(whole: nn.Module, images: Tensor, last: str) -> None:
    """Run `whole` forward until its module `last` is done."""

    def stop(*_: object) -> None:
        raise _Enough

    handle = whole.get_submodule(last).register_forward_hook(stop)
    try:
        with contextlib.suppress(_Enough):
            whole(images)
    finally:
        handle.remove()


@torch.no_grad()
def measure_objective(subject: BenchNetwork, images: Tensor) -> float:
    """The objective that all are judged by: the mean square of the layer, of pictures in [0, 1]."""
    with capture_output(subject.whole, subject.module) as heard:
        run_until(subject.whole, to_imagenet(images), subject.module)
    return heard[subject.module].square().mean().item()
