"""Options of the command line: one for each field of a settings dataclass, and settings from what was given.

What is not given is looked up in a preset, a file of settings, or an old dream, before the field's default counts.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from dreamvideo.errors import SettingsError
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import (
    AtlasSettings,
    ClusterSettings,
    EncodeSettings,
    InfoSettings,
    MaskSettings,
    PreviewSettings,
    ReadSettings,
    SequenceSettings,
    TileSettings,
)
from dreamvideo.settings.live import CameraSettings, LiveSettings
from dreamvideo.settings.option import option_choices, option_flag
from dreamvideo.settings.presets import find_preset
from dreamvideo.settings.toml_file import read_toml

_OF_FRAMES = (
    ReadSettings,
    ModelSettings,
    ObjectiveSettings,
    DreamSettings,
    MaskSettings,
    CarrySettings,
    TileSettings,
    EncodeSettings,
    ClusterSettings,
)
VIDEO_SETTINGS = (PreviewSettings, *_OF_FRAMES)
FRAMES_SETTINGS = (SequenceSettings, *_OF_FRAMES)
IMAGE_SETTINGS = (ModelSettings, ObjectiveSettings, DreamSettings, MaskSettings, TileSettings)
LIVE_SETTINGS = (LiveSettings, CameraSettings, ModelSettings, ObjectiveSettings, DreamSettings)
INFO_SETTINGS = (
    InfoSettings,
    ReadSettings,
    ModelSettings,
    ObjectiveSettings,
    DreamSettings,
    CarrySettings,
    EncodeSettings,
)
ATLAS_SETTINGS = (AtlasSettings, ModelSettings, ObjectiveSettings, DreamSettings)

Settings = TypeVar("Settings")


def add_options(parser: argparse.ArgumentParser, settings: type[Any]) -> None:
    """An option for each field of a settings dataclass, under its docstring's first sentence."""
    choices = option_choices(settings)
    group = parser.add_argument_group((settings.__doc__ or "").split(".")[0].lower())
    for field in dataclasses.fields(settings):
        keywords = {name: value for name, value in field.metadata.items() if name not in ("flag", "kind")}
        flag = option_flag(field)
        if field.name in choices:
            keywords["choices"] = choices[field.name]
        if keywords.get("type") not in (None, int, float):
            keywords["type"] = _with_its_own_words(keywords["type"])
        if field.default not in (None, ()) and keywords.get("action") not in ("store_true", "store_false"):
            keywords["help"] += f" (default: {field.default})"
        # What is not given is not there: what a look says takes its place, or the default of the field.
        group.add_argument(flag, dest=field.name, default=argparse.SUPPRESS, **keywords)


def _with_its_own_words(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """`parse`, so that argparse prints its message; of a ValueError it prints none."""

    def parsed(text: str) -> Any:
        try:
            return parse(text)
        except SettingsError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parsed


def settings_from(arguments: argparse.Namespace, settings: type[Settings]) -> Settings:
    """The settings of one dataclass: what was given, else what the look says, else the default."""
    names = {field.name for field in dataclasses.fields(settings)}  # type: ignore[arg-type]
    look = arguments.look if "look" in arguments else look_of(arguments)
    given = {**look, **vars(arguments)}
    return settings(**{k: tuple(v) if isinstance(v, list) else v for k, v in given.items() if k in names})


def look_of(arguments: argparse.Namespace) -> Mapping[str, Any]:
    """Values for fields of settings from what was asked for: a preset, before a file of settings, before an old dream.

    Raises:
        SettingsError: there is no such preset, or a file holds no settings.
        SourceError: the old dream cannot be read.
    """
    like, config = getattr(arguments, "like", None), getattr(arguments, "config", None)
    preset = getattr(arguments, "preset", None)
    if like:
        from dreamvideo.media.metadata import (
            settings_in_file,  # late: it opens videos, which --help need not be able to
        )
    return {
        **(settings_in_file(like) if like else {}),
        **(read_toml(config, *getattr(arguments, "configurable", VIDEO_SETTINGS)) if config else {}),
        **(find_preset(preset).values if preset else {}),
    }
