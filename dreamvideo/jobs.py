"""Videos and pictures become dreamed ones, job by job, in pieces: what is done stays done, whatever happens."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

from dreamvideo import fates, leftovers
from dreamvideo.album import picture_encoder, release
from dreamvideo.buffers import prefetch
from dreamvideo.errors import DreamVideoError, OutputError, SourceError
from dreamvideo.film import translated
from dreamvideo.fingerprint import differences, fingerprint
from dreamvideo.frames import Source, StreamInfo
from dreamvideo.joining import Opens, join, join_part, video_encoder, write_pieces
from dreamvideo.leftovers import Piece
from dreamvideo.masks import masked
from dreamvideo.models import Network
from dreamvideo.pieces import FEW, Dreamed
from dreamvideo.pipeline import Stretch, dream_stretches
from dreamvideo.progress import progress
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


def dream_jobs(
    jobs: Sequence[Job],
    wishes: Wishes,
    load: Callable[[], Network],
    announce: Callable[[Job, Source, int, Network | None], None],
    report: Callable[[Outcome], None],
    stopped: Callable[[], bool] = lambda: False,
    resume: bool = False,
    quiet: bool = False,
) -> None:
    """Do the jobs in order, lanes reaching across them. What fails ends its own job only.

    Args:
        load: called once, when the first input has been opened.
        announce: told of each job that begins, with the number of frames that were done in an earlier run.
        report: told of each job that ends, in some thread.
        stopped: asked after each frame whether to end.
        resume: go on with what is left of an earlier run.

    Raises:
        KeyboardInterrupt: `stopped` said so; of the job under way there is then a `.part` that plays.
        DreamVideoError: of the network or its device.
    """
    left = list(jobs)
    load = functools.cache(load)
    while left:
        opened: list[_Opened] = []  # in the order of the streams
        refused: list[Job] = []

        def refuse(job: Job, error: SourceError, refused: list[Job] = refused) -> None:
            refused.append(job)
            report(Outcome(job, error=error))

        waiting = _stretches(left, wishes, resume, opened, refuse)
        first = next(waiting, None)  # an input that cannot be read is told before a network is loaded
        if first is None:
            return
        network = load() if wishes.dream.iterations else None
        failed = None
        done = 0  # of `opened`
        with closing(dream_stretches(_rejoined(first, waiting), network, wishes.dream, wishes.carry)) as videos:
            for number, dreamed in videos:
                # One that is done but for joining has no frames left, and is not among the videos.
                for each in opened[done:number]:
                    report(finished(each.job, each.source, wishes, each.frames, stopped=stopped))
                done = number + 1
                announce(opened[number].job, opened[number].source, opened[number].frames, network)
                outcome = _dreamed(dreamed, opened[number], wishes, stopped, quiet)
                report(outcome)
                if outcome.error is not None:
                    failed = outcome.job
                    break
        if failed is None:
            for each in opened[done:]:
                report(finished(each.job, each.source, wishes, each.frames, stopped=stopped))
            return
        # What was opened ahead and refused has been told: it is not tried again.
        left = [job for job in left[left.index(failed) + 1 :] if job not in refused]


@dataclass(frozen=True, slots=True)
class _Opened:
    """A job and what was opened for it."""

    job: Job
    source: Source
    last: Piece | None  # the last piece of an earlier run
    state: tuple[int, int]  # of the input file

    @property
    def frames(self) -> int:
        return 0 if self.last is None else self.last.through


def _stretches(
    jobs: Sequence[Job], wishes: Wishes, resume: bool, opened: list[_Opened], refuse: Callable[[Job, SourceError], None]
) -> Generator[Stretch, None, None]:
    """What is to be dreamed of each job; `opened` is what each stream comes from."""
    for job in jobs:
        folder = leftovers.folder_of(job.output)
        going_on = resume and leftovers.job_of(folder) is not None
        pieces = leftovers.finished(folder) if going_on else []
        last = pieces[-1] if pieces else None
        left = leftovers.state_after(folder, last) if last else None
        try:
            state = state_of(job)
            with open_job(job, wishes, last.last if last else None) as source:
                if wishes.dream.iterations:
                    check_large_enough(job.source, source.info.width, source.info.height)
                frames = source.frames
                if wishes.mask.mask is not None:
                    frames = masked(frames, Path(wishes.mask.mask), wishes.read, before=last.through - 1 if last else 0)
                with closing(prefetch(frames)) as ahead:  # decode in a thread
                    before = next(ahead, None) if last else None
                    opened.append(_Opened(job, source, last, state))
                    number, before = last.number + 1 if last else 0, before if left is not None else None
                    yield Stretch(ahead, number, before, left, shortest=shortest(job, wishes))
        except SourceError as error:
            refuse(job, error)


def shortest(job: Job, wishes: Wishes) -> int | None:
    """Frames of a piece that a cut may end; None: as it suits videos."""
    return FEW if job.to_folder and wishes.sequence.independent else None


def open_job(
    job: Job, wishes: Wishes, resume: Fraction | None = None, jump: bool = False
) -> AbstractContextManager[Source]:
    """Its frames, as `open_source`."""
    if job.pictures:
        return open_sequence(job.pictures, wishes.read, wishes.sequence, not job.to_folder, resume)
    return open_source(job.source, wishes.read, resume, jump)


def begin(job: Job, info: StreamInfo, wishes: Wishes) -> None:
    """Make the folders of a job that begins anew, and say what of its source will be left out."""
    about = wishes.of(job)
    if not job.to_folder:
        fates.announce(info, job.output, wishes.encode.audio)
    with translated(job.output):
        leftovers.begin(leftovers.folder_of(job.output), about)
        if job.to_folder:
            job.output.mkdir(exist_ok=True)


def _rejoined(first: Stretch, rest: Generator[Stretch, None, None]) -> Generator[Stretch, None, None]:
    with closing(rest):
        yield first
        yield from rest


def _dreamed(
    dreamed: Generator[Dreamed, None, None],
    opened: _Opened,
    wishes: Wishes,
    stopped: Callable[[], bool],
    quiet: bool,
) -> Outcome:
    job, source = opened.job, opened.source
    folder = leftovers.folder_of(job.output)
    began = time.monotonic()
    shown = progress(dreamed, source.info.frame_count, job.source.name, quiet, before=opened.frames)
    try:
        if opened.last is None:
            begin(job, source.info, wishes)
        encoder = encoder_of(job, source.info, wishes)
        with (
            closing(prefetch(shown)) as frames,  # dream in a thread, encode in this one
            closing(write_pieces(frames, folder, job.output, encoder, opened.frames, stopped)) as pieces,
        ):
            for piece, state in pieces:
                keep(job, opened.state, piece, state)
        if stopped():
            _leave(job, source, wishes)
            raise KeyboardInterrupt
    except Exception as error:
        if not leftovers.finished(folder):  # there is nothing to go on with
            with suppress(OutputError):
                leftovers.remove(folder)
        if isinstance(error, SourceError | OutputError):
            return Outcome(job, error=error)
        raise
    return finished(job, source, wishes, opened.frames, time.monotonic() - began, stopped)


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


def _leave(job: Job, source: Source, wishes: Wishes) -> None:
    """Make what can be looked at of a job that ends too early."""
    if not job.to_folder:
        join_part(job.output, source.info, wishes.encode, wishes.signature)
        return
    folder = leftovers.folder_of(job.output)
    under_way = len(leftovers.finished(folder))
    if leftovers.packets_of(folder, under_way).exists():
        release(folder, under_way, job.output)


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
