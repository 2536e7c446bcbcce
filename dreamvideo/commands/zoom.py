"""The command zoom."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from dreamvideo.commands.console import Console
from dreamvideo.commands.jobs import parse_zoom_settings, run_jobs
from dreamvideo.commands.options import ZOOM_SETTINGS, Command, CommandLine, add_command, add_look
from dreamvideo.commands.outputs import add_files, parse_files, plan_outputs
from dreamvideo.commands.video import VideoRequest


def add_zoom_command(commands: Any) -> None:
    """Add the parser of `dreamvideo zoom`.

    Args:
        commands: what `add_subparsers` returned.
    """
    description = (
        "Make an endless zoom film of a photo: each frame is the dream before it, a little nearer or farther, and "
        "dreamed a little more. The photo returns inside of itself."
    )
    command = Command(parse_zoom, run_zoom, ZOOM_SETTINGS)
    parser = add_command(commands, "zoom", "zoom endlessly into a dream of a photo", command, description)
    # Else "--rotate -5deg/s" would be two options: argparse takes what looks like a negative number for a value.
    parser._negative_number_matcher = re.compile(r"-\.?[0-9]")
    add_files(parser, "NAME_zoom.mp4", inputs="photo, folder or '*' pattern", resume=True)
    add_look(parser)


def parse_zoom(line: CommandLine) -> VideoRequest:
    """Make the request of `dreamvideo zoom`.

    Args:
        line: the parsed command line.

    Raises:
        SettingsError: a value is invalid.
    """
    return VideoRequest(parse_files(line), parse_zoom_settings(line), line.resume_hint())


def run_zoom(request: VideoRequest, console: Console) -> int:
    """Make zoom films.

    Args:
        request: photos, and how they are dreamed.
        console: where progress is shown.

    Returns:
        The exit code.

    Raises:
        Cancelled: after Ctrl-C.
        DreamVideoError: an output cannot be written, or no photo can be dreamed.
    """
    from dreamvideo.jobs.earlier_run import check_checkpoint
    from dreamvideo.jobs.job import Job
    from dreamvideo.media.video_writer import check_encoder

    settings, files = request.settings, request.files
    planned = plan_outputs(files, console, "pictures", name_zoom)
    jobs = [Job(*pair, overwrite=files.overwrite) for pair in planned.jobs]
    for output in {job.output.suffix: job.output for job in jobs}.values():
        check_encoder(output, settings.encode)
    for job in jobs:
        check_checkpoint(job, settings, files.resume, files.overwrite)
    return run_jobs(jobs, settings, files.resume, request.resume_hint, console, files.report, planned.skipped)


def name_zoom(path: Path, folder: Path | None) -> Path:
    """Return the default film of a photo: NAME_zoom.mp4.

    Args:
        path: the photo.
        folder: where the film goes; None: beside the photo.
    """
    return (folder or path.parent) / f"{path.stem}_zoom.mp4"
