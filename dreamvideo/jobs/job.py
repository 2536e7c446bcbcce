"""Videos and pictures become dreamed ones, job by job, in pieces: what is done stays done, whatever happens."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

from dreamvideo.errors import DreamVideoError, OutputError, SourceError
from dreamvideo.frames import Source, StreamInfo
from dreamvideo.jobs.fingerprint import differences, fingerprint
from dreamvideo.jobs.image_output import open_image_encoder, publish_images
from dreamvideo.media import checkpoint, stream_policy
from dreamvideo.media.checkpoint import Segment
from dreamvideo.media.concat import EncoderFactory, join_segments, open_video_encoder
from dreamvideo.media.image_sequence import ImagePaths, open_sequence
from dreamvideo.media.images import check_large_enough
from dreamvideo.media.metadata import settings_comment
from dreamvideo.media.segments import MIN_FRAMES_INDEPENDENT
from dreamvideo.media.video_file import translate_errors
from dreamvideo.media.video_reader import open_video
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
    """A video, or pictures, to be dreamed into a video or a folder of pictures."""

    source: Path  # of pictures: what they are called together
    output: Path
    pictures: ImagePaths = ()
    to_folder: bool = False


@dataclass(frozen=True, slots=True)
class JobSettings:
    """How all jobs of a command are done."""

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
    def signature(self) -> str:
        """What goes into the comment of a film or picture."""
        return settings_comment(self.model, self.objective, self.dream, self.carry)

    def of(self, job: Job) -> dict[str, object]:
        """What must be the same for a job to be gone on with."""
        pictures = [path for path in job.pictures if path is not None and os.access(path, os.R_OK)]
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
        return fingerprint(pictures or [job.source], *settings)


@dataclass(frozen=True, slots=True)
class JobResult:
    """How a job ended."""

    job: Job
    frames: int = 0  # of the film
    made: int = 0  # of them in this run
    seconds: float = 0.0
    lost: int = 0  # packets, frames or pictures that could not be decoded
    error: DreamVideoError | None = None


def check_checkpoint(job: Job, wishes: JobSettings, resume: bool, overwrite: bool) -> None:
    """Whether the job may begin, or go on, with what is left of an earlier run.

    Raises:
        OutputError: something is left and nothing said of it, or it is of another job.
    """
    folder = checkpoint.checkpoint_folder(job.output)
    if not folder.exists() or (overwrite and not resume):
        return
    before = checkpoint.stored_job(folder)
    if not resume:
        count = len(checkpoint.finished_segments(folder))
        raise OutputError(
            f"{folder} holds {count} finished pieces of an earlier run: "
            f"go on with them by --resume, or begin anew with --overwrite (-y)"
        )
    try:
        now = wishes.of(job)
    except OSError:
        return  # what is wrong with the input is told when it is opened
    if before is not None and (what := differences(before, now)):
        raise OutputError(
            f"{folder} is of another job: {'; '.join(what)}. Say it as before to go on, or begin anew with -y"
        )


def min_segment_frames(job: Job, wishes: JobSettings) -> int | None:
    """Frames of a piece that a cut may end; None: as it suits videos."""
    return MIN_FRAMES_INDEPENDENT if job.to_folder and wishes.sequence.independent else None


@contextmanager
def open_job(
    job: Job, wishes: JobSettings, resume: Fraction | None = None, jump: bool = False
) -> Generator[Source, None, None]:
    """Its frames, as `open_source`; SourceError too if they are too small for a dream."""
    with (
        open_sequence(job.pictures, wishes.read, wishes.sequence, not job.to_folder, resume)
        if job.pictures
        else open_video(job.source, wishes.read, resume, jump)
    ) as source:
        if wishes.dream.iterations:
            check_large_enough(job.source, source.info.width, source.info.height)
        yield source


def begin_job(job: Job, info: StreamInfo, wishes: JobSettings) -> None:
    """Make the folders of a job that begins anew, and say what of its source will be left out."""
    about = wishes.of(job)
    if not job.to_folder:
        stream_policy.warn_of_lost_streams(info, job.output, wishes.encode.audio)
    with translate_errors(job.output):
        checkpoint.create_checkpoint(checkpoint.checkpoint_folder(job.output), about)
        if job.to_folder:
            job.output.mkdir(exist_ok=True)


def job_encoder(job: Job, info: StreamInfo, wishes: JobSettings) -> EncoderFactory:
    """What the pieces of a job are encoded by; `info` is of its frames."""
    if job.to_folder:
        return partial(open_image_encoder, wishes.sequence.format, wishes.signature, info)
    return partial(open_video_encoder, job.output, info, wishes.encode)


def store_segment(job: Job, source: tuple[int, int], piece: Segment, state: bytes | None) -> None:
    """Record a piece that is there; pictures become files.

    Raises:
        SourceError: the input is not what it was when its `state_of` was `source`.
        OutputError: it cannot be written.
    """
    if source_state(job) != source:
        raise SourceError(f"{job.source} has changed while it was dreamed: put it back, and use --resume")
    folder = checkpoint.checkpoint_folder(job.output)
    if job.to_folder:
        publish_images(folder, piece.number, job.output)
    with translate_errors(job.output):
        checkpoint.record_segment(folder, piece, state)
        if job.to_folder:
            checkpoint.segment_path(folder, piece.number).unlink()


def finish_job(
    job: Job,
    source: Source,
    wishes: JobSettings,
    earlier: int,
    seconds: float = 0.0,
    stopped: Callable[[], bool] = lambda: False,
) -> JobResult:
    """End a job, all pieces of which are there: those of a video are joined.

    Args:
        source: what was opened for it.
        earlier: frames that were there before this run of the program, which took `seconds`.

    Raises:
        KeyboardInterrupt: `stopped` said so.
    """
    folder = checkpoint.checkpoint_folder(job.output)
    try:
        frames = (
            sum(piece.frames for piece in checkpoint.finished_segments(folder))
            if job.to_folder
            else join_segments(job.output, source.info, wishes.encode, wishes.signature, stopped)
        )
        if frames is None:
            raise KeyboardInterrupt
        checkpoint.remove_checkpoint(folder)
    except OutputError as error:
        return JobResult(job, error=error)
    # Of pictures those are counted, too, that an earlier run could not read.
    lost = (source.info.frame_count or 0) - frames if job.pictures else source.lost
    return JobResult(job, frames, frames - earlier, seconds, lost)


def source_state(job: Job) -> tuple[int, int]:
    """What of a job's input changes when its content does."""
    try:
        about = job.source.stat()
    except OSError:
        return 0, 0
    return (0, 0) if job.pictures else (about.st_size, about.st_mtime_ns)
