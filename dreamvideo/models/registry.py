"""The registry of networks: the embedded one, torchvision's classifiers, and a user's own; each as a `Model`.

`dreamnet` is embedded. Of a classifier's weights in torchvision the first for ImageNet are taken: later recipes train
with heavy regularization, which classifies better and dreams worse. A user's own network is a factory,
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

# Classes of dreamnet whose odds are raised a little beside the energy of two layers: the dream fills the image and
# still holds eyes, faces, trees and flowers. Chosen by eye.
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
    nodes: tuple[str, ...]  # names of layers, in the order of the network
    cut: CutFunction  # (names, device, precision) -> the network as far as the deepest of these nodes
    whole: AllLayers  # all nodes at once, on the CPU; its weights may not be loaded
    terms: tuple[Term, ...] = ()  # the default objective
    kind: str = "l2"  # the default objective of a layer, see `objectives`
    classes: tuple[str, ...] = ()  # names, in the order of the logits; empty: the classes have none
    class_node: str = ""  # the node of the logits
    divisors: Mapping[str, Tensor] = field(default_factory=dict)  # see `Objective`


@dataclass(frozen=True, slots=True)
class Entry:
    """A classifier of torchvision that is known to dream well."""

    layer: str  # the default layer
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
    """Find a network by its name.

    Args:
        name: `dreamnet`, one of torchvision's classifiers, or `package.module:factory`.
        weights: a .safetensors or .pth file; None: embedded, downloaded when the model is cut, or the factory's own.
        scaling: a key of `tracing.SCALINGS`; dreamnet has its own.

    Raises:
        ModelError: there is no such network, or the weights do not fit it.
        WeightsError: the weights cannot be read.
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
    """Build a classifier of torchvision with random weights, in evaluation mode.

    Args:
        name: of the classifier.
        build: more keywords for torchvision's builder, such as `num_classes`.
    """
    from torchvision.models import get_model

    fixed = CLASSIFIERS[name].build if name in CLASSIFIERS else {}
    return cast(nn.Module, get_model(name, weights=None, **fixed, **build)).eval()


def torchvision_names() -> list[str]:
    """Return the names of all classifiers of torchvision."""
    import torchvision

    return list(torchvision.models.list_models(module=torchvision.models))


def dreamnet_model(weights: str | None) -> Model:
    """Return the embedded network, or the DreamNet in the file `weights`."""
    trained = load_dreamnet(weights)

    def cut(names: Sequence[str], device: torch.device, precision: torch.dtype) -> Features:
        # A copy: it is cast and moved, and the original may be cut again.
        network = copy.deepcopy(DreamnetFeatures(trained.net, tuple(names)))
        fast = cpu_engine.compile_network(network, precision) if device.type == "cpu" else None
        return fast or cast(Features, network.to(device, precision, memory_format=torch.channels_last))  # type: ignore[call-overload]

    picks = tuple(trained.classes.index(name) for name in DEFAULT_CLASSES if name in trained.classes)
    terms = (Term("s8b", kind="log"), Term("s16a", kind="log"), Term(MAPS[-1], 0.15, "class", picks))
    whole = DreamnetFeatures(trained.net, DREAMNET_NODES)
    return Model("dreamnet", DREAMNET_NODES, cut, whole, terms, "log", trained.classes, MAPS[-1], trained.divisors)


class DreamnetFeatures(nn.Module):
    """(B, 3, H, W) RGB in [0, 1] -> node -> activation: DreamNet as far as the deepest of `names`."""

    def __init__(self, net: DreamNet, names: tuple[str, ...]) -> None:
        super().__init__()
        self.net, self.names = net, names

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return self.net.features(images.contiguous(memory_format=torch.channels_last), self.names)


