"""One picture dreamed in many ways, to choose by: at every layer, channel, class or preset.

What an atlas shows of a network is one picture after the other, each with its name as it is typed.
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

from dreamvideo.ascent import cuda_graphs
from dreamvideo.ascent.octaves import LEAST_SIDE, dream
from dreamvideo.errors import SettingsError
from dreamvideo.models.layers import Layer, describe_layers
from dreamvideo.models.network import choose_terms, place_network
from dreamvideo.models.objectives import Features, Objective, Term
from dreamvideo.models.registry import DREAMNET, Model
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import AtlasSettings
from dreamvideo.settings.presets import PRESETS
from dreamvideo.tensors import resize, to_image, to_tensor

ATLAS_BATCH: Final = 8  # tiles dreamed at once; more would show less progress
DEFAULT_COUNT: Final = 24  # channels, or classes of a network that has more than ALL of them
ALL_CLASSES_LIMIT: Final = 100

# Layers of a network that are shown all, and of a longer one how many blocks at least.
ALL_LAYERS_LIMIT: Final = 39
LEAST_BLOCKS: Final = 12

OBJECTIVE_LISTS: Final = ("layers", "channels", "neurons", "classes")  # fields of `ObjectiveSettings` that hold lists


@dataclass(frozen=True, slots=True)
class AtlasDream:
    """A dream to be shown."""

    label: str
    terms: tuple[Term, ...]
    settings: DreamSettings  # how; of what, the terms say

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(term.layer for term in self.terms))


@dataclass(frozen=True, eq=False)
class RowScore:
    """A score by which each image of a batch has terms of its own."""

    objective: Objective
    rows: Sequence[tuple[Term, ...]]

    def __call__(self, images: Tensor) -> Tensor:
        """(B,) float32 of (B, 3, H, W), one image for each of the rows."""
        seen = self.objective.features(images)
        scores = []
        for row, terms in enumerate(self.rows):
            own = {name: activation[row : row + 1] for name, activation in seen.items()}
            alone = replace(self.objective, features=_always(own), terms=terms)
            scores.append(alone(images[row : row + 1]))
        return torch.cat(scores)


def _always(seen: Mapping[str, Tensor]) -> Features:
    return lambda images: seen


def image_to_tile(image: NDArray[np.uint8], side: int, pixel_aspect: Fraction = Fraction(1)) -> Tensor:  # noqa: B008
    """(1, 3, h, w) RGB in [0, 1], pixels square, from (H, W, 3); the larger of h and w is `side`.

    Of a very long picture it is more, so that there is room to dream.
    """
    height, width = image.shape[0], float(image.shape[1] * pixel_aspect)
    scale = max(side / max(height, width), LEAST_SIDE / min(height, width))
    return resize(to_tensor(image, torch.device("cpu")), (round(height * scale), round(width * scale)))


def atlas_dreams(
    picture: Tensor,
    model: Model,
    atlas: AtlasSettings,
    objective: ObjectiveSettings,
    dreaming: DreamSettings,
    where: ModelSettings,
    guide: Tensor | None = None,
) -> list[AtlasDream]:
    """What is to be shown of `model`: what was asked for, else its layers.

    Args:
        picture: (1, 3, h, w) RGB in [0, 1], in which channels and classes are strong or weak.
        guide: as in `load_network`.

    Raises:
        ModelError: no such layer, channel or class.
        SettingsError: things asked for that do not go together.
    """

    def wish(label: str, **values: Any) -> AtlasDream:
        own = {name: values.pop(name) for name in ObjectiveSettings.__slots__ if name in values}
        chosen = ObjectiveSettings(**{"guide": objective.guide, "objective": objective.objective, **own})
        return AtlasDream(label, choose_terms(model, chosen, guide is not None), replace(dreaming, **values))

    named = list(_named(objective))
    if named and (atlas.channels_of is not None or atlas.all_classes or atlas.presets):
        raise SettingsError(f"{named[0][0]} with --channels, --classes or --presets: expected one of them")
    if named:
        return [wish(label, **value) for label, value in named]
    if atlas.channels_of is not None:
        layer = atlas.channels_of
        strength = layer_activations(picture, wish(layer, layers=((layer, 1.0),)).terms, model, where)
        numbers = strongest_channels(strength, atlas.count or DEFAULT_COUNT)
        return [wish(f"{layer}:{number}", channels=((layer, number, 1.0),)) for number in numbers]
    if atlas.all_classes:
        likely = layer_activations(picture, (Term(model.class_node, kind="class"),), model, where)
        return [wish(label, classes=((str(n), 1.0),)) for n, label in strongest_classes(model, likely, atlas.count)]
    if atlas.presets:
        if model.name != DREAMNET:
            raise SettingsError(f"--presets with --model {model.name}: expected {DREAMNET}, for which they are made")
        return [wish(name, **values) for name, values in preset_dreams().items()]
    return [wish(name, layers=((name, 1.0),)) for name in layers_to_show(describe_layers(model.whole))]


def _named(objective: ObjectiveSettings) -> Generator[tuple[str, dict[str, Any]], None, None]:
    """(label as it was typed, the setting that it is) of each thing that was asked for."""
    for field in OBJECTIVE_LISTS:
        for value in getattr(objective, field):
            *name, weight = value
            yield ":".join(map(str, name if weight == 1 else [*name, f"{weight:g}"])), {field: (value,)}


def preset_dreams() -> dict[str, dict[str, Any]]:
    """Name of each preset of the embedded network -> its values."""
    return {name: dict(preset.values) for name, preset in PRESETS.items() if not preset.model}


@torch.no_grad()
def layer_activations(picture: Tensor, terms: tuple[Term, ...], model: Model, where: ModelSettings) -> Tensor:
    """(C,) mean activation of each channel of the first term's layer in a picture, over what its divisor is."""
    network = place_network(model, terms, where)
    layer = terms[0].layer
    activation = network.score.features(picture.to(network.device))[layer].float()
    strength = activation.reshape(1, activation.shape[1], -1).mean(2)[0]
    return strength / network.score.divisors.get(layer, torch.ones(())).to(strength)


