"""Networks by name: frozen, cut off after the last layer needed, batch-norm folded, with their weights.

`dreamnet` is embedded. The others are torchvision's classifiers with their first ImageNet weights: later recipes train
with heavy regularisation, which classifies better and dreams worse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from dreamvideo import engine
from dreamvideo.devices import pick_device, pick_precision
from dreamvideo.dreamnet.net import NODES as DREAMNET_LAYERS
from dreamvideo.dreamnet.net import DreamNet
from dreamvideo.dreamnet.weights import load as load_dreamnet
from dreamvideo.errors import ModelError, nearest
from dreamvideo.objectives import Features, Objective
from dreamvideo.settings import DreamSettings, ModelSettings
from dreamvideo.weights import download_weights, load_needed, read_weights

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the table: how a network is built and what it dreams when nothing is said."""

    layers: tuple[tuple[str, float], ...]
    objective: str = "l2"
    build: Mapping[str, Any] = field(default_factory=dict)  # keywords for torchvision's builder


# Without auxiliary heads; transform_input because the weights were trained on another scaling of the input.
_INCEPTION = {"aux_logits": False, "transform_input": True, "init_weights": False}

MODELS: Mapping[str, Entry] = {
    "dreamnet": Entry((("s8b", 1.0), ("s16a", 1.0)), "log"),
    "googlenet": Entry((("inception4c", 1.0),), build=_INCEPTION),
    "inception_v3": Entry((("Mixed_6b", 1.0),), build=_INCEPTION),
    "vgg16": Entry((("features.22", 1.0),)),
    "vgg19": Entry((("features.26", 1.0),)),
    "resnet50": Entry((("layer3", 1.0),)),
    "resnet101": Entry((("layer3", 1.0),)),
    "alexnet": Entry((("features.9", 1.0),)),
    "squeezenet1_1": Entry((("features.10", 1.0),)),
    "densenet121": Entry((("features.denseblock3", 1.0),)),
    "mobilenet_v3_large": Entry((("features.12", 1.0),)),
    "efficientnet_b0": Entry((("features.5", 1.0),)),
    "convnext_tiny": Entry((("features.5", 1.0),)),
}


@dataclass(frozen=True, slots=True)
class Network:
    """A network ready to dream."""

    name: str
    score: Objective
    device: torch.device
    precision: torch.dtype


def load_network(settings: ModelSettings, dream: DreamSettings) -> Network:
    """The network that `settings` name, on its device, as a score of what `dream` wants raised.

    Raises:
        ModelError: no such network or layer, or weights that do not fit it.
        WeightsError: weights that cannot be read or downloaded.
        DeviceError: the device is not there.
    """
    entry = MODELS.get(settings.model)
    if entry is None:
        raise ModelError(f"no network {settings.model!r}{nearest(settings.model, MODELS)}; one of: {', '.join(MODELS)}")
    device = pick_device(settings.device)
    precision = pick_precision(settings.precision, device)
    if settings.threads and device.type == "cpu":
        torch.set_num_threads(settings.threads)
    layers = dream.layers or entry.layers
    names = [name for name, _ in layers]
    kind = entry.objective if dream.objective == "auto" else dream.objective
    if settings.model == "dreamnet":
        features, divisors = dreamnet_features(names, settings.weights, device, precision)
    else:
        features, divisors = torchvision_features(settings.model, names, settings.weights, device, precision), {}
    return Network(settings.model, Objective(features, tuple(layers), kind, divisors), device, precision)


def dreamnet_features(
    layers: list[str], weights: str | None, device: torch.device, precision: torch.dtype
) -> tuple[Features, dict[str, Tensor]]:
    """DreamNet as far as the deepest of `layers`, and the divisors that balance its channels.

    Raises:
        ModelError: no such layer, or the file holds no DreamNet.
        WeightsError: the file cannot be read.
    """
    for name in layers:
        _check_layer(name, DREAMNET_LAYERS, "dreamnet")
    trained = load_dreamnet(weights)
    network = DreamnetFeatures(trained.net, layers)
    divisors = {name: value.to(device) for name, value in trained.divisors.items()}
    fast = engine.compile(network, precision) if device.type == "cpu" else None
    if fast is not None:
        return fast, divisors
    return cast(Features, network.to(device, precision, memory_format=torch.channels_last)), divisors  # type: ignore[call-overload]


class DreamnetFeatures(nn.Module):
    """(B, 3, H, W) RGB in [0, 1] -> layer name -> activation, of DreamNet as far as the deepest of `layers`."""

    def __init__(self, net: DreamNet, layers: list[str]) -> None:
        super().__init__()
        self.net, self.layers = net, layers

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return self.net.features(images.contiguous(memory_format=torch.channels_last), self.layers)


class TorchvisionFeatures(nn.Module):
    """(B, 3, H, W) RGB in [0, 1] -> layer name -> activation, of a torchvision classifier cut off."""

    mean: Tensor
    std: Tensor

    def __init__(self, extractor: nn.Module, precision: torch.dtype) -> None:
        super().__init__()
        self.extractor = extractor.to(precision, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.precision = precision
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        scaled = (images - self.mean) / self.std  # scaled before it is rounded to the weights' type
        scaled = scaled.to(self.precision).contiguous(memory_format=torch.channels_last)
        return cast(dict[str, Tensor], self.extractor(scaled))


def torchvision_features(
    name: str, layers: list[str], weights: str | None, device: torch.device, precision: torch.dtype
) -> Features:
    """A classifier of the table as a feature extractor with ImageNet weights, or those in the file `weights`."""
    from torchvision.models import get_model
    from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

    model = get_model(name, weights=None, **MODELS[name].build).eval()
    known = get_graph_node_names(model)[1]
    for layer in layers:
        _check_layer(layer, [*known, *(module for module, _ in model.named_modules())], name)
    extractor = create_feature_extractor(model, layers)
    state = read_weights(Path(weights)) if weights else imagenet_weights(name)
    load_needed(extractor, state, weights or name)
    extractor = fold(extractor).requires_grad_(False)
    fast = engine.compile(TorchvisionFeatures(extractor, torch.float32), precision) if device.type == "cpu" else None
    return fast or TorchvisionFeatures(extractor, precision).to(device)


def fold(extractor: nn.Module) -> nn.Module:
    """The same network in evaluation mode with its batch norms folded into its convolutions."""
    from torch.fx.experimental.optimization import fuse

    return fuse(_without_overwriting(extractor.eval()), inplace=True, no_trace=True)


def _without_overwriting(extractor: nn.Module) -> nn.Module:
    # An in-place ReLU behind a layer that is dreamed on would overwrite it.
    for module in extractor.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]
    graph_module = cast(torch.fx.GraphModule, extractor)
    for node in graph_module.graph.nodes:
        if node.kwargs.get("inplace"):
            node.kwargs = {**node.kwargs, "inplace": False}
    graph_module.recompile()
    return graph_module


def imagenet_weights(name: str) -> Mapping[str, Tensor]:
    """torchvision's first ImageNet weights of a network, from its cache or downloaded there.

    Raises:
        WeightsError: the download failed, or the file is broken; the message says what to do.
    """
    from torchvision.models import get_model_weights

    url = get_model_weights(name)["IMAGENET1K_V1"].url
    return download_weights(url, name, "give --weights FILE, or use --model dreamnet")


def _check_layer(name: str, known: Any, model: str) -> None:
    if name not in known:
        raise ModelError(f"no layer {name!r} in {model}{nearest(name, known)}")
