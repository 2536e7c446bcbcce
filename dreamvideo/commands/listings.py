"""The commands that tell what there is: presets, models, layers, info."""

from __future__ import annotations

import argparse
import functools

from dreamvideo.commands.console import print_error, print_lines
from dreamvideo.commands.exits import exit_code
from dreamvideo.commands.network import load_requested_network
from dreamvideo.commands.options import settings_from
from dreamvideo.commands.plan import named_outputs
from dreamvideo.errors import DreamVideoError, SettingsError
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings
from dreamvideo.settings.job import EncodeSettings, InfoSettings, ReadSettings
from dreamvideo.settings.presets import PRESETS


def run_presets(arguments: argparse.Namespace) -> int:
    """dreamvideo presets"""
    return print_lines(f"{preset.name:14} {preset.summary}" for preset in PRESETS.values())


def run_models(arguments: argparse.Namespace) -> int:
    """dreamvideo models [NAME [--classes]]"""
    from dreamvideo.info.catalog import class_lines, model_line, model_lines

    name = arguments.name
    if arguments.classes and name is None:
        raise SettingsError("--classes: expected the name of a network, such as dreamvideo models dreamnet --classes")
    if arguments.classes:
        return print_lines(class_lines(name))
    return print_lines(model_lines() if name is None else [model_line(name)])


def run_layers(arguments: argparse.Namespace) -> int:
    """dreamvideo layers"""
    from dreamvideo.info.catalog import layer_lines

    return print_lines(layer_lines(settings_from(arguments, ModelSettings)))


def run_info(arguments: argparse.Namespace) -> int:
    """dreamvideo info FILE..."""
    from dreamvideo.info.describe import InfoRequest, describe_files

    _, files = named_outputs(arguments, "videos")
    wanted = InfoRequest(
        settings_from(arguments, InfoSettings),
        settings_from(arguments, ReadSettings),
        settings_from(arguments, DreamSettings),
        settings_from(arguments, CarrySettings),
        settings_from(arguments, EncodeSettings),
    )
    load = functools.cache(lambda: load_requested_network(arguments))
    failed = 0

    def refused(error: DreamVideoError) -> None:
        nonlocal failed
        failed += 1
        print_error(error)

    print_lines(describe_files(files, wanted, load, refused))
    return exit_code(failed, len(files))
