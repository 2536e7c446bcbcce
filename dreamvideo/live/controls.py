"""What a user can change while it dreams, and the keys that change it: pure functions from `Controls` to `Controls`.

Keys, page, OSC and MIDI all end here: `named_controls` sets by name what has no key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from dreamvideo.settings.zoom import Feedback

STRENGTHS: Final = (0.0, 3.0)  # limits of the strength that + and - set
STRENGTH_STEP: Final = 1.25  # factor of one press; chosen by eye
FAINTEST: Final = 0.1  # a press of - below this sets 0
MOST_TAPS: Final = 8  # that a tempo is the mean of


@dataclass(frozen=True, slots=True)
class Menu:
    """The presets, layers and classes to choose from."""

    presets: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    own: str | None = None  # the preset of the command line
    classes: tuple[str, ...] = ()  # that keys go through; others can be named, too
    check_class: Callable[[str], object] = lambda name: None  # raises a DreamVideoError if there is no such class


@dataclass(frozen=True, slots=True)
class Controls:
    """How it dreams and what is shown, at one moment."""

    running: bool = True
    strength: float = 1.0  # of the dream, relative to that of the look
    preset: str | None = None  # None: the look of the command line
    layer: str | None = None  # the only one that is dreamed; None: those of the look
    classes: str | None = None  # names joined by +, each with a weight or not; None: those of the look
    numbers: tuple[tuple[str, float], ...] = ()  # options that were set, by their fields; all others are the look's
    frozen: bool = False  # the image of the camera stays; the dream continues
    mirror: bool = False
    split: bool = False  # source on the left, dream on the right
    black: bool = False  # nothing is shown; the dream continues
    source: bool = False  # the source is shown undreamed; the dream continues
    overlay: bool = True  # numbers over the image
    help: bool = False
    full_screen: bool = False
    recording: bool = False
    snapshots: int = 0  # number of requests so far
    feedback: Feedback | None = None  # the motion of a tunnel; None: the dream follows the camera
    resets: int = 0  # number of requests so far; each restarts the dream
    taps: tuple[float, ...] = ()  # seconds of the last taps, as of `time.monotonic`


Change = Callable[[Controls, Menu, float], Controls]  # (controls, menu, seconds as of `time.monotonic`)


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the window, a button of the page."""

    name: str
    control: str  # its name for OSC and MIDI
    what: str
    change: Change
    switch: str | None = None  # the field that it switches on and off


def press(controls: Controls, key: str, menu: Menu, now: float) -> Controls:
    """Apply a key.

    Args:
        controls: before it.
        key: a key of `KEYS`; others change nothing.
        menu: the presets, layers and classes to choose from.
        now: when it was pressed, as of `time.monotonic`.
    """
    return KEYS[key].change(controls, menu, now) if key in KEYS else controls


def set_strength(controls: Controls, strength: float) -> Controls:
    """Set the strength, limited to `STRENGTHS`."""
    return replace(controls, strength=min(max(strength, STRENGTHS[0]), STRENGTHS[1]))


def _stronger(controls: Controls, _: Menu, __: float) -> Controls:
    return set_strength(controls, max(round(controls.strength * STRENGTH_STEP, 3), FAINTEST))


def _weaker(controls: Controls, _: Menu, __: float) -> Controls:
    weaker = round(controls.strength / STRENGTH_STEP, 3)
    return set_strength(controls, weaker if weaker >= FAINTEST else 0.0)


def _switch(name: str, control: str, what: str, field: str) -> Key:
    def change(controls: Controls, _: Menu, __: float) -> Controls:
        return with_field(controls, field, not getattr(controls, field))

    return Key(name, control, what, change, field)


def _count(field: str) -> Change:
    return lambda controls, _, __: with_field(controls, field, getattr(controls, field) + 1)


def _tap(controls: Controls, _: Menu, now: float) -> Controls:
    return replace(controls, taps=(*controls.taps, now)[-MOST_TAPS:])


def with_field(controls: Controls, field: str, value: Any) -> Controls:
    """Set a field by its name."""
    return replace(controls, **{field: value})


def _choose_layer(by: int) -> Change:
    return lambda controls, menu, _: replace(controls, layer=_next(controls.layer, menu.layers, by))


def _choose_class(by: int) -> Change:
    return lambda controls, menu, _: replace(controls, classes=_next(controls.classes, menu.classes, by))


def _choose_preset(by: int) -> Change:
    return lambda controls, menu, _: with_preset(controls, _next(controls.preset, menu.presets, by))


def with_preset(controls: Controls, preset: str | None) -> Controls:
    """Choose a preset, a look of its own: neither a layer nor a class that was chosen before stays."""
    return replace(controls, preset=preset, layer=None, classes=None)


def _next(chosen: str | None, choices: tuple[str, ...], by: int) -> str | None:
    """The choice after (1) or before (-1) `chosen`, in a ring in which None stands before the first."""
    ring = (None, *choices)
    return ring[(ring.index(chosen) + by) % len(ring)] if chosen in ring else None


_ALL: Final = (
    Key("q", "quit", "quit (or Esc)", lambda controls, _, __: replace(controls, running=False)),
    _switch("space", "freeze", "freeze the image", "frozen"),
    _switch("r", "record", "record", "recording"),
    Key("s", "snapshot", "snapshot", _count("snapshots")),
    _switch("m", "mirror", "mirror", "mirror"),
    _switch("f", "full-screen", "full screen", "full_screen"),
    Key("+", "stronger", "stronger", _stronger),
    Key("-", "weaker", "weaker", _weaker),
    Key("[", "previous-layer", "previous layer", _choose_layer(-1)),
    Key("]", "next-layer", "next layer", _choose_layer(1)),
    Key("n", "next-preset", "next preset", _choose_preset(1)),
    Key("p", "previous-preset", "previous preset", _choose_preset(-1)),
    Key("c", "next-class", "next class", _choose_class(1)),
    Key("x", "previous-class", "previous class", _choose_class(-1)),
    Key("t", "tap", "tap the beat", _tap),
    _switch("b", "black", "black", "black"),
    _switch("u", "source", "source, undreamed", "source"),
    _switch("d", "split", "source beside dream", "split"),
    Key("0", "restart", "restart the dream", _count("resets")),
    _switch("o", "numbers", "numbers", "overlay"),
    _switch("h", "help", "this help", "help"),
)

KEYS: Final[Mapping[str, Key]] = MappingProxyType({key.name: key for key in _ALL})
