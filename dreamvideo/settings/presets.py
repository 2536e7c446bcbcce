"""Presets: settings that go well together, each under a name for what it looks like.

Presets of the embedded network maximize several classes at once: each location takes the class that it is most like.
To add one, add an entry to `_ALL`; the listing, the atlas and the live menu take it from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from dreamvideo.errors import SettingsError, did_you_mean
from dreamvideo.settings.network_looks import EMBEDDED_NETWORK


@dataclass(frozen=True, slots=True)
class Preset:
    """A look by name: a network, and values for fields of `ObjectiveSettings` and `DreamSettings`."""

    name: str
    summary: str
    model: str  # of `ModelSettings`
    objective: Mapping[str, Any]
    dream: Mapping[str, Any] = field(default_factory=dict)

    @property
    def values(self) -> Mapping[str, Any]:
        """Field name -> value of all three dataclasses, which share no field name."""
        return {"model": self.model, **self.objective, **self.dream}


def _of_classes(name: str, summary: str, classes: str) -> Preset:
    return Preset(name, summary, EMBEDDED_NETWORK, {"classes": tuple((each, 1.0) for each in classes.split())})


_ALL: Final = (
    _of_classes(
        "creatures",
        "frogs, foxes, parrots, octopuses with clear eyes",
        "frog turtle chameleon parrot lion fox owl octopus seahorse koi snail dog cat bird fish snake",
    ),
    _of_classes("portrait", "faces of lions, foxes, owls, cats; masks", "mask lion fox owl cat dog"),
    _of_classes("eyes", "eyes of people, owls and reptiles", "human_eye reptile_eye owl peacock"),
    _of_classes("feathers", "plumage, parrots, peacocks", "plumage peacock peafowl parrot wing bird"),
    _of_classes("scales", "snakes and their skins", "scales snake fish frogskin turtle"),
    _of_classes("insects", "butterflies, beetles, dragonflies", "butterfly beetle dragonfly caterpillar wing"),
    _of_classes("flowers", "roses, sunflowers, daisies, lilies", "daisy rose lily sunflower"),
    _of_classes("leaves", "leaves, ferns, trees", "leaf fern tree bamboo autumn"),
    _of_classes("shells", "spiral and fan-shaped shells", "nautilus scallop snail"),
    _of_classes("sea", "tentacles, corals, waves", "octopus tentacle jellyfish seahorse koi coral waves"),
    _of_classes("glass", "stained glass and rose windows", "glass rosewin mosaic"),
    _of_classes("architecture", "towers, temples, arches, domes", "arches pagoda castle temple dome"),
    _of_classes("clockwork", "gears, honeycombs, lanterns", "gear honeycomb lantern"),
    _of_classes("jewels", "bubbles, crystals, glazed vases", "crystal bubbles vase"),
    _of_classes("night", "nebulae, jellyfish, lanterns", "nebula jellyfish lantern"),
    Preset(
        "pearls",
        "glowing beads and rows of them: the energy of two layers, no class",
        EMBEDDED_NETWORK,
        {"layers": (("s8b", 1.0), ("s16a", 1.0))},
    ),
    Preset(
        "notebook2015",
        "google/deepdream: GoogLeNet inception_4c, 4 octaves of 1.4, 10 steps of 1.5/255",
        "googlenet",
        {
            "layers": (("inception4c", 1.0),),
            "objective": "l2",
        },
        {
            "octaves": 4,
            "octave_scale": 1.4,
            "iterations": 10,
            "step_size": 1.5 / 255,
            "jitter": 32,
            "border": "wrap",
            "smooth": 0.0,
            "color": -1.0,
            "headroom": 0.0,
            "anchor": 0.0,
        },
    ),
    Preset(
        "pavan",
        "JitheshPavan/deep_dream: VGG16 features.22, 4 octaves of 1.8, wide smoothing",
        "vgg16",
        {
            "layers": (("features.22", 1.0),),
            "objective": "sum",
        },
        {
            "octaves": 4,
            "octave_scale": 1.8,
            "iterations": 10,
            "step_size": 0.03,  # of the deviation of a color; the original's 0.005 is not normalized: --normalize none
            "jitter": 32,
            "border": "wrap",
            "detail": False,
            "smoothing": "fixed",
            "smooth": 2.7,
            "space": "imagenet",
            "color": -1.0,
            "headroom": 0.0,
            "anchor": 0.0,
        },
    ),
)

PRESETS: Final[Mapping[str, Preset]] = MappingProxyType({preset.name: preset for preset in _ALL})


def find_preset(name: str) -> Preset:
    """Return a preset.

    Args:
        name: its name, see `PRESETS`.

    Raises:
        SettingsError: there is no preset of this name.
    """
    if name not in PRESETS:
        raise SettingsError(f"no preset {name!r}{did_you_mean(name, PRESETS)}; see: dreamvideo presets")
    return PRESETS[name]
