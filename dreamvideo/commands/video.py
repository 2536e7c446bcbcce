"""The command video."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dreamvideo.commands.console import Console
from dreamvideo.commands.jobs import parse_job_settings, run_jobs
from dreamvideo.commands.options import VIDEO_SETTINGS, Command, CommandLine, add_command, add_look
from dreamvideo.commands.outputs import FilesRequest, add_files, parse_files, plan_outputs
from dreamvideo.commands.preview import PreviewRequest, parse_preview_request, run_preview
from dreamvideo.commands.schedules import add_timeline
from dreamvideo.settings.job import PreviewSettings

if TYPE_CHECKING:
    from dreamvideo.jobs.job import JobSettings


@dataclass(frozen=True, slots=True)
class VideoRequest:
    """Videos to be dreamed into videos."""

    files: FilesRequest
    settings: JobSettings
    resume_hint: str  # the command line that resumes this one


def add_video_command(commands: Any) -> None:
    """Add the parser of `dreamvideo video`.

    Args:
        commands: what `add_subparsers` returned.
    """
    command = Command(parse_video, run_video, VIDEO_SETTINGS)
    parser = add_command(commands, "video", "dream videos, with their sound", command)
    add_files(parser, "NAME_dream", resume=True)
    add_look(parser)
    add_timeline(parser)


def parse_video(line: CommandLine) -> VideoRequest | PreviewRequest:
    """Make the request of `dreamvideo video`.

    Args:
        line: the parsed command line.

    Returns:
        What is to be dreamed; a `PreviewRequest` with `--preview`.

    Raises:
        SettingsError: a value is invalid.
    """
    if line.settings(PreviewSettings).preview is not None:
        return parse_preview_request(line)
    return VideoRequest(parse_files(line), parse_job_settings(line), line.resume_hint())


def run_video(request: VideoRequest | PreviewRequest, console: Console) -> int:
    """Dream videos, or a preview of each.

    Args:
        request: what is to be dreamed.
        console: where progress is shown.

    Returns:
        The exit code.

    Raises:
        Cancelled: after Ctrl-C.
        DreamVideoError: an output cannot be written, or no input can be dreamed.
    """
    if isinstance(request, PreviewRequest):
        return run_preview(request, console)
    from dreamvideo.jobs.earlier_run import check_checkpoint
    from dreamvideo.jobs.job import Job
    from dreamvideo.media.masks import check_mask
    from dreamvideo.media.remote_path import media_path
    from dreamvideo.media.video_writer import check_encoder

    settings, files = request.settings, request.files
    planned = plan_outputs(files, console, "videos")
    jobs = [Job(*pair, overwrite=files.overwrite) for pair in planned.jobs]
    if settings.encode.codec is not None:
        for output in {job.output.suffix: job.output for job in jobs}.values():
            check_encoder(output, settings.encode)
    if settings.mask.mask is not None:
        check_mask(media_path(settings.mask.mask))
    for job in jobs:
        check_checkpoint(job, settings, files.resume, files.overwrite)
    return run_jobs(jobs, settings, files.resume, request.resume_hint, console, files.report, planned.skipped)
