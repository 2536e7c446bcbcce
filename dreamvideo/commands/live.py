"""The commands live and cameras."""

from __future__ import annotations

import argparse
import functools

from dreamvideo.commands.console import print_lines, tell
from dreamvideo.commands.exits import DONE
from dreamvideo.commands.network import load_guide
from dreamvideo.commands.options import settings_from
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.live import CameraSettings, LiveSettings


def run_live(arguments: argparse.Namespace) -> int:
    """dreamvideo live [CAMERA]"""
    from dreamvideo.live.app import LiveRequest, run_live_dream

    objective = settings_from(arguments, ObjectiveSettings)
    wanted = LiveRequest(
        arguments.camera,
        settings_from(arguments, CameraSettings),
        settings_from(arguments, LiveSettings),
        settings_from(arguments, ModelSettings),
        objective,
        settings_from(arguments, DreamSettings),
        load_guide(objective.guide),
        arguments.preset,
        arguments.overwrite,
    )
    run_live_dream(wanted, functools.partial(tell, arguments))
    return DONE


def run_cameras(arguments: argparse.Namespace) -> int:
    """dreamvideo cameras"""
    from dreamvideo.live.cameras.webcam import list_cameras

    return print_lines(list_cameras())
