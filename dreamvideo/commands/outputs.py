"""Which output each input gets, checked before work begins."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dreamvideo.commands.console import Console
from dreamvideo.commands.options import CommandLine
from dreamvideo.errors import SettingsError
from dreamvideo.media.remote_path import RemotePath, media_path

InputKind = Literal["videos", "pictures"]
OutputNamer = Callable[[Path, Path | None], Path]  # (input, directory or None: beside the input) -> output


@dataclass(frozen=True, slots=True)
class FilesRequest:
    """Inputs and outputs as typed, and what happens to outputs that exist."""

    inputs: tuple[Path, ...]
    output: Path | None = None
    overwrite: bool = False
    skip_existing: bool = False
    resume: bool = False
    into_folder: bool = False  # the output is a folder, which need not exist
    report: Path | None = None  # a file that says how each input ended


def add_files(
    parser: argparse.ArgumentParser,
    default: str,
    *,
    inputs: str = "file, folder or '*' pattern",
    output: str = "file, or folder",
    resume: bool = False,
) -> None:
    """Add inputs, `-o` and the options for outputs that exist.

    Args:
        parser: the parser of a command.
        default: the default output, for the help.
        inputs: what an input may be, for the help.
        output: what an output may be, for the help.
        resume: add `--resume`.
    """
    parser.add_argument("inputs", nargs="+", type=media_path, metavar="INPUT", help=inputs)
    parser.add_argument("-o", "--output", metavar="OUT", help=f"{output}, made if there is none (default: {default})")
    parser.add_argument("-y", "--overwrite", action="store_true", help="replace existing outputs")
    parser.add_argument("-n", "--skip-existing", action="store_true", help="skip inputs whose output exists")
    if resume:
        parser.add_argument("--resume", action="store_true", help="continue where an earlier run ended")
        parser.add_argument("--report", type=Path, metavar="JSON", help="write to this file how each input ended")


def parse_files(line: CommandLine) -> FilesRequest:
    """Make the request of the options that `add_files` added.

    Args:
        line: the parsed command line.

    Raises:
        SettingsError: the file of the report has another suffix than .json.
    """
    arguments = line.arguments
    report: Path | None = getattr(arguments, "report", None)
    if report is not None and report.suffix.lower() != ".json":
        raise SettingsError(f"--report {report}: expected a name that ends in .json")
    output = None if arguments.output is None else media_path(arguments.output)
    return FilesRequest(
        tuple(arguments.inputs),
        output,
        arguments.overwrite,
        arguments.skip_existing,
        getattr(arguments, "resume", False),
        output is not None and (not output.suffix or arguments.output.endswith(("/", os.sep))),
        report,
    )


@dataclass(frozen=True, slots=True)
class PlannedOutputs:
    """(input, output) of each job."""

    jobs: list[tuple[Path, Path]]  # that remain to be done
    skipped: list[tuple[Path, Path]]  # whose output exists


def plan_outputs(
    request: FilesRequest, console: Console, kind: InputKind, name: OutputNamer | None = None
) -> PlannedOutputs:
    """Choose an output for each input, and check all that can be checked before work begins.

    Args:
        request: inputs and outputs as typed.
        console: where skipped files are reported.
        kind: what is taken from folders.
        name: names the outputs; by default NAME_dream beside the input.

    Raises:
        SourceError: a folder holds nothing of that kind, or nothing matches a pattern.
        SettingsError: two inputs would be written to one output.
        OutputError: an output exists, is an input, or cannot be written.
    """
    from dreamvideo.media.atomic_files import check_folder
    from dreamvideo.media.video_writer import check_output, is_complete

    inputs, jobs = named_outputs(request, console, kind, name)
    skipped = []
    if request.skip_existing or request.resume:
        skipped = [pair for pair in jobs if is_complete(pair[1], request.resume)]
        for _, output in skipped:
            console.message(f"{output} exists: skipped")
        done = {output for _, output in skipped}
        jobs = [pair for pair in jobs if pair[1] not in done]
    by_identity = {_identity(path): path for path in inputs}
    for _, output in jobs:
        same = by_identity.get(_identity(output))
        check_output(output, [] if same is None else [same], request.overwrite)
    if request.report is not None:
        check_folder(request.report.parent)
    return PlannedOutputs(jobs, skipped)


def _identity(path: Path) -> object:
    """What is equal for two names of one file, and for no two files."""
    if not isinstance(path, RemotePath):
        try:
            about = path.stat()
            return about.st_dev, about.st_ino
        except OSError:
            pass
    return path.resolve()


def named_outputs(
    request: FilesRequest, console: Console, kind: InputKind, name: OutputNamer | None = None
) -> tuple[Sequence[Path], list[tuple[Path, Path]]]:
    """Find the inputs and name their outputs; nothing is checked or written.

    Args:
        request: inputs and outputs as typed.
        console: where skipped files are reported.
        kind: what is taken from folders.
        name: names the outputs; by default NAME_dream beside the input.

    Returns:
        The inputs, and (input, output) of each.

    Raises:
        SourceError: a folder holds nothing of that kind, or nothing matches a pattern.
        SettingsError: two inputs would be written to one output.
    """
    from dreamvideo.media.paths import describe_skipped, expand_paths, is_image, is_video
    from dreamvideo.media.video_writer import default_output

    expanded = expand_paths(request.inputs, is_image if kind == "pictures" else is_video, kind)
    if expanded.skipped:
        console.message(describe_skipped(expanded.skipped, kind))
    inputs, target = expanded.paths, request.output
    folder = target if target is not None and (request.into_folder or os.path.isdir(target)) else None
    if target is not None and folder is None:
        if len(inputs) > 1:
            raise SettingsError(
                f"-o {target} is one file for {len(inputs)} inputs: expected a folder, such as {target}/"
            )
        jobs = [(inputs[0], target)]
    else:
        jobs = [(path, (name or default_output)(path, folder)) for path in inputs]
    outputs = [output.resolve() for _, output in jobs]
    counts = Counter(outputs)
    for (path, output), resolved in zip(jobs, outputs, strict=True):
        if counts[resolved] > 1:
            raise SettingsError(
                f"{path}: another input would be written to {output} too; write them to different folders"
            )
    return inputs, jobs
