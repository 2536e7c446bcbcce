"""Where networks come from: embedded, torchvision's, or anybody's own; each as a `Model` that can be cut off anywhere.

`dreamnet` is embedded. Of torchvision's classifiers the first ImageNet weights are taken where there are several: later
recipes train with heavy regularisation, which classifies better and dreams worse. A model of one's own is a factory,
`package.module:function`, that returns a `torch.nn.Module`.
"""

from __future__ import annotations

import copy
import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import torch
from torch import Tensor, nn

from dreamvideo import engine
from dreamvideo.dreamnet.net import MAPS, DreamNet
from dreamvideo.dreamnet.net import NODES as DREAMNET_NODES
from dreamvideo.dreamnet.weights import load as load_dreamnet
from dreamvideo.errors import DreamVideoError, ModelError, nearest
from dreamvideo.layers import Layer, Whole, describe, for_dreaming
from dreamvideo.objectives import Features, Term
from dreamvideo.weights import download_weights, load_needed, read_weights

# What a network expects of RGB in [0, 1]: (mean, deviation) of each colour.
SCALINGS: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}

Cut = Callable[[Sequence[str], torch.device, torch.dtype], Features]


@dataclass(frozen=True, slots=True)
class Model:
    """A network before it is cut off."""

    name: str
    nodes: tuple[str, ...]  # what can be asked for, in the order of the network
    cut: Cut  # (names, device, precision) -> the network as far as the deepest of these nodes
    whole: Whole  # all nodes at once, on the CPU, whatever its weights
    terms: tuple[Term, ...] = ()  # what it dreams when nothing is said
    kind: str = "l2"  # objective of its layers
    classes: tuple[str, ...] = ()  # in the order of its logits
    class_node: str = ""  # where these are
    divisors: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """A classifier of torchvision that is known to dream well."""

    layer: str  # what it dreams when nothing is said
    build: Mapping[str, Any] = field(default_factory=dict)  # keywords for torchvision's builder


# Without auxiliary heads; transform_input because the weights were trained on another scaling of the input.
_INCEPTION = {"aux_logits": False, "transform_input": True, "init_weights": False}

EMBEDDED: Final = "dreamnet"

CLASSIFIERS: Mapping[str, Entry] = {
    "googlenet": Entry("inception4c", _INCEPTION),
    "inception_v3": Entry("Mixed_6b", _INCEPTION),
    "vgg16": Entry("features.22"),
    "vgg19": Entry("features.26"),
    "resnet50": Entry("layer3"),
    "resnet101": Entry("layer3"),
    "alexnet": Entry("features.9"),
    "squeezenet1_1": Entry("features.10"),
    "densenet121": Entry("features.denseblock3"),
    "mobilenet_v3_large": Entry("features.12"),
    "efficientnet_b0": Entry("features.5"),
    "convnext_tiny": Entry("features.5"),
}


def find_model(name: str, weights: str | None = None, scaling: str = "imagenet") -> Model:
    """The network `name`: `dreamnet`, one of torchvision's classifiers, or `package.module:factory`.

    Args:
        weights: a .safetensors or .pth file; None: embedded, downloaded, or as the factory made them.
        scaling: of `SCALINGS`, for a factory's network.

    Raises:
        ModelError: no such network, or weights that do not fit it.
        WeightsError: weights that cannot be read; downloads begin when the model is cut.
    """
    if name == EMBEDDED:
        return dreamnet_model(weights)
    if ":" in name:
        return factory_model(name, weights, scaling)
    if name not in CLASSIFIERS and name not in torchvision_names():
        known = [EMBEDDED, *CLASSIFIERS]
        raise ModelError(
            f"no network {name!r}{nearest(name, [*known, *torchvision_names()])}; one of: {', '.join(known)}; "
            "any other classifier of torchvision; or package.module:factory"
        )
    return torchvision_model(name, weights)


def build_classifier(name: str) -> nn.Module:
    """A classifier of torchvision without weights, in evaluation mode."""
    from torchvision.models import get_model

    build = CLASSIFIERS[name].build if name in CLASSIFIERS else {}
    return cast(nn.Module, get_model(name, weights=None, **build)).eval()


def torchvision_names() -> list[str]:
    """All classifiers that torchvision builds."""
    import torchvision

    return list(torchvision.models.list_models(module=torchvision.models))


def dreamnet_model(weights: str | None) -> Model:
    """The embedded network, or the DreamNet in the file `weights`."""
    trained = load_dreamnet(weights)

    def cut(names: Sequence[str], device: torch.device, precision: torch.dtype) -> Features:
        network = copy.deepcopy(DreamnetFeatures(trained.net, tuple(names)))
        fast = engine.compile(network, precision) if device.type == "cpu" else None
        return fast or cast(Features, network.to(device, precision, memory_format=torch.channels_last))  # type: ignore[call-overload]

    terms = (Term("s8b", kind="log"), Term("s16a", kind="log"))
    whole = DreamnetFeatures(trained.net, DREAMNET_NODES)
    return Model("dreamnet", DREAMNET_NODES, cut, whole, terms, "log", trained.classes, MAPS[-1], trained.divisors)


