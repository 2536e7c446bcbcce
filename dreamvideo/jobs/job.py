"""A job: one video, or images, to be dreamed into a video or a folder; what all ways of running one share."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from dreamvideo.errors import DreamVideoError, OutputError, SourceError
from dreamvideo.frames import Frames, Source, StreamInfo
from dreamvideo.jobs.fingerprint import differences, fingerprint
from dreamvideo.jobs.image_output import ImageSegmentWriter, begin_images, write_images
from dreamvideo.media import checkpoint
from dreamvideo.media.concat import VideoSegmentWriter
from dreamvideo.media.image_sequence import ImagePaths, open_sequence
from dreamvideo.media.images import check_large_enough
from dreamvideo.media.masks import with_masks
from dreamvideo.media.metadata import settings_comment
from dreamvideo.media.segments import MIN_FRAMES_INDEPENDENT, OpenSegment, never
from dreamvideo.media.video_reader import open_video
from dreamvideo.media.video_writer import begin_video, write_video
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import (
    ClusterSettings,
    EncodeSettings,
    MaskSettings,
    ReadSettings,
    SequenceSettings,
    TileSettings,
)


@dataclass(frozen=True, slots=True)
class Job:
    """What is dreamed into what."""

    source: Path  # a video; of images: what they are called together
    output: Path
    images: ImagePaths = ()  # empty: `source` is a video
    to_folder: bool = False  # the output is a folder of images


@dataclass(frozen=True, slots=True)
class JobSettings:
    """All settings of the jobs of one command."""

    read: ReadSettings
    model: ModelSettings
    objective: ObjectiveSettings
    dream: DreamSettings
    carry: CarrySettings
    mask: MaskSettings
    encode: EncodeSettings
    sequence: SequenceSettings = SequenceSettings()
    cluster: ClusterSettings = ClusterSettings()
    tile: TileSettings = TileSettings()

    @property
    def comment(self) -> str:
        """The line for the comment of a video or image, from which its settings can be read again."""
        return settings_comment(self.model, self.objective, self.dream, self.carry)

    def record(self, job: Job) -> dict[str, Any]:
        """Return what must be the same for a job to be resumed: all settings but `tile`, and the input files.

        Args:
            job: its inputs are read.

        Raises:
            SourceError: an input cannot be read.
        """
        images = [path for path in job.images if path is not None and os.access(path, os.R_OK)]
        settings = (
            self.read,
            self.model,
            self.objective,
            self.dream,
            self.carry,
            self.mask,
            self.encode,
            self.sequence,
            self.cluster,
        )
        return fingerprint(images or [job.source], *settings)


@dataclass(frozen=True, slots=True)
class JobResult:
    """How a job ended."""

    job: Job
    frames: int = 0  # of the output
    dreamed: int = 0  # of them in this run
    seconds: float = 0.0  # of this run; 0: nothing was left to dream
    lost: int = 0  # packets, frames or images that could not be decoded
    error: DreamVideoError | None = None  # None: the output is complete


def check_checkpoint(job: Job, settings: JobSettings, resume: bool, overwrite: bool) -> None:
    """Check that a job may begin or resume, given what an earlier run left.

    Args:
        job: what is dreamed into what.
        settings: of the job.
        resume: it is to go on after the finished segments.
        overwrite: they are to be deleted.

    Raises:
        OutputError: there are segments and neither was asked for, or they are of another job.
    """
    folder = checkpoint.checkpoint_folder(job.output)
    if not folder.exists() or (overwrite and not resume):
        return
    before = checkpoint.stored_job(folder)
    if not resume:
        count = len(checkpoint.finished_segments(folder))
        raise OutputError(
            f"{folder} holds {count} finished segments of an earlier run: "
            f"continue with --resume, or start again with --overwrite (-y)"
        )
    try:
        now = settings.record(job)
    except OSError:
        return  # what is wrong with the input shows when it is opened
    if before is not None and (changes := differences(before, now)):
        raise OutputError(
            f"{folder} is of another job: {'; '.join(changes)}. "
            f"Use the same settings to resume, or start again with --overwrite (-y)"
        )


def min_segment_frames(job: Job, settings: JobSettings) -> int | None:
    """Return the frames of a segment that a cut may end; None: the default for videos."""
    return MIN_FRAMES_INDEPENDENT if job.to_folder and settings.sequence.independent else None


@contextmanager
def open_job(
    job: Job, settings: JobSettings, resume: Fraction | None = None, jump: bool = False
) -> Generator[Source, None, None]:
    """Open the input of a job.

    Args:
        job: a video or images.
        settings: which part, what size, the rate of images.
        resume: time in seconds of the first frame that is needed; None: from the beginning.
        jump: search for it in the file instead of decoding all frames before it.

    Raises:
        SourceError: it cannot be read, or its frames are too small to be dreamed.
    """
    with (
        open_sequence(job.images, settings.read, settings.sequence, not job.to_folder, resume)
        if job.images
        else open_video(job.source, settings.read, resume, jump)
    ) as source:
        if settings.dream.iterations:
            check_large_enough(job.source, source.info.width, source.info.height)
        yield source


def masked(frames: Frames, settings: JobSettings, before: int) -> Frames:
    """Add the masks that the settings name to frames, if they name any.

    Args:
        frames: of a job.
        settings: of the job.
        before: how many frames come before these.
    """
    if settings.mask.mask is None:
        return frames
    return with_masks(frames, Path(settings.mask.mask), settings.read, before=before)


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
    begun = resume and checkpoint.stored_job(checkpoint.checkpoint_folder(job.output)) is not None
    with closing(frames):
        record: Mapping[str, Any] | None = None if begun else settings.record(job)
        if job.to_folder:
            return write_images(
                frames,
                job.output,
                info,
                settings.sequence.format,
                comment=settings.comment,
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
            checkpoint.images_folder(folder, number), settings.sequence.format, settings.comment, before
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


def source_state(job: Job) -> tuple[int, int]:
    """Return (bytes, modification time in ns) of the input of a job, by which a change shows; (0, 0) of images."""
    try:
        about = job.source.stat()
    except OSError:
        return 0, 0
    return (0, 0) if job.images else (about.st_size, about.st_mtime_ns)


def check_unchanged(job: Job, state: tuple[int, int]) -> None:
    """Check that the input of a job is what it was when it was opened.

    Args:
        job: what is dreamed into what.
        state: what `source_state` returned then.

    Raises:
        SourceError: it is not.
    """
    if source_state(job) != state:
        raise SourceError(f"{job.source} has changed while it was dreamed: restore it, and use --resume")


def _no_frames() -> Frames:
    yield from ()
