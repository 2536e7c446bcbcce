"""The options that the page shows as knobs: their help, choices and ranges, from the fields of settings."""

from __future__ import annotations

from dataclasses import Field
from typing import Any, Final

from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import EncodeSettings, MaskSettings, ReadSettings, SequenceSettings
from dreamvideo.settings.option import option_choices, option_flag
from dreamvideo.settings.schedules import FLAGS
from dreamvideo.studio.chosen_look import installed_networks, offered_fields
from dreamvideo.studio.option_labels import option_label

# What changes a dream most, with the range of a slider: (least, most, step). Chosen by eye.
MAIN_KNOBS: Final[dict[str, tuple[float, float, float]]] = {
    "step_size": (0.0, 0.06, 0.0005),
    "amount": (0.0, 2.0, 0.05),
    "octaves": (1, 6, 1),
    "noise": (0.0, 0.15, 0.005),
    "color": (0.0, 1.5, 0.05),
    "tv": (0.0, 1.0, 0.05),
    "persistence": (0.0, 1.0, 0.05),
    "warm_step": (0.0, 1.5, 0.05),
}
_LISTS: Final = ("classes", "layers")  # chosen by pictures
_GROUPS: Final = {
    ModelSettings: "Network",
    ObjectiveSettings: "What is dreamed",
    DreamSettings: "How it is dreamed",
    MaskSettings: "Where it is dreamed",
    CarrySettings: "From frame to frame",
    ReadSettings: "Part and size of the film",
    EncodeSettings: "How the film is written",
    SequenceSettings: "Folder of pictures",
}


def describe_knobs() -> list[dict[str, Any]]:
    """Return what the page needs to know of each option, those that change a dream most first."""
    offered = offered_fields()
    order = [*MAIN_KNOBS, *_LISTS, *(name for name in offered if name not in MAIN_KNOBS and name not in _LISTS)]
    return [_knob(name, *offered[name]) for name in order]


def _knob(name: str, kind: type[Any], field: Field[Any]) -> dict[str, Any]:
    choices = list(option_choices(kind).get(name, ()))
    if name == "model":
        choices = ["auto", *installed_networks()]
    least, most, step = MAIN_KNOBS.get(name, (None, None, None))
    return {
        "name": name,
        "flag": option_flag(field),
        "label": option_label(name),
        "help": field.metadata["help"],
        "group": "main" if name in MAIN_KNOBS else "lists" if name in _LISTS else _GROUPS[kind],
        "kind": _widget(field, choices),
        "choices": choices,
        "least": least,
        "most": most,
        "step": step,
        "keyed": name in FLAGS,
        "film": kind in (CarrySettings, ReadSettings, EncodeSettings, SequenceSettings),
    }


def _widget(field: Field[Any], choices: list[Any]) -> str:
    metadata = field.metadata
    if metadata.get("action") in ("store_true", "store_false"):
        return "switch"
    if metadata.get("action") == "append":
        return "list"
    if choices:
        return "choice"
    if metadata.get("kind") == "file":
        return "file"
    return "number" if metadata.get("type") in (int, float) else "text"