class DreamnetFeatures(nn.Module):
    """(B, 3, H, W) RGB in [0, 1] -> node -> activation, of DreamNet as far as the deepest of `names`."""

    def __init__(self, net: DreamNet, names: tuple[str, ...]) -> None:
        super().__init__()
        self.net, self.names = net, names

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return self.net.features(images.contiguous(memory_format=torch.channels_last), self.names)


def torchvision_model(name: str, weights: str | None) -> Model:
    """A classifier of torchvision with ImageNet weights, or those in the file `weights`."""
    from torchvision.models import get_model_weights

    entry = CLASSIFIERS.get(name)
    choice = get_model_weights(name).__members__
    default = choice.get("IMAGENET1K_V1") or next(iter(choice.values()), None)
    state = read_weights(Path(weights)) if weights else None
    classes = tuple(default.meta.get("categories", ())) if default is not None else ()

    def fetched() -> Mapping[str, Tensor]:
        if state is not None:
            return state
        if default is None:
            raise ModelError(f"torchvision has no weights of {name}; give --weights FILE")
        return download_weights(default.url, name, "give --weights FILE, or use --model dreamnet")

    return _traced(
        name, build_classifier(name), entry.layer if entry else None, fetched, weights or name, classes, "imagenet"
    )


def factory_model(spec: str, weights: str | None, scaling: str) -> Model:
    """The module that a factory, `package.module:function`, returns."""
    path, _, function = spec.partition(":")
    try:
        if "" not in sys.path:
            sys.path.insert(0, "")  # a file beside the one who types, as with python -m
        factory: Any = importlib.import_module(path)
        for part in function.split("."):
            factory = getattr(factory, part)
        network = factory()
    except DreamVideoError:
        raise
    except Exception as error:  # whatever somebody's code raises
        raise ModelError(f"--model {spec}: {type(error).__name__}: {error}") from error
    if not isinstance(network, nn.Module):
        raise ModelError(f"--model {spec}: expected a function that returns a torch.nn.Module, got {network!r}")
    state = read_weights(Path(weights)) if weights else network.state_dict()
    return _traced(spec, network.eval(), None, lambda: state, weights or spec, (), scaling)


def _traced(
    name: str,
    network: nn.Module,
    layer: str | None,
    fetched: Callable[[], Mapping[str, Tensor]],
    source: str,
    classes: tuple[str, ...],
    scaling: str,
) -> Model:
    """A module that torch.fx can trace, as a `Model`."""
    from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

    try:
        graph = tuple(get_graph_node_names(network)[1])
    except Exception as error:  # whatever a symbolic run of somebody's code raises
        raise ModelError(f"{name}: torch.fx cannot follow this network: {str(error).splitlines()[0]}") from error
    whole = create_feature_extractor(network, list(graph[1:]))  # the first node is the picture
    modules = tuple(module for module, _ in network.named_modules() if module and module not in graph)

    def cut(names: Sequence[str], device: torch.device, precision: torch.dtype) -> Features:
        # A copy, for what is cast and moved must not be what is cut again.
        extractor = copy.deepcopy(create_feature_extractor(network, list(names)))
        load_needed(extractor, fetched(), source)
        extractor = fold(extractor).requires_grad_(False)
        plain = ScaledFeatures(extractor, torch.float32, *SCALINGS[scaling])
        fast = engine.compile(plain, precision) if device.type == "cpu" else None
        return fast or ScaledFeatures(extractor, precision, *SCALINGS[scaling]).to(device)

    chosen = layer or for_dreaming(_layers(name, whole))
    terms = () if chosen is None else (Term(chosen),)
    return Model(name, (*graph[1:], *modules), cut, whole, terms, "l2", classes, graph[-1])


def _layers(name: str, whole: Whole) -> list[Layer]:
    try:
        return describe(whole)
    except Exception as error:  # whatever somebody's network raises
        raise ModelError(f"{name}: cannot see a picture: {str(error).splitlines()[0]}") from error


class ScaledFeatures(nn.Module):
    """(B, 3, H, W) RGB in [0, 1] -> node -> activation, of a network cut off, in `precision`."""

    mean: Tensor
    std: Tensor

    def __init__(
        self, extractor: nn.Module, precision: torch.dtype, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        super().__init__()
        self.extractor = extractor.to(precision, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.precision = precision
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        scaled = (images - self.mean) / self.std  # scaled before it is rounded to the weights' type
        scaled = scaled.to(self.precision).contiguous(memory_format=torch.channels_last)
        return cast(dict[str, Tensor], self.extractor(scaled))


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
