"""Which output each input gets, checked before work begins."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from dreamvideo.commands.console import tell
from dreamvideo.errors import SettingsError

Pair = tuple[Path, Path]  # input, output


def plan_outputs(
    arguments: argparse.Namespace, kind: str, name: Callable[[Path, Path | None], Path] | None = None
) -> list[Pair]:
    """(input, output) of each job, everything checked that can be before work begins.

    Args:
        kind: what is taken of folders: videos or pictures.
        name: names an output.

    Raises:
        SourceError: nothing of that kind is in a folder, or nothing is meant by a pattern.
        SettingsError: the outputs asked for cannot all be.
        OutputError: an output exists, is an input, or cannot be written.
    """
    from dreamvideo.media.checkpoint import checkpoint_folder
    from dreamvideo.media.video_writer import check_output

    inputs, jobs = named_outputs(arguments, kind, name)
    resuming = getattr(arguments, "resume", False)
    if arguments.skip_existing or resuming:
        skipped = [
            output for _, output in jobs if output.exists() and not (resuming and checkpoint_folder(output).exists())
        ]
        for output in skipped:
            tell(arguments, f"{output} exists: skipped")
        jobs = [job for job in jobs if job[1] not in skipped]
    for _, output in jobs:
        check_output(output, inputs, arguments.overwrite or resuming)
    return jobs


def named_outputs(
    arguments: argparse.Namespace, kind: str, name: Callable[[Path, Path | None], Path] | None = None
) -> tuple[Sequence[Path], list[Pair]]:
    """The inputs, and (input, output) of each; `kind` and `name` as for `plan`.

    Raises:
        SourceError: nothing of that kind is in a folder, or nothing is meant by a pattern.
        SettingsError: the outputs asked for cannot all be.
    """
    from dreamvideo.media.paths import describe_skipped, expand, is_image, is_video
    from dreamvideo.media.video_writer import default_output

    found = expand(arguments.inputs, is_image if kind == "pictures" else is_video, kind)
    if found.passed_over:
        tell(arguments, describe_skipped(found.passed_over, kind))
    inputs, target = found.paths, arguments.output
    folder = target if target is not None and (target.is_dir() or str(target).endswith(("/", "\\"))) else None
    if target is not None and folder is None:
        if len(inputs) > 1:
            raise SettingsError(f"-o {target} is one file for {len(inputs)} inputs: expected a folder")
        jobs = [(inputs[0], target)]
    else:
        jobs = [(path, (name or default_output)(path, folder)) for path in inputs]
    outputs = [output.resolve() for _, output in jobs]
    for (path, output), resolved in zip(jobs, outputs, strict=True):
        if outputs.count(resolved) > 1:
            raise SettingsError(
                f"{path}: another input would be written to {output} too; give them folders of their own"
            )
    return inputs, jobs
