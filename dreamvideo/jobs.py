"""Videos and pictures become dreamed ones, job by job, in pieces: what is done stays done, whatever happens."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

from dreamvideo import fates, leftovers
from dreamvideo.album import picture_encoder, release
from dreamvideo.errors import DreamVideoError, OutputError, SourceError
from dreamvideo.film import translated
from dreamvideo.fingerprint import differences, fingerprint
from dreamvideo.frames import Source, StreamInfo
from dreamvideo.joining import Opens, join, video_encoder
from dreamvideo.leftovers import Piece
from dreamvideo.pieces import FEW
from dreamvideo.readers import open_source
from dreamvideo.sequences import Pictures, open_sequence
from dreamvideo.settings import (
    CarrySettings,
    ClusterSettings,
    DreamSettings,
    EncodeSettings,
    MaskSettings,
    ModelSettings,
    ReadSettings,
    SequenceSettings,
    TileSettings,
)
from dreamvideo.signature import sign
from dreamvideo.stills import check_large_enough


@dataclass(frozen=True, slots=True)
class Job:
    """A video, or pictures, to be dreamed into a video or a folder of pictures."""

    source: Path  # of pictures: what they are called together
    output: Path
    pictures: Pictures = ()
    to_folder: bool = False


@dataclass(frozen=True, slots=True)
class Wishes:
    """How all jobs of a command are done."""

    read: ReadSettings
    model: ModelSettings
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
        return sign(self.model, self.dream, self.carry)

    def of(self, job: Job) -> dict[str, object]:
        """What must be the same for a job to be gone on with."""
        pictures = [path for path in job.pictures if path is not None and os.access(path, os.R_OK)]
        settings = (self.read, self.model, self.dream, self.carry, self.mask, self.encode, self.sequence, self.cluster)
        return fingerprint(pictures or [job.source], *settings)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended."""

    job: Job
    frames: int = 0  # of the film
    made: int = 0  # of them in this run
    seconds: float = 0.0
    lost: int = 0  # packets, frames or pictures that could not be decoded
    error: DreamVideoError | None = None


def check_leftovers(job: Job, wishes: Wishes, resume: bool, overwrite: bool) -> None:
    """Whether the job may begin, or go on, with what is left of an earlier run.

    Raises:
        OutputError: something is left and nothing said of it, or it is of another job.
    """
    folder = leftovers.folder_of(job.output)
    if not folder.exists() or (overwrite and not resume):
        return
    before = leftovers.job_of(folder)
    if not resume:
        count = len(leftovers.finished(folder))
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


def shortest(job: Job, wishes: Wishes) -> int | None:
    """Frames of a piece that a cut may end; None: as it suits videos."""
    return FEW if job.to_folder and wishes.sequence.independent else None


@contextmanager
def open_job(
    job: Job, wishes: Wishes, resume: Fraction | None = None, jump: bool = False
) -> Generator[Source, None, None]:
    """Its frames, as `open_source`; SourceError too if they are too small for a dream."""
    with (
        open_sequence(job.pictures, wishes.read, wishes.sequence, not job.to_folder, resume)
        if job.pictures
        else open_source(job.source, wishes.read, resume, jump)
    ) as source:
        if wishes.dream.iterations:
            check_large_enough(job.source, source.info.width, source.info.height)
        yield source


def begin(job: Job, info: StreamInfo, wishes: Wishes) -> None:
    """Make the folders of a job that begins anew, and say what of its source will be left out."""
    about = wishes.of(job)
    if not job.to_folder:
        fates.announce(info, job.output, wishes.encode.audio)
    with translated(job.output):
        leftovers.begin(leftovers.folder_of(job.output), about)
        if job.to_folder:
            job.output.mkdir(exist_ok=True)


def encoder_of(job: Job, info: StreamInfo, wishes: Wishes) -> Opens:
    """What the pieces of a job are encoded by; `info` is of its frames."""
    if job.to_folder:
        return partial(picture_encoder, wishes.sequence.format, wishes.signature, info)
    return partial(video_encoder, job.output, info, wishes.encode)


def keep(job: Job, source: tuple[int, int], piece: Piece, state: bytes | None) -> None:
    """Record a piece that is there; pictures become files.

    Raises:
        SourceError: the input is not what it was when its `state_of` was `source`.
        OutputError: it cannot be written.
    """
    if state_of(job) != source:
        raise SourceError(f"{job.source} has changed while it was dreamed: put it back, and use --resume")
    folder = leftovers.folder_of(job.output)
    if job.to_folder:
        release(folder, piece.number, job.output)
    with translated(job.output):
        leftovers.keep(folder, piece, state)
        if job.to_folder:
            leftovers.packets_of(folder, piece.number).unlink()


def finished(
    job: Job,
    source: Source,
    wishes: Wishes,
    earlier: int,
    seconds: float = 0.0,
    stopped: Callable[[], bool] = lambda: False,
) -> Outcome:
    """End a job, all pieces of which are there: those of a video are joined.

    Args:
        source: what was opened for it.
        earlier: frames that were there before this run of the program, which took `seconds`.

    Raises:
        KeyboardInterrupt: `stopped` said so.
    """
    folder = leftovers.folder_of(job.output)
    try:
        frames = (
            sum(piece.frames for piece in leftovers.finished(folder))
            if job.to_folder
            else join(job.output, source.info, wishes.encode, wishes.signature, stopped)
        )
        if frames is None:
            raise KeyboardInterrupt
        leftovers.remove(folder)
    except OutputError as error:
        return Outcome(job, error=error)
    # Of pictures those are counted, too, that an earlier run could not read.
    lost = (source.info.frame_count or 0) - frames if job.pictures else source.lost
    return Outcome(job, frames, frames - earlier, seconds, lost)


def state_of(job: Job) -> tuple[int, int]:
    """What of a job's input changes when its content does."""
    try:
        about = job.source.stat()
    except OSError:
        return 0, 0
    return (0, 0) if job.pictures else (about.st_size, about.st_mtime_ns)