def strongest_channels(strength: Tensor, count: int) -> list[int]:
    """Numbers of the `count` largest, the largest first."""
    return [int(number) for number in strength.argsort(descending=True)[:count]]


def strongest_classes(model: Model, likely: Tensor, count: int | None) -> list[tuple[int, str]]:
    """(number, label) of the `count` likeliest classes, or of all in their order if these are not too many."""
    names = model.classes or tuple(map(str, range(len(likely))))
    taken = Counter(names)  # ImageNet has two cranes
    ranked = (
        strongest_channels(likely, len(likely))
        if count or len(likely) > ALL_CLASSES_LIMIT
        else list(range(len(likely)))
    )
    shown = [number for number in ranked if names[number] != "background"][
        : count or (DEFAULT_COUNT if len(names) > ALL_CLASSES_LIMIT else ALL_CLASSES_LIMIT)
    ]
    return [(number, names[number] if taken[names[number]] == 1 else str(number)) for number in shown]


def layers_to_show(layers: Sequence[Layer]) -> list[str]:
    """Names of the layers that an atlas shows: all maps of features, or of a long list one for each module.

    Modules are taken as deep as it takes for `BLOCKS` of them, if these are not more than `FEW`.
    """
    # A map of three channels or fewer is the picture still, in other colors.
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
    picture: Tensor, wanted: Sequence[AtlasDream], model: Model, where: ModelSettings, guide: Tensor | None = None
) -> Generator[NDArray[np.uint8], None, None]:
    """`picture` dreamed as each of the wishes says, in their order; several at once where they look at the same layers.

    Args:
        picture: (1, 3, h, w) RGB in [0, 1].

    Returns:
        (h, w, 3) RGB each.

    Raises:
        As `load_network`.
    """
    for (settings, _), group in itertools.groupby(wanted, lambda wish: (wish.settings, wish.layers)):
        alike = list(group)
        network = place_network(model, tuple(term for wish in alike for term in wish.terms), where, guide)
        source = picture.to(network.device)
        for start in range(0, len(alike), ATLAS_BATCH):
            rows = [wish.terms for wish in alike[start : start + ATLAS_BATCH]]
            images = source.expand(len(rows), -1, -1, -1)
            with cuda_graphs.enabled(False):  # to record a graph for each score, and use it once, takes longer
                dreamed = dream(images, RowScore(network.score, rows), settings)
            for image in torch.split(dreamed, 1):
                yield to_image(image)
