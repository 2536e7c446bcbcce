"""Writes the output of a job: begins it, stores its segments, finishes it; for videos and folders of images alike."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from dreamvideo.errors import OutputError, SourceError
from dreamvideo.frames import Frames, Source, StreamInfo
from dreamvideo.jobs.image_output import ImageSegmentWriter, begin_images, finish_images, store_images
from dreamvideo.jobs.job import (
    Job,
    JobResult,
    JobSettings,
)
from dreamvideo.media import segment_records
from dreamvideo.media.checkpoint import checkpoint_folder, stored_job
from dreamvideo.media.concat import VideoSegmentWriter
from dreamvideo.media.encoder_choice import choose_codec
from dreamvideo.media.encoder_frames import FrameMaker
from dreamvideo.media.segments import OpenSegment, never
from dreamvideo.media.video_writer import begin_video, finish_video, store_video
from dreamvideo.settings.job import EncodeSettings


def begin_job(job: Job, info: StreamInfo, settings: JobSettings, maker: FrameMaker | None = None) -> None:
    """Make an empty checkpoint for a job, which this run holds, and warn of what its output will lack.

    The encoder of a video is chosen here, and recorded for all that work on the job later.

    Args:
        job: what is dreamed into what.
        info: of its frames.
        settings: of the job.
        maker: makes frames for encoders of hardware, one of which may be chosen; None: none is.

    Raises:
        SourceError: an input cannot be read.
        OutputError: the folder cannot be written.
    """
    if job.to_folder:
        begin_images(job.output, info, settings.record(job))
    else:
        codec = choose_codec(job.output, info, settings.encode, maker if settings.hardware else None)
        begin_video(job.output, info, settings.encode, {**settings.record(job), "codec": codec})


def encode_of(job: Job, settings: JobSettings) -> EncodeSettings:
    """Return how a job that has begun is encoded: by the encoder that was chosen then.

    Args:
        job: whose checkpoint is there; without one the encoder is the default.
        settings: of the job.
    """
    return replace(settings.encode, codec=settings.codec_of(job, stored_job(checkpoint_folder(job.output))))


def write_job(
    frames: Frames,
    job: Job,
    info: StreamInfo,
    settings: JobSettings,
    run: str,
    done: int | None = None,
    should_stop: Callable[[], bool] = never,
    maker: FrameMaker | None = None,
) -> int:
    """Write the dreamed frames of a job as a video or a folder of images, whose checkpoint this run holds.

    Args:
        frames: dreamed; those after the finished segments, if the job is resumed.
        job: what is dreamed into what.
        info: of its frames.
        settings: of the job.
        run: that holds the checkpoint, see `CheckpointLock`.
        done: frames that an earlier run finished; None: the job begins.
        should_stop: asked after each frame, whether to end with that one.
        maker: makes an encoder's frames, see `write_video`.

    Returns:
        How many frames the output has, earlier runs included.

    Raises:
        OutputError, Cancelled: as `write_video`.
        Whatever `frames` raises.
    """
    with closing(frames):
        if done is None:
            begin_job(job, info, settings, maker)
        if job.to_folder:
            store_images(
                frames,
                job.output,
                settings.sequence.format,
                settings.comment,
                settings.encode.metadata,
                job.overwrite,
                run,
                done,
                should_stop,
            )
        else:
            encode = encode_of(job, settings)
            store_video(frames, job.output, info, encode, settings.comment, run, done, should_stop, maker)
    return _complete(job, info, settings, should_stop)


def _complete(job: Job, info: StreamInfo, settings: JobSettings, should_stop: Callable[[], bool]) -> int:
    """Make the output of its segments; return how many frames it has."""
    if job.to_folder:
        return finish_images(job.output)
    return finish_video(job.output, info, encode_of(job, settings), settings.comment, job.overwrite, should_stop)


def segment_opener(
    job: Job,
    info: StreamInfo,
    settings: JobSettings,
    folder: Path,
    codec: str | None = None,
    maker: FrameMaker | None = None,
) -> OpenSegment:
    """Return what opens the writers of the segments of a job.

    Args:
        job: what is dreamed into what.
        info: of its frames.
        settings: of the job.
        folder: where the segments are written.
        codec: the encoder that was chosen for the job; None: the default.
        maker: makes its frames, see `write_video`.
    """
    if job.to_folder:
        return lambda number, before: ImageSegmentWriter(
            segment_records.images_folder(folder, number),
            settings.sequence.format,
            settings.comment,
            before,
            settings.encode.metadata,
        )
    encode = replace(settings.encode, codec=codec or settings.encode.codec)
    return lambda number, before: VideoSegmentWriter(
        segment_records.segment_path(folder, number), job.output, info, encode, before, maker
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
        The result, with an error if the output cannot be written, or the sound of the input not be read.

    Raises:
        Cancelled: `should_stop` returned True.
    """
    try:
        frames = _complete(job, source.info, settings, should_stop)
    except (OutputError, SourceError) as error:
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
