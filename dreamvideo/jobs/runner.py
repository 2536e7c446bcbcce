"""Jobs on this machine, one after the other, but for lanes that reach across them; shots fill the device."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from dreamvideo.ascent.memory_budget import MemoryBudget
from dreamvideo.commands.progress import progress
from dreamvideo.errors import OutputError, SourceError
from dreamvideo.frames import Source
from dreamvideo.jobs.image_output import publish_images
from dreamvideo.jobs.job import (
    Job,
    JobResult,
    JobSettings,
    begin_job,
    finish_job,
    job_encoder,
    min_segment_frames,
    open_job,
    source_state,
    store_segment,
)
from dreamvideo.media import checkpoint
from dreamvideo.media.checkpoint import Segment
from dreamvideo.media.concat import join_partial, write_segments
from dreamvideo.media.masks import with_masks
from dreamvideo.media.segments import DreamedFrame
from dreamvideo.models.network import Network
from dreamvideo.threads import prefetch
from dreamvideo.video.pipeline import InputSegment, dream_segments


def dream_jobs(
    jobs: Sequence[Job],
    wishes: JobSettings,
    load: Callable[[], Network],
    announce: Callable[[Job, Source, int, Network | None], None],
    report: Callable[[JobResult], None],
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
            report(JobResult(job, error=error))

        waiting = _stretches(left, wishes, resume, opened, refuse)
        first = next(waiting, None)  # an input that cannot be read is told before a network is loaded
        if first is None:
            return
        network = load() if wishes.dream.iterations else None
        budget = MemoryBudget(wishes.tile.tile_side)
        failed = None
        done = 0  # of `opened`
        with closing(dream_segments(_rejoined(first, waiting), network, wishes.dream, wishes.carry, budget)) as videos:
            for number, dreamed in videos:
                # One that is done but for joining has no frames left, and is not among the videos.
                for each in opened[done:number]:
                    report(finish_job(each.job, each.source, wishes, each.frames, stopped=stopped))
                done = number + 1
                announce(opened[number].job, opened[number].source, opened[number].frames, network)
                outcome = _dreamed(dreamed, opened[number], wishes, stopped, quiet)
                report(outcome)
                if outcome.error is not None:
                    failed = outcome.job
                    break
        if failed is None:
            for each in opened[done:]:
                report(finish_job(each.job, each.source, wishes, each.frames, stopped=stopped))
            return
        # What was opened ahead and refused has been told: it is not tried again.
        left = [job for job in left[left.index(failed) + 1 :] if job not in refused]


@dataclass(frozen=True, slots=True)
class _Opened:
    """A job and what was opened for it."""

    job: Job
    source: Source
    last: Segment | None  # the last piece of an earlier run
    state: tuple[int, int]  # of the input file

    @property
    def frames(self) -> int:
        return 0 if self.last is None else self.last.through


def _stretches(
    jobs: Sequence[Job],
    wishes: JobSettings,
    resume: bool,
    opened: list[_Opened],
    refuse: Callable[[Job, SourceError], None],
) -> Generator[InputSegment, None, None]:
    """What is to be dreamed of each job; `opened` is what each stream comes from."""
    for job in jobs:
        folder = checkpoint.checkpoint_folder(job.output)
        going_on = resume and checkpoint.stored_job(folder) is not None
        pieces = checkpoint.finished_segments(folder) if going_on else []
        last = pieces[-1] if pieces else None
        left = checkpoint.stored_carry(folder, last) if last else None
        try:
            state = source_state(job)
            with open_job(job, wishes, last.last if last else None) as source:
                frames = source.frames
                if wishes.mask.mask is not None:
                    frames = with_masks(
                        frames, Path(wishes.mask.mask), wishes.read, before=last.through - 1 if last else 0
                    )
                with closing(prefetch(frames)) as ahead:  # decode in a thread
                    before = next(ahead, None) if last else None
                    opened.append(_Opened(job, source, last, state))
                    number, before = last.number + 1 if last else 0, before if left is not None else None
                    yield InputSegment(ahead, number, before, left, shortest=min_segment_frames(job, wishes))
        except SourceError as error:
            refuse(job, error)


def _rejoined(first: InputSegment, rest: Generator[InputSegment, None, None]) -> Generator[InputSegment, None, None]:
    with closing(rest):
        yield first
        yield from rest


def _dreamed(
    dreamed: Generator[DreamedFrame, None, None],
    opened: _Opened,
    wishes: JobSettings,
    stopped: Callable[[], bool],
    quiet: bool,
) -> JobResult:
    job, source = opened.job, opened.source
    folder = checkpoint.checkpoint_folder(job.output)
    began = time.monotonic()
    shown = progress(dreamed, source.info.frame_count, job.source.name, quiet, before=opened.frames)
    try:
        if opened.last is None:
            begin_job(job, source.info, wishes)
        encoder = job_encoder(job, source.info, wishes)
        with (
            closing(prefetch(shown)) as frames,  # dream in a thread, encode in this one
            closing(write_segments(frames, folder, job.output, encoder, opened.frames, stopped)) as pieces,
        ):
            for piece, state in pieces:
                store_segment(job, opened.state, piece, state)
        if stopped():
            _leave(job, source, wishes)
            raise KeyboardInterrupt
    except Exception as error:
        if not checkpoint.finished_segments(folder):  # there is nothing to go on with
            with suppress(OutputError):
                checkpoint.remove_checkpoint(folder)
        if isinstance(error, SourceError | OutputError):
            return JobResult(job, error=error)
        raise
    return finish_job(job, source, wishes, opened.frames, time.monotonic() - began, stopped)


def _leave(job: Job, source: Source, wishes: JobSettings) -> None:
    """Make what can be looked at of a job that ends too early."""
    if not job.to_folder:
        join_partial(job.output, source.info, wishes.encode, wishes.signature)
        return
    folder = checkpoint.checkpoint_folder(job.output)
    under_way = len(checkpoint.finished_segments(folder))
    if checkpoint.segment_path(folder, under_way).exists():
        publish_images(folder, under_way, job.output)
