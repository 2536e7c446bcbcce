"""The commands that tell what there is: presets, models, layers, info."""

from __future__ import annotations

import argparse
import functools

from dreamvideo.commands.exits import exit_code
from dreamvideo.commands.network import network_of
from dreamvideo.commands.plan import named_outputs
from dreamvideo.commands.talk import complain, print_lines
from dreamvideo.errors import DreamVideoError, SettingsError
from dreamvideo.options import settings_from
from dreamvideo.presets import PRESETS
from dreamvideo.settings import CarrySettings, DreamSettings, EncodeSettings, InfoSettings, ModelSettings, ReadSettings


def run_presets(arguments: argparse.Namespace) -> int:
    """dreamvideo presets"""
    return print_lines(f"{preset.name:14} {preset.summary}" for preset in PRESETS.values())


def run_models(arguments: argparse.Namespace) -> int:
    """dreamvideo models [NAME [--classes]]"""
    from dreamvideo.listings import class_lines, model_line, model_lines

    name = arguments.name
    if arguments.classes and name is None:
        raise SettingsError("--classes: expected the name of a network, such as dreamvideo models dreamnet --classes")
    if arguments.classes:
        return print_lines(class_lines(name))
    return print_lines(model_lines() if name is None else [model_line(name)])


def run_layers(arguments: argparse.Namespace) -> int:
    """dreamvideo layers"""
    from dreamvideo.listings import layer_lines

    return print_lines(layer_lines(settings_from(arguments, ModelSettings)))


def run_info(arguments: argparse.Namespace) -> int:
    """dreamvideo info FILE..."""
    from dreamvideo.info.command import Wanted, info

    _, files = named_outputs(arguments, "videos")
    wanted = Wanted(
        settings_from(arguments, InfoSettings),
        settings_from(arguments, ReadSettings),
        settings_from(arguments, DreamSettings),
        settings_from(arguments, CarrySettings),
        settings_from(arguments, EncodeSettings),
    )
    load = functools.cache(lambda: network_of(arguments))
    failed = 0

    def refused(error: DreamVideoError) -> None:
        nonlocal failed
        failed += 1
        complain(error)

    print_lines(info(files, wanted, load, refused))
    return exit_code(failed, len(files))
