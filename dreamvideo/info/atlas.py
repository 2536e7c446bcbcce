"""Dreams one image in many ways to choose from: at every layer, channel, class or preset of a network.

Each tile of an atlas is labeled with what selects it on the command line.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.ascent.octaves import LEAST_SIDE, dream
from dreamvideo.errors import SettingsError
from dreamvideo.kernels import graph_capture
from dreamvideo.models.layers import Layer, describe_layers
from dreamvideo.models.model import Model
from dreamvideo.models.network import choose_terms, place_network
from dreamvideo.models.objectives import Features, Objective, Term
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import AtlasSettings
from dreamvideo.settings.presets import PRESETS
from dreamvideo.tensors import resize, to_image, to_tensor

ATLAS_BATCH: Final = 8  # tiles dreamed at once; with more, progress would be shown in larger steps
DEFAULT_COUNT: Final = 24  # channels, or classes of a network that has more than ALL of them
ALL_CLASSES_LIMIT: Final = 100

# Number of layers up to which all are shown, and the least number of blocks shown of a network with more. By eye.
ALL_LAYERS_LIMIT: Final = 39
LEAST_BLOCKS: Final = 12

OBJECTIVE_LISTS: Final = ("layers", "channels", "neurons", "classes")  # fields of `ObjectiveSettings` that hold lists


@dataclass(frozen=True, slots=True)
class AtlasDream:
    """One tile of an atlas."""

    label: str
    terms: tuple[Term, ...]
    settings: DreamSettings

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(term.layer for term in self.terms))


@dataclass(frozen=True, eq=False)
class RowScore:
    """A score in which each image of a batch has its own terms.

    Args:
        objective: features, kinds and divisors that all images share.
        rows: the terms of each image.
    """

    objective: Objective
    rows: Sequence[tuple[Term, ...]]

    def __call__(self, images: Tensor) -> Tensor:
        """Return (B,) float32 scores of (B, 3, H, W) images, one for each of the rows."""
        activations = self.objective.features(images)
        scores = []
        for row, terms in enumerate(self.rows):
            row_activations = {name: activation[row : row + 1] for name, activation in activations.items()}
            alone = replace(self.objective, features=_constant(row_activations), terms=terms)
            scores.append(alone(images[row : row + 1]))
        return torch.cat(scores)


def _constant(activations: Mapping[str, Tensor]) -> Features:
    return lambda images: activations


def image_to_tile(image: NDArray[np.uint8], side: int, pixel_aspect: Fraction = Fraction(1)) -> Tensor:  # noqa: B008
    """Resize an image to a tile with square pixels.

    Args:
        image: (H, W, 3) uint8 RGB.
        side: pixels of the longer side; more for a very elongated image, whose shorter side has at least `LEAST_SIDE`.
        pixel_aspect: width over height of a stored pixel.

    Returns:
        (1, 3, h, w) RGB in [0, 1] on the CPU.
    """
    height, width = image.shape[0], float(image.shape[1] * pixel_aspect)
    scale = max(side / max(height, width), LEAST_SIDE / min(height, width))
    return resize(to_tensor(image, torch.device("cpu")), (round(height * scale), round(width * scale)))


def atlas_dreams(
    image: Tensor,
    model: Model,
    atlas: AtlasSettings,
    objective: ObjectiveSettings,
    dreaming: DreamSettings,
    where: ModelSettings,
    guide: Tensor | None = None,
) -> list[AtlasDream]:
    """List the tiles of an atlas: what the settings name, else the layers of the network.

    Args:
        image: (1, 3, h, w) RGB in [0, 1]; channels and classes are ranked by their activation in it.
        model: the network.
        atlas: whether channels, classes or presets are shown, and how many.
        objective: layers, channels, neurons and classes named one by one.
        dreaming: of all tiles but those of presets, which have their own.
        where: where the network runs.
        guide: as in `load_network`.

    Raises:
        ModelError: no such layer, channel or class.
        SettingsError: settings that exclude each other.
    """

    def tile(label: str, **values: Any) -> AtlasDream:
        what = {name: values.pop(name) for name in ObjectiveSettings.__slots__ if name in values}
        chosen = ObjectiveSettings(**{"guide": objective.guide, "objective": objective.objective, **what})
        return AtlasDream(label, choose_terms(model, chosen, guide is not None), replace(dreaming, **values))

    named = list(_named(objective))
    if named and (atlas.channels_of is not None or atlas.all_classes or atlas.presets):
        raise SettingsError(f"{named[0][0]} with --channels, --classes or --presets: expected one of them")
    if named:
        return [tile(label, **value) for label, value in named]
    if atlas.channels_of is not None:
        layer = atlas.channels_of
        strength = layer_activations(image, tile(layer, layers=((layer, 1.0),)).terms, model, where)
        numbers = strongest_channels(strength, atlas.count or DEFAULT_COUNT)
        return [tile(f"{layer}:{number}", channels=((layer, number, 1.0),)) for number in numbers]
    if atlas.all_classes:
        activations = layer_activations(image, (Term(model.class_node, kind="class"),), model, where)
        strongest = strongest_classes(model, activations, atlas.count)
        return [tile(label, classes=((str(number), 1.0),)) for number, label in strongest]
    if atlas.presets:
        looks = preset_dreams(model.name)
        if not looks:
            networks = dict.fromkeys(preset.model for preset in PRESETS.values())
            raise SettingsError(f"--presets with --model {model.name}: expected one of {', '.join(networks)}")
        return [tile(name, **values) for name, values in looks.items()]
    return [tile(name, layers=((name, 1.0),)) for name in layers_to_show(describe_layers(model.whole))]


def _named(objective: ObjectiveSettings) -> Generator[tuple[str, dict[str, Any]], None, None]:
    """Yield (label, setting) of each layer, channel, neuron and class that is named."""
    for field in OBJECTIVE_LISTS:
        for value in getattr(objective, field):
            *name, weight = value
            yield ":".join(map(str, name if weight == 1 else [*name, f"{weight:g}"])), {field: (value,)}


def preset_dreams(model: str) -> dict[str, dict[str, Any]]:
    """Return preset -> its values, for all presets of a network.

    Args:
        model: name of the network.
    """
    return {name: {**preset.objective, **preset.dream} for name, preset in PRESETS.items() if preset.model == model}


@torch.no_grad()
def layer_activations(image: Tensor, terms: tuple[Term, ...], model: Model, where: ModelSettings) -> Tensor:
    """Return the mean activation of each channel of the first term's layer, divided by the channel's divisor.

    Args:
        image: (1, 3, h, w) RGB in [0, 1].
        terms: the first one names the layer.
        model, where: as in `atlas_dreams`.

    Returns:
        (C,) float32.
    """
    network = place_network(model, terms, where)
    layer = terms[0].layer
    activation = network.score.features(image.to(network.device))[layer].float()
    strength = activation.reshape(1, activation.shape[1], -1).mean(2)[0]
    return strength / network.score.divisors.get(layer, torch.ones(())).to(strength)


def strongest_channels(strength: Tensor, count: int) -> list[int]:
    """Return the indices of the `count` largest of (C,) values, the largest first."""
    return [int(number) for number in strength.argsort(descending=True)[:count]]


def strongest_classes(model: Model, activations: Tensor, count: int | None) -> list[tuple[int, str]]:
    """Return (number, label) of the classes with the largest activations, or of all classes in their order.

    Args:
        model: whose classes they are.
        activations: (C,) one per class.
        count: how many; None: all if there are at most `ALL_CLASSES_LIMIT`, else `DEFAULT_COUNT`.

    Returns:
        The label is the number where several classes share a name. The background is never shown.
    """
    names = model.classes or tuple(map(str, range(len(activations))))
    uses = Counter(names)  # ImageNet has two cranes
    ranked = (
        strongest_channels(activations, len(activations))
        if count or len(activations) > ALL_CLASSES_LIMIT
        else list(range(len(activations)))
    )
    shown = [number for number in ranked if names[number] != "background"][
        : count or (DEFAULT_COUNT if len(names) > ALL_CLASSES_LIMIT else ALL_CLASSES_LIMIT)
    ]
    return [(number, names[number] if uses[names[number]] == 1 else str(number)) for number in shown]


def layers_to_show(layers: Sequence[Layer]) -> list[str]:
    """Return the names of the layers that an atlas shows: all feature maps, or one per module if there are too many.

    Modules are named at the smallest depth that has at least `LEAST_BLOCKS` and at most `ALL_LAYERS_LIMIT` of them.

    Args:
        layers: of a network, in its order.
    """
    # A map of up to three channels is the input image in other colors.
    maps = [layer.name for layer in layers if layer.stride is not None and layer.channels > 3]
    if len(maps) <= ALL_LAYERS_LIMIT:
        return maps
    depths = range(1, 1 + max(name.count(".") for name in maps))
    levels = [list(dict.fromkeys(".".join(name.split(".")[:depth]) for name in maps)) for depth in depths]
    fitting = [level for level in levels if len(level) <= ALL_LAYERS_LIMIT]
    if not fitting:
        return [maps[place * len(maps) // ALL_LAYERS_LIMIT] for place in range(ALL_LAYERS_LIMIT)]
    return next((level for level in fitting if len(level) >= LEAST_BLOCKS), fitting[-1])


def dream_tiles(
    image: Tensor, tiles: Sequence[AtlasDream], model: Model, where: ModelSettings, guide: Tensor | None = None
) -> Generator[NDArray[np.uint8], None, None]:
    """Dream the tiles of an atlas, in batches of those with the same settings and layers.

    Args:
        image: (1, 3, h, w) RGB in [0, 1], what every tile is dreamed from.
        tiles: of `atlas_dreams`.
        model, where, guide: as in `atlas_dreams`.

    Returns:
        (h, w, 3) uint8 RGB of each tile, in order.

    Raises:
        As `load_network`.
    """
    for (settings, _), group in itertools.groupby(tiles, lambda tile: (tile.settings, tile.layers)):
        same = list(group)
        network = place_network(model, tuple(term for tile in same for term in tile.terms), where, guide)
        source = image.to(network.device)
        for start in range(0, len(same), ATLAS_BATCH):
            rows = [tile.terms for tile in same[start : start + ATLAS_BATCH]]
            images = source.expand(len(rows), -1, -1, -1)
            with graph_capture.enabled(False):  # recording a graph for each score takes longer than it saves
                dreamed = dream(images, RowScore(network.score, rows), settings)
            for each in torch.split(dreamed, 1):
                yield to_image(each)
