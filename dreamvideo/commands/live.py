"""The commands live and cameras."""

from __future__ import annotations

import argparse
import functools

from dreamvideo.commands.exits import DONE
from dreamvideo.commands.network import guide_of
from dreamvideo.commands.talk import print_lines, tell
from dreamvideo.options import settings_from
from dreamvideo.settings import CameraSettings, DreamSettings, LiveSettings, ModelSettings


def run_live(arguments: argparse.Namespace) -> int:
    """dreamvideo live [CAMERA]"""
    from dreamvideo.live.command import Wanted, live

    dreaming = settings_from(arguments, DreamSettings)
    wanted = Wanted(
        arguments.camera,
        settings_from(arguments, CameraSettings),
        settings_from(arguments, LiveSettings),
        settings_from(arguments, ModelSettings),
        dreaming,
        guide_of(dreaming.guide),
        arguments.preset,
        arguments.overwrite,
    )
    live(wanted, functools.partial(tell, arguments))
    return DONE


def run_cameras(arguments: argparse.Namespace) -> int:
    """dreamvideo cameras"""
    from dreamvideo.live.webcams import list_cameras

    return print_lines(list_cameras())
