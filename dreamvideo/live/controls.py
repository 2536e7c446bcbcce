"""What a user can change while it dreams, and the keys that change it: pure functions from `Controls` to `Controls`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from dreamvideo.settings.zoom import Feedback

STRENGTHS: Final = (0.0, 3.0)  # limits of the strength that + and - set
STRENGTH_STEP: Final = 1.25  # factor of one press; chosen by eye
FAINTEST: Final = 0.1  # a press of - below this sets 0


@dataclass(frozen=True, slots=True)
class Menu:
    """The presets and layers to choose from."""

    presets: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    own: str | None = None  # the preset of the command line


@dataclass(frozen=True, slots=True)
class Controls:
    """How it dreams and what is shown, at one moment."""

    running: bool = True
    strength: float = 1.0  # of the dream, relative to that of the look
    preset: str | None = None  # None: the look of the command line
    layer: str | None = None  # the only one that is dreamed; None: those of the look
    frozen: bool = False  # the image of the camera stays; the dream continues
    mirror: bool = False
    split: bool = False  # source on the left, dream on the right
    overlay: bool = True  # numbers over the image
    help: bool = False
    full_screen: bool = False
    recording: bool = False
    snapshots: int = 0  # number of requests so far
    feedback: Feedback | None = None  # the motion of a tunnel; None: the dream follows the camera
    resets: int = 0  # number of requests so far; each restarts the dream


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the window, a button of the page."""

    name: str
    what: str
    change: Callable[[Controls, Menu], Controls]


def press(controls: Controls, key: str, menu: Menu) -> Controls:
    """Apply a key.

    Args:
        controls: before it.
        key: a key of `KEYS`; others change nothing.
        menu: the presets and layers to choose from.
    """
    return KEYS[key].change(controls, menu) if key in KEYS else controls


def set_strength(controls: Controls, strength: float) -> Controls:
    """Set the strength, limited to `STRENGTHS`."""
    return replace(controls, strength=min(max(strength, STRENGTHS[0]), STRENGTHS[1]))


def _stronger(controls: Controls, _: Menu) -> Controls:
    return set_strength(controls, max(round(controls.strength * STRENGTH_STEP, 3), FAINTEST))


def _weaker(controls: Controls, _: Menu) -> Controls:
    weaker = round(controls.strength / STRENGTH_STEP, 3)
    return set_strength(controls, weaker if weaker >= FAINTEST else 0.0)


def _toggle(field: str) -> Callable[[Controls, Menu], Controls]:
    return lambda controls, _: _with(controls, field, not getattr(controls, field))


def _count(field: str) -> Callable[[Controls, Menu], Controls]:
    return lambda controls, _: _with(controls, field, getattr(controls, field) + 1)


def _with(controls: Controls, field: str, value: Any) -> Controls:
    return replace(controls, **{field: value})


def _choose_layer(by: int) -> Callable[[Controls, Menu], Controls]:
    return lambda controls, menu: replace(controls, layer=_next(controls.layer, menu.layers, by))


def _choose_preset(by: int) -> Callable[[Controls, Menu], Controls]:
    return lambda controls, menu: replace(controls, preset=_next(controls.preset, menu.presets, by), layer=None)


def _next(chosen: str | None, choices: tuple[str, ...], by: int) -> str | None:
    """The choice after (1) or before (-1) `chosen`, in a ring in which None stands before the first."""
    ring = (None, *choices)
    return ring[(ring.index(chosen) + by) % len(ring)] if chosen in ring else None


_ALL: Final = (
    Key("q", "quit (or Esc)", lambda controls, _: replace(controls, running=False)),
    Key("space", "freeze the image", _toggle("frozen")),
    Key("r", "record", _toggle("recording")),
    Key("s", "snapshot", _count("snapshots")),
    Key("m", "mirror", _toggle("mirror")),
    Key("f", "full screen", _toggle("full_screen")),
    Key("+", "stronger", _stronger),
    Key("-", "weaker", _weaker),
    Key("[", "previous layer", _choose_layer(-1)),
    Key("]", "next layer", _choose_layer(1)),
    Key("n", "next preset", _choose_preset(1)),
    Key("p", "previous preset", _choose_preset(-1)),
    Key("d", "source beside dream", _toggle("split")),
    Key("0", "restart the dream", _count("resets")),
    Key("o", "numbers", _toggle("overlay")),
    Key("h", "this help", _toggle("help")),
)

KEYS: Final[Mapping[str, Key]] = MappingProxyType({key.name: key for key in _ALL})
