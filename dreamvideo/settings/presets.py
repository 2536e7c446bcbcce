"""Presets: settings that go well together, each under a name for what it looks like.

Presets of several classes: each location takes the class that it is most like.
To add one, add an entry to `_ALL`; the listing, the atlas and the live menu take it from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from dreamvideo.errors import SettingsError, did_you_mean
from dreamvideo.settings.network_looks import DEFAULT_NETWORK, DRAWN_NETWORK, EMBEDDED_NETWORK


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


def _focused(name: str, summary: str, classes: str, weight: float = 0.7, **objective: Any) -> Preset:
    """What the default network dreams, drawn to some of ImageNet's classes or groups of them."""
    # The gradients of class probabilities are the grainiest; where nothing grows, they show.
    return Preset(name, summary, DEFAULT_NETWORK, {"classes": _weighted(classes, weight), **objective}, {"tv": 0.3})


def _grown(name: str, summary: str, groups: str) -> Preset:
    """Groups of things that the embedded network learned from a network of photographs."""
    return Preset(name, summary, EMBEDDED_NETWORK, {"classes": _weighted(groups, 1.0)})


def _drawn(name: str, summary: str, classes: str) -> Preset:
    """Classes of the embedded network that learned from drawings."""
    return Preset(name, summary, DRAWN_NETWORK, {"classes": _weighted(classes, 1.0)})


def _weighted(names: str, weight: float) -> tuple[tuple[str, float], ...]:
    return tuple((name, weight) for name in names.split())


_ALL: Final = (
    _focused("dogs", "dogs of all breeds, wolves and foxes", "dogs wolves"),
    _focused("cats", "leopards, tigers, cats", "cats"),
    _focused("birds", "cocks, peacocks, parrots, owls", "birds"),
    _focused("reptiles", "lizards, crocodiles, snakes, frogs", "reptiles amphibians"),
    _focused("insects", "beetles, bees, butterflies with legs and wings", "insects"),
    _focused("spiders", "spiders and their webs", "spiders"),
    _focused("sea", "fish, jellyfish, crabs, corals", "sea fish"),
    _focused("apes", "monkeys and apes", "apes"),
    _focused("herds", "horses, zebras, cattle, elephants, bears", "herds bears"),
    _focused("blossoms", "flowers and fruit", "flowers fruit"),
    _focused("mushrooms", "mushrooms everywhere", "mushrooms"),
    _focused("feast", "plates, cakes, vegetables, bread", "food"),
    _focused("temples", "palaces, churches, mosques, castles", "buildings", 1.4),
    _focused(
        "machines",
        "bicycles, buses, cars, trains",
        "vehicles",
        layers=(("blocks.15.block.2", 1.0), ("blocks.17.block.2", 1.0)),
    ),
    _focused("music", "guitars, drums, horns, pianos", "instruments"),
    Preset(
        "menagerie",
        "crowded with heads and bodies of animals, as the dreams of 2015",
        DEFAULT_NETWORK,
        {"layers": (("blocks.15.block.2", 1.0),), "objective": "l2"},
    ),
    _grown("tigers", "heads and coats of spotted cats, large and whole", "cats"),
    _grown("monkeys", "furry heads with faces", "apes"),
    _grown("serpents", "thick coiling snakes", "snakes"),
    _grown("aviary", "parrots' heads and wings in bright colors", "birds"),
    _grown("aquarium", "bright fish with eyes and fins", "fish"),
    _grown("orchard", "green and red fruit, hanging in rows", "fruit"),
    _grown("artichokes", "buds and flowers on their stems", "flowers"),
    _grown("starfish", "starfish and corals", "sea"),
    _drawn("eyes", "eyes of people, owls and reptiles", "human_eye reptile_eye owl peacock"),
    _drawn("feathers", "plumage, parrots, peacocks", "plumage peacock peafowl parrot wing bird"),
    _drawn("scales", "snakes and their skins", "scales snake fish frogskin turtle"),
    _drawn("flowers", "roses, sunflowers, daisies, lilies", "daisy rose lily sunflower"),
    _drawn("leaves", "leaves, ferns, trees", "leaf fern tree bamboo autumn"),
    _drawn("shells", "spiral and fan-shaped shells", "nautilus scallop snail"),
    _drawn("glass", "stained glass and rose windows", "glass rosewin mosaic"),
    _drawn("clockwork", "gears, honeycombs, lanterns", "gear honeycomb lantern"),
    Preset(
        "pearls",
        "glowing beads and rows of them: the energy of two layers, no class",
        DRAWN_NETWORK,
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
            "decorrelate": False,
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
            "decorrelate": False,
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
