"""Runs jobs on a cluster: gives windows of films to workers, keeps the checkpoints, and joins what is finished.

It decodes no frame: workers open the films and say where windows may begin, and skip to the cuts from which they dream.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import replace

from dreamvideo.errors import Cancelled, ClusterError, DreamVideoError, OutputError, SourceError, first_line
from dreamvideo.jobs.cluster.cluster_job import (
    JOINS,
    ClusterJob,
    begin_cluster_job,
    begin_windows,
    drop_joined,
    end_cluster_job,
    join_ahead,
    store_finished,
    windows_that_do_not_meet,
)
from dreamvideo.jobs.cluster.job_window import JobWindow
from dreamvideo.jobs.cluster.transfer import store_file
from dreamvideo.jobs.cluster.workers import TaskResult, WorkerPool
from dreamvideo.jobs.film_windows import LONGEST, divide, longest_window, take_window
from dreamvideo.jobs.flow_choice import with_flow_of
from dreamvideo.jobs.job import Job, JobResult, JobSettings
from dreamvideo.jobs.observer import Observer
from dreamvideo.jobs.task import ClusterTask, FinishedSegment, FinishedTask, OpenedJob
from dreamvideo.media.segment_records import stored_carry
from dreamvideo.media.worker_folder import new_worker_folder, remove_worker_folder
from dreamvideo.video.lanes import lanes_for

MAX_TRIES = 3  # of a window; then its job fails
MOST_OPENED = 16  # jobs that a worker opens at once: each has a lock, which is an open file
OPENED_BYTES = 1 << 26  # of their inputs; all packets are read, which takes about a second


def run_on_cluster(
    pool: WorkerPool,
    jobs: Sequence[Job],
    settings: JobSettings,
    observer: Observer | None = None,
    resume: bool = False,
) -> None:
    """Run jobs on a cluster, their windows side by side. A failure ends its own job only.

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
    _Scheduler(pool, settings, observer, resume).run(jobs)


