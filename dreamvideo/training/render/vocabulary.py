"""The classes of the network, in the order of its logits."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from dreamvideo.training.render.motif import REGISTRY, Motif
from dreamvideo.training.render.themes import (  # noqa: F401  # importing a theme registers its motifs
    animals,
    buildings,
    crafts,
    eyes_and_skins,
    faces,
    flowers,
    heads,
    insects,
    minerals_and_skies,
    mushrooms_and_lichen,
    ornament,
    plants,
    plumage_and_fur,
    reptiles_and_snails,
    sea_creatures,
    shells_and_sea,
)

BACKGROUND: Final = "background"

# The order is that of the logits in the weights; a new class goes to the end.
CLASSES: Final = (
    *(BACKGROUND, "human_eye", "reptile_eye", "dog", "cat", "owl", "bird", "fish", "butterfly", "beetle", "snake"),
    *("caterpillar", "fur", "scales", "plumage", "peacock", "honeycomb", "coral", "bubbles", "daisy", "rose", "lily"),
    *("leaf", "fern", "tree", "mushroom", "nautilus", "tentacle", "scallop", "jellyfish", "arches", "pagoda"),
    *("castle", "rosewin", "gear", "wing", "glass", "mosaic", "autumn", "lichen", "crystal", "waves", "nebula"),
    *("bamboo", "frogskin"),
    *("frog", "turtle", "chameleon", "snail", "parrot", "lion", "fox", "mask", "octopus", "seahorse"),
    *("koi", "dragonfly", "sunflower", "temple", "dome", "lantern", "vase", "peafowl"),
)

MOTIFS: Final = MappingProxyType({name: REGISTRY[name] for name in CLASSES[1:]})


def by_theme() -> dict[str, list[Motif]]:
    """Group the motifs: theme -> its motifs."""
    themes: dict[str, list[Motif]] = {}
    for motif in MOTIFS.values():
        themes.setdefault(motif.theme, []).append(motif)
    return themes
