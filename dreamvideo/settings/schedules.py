"""Schedules of options: which options may have one, and the looks that those of presets, classes and layers name.

Schedules are kept as they were typed, so that they are stored, compared and sent as text; `settings.timeline` is what
they mean for one film.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from dreamvideo.schedule.heard_sets import parse_heard_sets
from dreamvideo.schedule.keyed_sets import chosen_sets
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.field_types import shortened
from dreamvideo.settings.network_looks import network_look
from dreamvideo.settings.option import check, check_fields, option, option_flag
from dreamvideo.settings.parsers import parse_weighted
from dreamvideo.settings.presets import find_preset

MOST_WEIGHT: Final = 1e6
MOST_LOOKS: Final = 64  # each is an objective of its own

# Numbers that a schedule may change: those of `DreamSettings` and `CarrySettings` but the seed, `octave_scale`, with
# which every octave would have another size at every frame, and what decides where and how much is computed.
SCHEDULED_NUMBERS: Final = (
    *("octaves", "iterations", "step_size", "jitter", "noise", "smooth", "color", "headroom", "anchor", "tv"),
    *("persistence", "warm_iterations", "warm_step", "amount"),
)
SCHEDULED_SETS: Final = ("preset", "classes", "layers")
FIXED: Final = "fixed"  # names the settings that no preset of a schedule changes, since they were typed

SCHEDULED_FIELDS: Final = {
    each.name: each for kind in (ObjectiveSettings, DreamSettings, CarrySettings) for each in fields(kind)
}
# What a preset of a schedule may change.
LOOK_FIELDS: Final = frozenset(
    ["model", *(each.name for kind in (ObjectiveSettings, DreamSettings) for each in fields(kind))]
)
FLAGS: Final[Mapping[str, str]] = {"preset": "--preset"} | {
    name: option_flag(SCHEDULED_FIELDS[name]) for name in (*SCHEDULED_NUMBERS, "classes", "layers")
}


@dataclass(frozen=True, slots=True)
class TimelineSettings:
    """What changes over the time of a film."""

    timeline: tuple[tuple[str, str], ...] = option((), "options and their schedules")

    def __post_init__(self) -> None:
        check_fields(self)
        for name, _ in self.timeline:
            known = [flag.removeprefix("--") for flag in FLAGS.values()]
            check(name in (*FLAGS, FIXED), f"a schedule of {shortened(name)}", f"one of {', '.join(known)}")

    @property
    def schedules(self) -> Mapping[str, str]:
        """Option -> its schedule; a preset comes before what changes it."""
        typed = dict(self.timeline)
        return {name: typed[name] for name in FLAGS if name in typed}

    @property
    def section_kinds(self) -> frozenset[int]:
        """How many sets those have that follow the sections of the music, none if none does."""
        sets = [(FLAGS[name], text) for name, text in self.schedules.items() if name in SCHEDULED_SETS]
        heard = [parse_heard_sets(text, flag) for flag, text in sets]
        return frozenset(len(each.names) for each in heard if each is not None and each.by == "sections")

    @property
    def hears_beats(self) -> bool:
        """Whether something follows the beats of the music: sets that flash, or an expression with `beat`."""
        return any(
            text.strip().startswith("audio:beats") if name in SCHEDULED_SETS else re.search(r"\bbeat\b", text)
            for name, text in self.schedules.items()
        )

    @property
    def hears(self) -> bool:
        """Whether something follows the music."""
        return self.hears_beats or bool(self.section_kinds)

    @property
    def fixed(self) -> frozenset[str]:
        """Settings that no preset changes."""
        return frozenset(dict(self.timeline).get(FIXED, "").split())


@dataclass(frozen=True, slots=True)
class LookSettings:
    """What one preset, set of classes and set of layers make of the settings."""

    model: ModelSettings
    objective: ObjectiveSettings
    dream: DreamSettings


def scheduled_looks(settings: TimelineSettings, base: LookSettings) -> tuple[LookSettings, ...]:
    """Return the looks of a timeline, whatever the film.

    Args:
        settings: the schedules.
        base: all settings; those with a schedule do not count.

    Raises:
        SettingsError: a schedule of names is wrong, or there are too many looks.
    """
    sets = {name: chosen_sets(text, FLAGS[name]) for name, text in settings.schedules.items() if name in SCHEDULED_SETS}
    count = math.prod(len(each) for each in sets.values())
    check(count <= MOST_LOOKS, f"{' with '.join(FLAGS[name] for name in sets)}: {count} looks", f"at most {MOST_LOOKS}")
    looks = []
    for parts in itertools.product(*sets.values()):
        look = base
        for name, names in zip(sets, parts, strict=True):
            if name == "preset":
                look = _look_of_preset("+".join(names), settings, look)
            else:
                changes: dict[str, Any] = {name: _weighted(names, FLAGS[name])}
                look = replace(look, objective=replace(look.objective, **changes))
        looks.append(look)
    return tuple(looks)


def _look_of_preset(name: str, settings: TimelineSettings, base: LookSettings) -> LookSettings:
    """The settings that a preset makes: its own, what suits its network, defaults; but those that are fixed."""
    preset, fixed = find_preset(name), settings.fixed
    model = base.model if "model" in fixed else replace(base.model, model=preset.model)
    values = {**network_look(model.model, {*preset.values, *fixed, *settings.schedules}), **preset.values}

    def filled(settings: Any) -> Any:
        changes = {
            each.name: values.get(each.name, each.default) for each in fields(settings) if each.name not in fixed
        }
        return replace(settings, **changes)

    return LookSettings(model, filled(base.objective), filled(base.dream))


def _weighted(names: Sequence[str], flag: str) -> tuple[tuple[str, float], ...]:
    pairs = tuple(parse_weighted(name) for name in names)
    for name, weight in pairs:
        check(abs(weight) <= MOST_WEIGHT, f"{flag} {name}:{weight}", f"a weight of at most {MOST_WEIGHT:g}")
    return pairs
