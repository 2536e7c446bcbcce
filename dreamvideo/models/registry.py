"""Where networks come from: embedded, torchvision's, or anybody's own; each as a `Model` that can be cut off anywhere.

`dreamnet` is embedded. Of torchvision's classifiers the first ImageNet weights are taken where there are several: later
recipes train with heavy regularisation, which classifies better and dreams worse. A model of one's own is a factory,
`package.module:function`, that returns a `torch.nn.Module`.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import torch
from torch import Tensor, nn

from dreamvideo.errors import DreamVideoError, ModelError, did_you_mean, first_line
from dreamvideo.models import cpu_engine
from dreamvideo.models.dreamnet.net import MAPS, DreamNet
from dreamvideo.models.dreamnet.net import NODES as DREAMNET_NODES
from dreamvideo.models.dreamnet.trained import load_dreamnet as load_dreamnet
from dreamvideo.models.layers import AllLayers, default_layer
from dreamvideo.models.objectives import Features, Term
from dreamvideo.models.tracing import Nodes, check_input_size, describe_outputs, finish_features, traceable_outputs
from dreamvideo.models.weights import download_weights, load_needed_weights, read_weights

# Classes of dreamnet whose odds, a little of them, go beside the energy of two layers: it makes a dream that fills the
# picture and still holds eyes, faces, trees and flowers. Chosen by eye.
DEFAULT_CLASSES: Final = (
    *("parrot", "lion", "fox", "owl", "dog", "cat", "bird", "fish", "butterfly", "human_eye", "reptile_eye"),
    *("peacock", "peafowl", "daisy", "rose", "lily", "sunflower", "mushroom", "nautilus", "scallop", "mask", "leaf"),
    *("tree", "coral", "lichen", "plumage", "scales", "glass", "honeycomb", "autumn"),
)

CutFunction = Callable[[Sequence[str], torch.device, torch.dtype], Features]


@dataclass(frozen=True, slots=True)
class Model:
    """A network before it is cut off."""

    name: str
    nodes: tuple[str, ...]  # what can be asked for, in the order of the network
    cut: CutFunction  # (names, device, precision) -> the network as far as the deepest of these nodes
    whole: AllLayers  # all nodes at once, on the CPU, whatever its weights
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

DREAMNET: Final = "dreamnet"

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
        scaling: of `SCALINGS`; dreamnet has its own.

    Raises:
        ModelError: no such network, or weights that do not fit it.
        WeightsError: weights that cannot be read; downloads begin when the model is cut.
    """
    if name == DREAMNET:
        return dreamnet_model(weights)
    if ":" in name:
        return factory_model(name, weights, scaling)
    _check_name(name)
    return torchvision_model(name, weights, scaling)


def _check_name(name: str) -> None:
    if name not in CLASSIFIERS and name not in torchvision_names():
        known = [DREAMNET, *CLASSIFIERS]
        raise ModelError(
            f"no network {name!r}{did_you_mean(name, [*known, *torchvision_names()])}; one of: {', '.join(known)}; "
            "any other classifier of torchvision; or package.module:factory"
        )


def build_classifier(name: str, **build: Any) -> nn.Module:
    """A classifier of torchvision without weights, in evaluation mode; `build` goes to its builder."""
    from torchvision.models import get_model

    fixed = CLASSIFIERS[name].build if name in CLASSIFIERS else {}
    return cast(nn.Module, get_model(name, weights=None, **fixed, **build)).eval()


def torchvision_names() -> list[str]:
    """All classifiers that torchvision builds."""
    import torchvision

    return list(torchvision.models.list_models(module=torchvision.models))


def dreamnet_model(weights: str | None) -> Model:
    """The embedded network, or the DreamNet in the file `weights`."""
    trained = load_dreamnet(weights)

    def cut(names: Sequence[str], device: torch.device, precision: torch.dtype) -> Features:
        # A copy, for what is cast and moved must not be what is cut again.
        network = copy.deepcopy(DreamnetFeatures(trained.net, tuple(names)))
        fast = cpu_engine.compile_network(network, precision) if device.type == "cpu" else None
        return fast or cast(Features, network.to(device, precision, memory_format=torch.channels_last))  # type: ignore[call-overload]

    picks = tuple(trained.classes.index(name) for name in DEFAULT_CLASSES if name in trained.classes)
    terms = (Term("s8b", kind="log"), Term("s16a", kind="log"), Term(MAPS[-1], 0.15, "class", picks))
    whole = DreamnetFeatures(trained.net, DREAMNET_NODES)
    return Model("dreamnet", DREAMNET_NODES, cut, whole, terms, "log", trained.classes, MAPS[-1], trained.divisors)