class _Scheduler:
    """Gives out windows, stores segments, repeats what failed, and ends jobs."""

    def __init__(self, pool: WorkerPool, settings: JobSettings, observer: Observer, resume: bool) -> None:
        self._pool, self._settings, self._observer, self._resume = pool, settings, observer, resume
        self._unopened: deque[Job | ClusterJob] = deque()  # the latter: again
        self._opening: dict[int, deque[ClusterJob]] = {}  # request -> those of its jobs that are not opened yet
        self._waiting: list[JobWindow] = []
        self._failed: deque[JobWindow] = deque()  # that wait to be tried again
        self._running: dict[int, list[JobWindow | None]] = {}  # request -> what is left of its windows; None: nothing
        self._failures: Counter[tuple[Job, int | None]] = Counter()
        self._jobs: list[ClusterJob] = []
        self._to_join: deque[ClusterJob] = deque()  # of which a segment has come

    def run(self, jobs: Sequence[Job]) -> None:
        """Dream all jobs."""
        self._unopened.extend(jobs)
        try:
            while self._unopened or self._waiting or self._failed or self._pool.busy:
                if self._observer.should_stop():
                    raise Cancelled("cancelled; finished segments can be resumed")
                while self._pool.free and self._give_out():
                    pass
                self._join()
                for result in self._pool.results(0.0 if self._to_join else 1.0):
                    self._receive(result)
        finally:
            for active in self._jobs:
                drop_joined(active)
                active.lock.release()

    def _give_out(self) -> bool:
        """Give something to a free worker; return whether there was anything."""
        if self._failed:  # alone, so that no other fails with it
            self._submit([self._failed.popleft()])
        elif self._unopened and len(self._waiting) <= self._pool.count:
            self._open(self._take_unopened())
        elif self._waiting:
            self._submit(self._take_windows())
        else:
            return False
        return True

    def _take_windows(self) -> list[JobWindow]:
        """What one worker gets: a window, or several short ones, so that it does not wait for each."""
        count = len(self._waiting)
        batch = [take_window(self._waiting, self._pool.count, JobWindow.length, JobWindow.halves)]
        batch[0].active.open_windows += len(self._waiting) == count  # it was the half of one
        lanes = self._lanes(batch[0].active)
        most = max(lanes, (len(self._waiting) + len(self._unopened)) // (2 * self._pool.count))
        room = LONGEST * lanes - batch[0].length()
        while len(batch) < most and len(self._waiting) > self._pool.count and self._waiting[0].length() <= room:
            batch.append(self._waiting.pop(0))
            room -= batch[-1].length()
        return batch

    def _lanes(self, active: ClusterJob) -> int:
        if self._settings.carry.lanes or not self._pool.on_gpus:
            return self._settings.carry.lanes or 1
        return lanes_for(active.info.height * active.info.width)

    def _take_unopened(self) -> list[ClusterJob]:
        """What one worker opens at once: a job, or several short ones."""
        batch: list[ClusterJob] = []
        most, room = min(MOST_OPENED, max(1, len(self._unopened) // self._pool.count)), OPENED_BYTES
        while self._unopened and len(batch) < most and room > 0:
            job = self._unopened.popleft()
            if isinstance(job, ClusterJob):  # again, and alone: a worker died of it, or of one beside it
                if not batch:
                    return [job]
                self._unopened.appendleft(job)
                break
            try:
                batch.append(begin_cluster_job(job, self._settings))
            except DreamVideoError as error:
                self._observer.finished(JobResult(job, error=error))
                continue
            room -= batch[-1].state[0]
            self._jobs.append(batch[-1])
            if self._settings.cluster.ship:
                batch[-1].files[job.source] = store_file(job.source, self._pool.put)
        return batch

    def _open(self, batch: list[ClusterJob]) -> None:
        """Let a free worker open the inputs of jobs."""
        if batch:
            jobs = [(active.job, new_worker_folder(active.folder, active.lock.run)) for active in batch]
            files = {path: stored for active in batch for path, stored in active.files.items()}
            self._opening[self._pool.open_jobs(jobs, files)] = deque(batch)

    def _submit(self, batch: list[JobWindow]) -> None:
        tasks = []
        for number, each in enumerate(batch):
            active, folder = each.active, None
            active.started_at = active.started_at or time.monotonic()
            if active.shared:
                folder = new_worker_folder(active.folder, active.lock.run)
            after = each.window.after
            carry = None if active.shared or after is None else stored_carry(active.folder, after)
            tasks.append(ClusterTask(active.job, each.window, carry, active.encode.codec, folder, active.heard))
            batch[number] = replace(each, folder=folder)
        files = {path: stored for each in batch for path, stored in each.active.files.items()}
        self._running[self._pool.submit(tasks, files)] = list(batch)

    def _receive(self, result: TaskResult) -> None:
        report, request = result.report, result.request
        if isinstance(report, OpenedJob):
            self._begin(self._opening[request].popleft(), report)
        elif isinstance(report, DreamVideoError):
            self._fail(self._opening[request].popleft(), report)
        elif request in self._opening:
            for active in reversed(self._opening.pop(request)):
                self._open_again(active, result.error or ClusterError("the worker ended before its work"))
        elif isinstance(report, FinishedSegment):
            self._running[request][report.task] = self._store(self._running[request][report.task], report)
        elif isinstance(report, FinishedTask):
            each = self._running[request][report.task]
            self._running[request][report.task] = None
            self._end_window(each, report.lost)
        else:
            unfinished = [each for each in self._running.pop(request) if each is not None]
            self._repeat(unfinished, result.error or ClusterError("the worker ended before its work"))

    def _open_again(self, active: ClusterJob, error: Exception) -> None:
        """Let another worker open a job after one died of it, unless it was not the first."""
        self._failures[active.job, None] += 1
        if self._failures[active.job, None] >= MAX_TRIES or isinstance(error, DreamVideoError):
            self._fail(active, ClusterError(f"{active.job.source} cannot be opened by a worker: {first_line(error)}"))
        else:
            self._unopened.appendleft(active)

    def _begin(self, active: ClusterJob, opened: OpenedJob) -> None:
        try:
            windows = begin_windows(active, opened, self._resume, self._observer.message)
        except DreamVideoError as error:
            self._fail(active, error)
            return
        self._observer.started(active.job, active.info, active.resumed, None)
        longest = longest_window(active.index.cells, self._pool.count, self._lanes(active))
        parts = [part for window in windows for part in divide(window, active.index, longest)]
        active.open_windows = len(parts)
        self._waiting.extend(JobWindow(active, part) for part in parts)

    def _store(self, each: JobWindow | None, finished: FinishedSegment) -> JobWindow | None:
        """Store a segment and return what is left of its window."""
        assert each is not None
        active = each.active
        if active.ended:
            return each
        try:
            segment = store_finished(active, finished, each.folder)
        except (OutputError, SourceError) as error:
            self._fail(active, error)
            return each
        self._observer.progress(active.job, segment.frames)
        if active not in self._to_join:
            self._to_join.append(active)
        begin = max(each.window.begin, int(segment.end // active.grid))
        return replace(each, window=replace(each.window, begin=begin, after=segment))

    def _join(self) -> None:
        """Join a few segments, if those that are next have come."""
        for _ in range(JOINS):
            if self._to_join and (self._to_join[0].ended or not join_ahead(self._to_join[0])):
                self._to_join.popleft()

    def _end_window(self, each: JobWindow | None, lost: int) -> None:
        assert each is not None
        active = each.active
        if each.folder is not None:
            remove_worker_folder(each.folder)
        active.lost += lost
        active.open_windows -= 1
        if active.ended or active.open_windows:
            return
        try:
            windows = windows_that_do_not_meet(active)
        except DreamVideoError as error:
            self._fail(active, error)
            return
        active.open_windows = len(windows)
        for window in windows:
            rest = JobWindow(active, window)
            self._failed.append(rest)
            self._observer.message(f"{active.job.source}: {rest.place} is repeated by one worker (it is damaged)")
        if not windows:
            active.ended = True
            result = end_cluster_job(active, self._observer.should_stop)
            active.files.clear()
            active.lock.release()
            self._observer.finished(result)

    def _repeat(self, windows: list[JobWindow], error: Exception) -> None:
        """Let windows wait again after one of them failed, or fail the job of one that failed too often."""
        for each in windows:
            if each.folder is not None:
                remove_worker_folder(each.folder)
            if each.active.ended:
                continue
            source = each.active.job.source
            self._failures[each.key] += 1
            tries = self._failures[each.key]
            # An error of the input or the settings would occur again; with several windows it may be another's.
            if tries >= MAX_TRIES or (isinstance(error, DreamVideoError) and len(windows) == 1):
                times = f"{tries} times" if tries > 1 else "once"
                self._fail(each.active, ClusterError(f"{source}, {each.place}, failed {times}: {first_line(error)}"))
            else:
                self._observer.message(f"{source}: {each.place} is repeated ({first_line(error)})")
                self._failed.append(replace(each, folder=None))

    def _fail(self, active: ClusterJob, error: DreamVideoError) -> None:
        active.ended = True
        drop_joined(active)
        active.files.clear()
        active.lock.release()
        self._observer.finished(JobResult(active.job, error=error))
        self._waiting = [each for each in self._waiting if each.active is not active]
        self._failed = deque(each for each in self._failed if each.active is not active)
