"""What there is to dream with, as lines for people and for grep: networks, their classes, their layers."""

from __future__ import annotations

from collections.abc import Iterator

from dreamvideo.errors import ModelError
from dreamvideo.models.layers import describe_layers
from dreamvideo.models.registry import CLASSIFIERS, DREAMNET, class_names, find_model, pretrained, torchvision_names
from dreamvideo.models.weights import cache_path
from dreamvideo.settings.dream import ModelSettings

_MODEL = "{:<20} {:<24} {:>7}  {}"
_LAYER = "{:<44} {:>7} {:>8}  {}"


def model_lines() -> Iterator[str]:
    """A line for each network of the table, and one for the others."""
    yield _MODEL.format("NAME", "LAYERS", "CLASSES", "WEIGHTS").rstrip()
    for name in (DREAMNET, *CLASSIFIERS):
        yield model_line(name)
    others = [name for name in torchvision_names() if name not in CLASSIFIERS]
    yield (
        f"and {len(others)} more classifiers of torchvision, such as {others[0]}, {others[-1]}, and networks of your "
        "own: --model package.module:factory"
    )


def model_line(name: str) -> str:
    """Name, default layers, number of classes, and where the weights come from; nothing is downloaded.

    Raises:
        ModelError: no such network, or one that cannot dream.
    """
    model = find_model(name) if name not in CLASSIFIERS else None  # building all of the table would take seconds
    layers = (CLASSIFIERS[name].layer,) if model is None else tuple(term.layer for term in model.terms)
    names = class_names(name) if ":" not in name else ()
    return _MODEL.format(name, " + ".join(layers) or "none", len(names) or "unknown", weights_origin(name))


def weights_origin(name: str) -> str:
    """Where the weights of a network come from: embedded, cached, or downloaded when they are needed."""
    if name == DREAMNET:
        return "embedded"
    if ":" in name:
        return "as the factory makes them"
    weights = pretrained(name)
    if weights is None:
        return "none: give --weights FILE"
    path = cache_path(weights.url)
    if path.exists():
        return f"cached {path}"
    size = weights.meta.get("_file_size")
    return f"download {weights.url}" + (f" ({size:.0f} MB)" if size else "")


def class_lines(name: str) -> Iterator[str]:
    """The names of a network's classes, in the order of their numbers.

    Raises:
        ModelError: no such network, or its classes have no names.
    """
    names = class_names(name) if ":" not in name else ()
    if not names:
        raise ModelError(f"the classes of {name} have no names: give their numbers, such as --class 3")
    yield from names


def layer_lines(settings: ModelSettings) -> Iterator[str]:
    """A line for each node of a network that can be dreamed on: name, stride, channels, and which are its defaults.

    Raises:
        ModelError: no such network, or one that cannot dream.
        WeightsError: the file of weights cannot be read.
    """
    model = find_model(settings.model, settings.weights, settings.scaling)
    chosen = {term.layer for term in model.terms}
    yield _LAYER.format("NAME", "STRIDE", "CHANNELS", "").rstrip()
    for layer in describe_layers(model.whole):
        stride = "-" if layer.stride is None else f"{layer.stride:g}"
        mark = "default" if layer.name in chosen else ""
        yield _LAYER.format(layer.name, stride, layer.channels, mark).rstrip()
