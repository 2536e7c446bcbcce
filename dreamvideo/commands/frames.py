"""The command frames."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dreamvideo.commands.console import DONE, Console
from dreamvideo.commands.jobs import parse_job_settings, run_jobs
from dreamvideo.commands.options import FRAMES_SETTINGS, Command, CommandLine, add_command, add_look
from dreamvideo.commands.outputs import FilesRequest, add_files, parse_files
from dreamvideo.commands.schedules import add_timeline

if TYPE_CHECKING:
    from dreamvideo.jobs.job import JobSettings


@dataclass(frozen=True, slots=True)
class FramesRequest:
    """A folder of images to be dreamed into a folder or a video, or a video into a folder."""

    files: FilesRequest
    settings: JobSettings
    resume_hint: str  # the command line that resumes this one


def add_frames_command(commands: Any) -> None:
    """Add the parser of `dreamvideo frames`.

    Args:
        commands: what `add_subparsers` returned.
    """
    parser = add_command(
        commands,
        "frames",
        "dream folders of pictures, as frames of a video or one by one",
        Command(parse_frames, run_frames, FRAMES_SETTINGS),
        "Dreams folders of pictures, as frames of a video or one by one, into a folder or a video; or a video into a "
        "folder.",
    )
    add_files(
        parser,
        "the folder NAME_dream",
        inputs="folder, picture, '*' pattern, or one video",
        output="folder, or video",
        resume=True,
    )
    add_look(parser)
    add_timeline(parser)
    parser.add_argument(
        "--sequence",
        dest="independent",
        action="store_false",
        default=argparse.SUPPRESS,
        help="the pictures are frames of one video (default), the opposite of --independent",
    )


def parse_frames(line: CommandLine) -> FramesRequest:
    """Make the request of `dreamvideo frames`.

    Args:
        line: the parsed command line.

    Raises:
        SettingsError: a value is invalid.
    """
    files = parse_files(line)
    # With --skip-existing the same command line continues by itself, and does not go together with --resume.
    hint = line.typed() if files.skip_existing else line.resume_hint()
    return FramesRequest(files, parse_job_settings(line), hint)


def run_frames(request: FramesRequest, console: Console) -> int:
    """Dream a folder of images, or a video into a folder.

    Args:
        request: what is to be dreamed.
        console: where progress is shown.

    Returns:
        The exit code.

    Raises:
        Cancelled: after Ctrl-C.
        DreamVideoError: the output cannot be written, or the input cannot be dreamed.
    """
    from dreamvideo.jobs.earlier_run import check_checkpoint
    from dreamvideo.jobs.plan_frames import plan_frames
    from dreamvideo.media.masks import check_mask
    from dreamvideo.media.remote_path import media_path
    from dreamvideo.media.video_writer import check_encoder

    settings, files = request.settings, request.files
    if settings.mask.mask is not None:
        check_mask(media_path(settings.mask.mask))
    job = plan_frames(
        files.inputs,
        files.output,
        settings.read,
        settings.sequence,
        console.message,
        files.overwrite,
        files.skip_existing,
        files.resume,
    )
    if job is None:
        return DONE
    if settings.encode.codec is not None and not job.to_folder:
        check_encoder(job.output, settings.encode)
    check_checkpoint(job, settings, files.resume, files.overwrite or (files.skip_existing and job.to_folder))
    return run_jobs([job], settings, files.resume, request.resume_hint, console, files.report)
