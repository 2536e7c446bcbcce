"""The looks that can be chosen while it dreams: one network, with different objectives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final
from weakref import WeakValueDictionary

from torch import Tensor

from dreamvideo.devices import pick_device, pick_precision
from dreamvideo.live.controls import Menu
from dreamvideo.live.dreaming.ascent_task import Look, LookChoice
from dreamvideo.live.named_controls import chosen_classes
from dreamvideo.models.class_groups import GROUPS, IMAGENET_COUNT, find_classes
from dreamvideo.models.layers import describe_layers, layer_stages
from dreamvideo.models.model import Model
from dreamvideo.models.network import Network, check_picks, choose_terms, place_network
from dreamvideo.models.objectives import Objective
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.presets import PRESETS

_FEW_CLASSES: Final = 64  # that keys can go through


def build_menu(model: Model, own: str | None = None) -> Menu:
    """The presets made for this network, its layers and its classes.

    Args:
        model: the network.
        own: the preset of the command line, if any.
    """
    presets = [name for name, preset in PRESETS.items() if preset.model == model.name]
    groups = tuple(model.groups) or (tuple(GROUPS) if len(model.classes) == IMAGENET_COUNT else ())
    classes = groups or (model.classes if len(model.classes) <= _FEW_CLASSES else ())

    def check_class(name: str) -> None:
        if name.lower() not in model.groups:
            find_classes(name, model.classes, model.name, model.groups)

    return Menu(tuple(presets), layer_stages(describe_layers(model.whole)), own, classes, check_class)


def look_loader(
    model: Model,
    model_settings: ModelSettings,
    objective: ObjectiveSettings,
    settings: DreamSettings,
    guide: Tensor | None,
) -> Callable[[LookChoice], Look]:
    """Return a function that loads a look. Looks that need the same layers share a network while any of them is held.

    Args:
        model: the network.
        model_settings: its device and precision.
        objective: what is dreamed if neither a preset nor a layer is chosen.
        settings: how it is dreamed.
        guide: (1, 3, h, w) RGB in [0, 1], for an objective with a guide.

    Raises, when called:
        DreamVideoError: as `models.network.load_network`.
    """

    placed: WeakValueDictionary[frozenset[str], Objective] = WeakValueDictionary()

    def load(choice: LookChoice) -> Look:
        chosen, dream_settings = choose_look(choice, objective, settings)
        its_guide = guide if chosen.guide is not None else None
        terms = choose_terms(model, chosen, guided=its_guide is not None)
        layers = frozenset(term.layer for term in terms)
        shared = placed.get(layers)
        if shared is None or its_guide is not None:
            network = place_network(model, terms, model_settings, its_guide)
            placed[layers] = network.score
            return Look(network, dream_settings, choice=choice)
        device = pick_device(model_settings.device)
        check_picks(shared.features, terms, device, model.name)
        score = placed[layers] = replace(shared, terms=terms, guides={})  # held the longest
        precision = pick_precision(model_settings.precision, device)
        return Look(Network(model.name, score, device, precision), dream_settings, choice=choice)

    return load


def choose_look(
    choice: LookChoice, objective: ObjectiveSettings, settings: DreamSettings
) -> tuple[ObjectiveSettings, DreamSettings]:
    """The settings of the chosen preset, layer and classes; `objective` and `settings` if none is chosen."""
    if choice.preset is not None:
        preset = PRESETS[choice.preset]
        objective, settings = ObjectiveSettings(**preset.objective), replace(settings, **preset.dream)
    if choice.layer is not None:
        objective = ObjectiveSettings(layers=((choice.layer, 1.0),))
    if choice.classes is not None:
        objective = replace(objective, classes=chosen_classes(choice.classes))
    return objective, settings
