"""The looks that can be changed between while it dreams: networks that differ in what of them is raised."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from dreamvideo.devices import pick_device
from dreamvideo.layers import describe, stages
from dreamvideo.live.ascent import Look, Wish
from dreamvideo.live.controls import Menu
from dreamvideo.models import choose_terms, ready
from dreamvideo.networks import EMBEDDED, Model
from dreamvideo.presets import PRESETS
from dreamvideo.settings import DreamSettings, ModelSettings

_NOTHING: Mapping[str, Any] = {
    "layers": (),
    "channels": (),
    "neurons": (),
    "classes": (),
    "guide": None,
    "objective": "auto",
}


def menu_of(model: Model, settings: ModelSettings, own: str | None = None) -> Menu:
    """The presets that are of this network, and its layers."""
    presets = [name for name, preset in PRESETS.items() if preset.model.get("model", EMBEDDED) == settings.model]
    return Menu(tuple(presets), stages(describe(model.whole)), own)


def loader(
    model: Model, settings: ModelSettings, dreaming: DreamSettings, guide: Tensor | None
) -> Callable[[Wish], Look]:
    """From what is wished to a network that dreams it; each is made once.

    Raises, when called:
        DreamVideoError: as `models.load_network`.
    """
    if settings.threads is None and pick_device(settings.device).type == "cpu":
        # One core stays with the main thread, whose every delay is seen.
        settings = replace(settings, threads=max(1, (os.cpu_count() or 1) - 1))

    @functools.cache
    def load(wish: Wish) -> Look:
        wanted = wished(wish, dreaming)
        seen = guide if wanted.guide is not None else None
        terms = choose_terms(model, wanted, guided=seen is not None)
        return Look(ready(model, terms, settings, seen), wanted)

    return load


def wished(wish: Wish, dreaming: DreamSettings) -> DreamSettings:
    """`dreaming`, but of the preset or layer that is wished."""
    if wish.preset is not None:
        dreaming = replace(dreaming, **{**_NOTHING, **PRESETS[wish.preset].dream})
    if wish.layer is not None:
        dreaming = replace(dreaming, **{**_NOTHING, "layers": ((wish.layer, 1.0),)})
    return dreaming
