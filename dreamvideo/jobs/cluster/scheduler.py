"""Runs jobs on a cluster: finds work units here, has them dreamed by workers, stores and joins their segments here."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from dreamvideo.errors import (
    Cancelled,
    ClusterError,
    DreamVideoError,
    OutputError,
    SettingsError,
    SourceError,
    first_line,
)
from dreamvideo.jobs.cluster.cluster_job import (
    ClusterJob,
    Found,
    find_units,
    rest_of_unit,
    resume_point_after,
    store_finished,
)
from dreamvideo.jobs.cluster.transfer import store_file
from dreamvideo.jobs.cluster.workers import TaskResult, WorkerPool
from dreamvideo.jobs.flow_choice import with_flow_of
from dreamvideo.jobs.job import Job, JobResult, JobSettings
from dreamvideo.jobs.job_drives import hear_job
from dreamvideo.jobs.job_output import begin_job, encode_of, finish_job
from dreamvideo.jobs.observer import Observer
from dreamvideo.jobs.split import WorkUnit
from dreamvideo.jobs.task import ClusterTask, FinishedSegment
from dreamvideo.media.checkpoint import is_resumable
from dreamvideo.media.checkpoint_lock import CheckpointLock
from dreamvideo.media.concat import check_same_encoder
from dreamvideo.media.sample_frames import format_time
from dreamvideo.media.segment_records import damaged_segments, forget_segment, stored_segments
from dreamvideo.media.video_writer import check_absent, check_encoder
from dreamvideo.threads import prefetch
from dreamvideo.video.lanes import lanes_for

MAX_TRIES = 3  # of a work unit; then its job fails
UNITS_AHEAD = 1000  # work units that may be found before a worker is free for them; each is a few numbers


def run_on_cluster(
    pool: WorkerPool,
    jobs: Sequence[Job],
    settings: JobSettings,
    observer: Observer | None = None,
    resume: bool = False,
) -> None:
    """Run jobs on a cluster, the longest first, their work units side by side. A failure ends its own job only.

    Args:
        pool: the workers.
        jobs: what is dreamed into what.
        settings: of all of them; must be those of the pool.
        observer: watches and may cancel.
        resume: go on after the finished segments of earlier runs.

    Raises:
        Cancelled: the observer said so; what is finished can be resumed.
        ClusterError: no worker works.
        DreamVideoError: of the network or its device.
    """
    observer = observer or Observer()
    settings = with_flow_of(settings, "cuda" if pool.on_gpus else "cpu")
    device = "a GPU" if pool.on_gpus else f"{settings.model.threads or 1} threads"
    observer.message(f"{pool.count} workers, each with {device}")
    with closing(prefetch(find_units(jobs, settings, observer.should_stop), depth=UNITS_AHEAD)) as found:
        _Scheduler(pool, settings, observer, resume).run(found)


@dataclass(frozen=True, slots=True)
class _JobTask:
    """A task and its job."""

    active: ClusterJob
    task: ClusterTask

    @property
    def key(self) -> tuple[Job, int]:
        """Identifies the unit: equal for all rests of it."""
        return self.task.job, self.task.unit.segments[-1].number


class _Scheduler:
    """Hands out tasks, stores segments, repeats what failed, and ends jobs."""

    def __init__(self, pool: WorkerPool, settings: JobSettings, observer: Observer, resume: bool) -> None:
        self._pool, self._settings, self._observer, self._resume = pool, settings, observer, resume
        self._waiting: deque[_JobTask] = deque()
        self._running: dict[int, list[_JobTask | None]] = {}  # request -> what is left of its tasks; None: nothing
        self._failures: Counter[tuple[Job, int]] = Counter()
        self._locks: list[CheckpointLock] = []

    def run(self, found: Generator[Found, None, None]) -> None:
        """Dream all units that are found."""
        try:
            self._run(found)
        finally:
            for lock in self._locks:
                lock.release()

    def _run(self, found: Generator[Found, None, None]) -> None:
        more = True
        while more or self._waiting or self._pool.busy:
            if self._observer.should_stop():
                raise Cancelled("cancelled; finished segments can be resumed")
            while self._pool.free and more and len(self._waiting) < self._pool.free * self._batch_size():
                item = next(found, None)
                more = item is not None
                if isinstance(item, JobResult):
                    self._observer.finished(item)
                elif item is not None:
                    self._add(*item)
            while self._pool.free and self._waiting:
                self._submit()
            for result in self._pool.results(1.0):
                self._receive(result)

    def _batch_size(self) -> int:
        """How many tasks a worker gets at once: as many as it has lanes."""
        if self._settings.carry.lanes:
            return self._settings.carry.lanes
        if not self._pool.on_gpus or not self._waiting:
            return 1
        info = self._waiting[0].active.source.info
        return lanes_for(info.height * info.width)

    def _submit(self) -> None:
        """Give the next tasks to a free worker; one that has failed goes alone, so that no other fails with it."""
        alone = bool(self._failures[self._waiting[0].key])
        count = 1 if alone else min(len(self._waiting), self._batch_size())
        batch = [self._waiting.popleft() for _ in range(count)]
        files = {path: stored for each in batch for path, stored in each.active.files.items()}
        request = self._pool.submit([each.task for each in batch], files)
        self._running[request] = list(batch)

    def _receive(self, result: TaskResult) -> None:
        if result.segment is not None:
            tasks, number = self._running[result.request], result.segment.task
            tasks[number] = self._store(tasks[number], result.segment)
        else:
            unfinished = [each for each in self._running.pop(result.request) if each is not None]
            self._repeat(unfinished, result.error or ClusterError("the input has fewer frames than were found"))

    def _add(self, active: ClusterJob, unit: WorkUnit | None) -> None:
        """Let a unit wait for a worker, unless an earlier run finished it; None: the job has no more."""
        try:
            if not active.started:
                self._start(active)
            if active.ended:
                return
            if unit is None:
                active.all_found = True
                self._end_if_finished(active)
            elif (task := rest_of_unit(active.job, unit)) is not None:
                active.open_units += 1
                codec = encode_of(active.job, self._settings).codec
                self._waiting.append(_JobTask(active, replace(task, codec=codec, heard=active.heard)))
        except DreamVideoError as error:
            self._fail(active, error)

    def _start(self, active: ClusterJob) -> None:
        active.started = True
        job, info = active.job, active.source.info
        if not job.to_folder:
            check_absent(job.output, job.overwrite)
            check_encoder(job.output, self._settings.encode, info)
        active.lock = CheckpointLock(job.output)
        self._locks.append(active.lock)
        if self._resume and is_resumable(job.output):
            for number in damaged_segments(active.lock.folder):
                self._observer.message(f"{job.output}: segment {number} is damaged, and dreamed again")
                forget_segment(active.lock.folder, number)
            active.resumed = sum(segment.frames for segment in stored_segments(active.lock.folder))
            if not job.to_folder:
                check_same_encoder(job.output, info, encode_of(job, self._settings))
        else:
            begin_job(job, info, self._settings)
        active.heard = hear_job(job, self._settings)
        if self._settings.cluster.ship:
            if job.images:
                raise SettingsError(f"--ship with {job.source}: expected videos; put images into a shared folder")
            active.files[job.source] = store_file(job.source, self._pool.put)
        self._observer.started(job, info, active.resumed, None)

    def _store(self, each: _JobTask | None, finished: FinishedSegment) -> _JobTask | None:
        """Store a segment and return what is left of its task."""
        assert each is not None
        active, task = each.active, each.task
        unit = task.unit.without(1)
        resume = resume_point_after(finished.segment, finished.carry)
        rest = None if unit is None else _JobTask(active, replace(task, unit=unit, resume=resume))
        if active.ended:
            return rest
        try:
            store_finished(active, finished)
        except (OutputError, SourceError) as error:
            self._fail(active, error)
            return rest
        self._observer.progress(active.job, finished.segment.frames)
        if rest is None:
            active.open_units -= 1
            self._end_if_finished(active)
        return rest

    def _repeat(self, tasks: list[_JobTask], error: Exception) -> None:
        """Let tasks wait again after one of them failed, or fail the job of one that failed too often."""
        for each in tasks:
            if each.active.ended:
                continue
            source, unit = each.active.job.source, each.task.unit
            start = format_time(unit.segments[0].start)
            end = "its end" if unit.end is None else format_time(unit.end)
            self._failures[each.key] += 1
            tries = self._failures[each.key]
            # An error of the input or the settings would occur again; with several tasks it may be another's.
            if tries >= MAX_TRIES or (isinstance(error, DreamVideoError) and len(tasks) == 1):
                times = f"{tries} times" if tries > 1 else "once"
                failure = ClusterError(f"{source}, {start} to {end}, failed {times}: {first_line(error)}")
                self._fail(each.active, failure)
            else:
                self._observer.message(f"{source}: {start} to {end} is repeated ({first_line(error)})")
                self._waiting.appendleft(each)

    def _end_if_finished(self, active: ClusterJob) -> None:
        if not active.all_found or active.open_units:
            return
        active.ended = True
        seconds = time.monotonic() - active.started_at
        result = finish_job(
            active.job, active.source, self._settings, active.resumed, seconds, self._observer.should_stop
        )
        if active.lock is not None:
            active.lock.release()
        self._observer.finished(result)

    def _fail(self, active: ClusterJob, error: DreamVideoError) -> None:
        active.ended = True
        if active.lock is not None:
            active.lock.release()
        self._observer.finished(JobResult(active.job, error=error))
        self._waiting = deque(each for each in self._waiting if each.active is not active)
