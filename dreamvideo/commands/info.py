"""The command info."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamvideo.commands.console import DONE, Console, exit_code
from dreamvideo.commands.network import load_requested_network
from dreamvideo.commands.options import INFO_SETTINGS, Command, CommandLine, add_command, add_look
from dreamvideo.commands.outputs import FilesRequest, named_outputs
from dreamvideo.errors import DreamVideoError
from dreamvideo.media.remote_path import media_path
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import EncodeSettings, InfoSettings, ReadSettings

if TYPE_CHECKING:
    from dreamvideo.info.describe import ReportSettings


@dataclass(frozen=True, slots=True)
class InfoRequest:
    """Files to be described, and the dream that is forecast."""

    files: FilesRequest
    report: ReportSettings
    model: ModelSettings
    objective: ObjectiveSettings


def add_info_command(commands: Any) -> None:
    """Add the parser of `dreamvideo info`.

    Args:
        commands: what `add_subparsers` returned.
    """
    parser = add_command(
        commands,
        "info",
        "show what a file holds, what a dream keeps of it, and how long that takes",
        Command(parse_info, run_info, INFO_SETTINGS),
        "Shows what a file holds, what video would make of it, and how long that takes.",
    )
    parser.add_argument("inputs", nargs="+", type=media_path, metavar="FILE")
    parser.add_argument("-o", "--output", type=Path, metavar="OUT", help="file, or folder (default: NAME_dream)")
    add_look(parser)


def parse_info(line: CommandLine) -> InfoRequest:
    """Make the request of `dreamvideo info`.

    Args:
        line: the parsed command line.

    Raises:
        SettingsError: a value is invalid.
    """
    from dreamvideo.info.describe import ReportSettings

    return InfoRequest(
        FilesRequest(tuple(line.arguments.inputs), line.arguments.output),
        ReportSettings(
            line.settings(InfoSettings),
            line.settings(ReadSettings),
            line.settings(DreamSettings),
            line.settings(CarrySettings),
            line.settings(EncodeSettings),
        ),
        line.settings(ModelSettings),
        line.settings(ObjectiveSettings),
    )


def run_info(request: InfoRequest, console: Console) -> int:
    """Describe files; one that cannot be read does not stop the others.

    Args:
        request: what is to be described.
        console: where it is printed.

    Returns:
        The exit code.

    Raises:
        DreamVideoError: the inputs cannot be found, or the network of the forecast cannot be used.
    """
    from dreamvideo.info.describe import report_files
    from dreamvideo.info.sequence_report import is_picture_folder, sequence_lines

    folders = [] if request.report.info.json else list(filter(is_picture_folder, request.files.inputs))
    for folder in folders:
        console.results(sequence_lines(folder))
    inputs = tuple(path for path in request.files.inputs if path not in folders)
    if not inputs:
        return DONE
    _, files = named_outputs(replace(request.files, inputs=inputs), console, "videos")
    load = functools.cache(lambda: load_requested_network(request.model, request.objective))
    failed = 0

    def refuse(error: DreamVideoError) -> None:
        nonlocal failed
        failed += 1
        console.error(error)

    console.results(report_files(files, request.report, load, refuse))
    return exit_code(failed, len(files))
