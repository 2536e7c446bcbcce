"""Writes the output of a job: begins it, stores its segments, finishes it; for videos and folders of images alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from dreamvideo.errors import OutputError
from dreamvideo.frames import Frames, Source, StreamInfo
from dreamvideo.jobs.image_output import ImageSegmentWriter, begin_images, write_images
from dreamvideo.jobs.job import (
    Job,
    JobResult,
    JobSettings,
)
from dreamvideo.media import checkpoint
from dreamvideo.media.concat import VideoSegmentWriter
from dreamvideo.media.segments import OpenSegment, never
from dreamvideo.media.video_writer import begin_video, write_video


def begin_job(job: Job, info: StreamInfo, settings: JobSettings) -> None:
    """Make an empty checkpoint for a job, and warn of what its output will lack.

    Args:
        job: what is dreamed into what.
        info: of its frames.
        settings: of the job.

    Raises:
        SourceError: an input cannot be read.
        OutputError: the folder cannot be written.
    """
    if job.to_folder:
        begin_images(job.output, info, settings.record(job))
    else:
        begin_video(job.output, info, settings.encode, settings.record(job))


def write_job(
    frames: Frames,
    job: Job,
    info: StreamInfo,
    settings: JobSettings,
    resume: bool = False,
    should_stop: Callable[[], bool] = never,
) -> int:
    """Write the dreamed frames of a job as a video or a folder of images.

    Args:
        frames: dreamed; with `resume` those after the finished segments, which may be none.
        job: what is dreamed into what.
        info: of its frames.
        settings: of the job.
        resume: go on after the finished segments.
        should_stop: asked after each frame, whether to end with that one.

    Returns:
        How many frames the output has, earlier runs included.

    Raises:
        OutputError, Cancelled: as `write_video`.
        Whatever `frames` raises.
    """
    begun = resume and checkpoint.is_resumable(job.output)
    with closing(frames):
        record: Mapping[str, Any] | None = None if begun else settings.record(job)
        if job.to_folder:
            return write_images(
                frames,
                job.output,
                info,
                settings.sequence.format,
                comment=settings.comment,
                metadata=settings.encode.metadata,
                job=record,
                resume=resume,
                should_stop=should_stop,
            )
        return write_video(
            frames,
            job.output,
            info,
            settings.encode,
            comment=settings.comment,
            job=record,
            resume=resume,
            should_stop=should_stop,
        )


def segment_opener(job: Job, info: StreamInfo, settings: JobSettings, folder: Path) -> OpenSegment:
    """Return what opens the writers of the segments of a job.

    Args:
        job: what is dreamed into what.
        info: of its frames.
        settings: of the job.
        folder: where the segments are written.
    """
    if job.to_folder:
        return lambda number, before: ImageSegmentWriter(
            checkpoint.images_folder(folder, number),
            settings.sequence.format,
            settings.comment,
            before,
            settings.encode.metadata,
        )
    return lambda number, before: VideoSegmentWriter(
        checkpoint.segment_path(folder, number), job.output, info, settings.encode, before
    )


def finish_job(
    job: Job,
    source: Source,
    settings: JobSettings,
    earlier: int,
    seconds: float = 0.0,
    should_stop: Callable[[], bool] = never,
) -> JobResult:
    """End a job whose segments are all finished: join those of a video, and give it its name.

    Args:
        job: what is dreamed into what.
        source: the input that was opened for it; it may be closed.
        settings: of the job.
        earlier: frames that were finished before this run.
        seconds: of this run.
        should_stop: whether to end.

    Returns:
        The result, with an error if the output cannot be written.

    Raises:
        Cancelled: `should_stop` returned True.
    """
    try:
        frames = write_job(_no_frames(), job, source.info, settings, resume=True, should_stop=should_stop)
    except OutputError as error:
        return JobResult(job, error=error)
    return job_result(job, source, frames, earlier, seconds)


def job_result(job: Job, source: Source, frames: int, earlier: int, seconds: float) -> JobResult:
    """Return the result of a job that went well.

    Args:
        job: what was dreamed into what.
        source: its input, with the number of lost packets.
        frames: of the output.
        earlier: frames that were finished before this run.
        seconds: of this run.
    """
    # Images that an earlier run could not read count as lost, too.
    lost = (source.info.frame_count or 0) - frames if job.images else source.lost
    return JobResult(job, frames, frames - earlier, seconds, lost)


def _no_frames() -> Frames:
    yield from ()
