"""Every control of a live dream by its name, as the page, OSC and MIDI set it, with its kind and range.

Names, ranges and help are those of keys (`controls.KEYS`) and of options (`settings`); nothing is listed here anew but
how far a knob goes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Real
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from dreamvideo.errors import SettingsError, did_you_mean
from dreamvideo.live.controls import KEYS, STRENGTHS, Controls, Menu, with_field, with_preset
from dreamvideo.settings.drives import DRIVEN_RANGES
from dreamvideo.settings.field_types import shortened
from dreamvideo.settings.parsers import parse_weighted
from dreamvideo.settings.schedules import FLAGS, MOST_WEIGHT, SCHEDULED_FIELDS, SCHEDULED_NUMBERS

Kind = Literal["switch", "button", "number", "choice"]
ControlValue: TypeAlias = float | str | bool | None

# Where the range of an option is far wider than what can be told apart, or than what a live dream has time for: how far
# its knob goes, and what is accepted. Chosen by eye.
_TOPS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "octaves": 12,
        "iterations": 40,
        "step_size": 0.1,
        "jitter": 64,
        "smooth": 4,
        "color": 2,
        "tv": 2,
        "warm_iterations": 8,
        "warm_step": 4,
    }
)
_MOST_NAMES: Final = 16  # classes that are dreamed together
STRENGTH: Final = "strength"


@dataclass(frozen=True, slots=True)
class NamedControl:
    """A control of a live dream."""

    name: str
    kind: Kind
    what: str
    field: str  # of `Controls`, or an option of `Controls.numbers`; empty: a button
    low: float = 0.0
    high: float = 1.0
    whole: bool = False  # only whole numbers
    key: str = ""  # of `KEYS`


def set_control(controls: Controls, menu: Menu, name: str, value: ControlValue, now: float) -> Controls:
    """Set a control.

    Args:
        controls: before.
        menu: the presets, layers and classes to choose from.
        name: of a control of `CONTROLS`.
        value: of a switch true, false, 1 or 0, None switches it over; of a button the same, but that it is pressed by
            all but false and 0; a number; the name of a choice. None, for a number or a choice: as the look has it.
        now: seconds, as of `time.monotonic`.

    Raises:
        DreamVideoError: there is no such control, or the value does not fit it.
    """
    control = _named(name)
    if control.kind in ("switch", "button"):
        return _set_key(controls, menu, control, value, now)
    if control.kind == "choice":
        return _choose(controls, menu, control, value)
    return _set_number(controls, control, value)


def turn_control(
    controls: Controls, menu: Menu, name: str, share: float, before: float, now: float, *, pad: bool = False
) -> Controls:
    """Turn the knob of a control, or press its button.

    Args:
        controls, menu, name, now: as for `set_control`.
        share: of its whole way, 0 to 1. A button is pressed when this rises to a half.
        before: the share before, 0 at first.
        pad: it is a key or a pad that springs back: a switch is switched over each time it is pressed.

    Raises:
        DreamVideoError: there is no such control.
    """
    control = _named(name)
    down = share >= 0.5 > before
    if control.kind == "button" or (control.kind == "switch" and pad):
        return set_control(controls, menu, name, None, now) if down else controls
    if control.kind == "switch":
        return set_control(controls, menu, name, share >= 0.5, now)
    if control.kind == "number":
        return set_control(controls, menu, name, control.low + share * (control.high - control.low), now)
    ring = (None, *_choices(control, menu))
    return set_control(controls, menu, name, ring[min(int(share * len(ring)), len(ring) - 1)], now)


def number_of(controls: Controls, name: str, default: float) -> float:
    """Return the value that an option was set to.

    Args:
        controls: in effect.
        name: of the field.
        default: its value if it was not set.
    """
    return next((value for each, value in controls.numbers if each == name), default)


def _named(name: str) -> NamedControl:
    if name not in CONTROLS:
        raise SettingsError(f"no control {shortened(name, True)}{did_you_mean(name, CONTROLS)}")
    return CONTROLS[name]


def _set_key(controls: Controls, menu: Menu, control: NamedControl, value: ControlValue, now: float) -> Controls:
    if not (value is None or (isinstance(value, Real) and value in (0, 1))):
        raise SettingsError(f"{control.name} {shortened(value, True)}: expected 0 or 1")
    if control.kind == "switch" and value is not None:
        return with_field(controls, control.field, bool(value))
    return controls if value == 0 and value is not None else KEYS[control.key].change(controls, menu, now)


def _set_number(controls: Controls, control: NamedControl, value: ControlValue) -> Controls:
    others = tuple(pair for pair in controls.numbers if pair[0] != control.field)
    if value is None:
        return replace(controls, strength=1.0) if control.name == STRENGTH else replace(controls, numbers=others)
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise SettingsError(f"{control.name} {shortened(value, True)}: expected a finite number")
    if not control.low <= value <= control.high:
        raise SettingsError(f"{control.name} {value:g}: expected {control.low:g} to {control.high:g}")
    number = float(round(value) if control.whole else value)
    if control.name == STRENGTH:
        return replace(controls, strength=number)
    return replace(controls, numbers=(*others, (control.field, number)))


def _choose(controls: Controls, menu: Menu, control: NamedControl, value: ControlValue) -> Controls:
    if value is not None and not isinstance(value, str):
        raise SettingsError(f"{control.name} {shortened(value, True)}: expected a name")
    chosen = value or None
    if chosen is not None:
        _check_choice(chosen, control, menu)
    return with_preset(controls, chosen) if control.field == "preset" else with_field(controls, control.field, chosen)


def _check_choice(value: str, control: NamedControl, menu: Menu) -> None:
    if control.field != "classes":
        choices = _choices(control, menu)
        if value not in choices:
            known = f"expected one of {', '.join(choices)}" if choices else "there is none to choose from"
            raise SettingsError(f"{control.name} {shortened(value, True)}: {known}")
        return
    names = chosen_classes(value)
    if len(names) > _MOST_NAMES:
        raise SettingsError(f"{control.name}: {len(names)} names: expected at most {_MOST_NAMES}")
    for name, weight in names:
        if not abs(weight) <= MOST_WEIGHT:
            raise SettingsError(f"{control.name} {shortened(name, True)}: expected a weight of at most {MOST_WEIGHT:g}")
        menu.check_class(name)


def chosen_classes(text: str) -> tuple[tuple[str, float], ...]:
    """Return the names and weights of classes.

    Args:
        text: names joined by `+`, each with a weight or not, as in a schedule.

    Raises:
        SettingsError: a weight is not a number.
    """
    return tuple(parse_weighted(name.strip()) for name in text.split("+"))


def _choices(control: NamedControl, menu: Menu) -> tuple[str, ...]:
    choices: Mapping[str, tuple[str, ...]] = {
        "preset": menu.presets,
        "layer": menu.layers,
        "classes": menu.classes,
    }
    return choices[control.field]


def _number(name: str) -> NamedControl:
    field, (low, high) = SCHEDULED_FIELDS[name], DRIVEN_RANGES[name]
    whole, top = str(field.type).startswith("int"), min(high, _TOPS.get(name, high))
    return NamedControl(FLAGS[name].removeprefix("--"), "number", field.metadata["help"], name, low, top, whole)


def _all() -> Mapping[str, NamedControl]:
    controls = [NamedControl(STRENGTH, "number", "strength of the dream", STRENGTH, *STRENGTHS)]
    controls += [_number(name) for name in SCHEDULED_NUMBERS]
    for name, field in (("preset", "preset"), ("layer", "layer"), ("class", "classes")):
        controls.append(NamedControl(name, "choice", f"{name} by its name", field))
    for key in KEYS.values():
        kind: Kind = "switch" if key.switch else "button"
        controls.append(NamedControl(key.control, kind, key.what, key.switch or "", key=key.name))
    return MappingProxyType({control.name: control for control in controls})


CONTROLS: Final = _all()
