"""The network that all contenders share: one set of weights, in a plain module and in a file for `load_network`."""

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
from dreamvideo.models.dreamnet.trained import DRAWN
from dreamvideo.models.dreamnet.trained import load_dreamnet as load_dreamnet
from dreamvideo.models.efficientnet_lite import VARIANTS, EfficientNetLite, load_package_weights, own_names
from dreamvideo.models.registry import CLASSIFIERS, DREAMNET, build_classifier
from dreamvideo.models.tracing import SCALINGS
from dreamvideo.models.weights import load_needed_weights, read_weights

SEED = 2015


@dataclass(frozen=True, slots=True)
class BenchNetwork:
    """A whole network whose weights require gradients: what the loop of a tutorial starts from."""

    name: str  # as in `models.registry`
    layer: str  # the layer that is ascended, by its name in `ObjectiveSettings`
    whole: nn.Module  # (B, 3, H, W) scaled as for ImageNet -> logits
    module: str  # the layer's name inside `whole`
    weights: str | None  # file of the same weights; None: those embedded in dreamnet


class FromImageNet(nn.Module):
    """Lets a network take images scaled as for ImageNet, so that all loops share one space.

    Args:
        net: (B, 3, H, W) -> logits.
        scaling: of the images that `net` expects, a key of `tracing.SCALINGS`.
    """

    def __init__(self, net: nn.Module, scaling: str) -> None:
        super().__init__()
        self.net, self.scaling = net, scaling

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.net(scaled(from_imagenet(x), self.scaling)))


def to_imagenet(images: Tensor) -> Tensor:
    """Scale (B, 3, H, W) in [0, 1] as classifiers of ImageNet expect them."""
    return scaled(images, "imagenet")


def scaled(images: Tensor, scaling: str) -> Tensor:
    """Scale (B, 3, H, W) in [0, 1] by a key of `tracing.SCALINGS`."""
    mean, std = (_column(values, images) for values in SCALINGS[scaling])
    return (images - mean) / std


def from_imagenet(images: Tensor) -> Tensor:
    """Invert `to_imagenet`."""
    mean, std = (_column(values, images) for values in SCALINGS["imagenet"])
    return images * std + mean


def _column(values: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device).view(1, 3, 1, 1)


def make_network(name: str, layer: str | None, weights: str | None, folder: Path, device: torch.device) -> BenchNetwork:
    """Build a network for all contenders.

    Args:
        name: "dreamnet", an EfficientNet-Lite, or a classifier of `models.registry`.
        layer: the layer to ascend; None: "s8b" of dreamnet, the default layer of others.
        weights: file of weights; None: embedded or of the package, random ones of a classifier.
        folder: where random weights are written, for `load_network`.
        device: where the network runs.

    Raises:
        ModelError: no such network or layer, or weights that do not fit it.
        WeightsError: the file cannot be read.
    """
    if name == DREAMNET:
        layer = layer or "s8b"
        net = load_dreamnet(weights or DRAWN).net.requires_grad_(True)
        return _checked(BenchNetwork(name, layer, FromImageNet(net, "none").to(device).eval(), f"net.{layer}", weights))
    if name in VARIANTS:
        layer = layer or VARIANTS[name].layer
        lite = EfficientNetLite(VARIANTS[name])
        state = load_package_weights(name) if weights is None else read_weights(Path(weights))
        load_needed_weights(lite, own_names(state, lite), weights or name)
        return _checked(
            BenchNetwork(name, layer, FromImageNet(lite, "lite").to(device).eval(), f"net.{layer}", weights)
        )
    if name not in CLASSIFIERS:
        raise ModelError(f"no network {name!r}; one of: {DREAMNET}, {', '.join((*VARIANTS, *CLASSIFIERS))}")
    layer = layer or CLASSIFIERS[name].layer
    whole = build_classifier(name)
    if weights is not None:
        load_needed_weights(whole, read_weights(Path(weights)), weights)
    else:
        set_random_weights(whole)
        weights = str(folder / f"{name}.pth")
        # The heads of some networks have a hundred million weights, which no dream needs.
        torch.save({k: v for k, v in whole.state_dict().items() if not k.startswith("classifier.")}, weights)
    return _checked(BenchNetwork(name, layer, whole.to(device), layer, weights))


def _checked(network: BenchNetwork) -> BenchNetwork:
    if network.module not in dict(network.whole.named_modules()):
        raise ModelError(f"no layer {network.layer!r} in {network.name} that is a module of it, as --layer must be")
    return network


def set_random_weights(whole: nn.Module) -> None:
    """Set random weights, the same each time, under which activations keep their size from layer to layer."""
    generator = torch.Generator().manual_seed(SEED)
    for module in whole.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # running statistics become the mean over all images
    images = torch.cat([synthetic_image(160, 160, seed) for seed in range(4)])
    for module in whole.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.train()
    with torch.no_grad():
        whole(to_imagenet(images))
    whole.eval()


@contextlib.contextmanager
def capture_output(whole: nn.Module, module: str) -> Generator[dict[str, Tensor], None, None]:
    """Record the output of one module of a network inside the block.

    Args:
        whole: the network.
        module: name of the module inside it.

    Returns:
        A dict that holds, after each forward pass, `module` -> its output.
    """
    outputs: dict[str, Tensor] = {}
    handle = whole.get_submodule(module).register_forward_hook(lambda _, __, output: outputs.update({module: output}))
    try:
        yield outputs
    finally:
        handle.remove()


class _StopForward(Exception):
    """Ends a forward pass early."""


def run_until(whole: nn.Module, images: Tensor, last: str) -> None:
    """Run a network forward until its module `last` has finished."""

    def stop(*_: object) -> None:
        raise _StopForward

    handle = whole.get_submodule(last).register_forward_hook(stop)
    try:
        with contextlib.suppress(_StopForward):
            whole(images)
    finally:
        handle.remove()


@torch.no_grad()
def measure_objective(network: BenchNetwork, images: Tensor) -> float:
    """Return the objective that all contenders are compared by: the mean square of the network's layer.

    Args:
        network: whose layer is measured.
        images: (B, 3, H, W) in [0, 1].
    """
    with capture_output(network.whole, network.module) as outputs:
        run_until(network.whole, to_imagenet(images), network.module)
    return outputs[network.module].square().mean().item()
