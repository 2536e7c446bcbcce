"""The looks that can be chosen while it dreams: one network, with different objectives."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from dreamvideo.live.controls import Menu
from dreamvideo.live.dreaming.ascent_task import Look, LookChoice
from dreamvideo.models.layers import describe_layers, layer_stages
from dreamvideo.models.model import Model
from dreamvideo.models.network import choose_terms, place_network
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.presets import PRESETS


def build_menu(model: Model, own: str | None = None) -> Menu:
    """The presets made for this network, and its layers.

    Args:
        model: the network.
        own: the preset of the command line, if any.
    """
    presets = [name for name, preset in PRESETS.items() if preset.model == model.name]
    return Menu(tuple(presets), layer_stages(describe_layers(model.whole)), own)


def look_loader(
    model: Model,
    model_settings: ModelSettings,
    objective: ObjectiveSettings,
    settings: DreamSettings,
    guide: Tensor | None,
) -> Callable[[LookChoice], Look]:
    """Return a function that loads a look; each look is loaded once.

    Args:
        model: the network.
        model_settings: its device and precision.
        objective: what is dreamed if neither a preset nor a layer is chosen.
        settings: how it is dreamed.
        guide: (1, 3, h, w) RGB in [0, 1], for an objective with a guide.

    Raises, when called:
        DreamVideoError: as `models.network.load_network`.
    """

    @functools.cache
    def load(choice: LookChoice) -> Look:
        chosen, dream_settings = choose_look(choice, objective, settings)
        its_guide = guide if chosen.guide is not None else None
        terms = choose_terms(model, chosen, guided=its_guide is not None)
        return Look(place_network(model, terms, model_settings, its_guide), dream_settings)

    return load


def choose_look(
    choice: LookChoice, objective: ObjectiveSettings, settings: DreamSettings
) -> tuple[ObjectiveSettings, DreamSettings]:
    """The settings of the chosen preset or layer; `objective` and `settings` if neither is chosen."""
    if choice.preset is not None:
        preset = PRESETS[choice.preset]
        objective, settings = ObjectiveSettings(**preset.objective), replace(settings, **preset.dream)
    if choice.layer is not None:
        objective = ObjectiveSettings(layers=((choice.layer, 1.0),))
    return objective, settings