class DreamnetFeatures(nn.Module):
    """(B, 3, H, W) RGB in [0, 1] -> node -> activation, of DreamNet as far as the deepest of `names`."""

    def __init__(self, net: DreamNet, names: tuple[str, ...]) -> None:
        super().__init__()
        self.net, self.names = net, names

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return self.net.features(images.contiguous(memory_format=torch.channels_last), self.names)


def torchvision_model(name: str, weights: str | None, scaling: str = "imagenet") -> Model:
    """A classifier of torchvision with ImageNet weights, or those in the file `weights`, be it for other classes."""
    entry, default = CLASSIFIERS.get(name), pretrained(name)
    state = read_weights(Path(weights)) if weights else None
    network = build_classifier(name)
    classes = class_names(name)
    if state is not None:
        head, value = list(network.state_dict().items())[-1]  # of every one of them: its last value belongs to a class
        count = len(state.get(head, value))
        if count != len(value):
            network, classes = build_classifier(name, num_classes=count), ()

    def fetched() -> Mapping[str, Tensor]:
        if state is not None:
            return state
        if default is None:
            raise ModelError(f"torchvision has no weights of {name}; give --weights FILE")
        return download_weights(default.url, name, "give --weights FILE, or use --model dreamnet")

    return _traced(name, network, entry.layer if entry else None, fetched, weights or name, classes, scaling)


def pretrained(name: str) -> Any:
    """The entry of torchvision's registry for the weights that are taken; None: it has none."""
    from torchvision.models import get_model_weights

    choice = get_model_weights(name).__members__
    return choice.get("IMAGENET1K_V1") or next(iter(choice.values()), None)


def class_names(name: str) -> tuple[str, ...]:
    """The classes of a network with the weights that it has by itself, in the order of its logits, without a download.

    Raises:
        ModelError: no such network.
    """
    if name == DREAMNET:
        return load_dreamnet().classes
    _check_name(name)
    default = pretrained(name)
    return tuple(default.meta.get("categories", ())) if default is not None else ()


def factory_model(spec: str, weights: str | None, scaling: str) -> Model:
    """The module that a factory, `package.module:function`, returns, or that stands there."""
    network = call_factory(spec).float().cpu()
    state = read_weights(Path(weights)) if weights else network.state_dict()
    return _traced(spec, network.eval(), None, lambda: state, weights or spec, (), scaling)


def call_factory(spec: str) -> nn.Module:
    """What the factory `spec` returns.

    Raises:
        ModelError: there is no such factory, it raises, or it returns something else than a module.
    """
    path, _, function = spec.partition(":")
    if not path or not function:
        raise ModelError(f"--model {spec}: expected package.module:factory, such as mine:network")
    try:
        found: Any = importlib.import_module(path)
        for part in function.split("."):
            if not hasattr(found, part):
                raise ModelError(f"--model {spec}: there is no {part!r} in {path}{did_you_mean(part, dir(found))}")
            found = getattr(found, part)
        network = found if isinstance(found, nn.Module) else found()
    except DreamVideoError:
        raise
    except ModuleNotFoundError as error:
        raise ModelError(
            f"--model {spec}: there is no Python module {error.name!r}; expected one that is installed, or a file here"
        ) from error
    except Exception as error:  # whatever somebody's code raises
        raise ModelError(f"--model {spec}: {type(error).__name__}: {first_line(error)}") from error
    if not isinstance(network, nn.Module):
        raise ModelError(
            f"--model {spec}: expected a function that returns a torch.nn.Module, got {type(network).__name__}"
        )
    return network


def _traced(
    name: str,
    network: nn.Module,
    layer: str | None,
    fetched: Callable[[], Mapping[str, Tensor]],
    source: str,
    classes: tuple[str, ...],
    scaling: str,
) -> Model:
    """A module that torch.fx can follow, as a `Model`."""
    if layer is None:  # one that is not known to dream
        check_input_size(network, name)
    outputs = traceable_outputs(network.requires_grad_(False), name)
    whole = Nodes(network, outputs, tuple(outputs))

    def cut(names: Sequence[str], device: torch.device, precision: torch.dtype) -> Features:
        # A copy, for what is cast and moved must not be what is cut again.
        part = copy.deepcopy(Nodes(network, outputs, names))
        layers = describe_outputs(part, name)
        for lost in set(names) - {layer.name for layer in layers}:
            raise ModelError(f"{lost!r} of {name} is no map of channels; see: dreamvideo layers --model {name}")
        load_needed_weights(part.extractor, fetched(), source)
        return finish_features(part, layers, scaling, device, precision)

    chosen = layer or default_layer(describe_outputs(whole, name))
    terms = () if chosen is None else (Term(chosen),)
    return Model(name, tuple(outputs), cut, whole, terms, "l2", classes, list(outputs.values())[-1])
