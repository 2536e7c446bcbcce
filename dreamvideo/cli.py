"""Options -> settings -> the program -> exit code.

0 done, 1 failed, 2 usage, 3 some inputs of several failed, 130 interrupted. What is said goes to stderr; a traceback
means a bug.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dreamvideo._version import __version__
from dreamvideo.commands.bench import run_bench, run_bench_cluster, run_bench_live, run_coherence
from dreamvideo.commands.console import print_error
from dreamvideo.commands.exits import FAILED, INTERRUPTED, USAGE
from dreamvideo.commands.listings import run_info, run_layers, run_models, run_presets
from dreamvideo.commands.live import run_cameras, run_live
from dreamvideo.commands.options import (
    ATLAS_SETTINGS,
    FRAMES_SETTINGS,
    IMAGE_SETTINGS,
    INFO_SETTINGS,
    LIVE_SETTINGS,
    VIDEO_SETTINGS,
    add_options,
    look_of,
)
from dreamvideo.commands.pictures import run_image
from dreamvideo.commands.sheets import run_atlas
from dreamvideo.commands.videos import run_frames, run_video
from dreamvideo.errors import DreamVideoError, SettingsError
from dreamvideo.settings.bench import BenchSettings, CoherenceSettings, LiveBenchSettings, ScalingSettings
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings

log = logging.getLogger("dreamvideo")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    try:
        arguments = build_parser().parse_args(argv)
        arguments.words = sys.argv[1:] if argv is None else list(argv)
    except SystemExit as stop:  # argparse has said why
        return int(stop.code or 0)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with logging_to_stderr(logging.WARNING - 10 * arguments.verbose + 10 * arguments.quiet):
            arguments.look = look_of(arguments)  # once: it may have to be read, and to warn
            return int(arguments.run(arguments))
    except SettingsError as error:
        print_error(error)
        return USAGE
    except DreamVideoError as error:
        print_error(error)
        return FAILED
    except KeyboardInterrupt as stop:
        print_error(": ".join(["interrupted", *map(str, stop.args)]))
        return INTERRUPTED


@contextmanager
def logging_to_stderr(level: int) -> Generator[None, None, None]:
    """What the library logs goes to stderr inside the block; nobody else's logging is touched."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("dreamvideo: %(message)s"))
    before = log.level
    log.addHandler(handler)
    log.setLevel(level)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


def build_parser() -> argparse.ArgumentParser:
    """The command line; every option of a setting is made from that setting's field."""
    parser = argparse.ArgumentParser(prog="dreamvideo", description="Makes video dream.")
    parser.add_argument("--version", action="version", version=f"dreamvideo {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, run, settings, output, help in (
        ("video", run_video, VIDEO_SETTINGS, "NAME_dream", "dream videos, with their sound"),
        ("image", run_image, IMAGE_SETTINGS, "NAME_dream", "dream still pictures"),
        ("atlas", run_atlas, ATLAS_SETTINGS, "NAME_atlas.png", "dream a picture in many ways, on a sheet to choose by"),
    ):
        command = commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.")
        command.set_defaults(run=run)
        command.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="file, folder or '*' pattern")
        command.add_argument("-o", "--output", type=Path, metavar="OUT", help=f"file, or folder (default: {output})")
        add_outputs(command, resume=run is run_video)
        add_look(command)
        add_talk(command)
        for group in settings:
            add_options(command, group)
    add_frames(commands)
    add_live(commands)
    presets = commands.add_parser("presets", help="list looks by name", description="Lists looks by name.")
    presets.set_defaults(run=run_presets)
    add_talk(presets)
    add_listings(commands)
    add_info(commands)
    add_bench(commands)
    return parser


def add_outputs(command: argparse.ArgumentParser, resume: bool) -> None:
    """What becomes of outputs that are there already."""
    command.add_argument("-y", "--overwrite", action="store_true", help="replace existing outputs")
    command.add_argument("-n", "--skip-existing", action="store_true", help="pass over inputs whose output exists")
    if resume:
        command.add_argument("--resume", action="store_true", help="go on where an earlier run ended")


def add_frames(commands: Any) -> None:
    """The command that dreams folders of pictures."""
    frames = commands.add_parser(
        "frames",
        help="dream folders of pictures, as frames of a film or one by one",
        description="Dreams folders of pictures, as frames of a film or one by one, into a folder or a video; or a "
        "video into a folder.",
    )
    frames.set_defaults(run=run_frames, configurable=FRAMES_SETTINGS)
    frames.add_argument(
        "inputs", nargs="+", type=Path, metavar="INPUT", help="folder, picture, '*' pattern, or one video"
    )
    frames.add_argument(
        "-o", "--output", type=Path, metavar="OUT", help="folder, or video (default: the folder NAME_dream)"
    )
    add_outputs(frames, resume=True)
    add_look(frames)
    add_talk(frames)
    for group in FRAMES_SETTINGS:
        add_options(frames, group)
    frames.add_argument(
        "--sequence",
        dest="independent",
        action="store_false",
        default=argparse.SUPPRESS,
        help="the frames of one film (default), not --independent",
    )


