"""The registry of networks: EfficientNet-Lite, dreamnet, torchvision's classifiers, a user's own; each as a `Model`.

The weights of `efficientnet_lite2` and its siblings are in packages, `dreamnet` is embedded. Of a classifier's weights
in torchvision the first for ImageNet are taken: later recipes train with heavy regularization, which classifies better
and dreams worse. A user's own network is a factory, `package.module:function`, that returns a `torch.nn.Module`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import torch
from torch import Tensor, nn

from dreamvideo.errors import ModelError, did_you_mean
from dreamvideo.models import cpu_engine
from dreamvideo.models.dreamnet.net import GROUPS_NODE, MAPS, DreamNet, DreamnetFeatures, group_node
from dreamvideo.models.dreamnet.trained import DRAWN, PHOTO
from dreamvideo.models.dreamnet.trained import load_dreamnet as load_dreamnet
from dreamvideo.models.efficientnet_lite import VARIANTS, efficientnet_lite_model, imagenet_classes
from dreamvideo.models.gpu_engine.build import fuse_network
from dreamvideo.models.model import Model, traced_model
from dreamvideo.models.objectives import Features, Term
from dreamvideo.models.own_network import load_own_network
from dreamvideo.models.weights import download_weights, read_weights
from dreamvideo.settings.network_looks import DRAWN_NETWORK, EMBEDDED_NETWORK, resolve_network

# Classes that drawings taught. Their odds are raised a little beside the energy of two layers: the dream fills the
# image and still holds eyes, faces, trees and flowers. Chosen by eye.
DEFAULT_CLASSES: Final = (
    *("parrot", "lion", "fox", "owl", "dog", "cat", "bird", "fish", "butterfly", "human_eye", "reptile_eye"),
    *("peacock", "peafowl", "daisy", "rose", "lily", "sunflower", "mushroom", "nautilus", "scallop", "mask", "leaf"),
    *("tree", "coral", "lichen", "plumage", "scales", "glass", "honeycomb", "autumn"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A classifier of torchvision that is known to dream well."""

    layer: str  # the default layer
    build: Mapping[str, Any] = field(default_factory=dict)  # keywords for torchvision's builder


# Without auxiliary heads; transform_input because the weights were trained on another scaling of the input.
_INCEPTION = {"aux_logits": False, "transform_input": True, "init_weights": False}

DREAMNET: Final = EMBEDDED_NETWORK
# Of a node that several files have, the first counts.
EMBEDDED_WEIGHTS: Final = {DREAMNET: (DRAWN, PHOTO), DRAWN_NETWORK: (DRAWN,)}
GROUP_KIND: Final = "l2"  # how a group is dreamed; chosen by eye
ANIMALS: Final = "animals"  # of `GROUPS`; dreamnet dreams it by these groups. Without spiders, which are seldom seen
ANIMAL_GROUPS: Final = ("dogs", "cats", "birds", "snakes", "fish", "apes", "sea")

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
    "mobilenet_v2": Entry("features.14.conv.0"),
    "mobilenet_v3_large": Entry("features.12"),
    "efficientnet_b0": Entry("features.5"),
    "convnext_tiny": Entry("features.5"),
}


def find_model(name: str, weights: str | None = None, scaling: str = "imagenet") -> Model:
    """Find a network by its name.

    Args:
        name: as in `ModelSettings.model`.
        weights: a .safetensors or .pth file; None: embedded, of a package, downloaded when the model is cut, or the
            factory's own.
        scaling: a key of `tracing.SCALINGS`; dreamnet and EfficientNet-Lite have their own.

    Raises:
        ModelError: there is no such network, or the weights do not fit it.
        WeightsError: the weights cannot be read.
    """
    name = resolve_network(name)
    if name in EMBEDDED_WEIGHTS:
        return dreamnet_model(name, weights)
    if name in VARIANTS:
        return efficientnet_lite_model(name, weights)
    if ":" in name:
        return factory_model(name, weights, scaling)
    _check_name(name)
    return torchvision_model(name, weights, scaling)


def _check_name(name: str) -> None:
    if name not in CLASSIFIERS and name not in torchvision_names():
        known = [*EMBEDDED_WEIGHTS, *VARIANTS, *CLASSIFIERS]
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


def _without_weights(name: str, **build: Any) -> nn.Module:
    """Build a classifier on the device "meta": drawing random weights that a file replaces takes seconds."""
    try:
        with torch.device("meta"):
            network = build_classifier(name, **build)
    except Exception:  # of any kind: some builders compute with tensors
        return build_classifier(name, **build)
    # What no file holds has to be computed.
    computed = any(module._non_persistent_buffers_set for module in network.modules())
    return build_classifier(name, **build) if computed else network