def torchvision_model(name: str, weights: str | None, scaling: str = "imagenet") -> Model:
    """Return a classifier of torchvision with ImageNet weights, or those in a file, which may be for other classes."""
    entry, default = CLASSIFIERS.get(name), pretrained(name)
    state = read_weights(Path(weights)) if weights else None
    network = build_classifier(name)
    classes = class_names(name)
    if state is not None:
        head, value = list(network.state_dict().items())[-1]  # in all of them it has one row or value for each class
        count = len(state.get(head, value))
        if count != len(value):
            network, classes = build_classifier(name, num_classes=count), ()

    def fetch_state() -> Mapping[str, Tensor]:
        if state is not None:
            return state
        if default is None:
            raise ModelError(f"torchvision has no weights of {name}; give --weights FILE")
        return download_weights(default.url, name, "give --weights FILE, or use --model dreamnet")

    return _traced(name, network, entry.layer if entry else None, fetch_state, weights or name, classes, scaling)


def pretrained(name: str) -> Any:
    """Return torchvision's entry for the weights that are used by default.

    Args:
        name: of a classifier.

    Returns:
        An entry with `url` and `meta`; None: torchvision has no weights of it.
    """
    from torchvision.models import get_model_weights

    choice = get_model_weights(name).__members__
    return choice.get("IMAGENET1K_V1") or next(iter(choice.values()), None)


def class_names(name: str) -> tuple[str, ...]:
    """Return the classes of a network with its default weights, in the order of the logits, without a download.

    Args:
        name: `dreamnet` or a classifier of torchvision.

    Raises:
        ModelError: there is no such network.
    """
    if name == DREAMNET:
        return load_dreamnet().classes
    _check_name(name)
    default = pretrained(name)
    return tuple(default.meta.get("categories", ())) if default is not None else ()


def factory_model(spec: str, weights: str | None, scaling: str) -> Model:
    """Return the network that `spec`, `package.module:name`, makes or is, as a `Model`."""
    network = call_factory(spec).float().cpu()
    state = read_weights(Path(weights)) if weights else network.state_dict()
    return _traced(spec, network.eval(), None, lambda: state, weights or spec, (), scaling)


def call_factory(spec: str) -> nn.Module:
    """Call a user's factory.

    Args:
        spec: `package.module:function`, or `package.module:network` for an instance. It is imported as usual; for the
            command `process.configure_process` makes the current directory importable.

    Raises:
        ModelError: there is no such factory, it raises, or it returns something else than a `torch.nn.Module`.
    """
    path, _, function = spec.partition(":")
    if not path or not function:
        raise ModelError(f"--model {spec}: expected package.module:factory, such as mine:network")
    try:
        target: Any = importlib.import_module(path)
        for part in function.split("."):
            if not hasattr(target, part):
                raise ModelError(f"--model {spec}: there is no {part!r} in {path}{did_you_mean(part, dir(target))}")
            target = getattr(target, part)
        network = target if isinstance(target, nn.Module) else target()
    except DreamVideoError:
        raise
    except ModuleNotFoundError as error:
        raise ModelError(
            f"--model {spec}: there is no Python module {error.name!r}; expected one that is installed, or a file here"
        ) from error
    except Exception as error:  # of any kind, from a user's code
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
    fetch_state: Callable[[], Mapping[str, Tensor]],
    source: str,
    classes: tuple[str, ...],
    scaling: str,
) -> Model:
    """Make a `Model` of a module that torch.fx can trace."""
    if layer is None:  # not in the table of tried networks
        check_input_size(network, name)
    outputs = traceable_outputs(network.requires_grad_(False), name)
    whole = Nodes(network, outputs, tuple(outputs))

    def cut(names: Sequence[str], device: torch.device, precision: torch.dtype) -> Features:
        # A copy: it is cast and moved, and the original may be cut again.
        part = copy.deepcopy(Nodes(network, outputs, names))
        layers = describe_outputs(part, name)
        for missing in set(names) - {layer.name for layer in layers}:
            raise ModelError(f"{missing!r} of {name} is not a map of channels; see: dreamvideo layers --model {name}")
        load_needed_weights(part.extractor, fetch_state(), source)
        return finish_features(part, layers, scaling, device, precision)

    chosen = layer or default_layer(describe_outputs(whole, name))
    terms = () if chosen is None else (Term(chosen),)
    return Model(name, tuple(outputs), cut, whole, terms, "l2", classes, list(outputs.values())[-1])
