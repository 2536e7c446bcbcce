"""Runs jobs on this machine, one after the other; lanes reach across jobs, so that shots of several fill the device."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass

from dreamvideo.ascent.memory_budget import MemoryBudget
from dreamvideo.errors import OutputError, SourceError
from dreamvideo.frames import Frames, Source
from dreamvideo.jobs.decoding import expected_device, frames_device
from dreamvideo.jobs.flow_choice import with_flow_of, with_stored_flow
from dreamvideo.jobs.job import (
    Job,
    JobResult,
    JobSettings,
    check_unchanged,
    encodes_on_device,
    first_frame,
    masked,
    open_job,
    segment_grid,
    source_state,
)
from dreamvideo.jobs.job_drives import hear_job
from dreamvideo.jobs.job_output import finish_job, job_result, write_job
from dreamvideo.jobs.job_schedule import job_schedule
from dreamvideo.jobs.observer import Observer
from dreamvideo.jobs.read_start import ends_at_seams, resume_start
from dreamvideo.jobs.repair import repair_segments
from dreamvideo.media.checkpoint import ResumePoint, is_resumable, resume_point
from dreamvideo.media.checkpoint_lock import CheckpointLock
from dreamvideo.media.video_writer import check_absent
from dreamvideo.models.look_networks import LookNetworks, main_network
from dreamvideo.models.network import Network
from dreamvideo.threads import prefetch
from dreamvideo.video.pipeline import dream_inputs
from dreamvideo.video.shots import DreamInput
from dreamvideo.yuv.encoder_planes import EncoderPlanes


def dream_jobs(
    jobs: Sequence[Job],
    settings: JobSettings,
    load: Callable[[], Network | LookNetworks],
    observer: Observer | None = None,
    resume: bool = False,
) -> None:
    """Run jobs in order. An input that cannot be read, or an output that cannot be written, ends its own job only.

    Args:
        jobs: what is dreamed into what.
        settings: of all of them.
        load: loads the network; called once, when the first input was opened, and not if nothing is to be dreamed.
        observer: watches and may cancel.
        resume: go on after the finished segments of earlier runs.

    Raises:
        Cancelled: the observer said so; the output of the job in progress can be resumed.
        DreamVideoError: of the network or its device.
    """
    observer = observer or Observer()
    load = functools.cache(load)
    if settings.dream.iterations:
        device_type = expected_device(settings.model.device).type
        settings = with_flow_of(with_stored_flow(settings, jobs) if resume else settings, device_type)
    remaining = list(jobs)
    while remaining:
        remaining = _dream_until_failure(remaining, settings, load, observer, resume)


@dataclass(frozen=True, slots=True)
class _OpenJob:
    """A job and what was opened for it."""

    job: Job
    source: Source
    state: tuple[int, int]  # of the input file when it was opened
    resume: ResumePoint | None
    lock: CheckpointLock

    @property
    def done(self) -> int:
        """Frames that an earlier run finished."""
        return 0 if self.resume is None else self.resume.frames


def _dream_until_failure(
    jobs: list[Job], settings: JobSettings, load: Callable[[], Network | LookNetworks], observer: Observer, resume: bool
) -> list[Job]:
    """Run jobs; after one failed, return those to start again with, as frames of it may be in the lanes."""
    opened: list[_OpenJob] = []  # by the number of the input
    refused: list[JobResult] = []  # appended to by the thread that reads
    try:
        failed = _dream_jobs(jobs, settings, load, observer, resume, opened, refused)
    finally:
        for each in opened:
            each.lock.release()
    if failed is None:
        return []
    tried = {result.job for result in refused}  # ahead of the one that failed
    return [job for job in jobs[jobs.index(failed) + 1 :] if job not in tried]


def _dream_jobs(
    jobs: list[Job],
    settings: JobSettings,
    load: Callable[[], Network | LookNetworks],
    observer: Observer,
    resume: bool,
    opened: list[_OpenJob],
    refused: list[JobResult],
) -> Job | None:
    """Run jobs up to one that fails, which is returned; None: none did."""
    reported = 0  # of `refused`

    def finish(*results: JobResult) -> None:
        nonlocal reported
        for result in (*refused[reported:], *results):
            observer.finished(result)
        reported = len(refused)

    inputs = _open_jobs(jobs, settings, load, observer, resume, opened, refused)
    first = next(inputs, None)  # an input that cannot be read shows before a network is loaded
    finish()
    if first is None:
        return None
    networks = load() if settings.dream.iterations else None
    network = main_network(networks)
    budget = MemoryBudget(settings.tile.tile_side)
    on_device = encodes_on_device(jobs, settings, network)
    done = 0  # of `opened`
    chained = _chain(first, inputs)
    with closing(dream_inputs(chained, networks, settings.dream, settings.carrying, budget, on_device)) as dreamed:
        for number, frames in dreamed:
            # Jobs all segments of which an earlier run finished have no frames, and are not among the inputs.
            for each in opened[done:number]:
                finish(_join(each, settings, observer))
            done = number + 1
            result = _write(frames, opened[number], network, settings, observer)
            finish(result)
            if result.error is not None:
                break
        else:
            for each in opened[done:]:
                finish(_join(each, settings, observer))
            finish()
            return None
    finish()
    return result.job


def _open_jobs(
    jobs: list[Job],
    settings: JobSettings,
    load: Callable[[], Network | LookNetworks],
    observer: Observer,
    resume: bool,
    opened: list[_OpenJob],
    refused: list[JobResult],
) -> Generator[DreamInput, None, None]:
    """Lock the output and open the input of each job when its frames are needed, and append it to `opened`."""
    device = frames_device(settings.read, settings.dream, settings.model)
    for job in jobs:
        try:
            if not job.to_folder:
                check_absent(job.output, job.overwrite)
            lock = CheckpointLock(job.output)
        except OutputError as error:
            refused.append(JobResult(job, error=error))
            continue
        try:
            state = source_state(job)
            if resume and is_resumable(job.output):
                repair_segments(job, settings, lock, load, observer.message)
            point = resume_point(job.output) if resume else None
            grid = segment_grid(job, settings)
            start = None if point is None else resume_start(point, grid, settings)
            with open_job(job, settings, start, device=device) as source:
                frames = masked(source.frames, settings, before=point.frames - 1 if point else 0)
                with closing(prefetch(frames)) as frames:  # decode in a thread
                    opened.append(_OpenJob(job, source, state, point, lock))
                    schedule = job_schedule(settings, source.info, hear_job(job, settings))
                    first = functools.partial(first_frame, job, settings, device) if point else None
                    ends = ends_at_seams(settings)
                    yield DreamInput(frames, point, grid, schedule, first=first, ends_at_seams=ends)
        except (SourceError, OutputError) as error:
            lock.release()
            refused.append(JobResult(job, error=error))
        except BaseException:
            lock.release()
            raise


def _chain(first: DreamInput, rest: Generator[DreamInput, None, None]) -> Generator[DreamInput, None, None]:
    with closing(rest):
        yield first
        yield from rest


def _write(
    frames: Frames, opened: _OpenJob, network: Network | None, settings: JobSettings, observer: Observer
) -> JobResult:
    """Write the dreamed frames of a job."""
    job, info = opened.job, opened.source.info
    observer.started(job, info, opened.done, network)
    began = time.monotonic()
    frames = prefetch(frames)  # dream in a thread, encode in this one
    frames = _while_unchanged(frames, opened)
    frames = _with_progress(frames, job, observer)
    try:
        done = opened.done if opened.resume is not None else None
        maker = None if network is None else EncoderPlanes(network.device)
        count = write_job(frames, job, info, settings, opened.lock.run, done, observer.should_stop, maker)
    except (SourceError, OutputError) as error:
        return JobResult(job, error=error)
    finally:
        opened.lock.release()
    return job_result(job, opened.source, count, opened.done, time.monotonic() - began)


def _join(opened: _OpenJob, settings: JobSettings, observer: Observer) -> JobResult:
    """Finish a job of which nothing is left to be dreamed."""
    try:
        return finish_job(opened.job, opened.source, settings, opened.done, should_stop=observer.should_stop)
    finally:
        opened.lock.release()


def _while_unchanged(frames: Frames, opened: _OpenJob) -> Frames:
    """The frames; a SourceError before the first one after which the input has changed, and no segment ends before."""
    with closing(frames):
        for frame in frames:
            check_unchanged(opened.job, opened.state)
            yield frame
        check_unchanged(opened.job, opened.state)


def _with_progress(frames: Frames, job: Job, observer: Observer) -> Frames:
    with closing(frames):
        for frame in frames:
            yield frame
            observer.frame_finished(job, frame)
            observer.progress(job, 1)
