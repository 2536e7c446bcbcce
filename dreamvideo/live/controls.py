"""What a user can change while it dreams, and which key changes what: pure functions from one state to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

STRENGTHS: Final = (0.0, 3.0)  # limits of what + and - lead to
STRONGER: Final = 1.25  # of one press
FAINTEST: Final = 0.1  # below it - leads to nothing at all


@dataclass(frozen=True, slots=True)
class Menu:
    """What there is to choose from."""

    presets: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    own: str | None = None  # the preset that was asked for on the command line


@dataclass(frozen=True, slots=True)
class Controls:
    """How it dreams and what is shown of it, at one moment."""

    running: bool = True
    strength: float = 1.0  # of the dream, over that of the look
    preset: str | None = None  # None: the look that was asked for on the command line
    layer: str | None = None  # excited alone, in place of what the look excites; None: the look's own
    frozen: bool = False  # the camera's picture stands; the dream goes on
    mirror: bool = False
    split: bool = False  # source on the left, dream on the right
    overlay: bool = True  # numbers over the picture
    help: bool = False
    full_screen: bool = False
    recording: bool = False
    snapshots: int = 0  # asked for so far
    resets: int = 0  # asked for so far; each begins the dream anew


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the window, one button of the page."""

    name: str
    what: str
    change: Callable[[Controls, Menu], Controls]


def press(controls: Controls, key: str, menu: Menu) -> Controls:
    """`controls` after a key; a key that means nothing changes nothing."""
    return KEYS[key].change(controls, menu) if key in KEYS else controls


def set_strength(controls: Controls, strength: float) -> Controls:
    """`controls` with this strength, within `STRENGTHS`."""
    return replace(controls, strength=min(max(strength, STRENGTHS[0]), STRENGTHS[1]))


def _stronger(controls: Controls, _: Menu) -> Controls:
    return set_strength(controls, max(round(controls.strength * STRONGER, 3), FAINTEST))


def _weaker(controls: Controls, _: Menu) -> Controls:
    weaker = round(controls.strength / STRONGER, 3)
    return set_strength(controls, weaker if weaker >= FAINTEST else 0.0)


def _turned(field: str) -> Callable[[Controls, Menu], Controls]:
    return lambda controls, _: _with(controls, field, not getattr(controls, field))


def _counted(field: str) -> Callable[[Controls, Menu], Controls]:
    return lambda controls, _: _with(controls, field, getattr(controls, field) + 1)


def _with(controls: Controls, field: str, value: Any) -> Controls:
    return replace(controls, **{field: value})


def _layer(by: int) -> Callable[[Controls, Menu], Controls]:
    return lambda controls, menu: replace(controls, layer=_next(controls.layer, menu.layers, by))


def _preset(by: int) -> Callable[[Controls, Menu], Controls]:
    return lambda controls, menu: replace(controls, preset=_next(controls.preset, menu.presets, by), layer=None)


def _next(chosen: str | None, choices: tuple[str, ...], by: int) -> str | None:
    """The choice after or before `chosen`, in a ring in which None comes before the first."""
    ring = (None, *choices)
    return ring[(ring.index(chosen) + by) % len(ring)] if chosen in ring else None


_ALL: Final = (
    Key("q", "quit (or Esc)", lambda controls, _: replace(controls, running=False)),
    Key("space", "freeze the picture", _turned("frozen")),
    Key("r", "record", _turned("recording")),
    Key("s", "snapshot", _counted("snapshots")),
    Key("m", "mirror", _turned("mirror")),
    Key("f", "full screen", _turned("full_screen")),
    Key("+", "stronger", _stronger),
    Key("-", "weaker", _weaker),
    Key("[", "layer before", _layer(-1)),
    Key("]", "layer after", _layer(1)),
    Key("n", "next preset", _preset(1)),
    Key("p", "preset before", _preset(-1)),
    Key("d", "source beside dream", _turned("split")),
    Key("0", "dream anew", _counted("resets")),
    Key("o", "numbers", _turned("overlay")),
    Key("h", "this help", _turned("help")),
)

KEYS: Final[Mapping[str, Key]] = MappingProxyType({key.name: key for key in _ALL})