def torchvision_names() -> list[str]:
    """Return the names of all classifiers of torchvision."""
    import torchvision

    return list(torchvision.models.list_models(module=torchvision.models))


def dreamnet_model(name: str, weights: str | None) -> Model:
    """Return one of the embedded networks, which may be several DreamNets, or the DreamNet in the file `weights`."""
    parts = [load_dreamnet(path) for path in ((weights,) if weights else EMBEDDED_WEIGHTS[name])]
    nets: dict[str, DreamNet] = {}
    divisors: dict[str, Tensor] = {}
    for part in parts:
        nets = {**dict.fromkeys(part.net.nodes, part.net), **nets}
        divisors = {**part.divisors, **divisors}
    classes = parts[0].classes

    def cut(names: Sequence[str], device: torch.device, precision: torch.dtype) -> Features:
        # A copy: it is cast and moved, and the original may be cut again.
        network = copy.deepcopy(DreamnetFeatures(nets, names))
        fast = cpu_engine.compile_network(network, precision) if device.type == "cpu" else None
        if fast is not None:
            return fast
        original = copy.deepcopy(network)
        placed = cast(Features, network.to(device, precision, memory_format=torch.channels_last))  # type: ignore[call-overload]
        return fuse_network(original, placed, device, precision)

    groups = _group_terms([part.net for part in parts])
    terms = (groups[ANIMALS],) if ANIMALS in groups else _drawn_terms(classes)
    return Model(
        name,
        tuple(nets),
        cut,
        DreamnetFeatures(nets, tuple(nets)),
        lambda: terms,
        "log",
        classes,
        MAPS[-1],
        divisors=lambda: divisors,
        groups=groups,
    )


def _drawn_terms(classes: Sequence[str]) -> tuple[Term, ...]:
    picks = tuple(classes.index(name) for name in DEFAULT_CLASSES if name in classes)
    return (Term("s8b", kind="log"), Term("s16a", kind="log"), Term(MAPS[-1], 0.15, "class", picks))


def _group_terms(nets: Sequence[DreamNet]) -> dict[str, Term]:
    """What raises each group, and what raises animals: of the groups of animals the strongest at each place."""
    terms: dict[str, Term] = {}
    for net in nets:
        terms |= {name: Term(group_node(name), kind=GROUP_KIND) for name in net.group_names}
        if animals := [name for name in ANIMAL_GROUPS if name in net.group_names]:
            picks = tuple(channel for name in animals for channel in net.group_channels(name))
            terms[ANIMALS] = Term(GROUPS_NODE, kind="rivals", picks=picks)
    return terms


def torchvision_model(name: str, weights: str | None, scaling: str = "imagenet") -> Model:
    """Return a classifier of torchvision with ImageNet weights, or those in a file, which may be for other classes."""
    entry, default = CLASSIFIERS.get(name), pretrained(name)
    path = Path(weights) if weights else None
    network, classes = _without_weights(name), class_names(name)
    if path is not None:
        head, value = list(network.state_dict().items())[-1]  # in all of them it has one row or value for each class
        count = len(read_weights(path, mapped=True).get(head, value))
        if count != len(value):
            network, classes = _without_weights(name, num_classes=count), ()

    def fetch_state() -> Mapping[str, Tensor]:
        if path is not None:
            return read_weights(path)
        if default is None:
            raise ModelError(f"torchvision has no weights of {name}; give --weights FILE")
        return download_weights(default.url, name, "give --weights FILE, or use --model dreamnet")

    return traced_model(name, network, entry.layer if entry else None, fetch_state, weights or name, classes, scaling)


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
        name: `dreamnet`, `dreamnet-drawn`, a key of `VARIANTS`, or a classifier of torchvision.

    Raises:
        ModelError: there is no such network.
    """
    if name in EMBEDDED_WEIGHTS:
        return load_dreamnet(EMBEDDED_WEIGHTS[name][0]).classes
    if name in VARIANTS:
        return imagenet_classes()
    _check_name(name)
    default = pretrained(name)
    return tuple(default.meta.get("categories", ())) if default is not None else ()


def factory_model(spec: str, weights: str | None, scaling: str) -> Model:
    """Return a copy of the network that `spec`, `package.module:name`, makes or is, as a `Model`."""
    network = load_own_network(spec)
    path = Path(weights) if weights else None
    if path is not None:
        read_weights(path, mapped=True)  # a broken file fails before the network is run

    def fetch_state() -> Mapping[str, Tensor]:
        return read_weights(path) if path is not None else network.state_dict()

    return traced_model(spec, network, None, fetch_state, weights or spec, (), scaling)
