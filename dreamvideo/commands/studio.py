"""The command studio."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamvideo.commands.console import DONE, Console
from dreamvideo.commands.options import Command, CommandLine, add_command
from dreamvideo.errors import SettingsError
from dreamvideo.settings.live import LiveSettings
from dreamvideo.settings.studio import StudioSettings


@dataclass(frozen=True, slots=True)
class StudioRequest:
    """A studio is to be served."""

    folder: Path
    studio: StudioSettings


def add_studio_command(commands: Any) -> None:
    """Add the parser of `dreamvideo studio`.

    Args:
        commands: what `add_subparsers` returned.
    """
    parser = add_command(
        commands,
        "studio",
        "open a page on which looks are chosen by pictures and films are dreamed",
        Command(parse_studio, run_studio, (StudioSettings,)),
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path(),
        metavar="FOLDER",
        help="films and photos, and where dreams are written (default: the current folder)",
    )


def parse_studio(line: CommandLine) -> StudioRequest:
    """Make the request of `dreamvideo studio`.

    Args:
        line: the parsed command line.

    Raises:
        SettingsError: a value is invalid.
    """
    return StudioRequest(line.arguments.folder, line.settings(StudioSettings))


def run_studio(request: StudioRequest, console: Console) -> int:
    """Serve the studio until Ctrl-C.

    Args:
        request: which folder, and where.
        console: where the address is printed.

    Returns:
        The exit code.

    Raises:
        DreamVideoError: the extra is not installed, the folder is not there, or the address cannot be used.
    """
    if any(importlib.util.find_spec(name) is None for name in ("starlette", "uvicorn")):
        raise SettingsError('the studio is an extra: type pip install "dreamvideo[studio]"')
    if not request.folder.is_dir():
        raise SettingsError(f"{request.folder} is not a folder: expected one with films")
    from dreamvideo.live.web.password import page_password
    from dreamvideo.studio.studio_server import serve_studio

    settings = request.studio
    password = page_password(LiveSettings(password_file=settings.password_file))
    ready = functools.partial(_announce, request, console)
    serve_studio(request.folder, settings.at, password, round(settings.most_upload * 1e9), ready)
    return DONE


def _announce(request: StudioRequest, console: Console, url: str) -> None:
    console.message(f"the studio of {request.folder.resolve()}; Ctrl-C ends it, and pauses the job that runs")
    console.results([url])
    # Without a display a browser of the terminal would take it over.
    has_display = sys.platform in ("darwin", "win32") or bool({"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys())
    if request.studio.browser and has_display:
        webbrowser.open(url)