def add_look(command: argparse.ArgumentParser) -> None:
    """Where settings come from that are not said."""
    command.add_argument("--preset", metavar="NAME", help="a look by name, under what else is said: see presets")
    command.add_argument("--config", type=Path, metavar="TOML", help="settings from a file, under what else is said")
    command.add_argument("--like", type=Path, metavar="OLD", help="the settings of an old dream, read out of it")


def add_live(commands: Any) -> None:
    """The command that dreams what a camera sees, and the one that lists cameras."""
    live = commands.add_parser(
        "live", help="dream what a camera sees, as it sees it", description="Dreams what a camera sees, as it sees it."
    )
    live.set_defaults(run=run_live, configurable=LIVE_SETTINGS)
    live.add_argument(
        "camera",
        nargs="?",
        default="0",
        metavar="CAMERA",
        help="number, device path, URL, or a video file in place of a camera (default: 0; see cameras)",
    )
    live.add_argument("-y", "--overwrite", action="store_true", help="replace an existing recording")
    add_look(live)
    cameras = commands.add_parser("cameras", help="list the cameras", description="Lists the cameras there are.")
    cameras.set_defaults(run=run_cameras)
    for command in (live, cameras):
        add_talk(command)
    for group in LIVE_SETTINGS:
        add_options(live, group)


def add_listings(commands: Any) -> None:
    """The commands that tell what there is."""
    models = commands.add_parser(
        "models", help="list the networks", description="Lists the networks, what they dream, and their weights."
    )
    models.set_defaults(run=run_models)
    models.add_argument("name", nargs="?", metavar="NAME", help="of this one only, which may be any of torchvision's")
    models.add_argument("--classes", action="store_true", help="the names of its classes instead, by number from 0 on")
    layers = commands.add_parser(
        "layers",
        help="list what can be dreamed on in a network",
        description="Lists what can be dreamed on in a network: name, stride in pixels, number of channels.",
    )
    layers.set_defaults(run=run_layers)
    for command in (models, layers):
        add_talk(command)
    add_options(layers, ModelSettings)


def add_info(commands: Any) -> None:
    """The command that tells of files."""
    info = commands.add_parser(
        "info",
        help="tell what a file holds, what becomes of it, and how long that takes",
        description="Tells what a file holds, what video would make of it, and how long that takes.",
    )
    info.set_defaults(run=run_info)
    info.add_argument("inputs", nargs="+", type=Path, metavar="FILE")
    info.add_argument("-o", "--output", type=Path, metavar="OUT", help="file, or folder (default: NAME_dream)")
    add_look(info)
    add_talk(info)
    for group in INFO_SETTINGS:
        add_options(info, group)


def add_bench(commands: Any) -> None:
    """The commands that measure."""
    bench = commands.add_parser(
        "bench",
        help="measure how fast this machine dreams",
        description="Measures how fast this machine dreams, against its own peak and against how others dream.",
    )
    bench.set_defaults(run=run_bench)
    add_talk(bench)
    add_options(bench, BenchSettings)
    others = bench.add_subparsers(title="or, instead", metavar="coherence|cluster|live")
    coherence = others.add_parser(
        "coherence",
        help="measure how strongly and how steadily video is dreamed",
        description="Measures how strongly and how steadily video is dreamed, by this program and in others' ways.",
    )
    coherence.set_defaults(run=run_coherence)
    coherence.add_argument("clips", nargs="*", type=Path, metavar="CLIP", help="videos, besides the rendered shots")
    add_talk(coherence)
    add_options(coherence, CoherenceSettings)
    scaling = others.add_parser(
        "cluster",
        help="measure how much faster several workers are than one",
        description="Measures how much faster several workers are than one, and where that ends.",
    )
    scaling.set_defaults(run=run_bench_cluster)
    add_talk(scaling)
    for of_scaling in (ScalingSettings, ModelSettings, ObjectiveSettings, DreamSettings):
        add_options(scaling, of_scaling)
    live = others.add_parser(
        "live",
        help="measure how fast a live dream is shown, and how late",
        description="Measures how fast a live dream is shown, and how late, with a file in place of a camera.",
    )
    live.set_defaults(run=run_bench_live)
    add_talk(live)
    for kind in (LiveBenchSettings, ModelSettings, ObjectiveSettings, DreamSettings):
        add_options(live, kind)


def add_talk(parser: argparse.ArgumentParser) -> None:
    """The options of how much is said."""
    parser.add_argument("-q", "--quiet", action="count", default=0, help="say less")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="say more")
