"""The command line: argv -> a frozen request -> the command that runs it -> exit code.

Exit codes: 0 done, 1 failed, 2 invalid usage, 3 some of several inputs failed, 130 interrupted. Messages go to stderr,
results to stdout; a traceback is a bug.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from dreamvideo._version import __version__
from dreamvideo.commands.atlas import add_atlas_command
from dreamvideo.commands.bench import add_bench_command
from dreamvideo.commands.cameras import add_cameras_command
from dreamvideo.commands.console import DONE, FAILED, INTERRUPTED, USAGE, Console
from dreamvideo.commands.demo import add_demo_command
from dreamvideo.commands.doctor import add_doctor_command
from dreamvideo.commands.frames import add_frames_command
from dreamvideo.commands.image import add_image_command
from dreamvideo.commands.info import add_info_command
from dreamvideo.commands.lasting_stream import lasting_output
from dreamvideo.commands.layers import add_layers_command
from dreamvideo.commands.live import add_live_command
from dreamvideo.commands.models import add_models_command
from dreamvideo.commands.options import Command, CommandLine
from dreamvideo.commands.presets import add_presets_command
from dreamvideo.commands.signals import interrupt_on_sigterm
from dreamvideo.commands.studio import add_studio_command
from dreamvideo.commands.timeline import add_timeline_command
from dreamvideo.commands.video import add_video_command
from dreamvideo.commands.zoom import add_zoom_command
from dreamvideo.errors import Cancelled, DreamVideoError, SettingsError
from dreamvideo.process import networks_from, spin_briefly
from dreamvideo.settings.addresses import public_text

log = logging.getLogger("dreamvideo")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the command line without the name of the program; None: that of this process.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    with lasting_output():
        try:
            return _run(words)
        except SystemExit as stop:  # argparse has printed its message
            return int(stop.code or DONE)
        except KeyboardInterrupt:
            Console().error("interrupted")
            return INTERRUPTED


def _run(words: list[str]) -> int:
    parser = build_parser()
    if not words:
        parser.print_help(sys.stderr)
        return USAGE
    arguments = parser.parse_args(words)
    interrupt_on_sigterm()
    silence_libraries()
    spin_briefly()
    console = Console(arguments.quiet > 0)
    command: Command[Any] = arguments.command
    try:
        with logging_to_stderr(logging.WARNING - 10 * arguments.verbose + 10 * arguments.quiet):
            line = CommandLine(arguments, words, command.settings)
            with networks_from(line.network_folder):
                return command.run(command.parse(line), console)
    except SettingsError as error:
        console.error(error)
        return USAGE
    except Cancelled as stop:
        console.error(f"interrupted: {stop}")
        return INTERRUPTED
    except DreamVideoError as error:
        console.error(error)
        return FAILED
    except ImportError as error:
        if (error.name or "dreamvideo").startswith("dreamvideo"):
            raise  # a bug
        console.error(f"{error}: type dreamvideo doctor to see what is missing")
        return FAILED


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage, which is forty lines of options.

    Control characters of a command line, which a pattern may have filled with names of files, are shown.
    """

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: {public_text(message)}; see {self.prog} --help\n")


class _LogFormatter(logging.Formatter):
    """Escapes control characters of messages, not the line breaks of tracebacks."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return public_text(super().formatMessage(record))


def build_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line; options of settings are made from the fields of their dataclasses."""
    parser = _Parser(prog="dreamvideo", description="Makes video dream.")
    parser.add_argument("--version", action="version", version=f"dreamvideo {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for add in (
        add_demo_command,
        add_video_command,
        add_image_command,
        add_zoom_command,
        add_atlas_command,
        add_frames_command,
        add_live_command,
        add_cameras_command,
        add_studio_command,
        add_timeline_command,
        add_presets_command,
        add_models_command,
        add_layers_command,
        add_info_command,
        add_doctor_command,
        add_bench_command,
    ):
        add(commands)
    return parser


def silence_libraries() -> None:
    """Keep lines of OpenCV, Pillow, libav off the terminal: what matters of a damaged file is said in a message."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")  # read when OpenCV is loaded, here and in child processes
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.getLogger("libav").setLevel(logging.CRITICAL + 1)  # PyAV logs nothing, but some torchvisions have it do so


@contextmanager
def logging_to_stderr(level: int) -> Generator[None, None, None]:
    """Print what the library logs on stderr inside the block; other loggers are left alone.

    Args:
        level: of the messages to be printed, see `logging`.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_LogFormatter("dreamvideo: %(message)s"))
    before = log.level
    log.addHandler(handler)
    log.setLevel(level)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
