"""The looks that can be changed between while it dreams: networks that differ in what of them is raised."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from dreamvideo.devices import pick_device
from dreamvideo.live.controls import Menu
from dreamvideo.live.dreaming.ascent_thread import Look, LookChoice
from dreamvideo.models.layers import describe_layers, layer_stages
from dreamvideo.models.network import choose_terms, place_network
from dreamvideo.models.registry import DREAMNET, Model
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.presets import PRESETS


def build_menu(model: Model, settings: ModelSettings, own: str | None = None) -> Menu:
    """The presets that are of this network, and its layers."""
    presets = [name for name, preset in PRESETS.items() if preset.model.get("model", DREAMNET) == settings.model]
    return Menu(tuple(presets), layer_stages(describe_layers(model.whole)), own)


def look_loader(
    model: Model, settings: ModelSettings, objective: ObjectiveSettings, dreaming: DreamSettings, guide: Tensor | None
) -> Callable[[LookChoice], Look]:
    """From what is wished to a network that dreams it; each is made once.

    Raises, when called:
        DreamVideoError: as `models.load_network`.
    """
    if settings.threads is None and pick_device(settings.device).type == "cpu":
        # One core stays with the main thread, whose every delay is seen.
        settings = replace(settings, threads=max(1, (os.cpu_count() or 1) - 1))

    @functools.cache
    def load(wish: LookChoice) -> Look:
        chosen, dream = choose_look(wish, objective, dreaming)
        seen = guide if chosen.guide is not None else None
        terms = choose_terms(model, chosen, guided=seen is not None)
        return Look(place_network(model, terms, settings, seen), dream)

    return load


def choose_look(
    choice: LookChoice, objective: ObjectiveSettings, dreaming: DreamSettings
) -> tuple[ObjectiveSettings, DreamSettings]:
    """The settings of the chosen preset or layer; where neither is chosen, those given."""
    if choice.preset is not None:
        preset = PRESETS[choice.preset]
        objective, dreaming = ObjectiveSettings(**preset.objective), replace(dreaming, **preset.dream)
    if choice.layer is not None:
        objective = ObjectiveSettings(layers=((choice.layer, 1.0),))
    return objective, dreaming
