"""The command cameras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dreamvideo.commands.console import DONE, Console
from dreamvideo.commands.options import Command, CommandLine, add_command


@dataclass(frozen=True, slots=True)
class CamerasRequest:
    """All cameras are to be listed."""


def add_cameras_command(commands: Any) -> None:
    """Add the parser of `dreamvideo cameras`.

    Args:
        commands: what `add_subparsers` returned.
    """
    add_command(commands, "cameras", "list the cameras", Command(parse_cameras, run_cameras))


def parse_cameras(line: CommandLine) -> CamerasRequest:
    """Make the request of `dreamvideo cameras`.

    Args:
        line: the parsed command line.
    """
    return CamerasRequest()


def run_cameras(request: CamerasRequest, console: Console) -> int:
    """List the cameras of this machine.

    Args:
        request: empty.
        console: where they are printed.

    Returns:
        The exit code.
    """
    from dreamvideo.live.cameras.webcam import list_cameras

    console.results(list_cameras())
    return DONE
