"""Numbers that are changed while it dreams: set by the user, driven by sound, and else as the look has them.

Step size acts as the strength does: what is there grows or fades with it at once, as the bound on what has been added
has to follow (`video.goals` does so for films), and the next steps are larger or smaller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from dreamvideo.live.controls import STRENGTHS, Controls
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.settings.drives import driven_value
from dreamvideo.settings.schedules import SCHEDULED_FIELDS, SCHEDULED_NUMBERS

_STRONGEST: Final = 2 * STRENGTHS[1]  # of strength and step size together; beyond it an image is saturated
_FAINTEST: Final = 0.01  # of a drive: a dream of strength 0 would be gone, and begin anew
_CARRY: Final = frozenset(each.name for each in fields(CarrySettings))


@dataclass(frozen=True, slots=True)
class Dials:
    """What is in effect for one frame.

    Attributes:
        controls: with the strength and the numbers that result.
        step_ratio: of the step size to that of the look.
    """

    controls: Controls
    step_ratio: float = 1.0


def read_dials(
    controls: Controls, look: DreamSettings | None, carry: CarrySettings, factors: Mapping[str, float]
) -> Dials:
    """Find what is in effect.

    Args:
        controls: as set by the user.
        look: the settings of the look; None: it is being loaded, and is not changed yet.
        carry: where the numbers of the carry begin.
        factors: what sound multiplies options by, and `strength`, by the names of their fields.
    """
    numbers = dict(controls.numbers)
    for name, factor in factors.items():
        if name in SCHEDULED_NUMBERS:
            base = numbers.get(name, _base(name, look, carry))
            if base is not None:
                numbers[name] = driven_value(name, base, factor)
    strength, ratio = controls.strength, 1.0
    if strength:
        ratio = 1.0 if look is None or not look.step_size else numbers.get("step_size", look.step_size) / look.step_size
        driven = strength * ratio * factors.get("strength", 1.0)
        strength = min(max(driven, _FAINTEST), _STRONGEST)
    return Dials(replace(controls, strength=strength, numbers=tuple(numbers.items())), ratio)


def dialed_dream(look: DreamSettings, numbers: Mapping[str, float]) -> DreamSettings:
    """Return the settings of a look with the numbers that were changed; the step size is left to the strength.

    Args:
        look: its settings.
        numbers: options that are not as the look has them, by the names of their fields.
    """
    changes: dict[str, Any] = {
        name: _typed(name, value)
        for name, value in numbers.items()
        if name not in _CARRY and name != "step_size" and not (name == "color" and look.normalize == "none")
    }
    if "color" in changes:  # which correlated colors would take the place of
        changes["decorrelate"] = False
    return replace(look, **changes) if changes else look


def dialed_carry(carry: CarrySettings, numbers: Mapping[str, float], step_ratio: float) -> CarrySettings:
    """Return the settings of the carry with the numbers that were changed, and steps that are larger by a ratio.

    Args:
        carry: its settings.
        numbers: as for `dialed_dream`.
        step_ratio: of the step size to that of the look.
    """
    changes: dict[str, Any] = {name: _typed(name, value) for name, value in numbers.items() if name in _CARRY}
    step = changes.get("warm_step", carry.warm_step) * step_ratio
    return replace(carry, **{**changes, "warm_step": min(step, 100.0)})


def shown_numbers(look: DreamSettings, carry: CarrySettings) -> tuple[tuple[str, float], ...]:
    """Return the numbers that can be changed as a look has them; those that it has none of are missing.

    Args:
        look: its settings.
        carry: those of the carry.
    """
    values = ((name, _base(name, look, carry)) for name in SCHEDULED_NUMBERS)
    return tuple((name, float(value)) for name, value in values if value is not None)


def _base(name: str, look: DreamSettings | None, carry: CarrySettings) -> float | None:
    value: float | None = getattr(carry, name) if name in _CARRY else None if look is None else getattr(look, name)
    return value


def _typed(name: str, value: float) -> float | int:
    return round(value) if str(SCHEDULED_FIELDS[name].type).startswith("int") else value
