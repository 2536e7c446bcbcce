"""Jobs on a cluster: runs are found here, dreamed by a crew, and kept and joined here, whoever dreamed them."""

from __future__ import annotations

import functools
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

from tqdm import tqdm

from dreamvideo.commands.progress import counter
from dreamvideo.errors import ClusterError, DreamVideoError, OutputError, SettingsError, SourceError, first_line
from dreamvideo.frames import Source
from dreamvideo.jobs.cluster.split import WorkUnit, split_source
from dreamvideo.jobs.cluster.task import ClusterTask, FinishedSegment
from dreamvideo.jobs.cluster.transfer import FilePart, pack_files
from dreamvideo.jobs.cluster.workers import WorkerPool
from dreamvideo.jobs.job import (
    Job,
    JobResult,
    JobSettings,
    begin_job,
    finish_job,
    min_segment_frames,
    open_job,
    source_state,
    store_segment,
)
from dreamvideo.media import checkpoint
from dreamvideo.media.sample_frames import format_time
from dreamvideo.media.video_file import translate_errors
from dreamvideo.media.video_reader import silence_reader
from dreamvideo.media.video_writer import check_encoder
from dreamvideo.threads import prefetch
from dreamvideo.video.lanes import lanes_for
from dreamvideo.video.pipeline import single_segment, split_shots

MAX_TRIES = 3  # of a run, before its film is given up
TASKS_AHEAD = 1000  # runs that may be found before there is a worker for them; they are a few numbers each


@dataclass(slots=True, eq=False)
class _Film:
    """A job under way."""

    job: Job
    source: Source
    state: tuple[int, int]  # of the input file
    parcels: dict[Path, FilePart] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    earlier: int = 0  # frames that were there before
    open: int = 0  # runs that are not done
    found: bool = False  # all its runs are known
    over: bool = False  # it has ended, well or not


def run_on_cluster(
    crew: WorkerPool,
    jobs: Sequence[Job],
    wishes: JobSettings,
    announce: Callable[[Job, Source, int], None],
    report: Callable[[JobResult], None],
    tell: Callable[[str], None],
    stopped: Callable[[], bool] = lambda: False,
    resume: bool = False,
    hidden: bool = False,
) -> None:
    """Do the jobs, the longest first, their runs side by side on all workers. What fails ends its own job only.

    Args:
        announce: told of each job that begins, with the number of frames that were done in an earlier run.
        report: told of each job that ends, in some thread.
        tell: told of what goes on besides.
        stopped: asked now and then whether to end; what is done can be gone on with.
        resume: go on with what is left of an earlier run.
        hidden: show no bar.

    Raises:
        KeyboardInterrupt: `stopped` said so.
        ClusterError: there is no worker that works.
        DreamVideoError: of the network or its device.
    """
    tell(f"{crew.count} workers, each with {'a GPU' if crew.on_gpus else f'{wishes.model.threads or 1} threads'}")
    with (
        closing(prefetch(_found(jobs, wishes, report, stopped), depth=TASKS_AHEAD)) as found,
        counter(0, "all", hidden) as bar,
    ):
        pack = functools.partial(pack_files, put=crew.put) if wishes.cluster.ship else None
        ledger = _Ledger(wishes, resume, pack, announce, report, tell, stopped, bar)
        given: dict[int, list[_Part | None]] = {}  # work -> what of it is not done
        more = True
        while more or ledger.waiting or crew.working:
            if stopped():
                raise KeyboardInterrupt
            while crew.free and more and len(ledger.waiting) < crew.free * ledger.batch(crew.on_gpus):
                item = next(found, None)
                more = item is not None
                if item is not None:
                    ledger.find(*item)
            while crew.free and ledger.waiting:
                taken = ledger.take(crew.on_gpus)
                parcels = {path: parcel for part in taken for path, parcel in part.film.parcels.items()}
                given[crew.give([part.task for part in taken], parcels)] = list(taken)
            for result in crew.results(1.0):
                if result.done is not None:
                    parts, number = given[result.work], result.done.task
                    parts[number] = ledger.keep(parts[number], result.done)
                else:
                    left = [part for part in given.pop(result.work) if part is not None]
                    ledger.fail(left, result.error or ClusterError("it has fewer frames than were found"))


@dataclass(frozen=True, slots=True)
class _Part:
    """A task and the film that it is of."""

    film: _Film
    task: ClusterTask

    @property
    def key(self) -> tuple[Job, int]:
        """The same for what is left of it."""
        return self.task.job, self.task.run.spans[-1].number


class _Ledger:
    """How far each film is, what waits for a worker, and what failed how often."""

    def __init__(
        self,
        wishes: JobSettings,
        resume: bool,
        pack: Callable[[Path], FilePart] | None,
        announce: Callable[[Job, Source, int], None],
        report: Callable[[JobResult], None],
        tell: Callable[[str], None],
        stopped: Callable[[], bool],
        bar: tqdm[Any],
    ) -> None:
        self.waiting: deque[_Part] = deque()
        self._wishes, self._resume, self._pack = wishes, resume, pack
        self._announce, self._report, self._tell = announce, report, tell
        self._stopped = stopped
        self._bar = bar
        self._begun: set[_Film] = set()
        self._tries: Counter[tuple[Job, int]] = Counter()

    def batch(self, on_gpus: bool) -> int:
        """How many tasks a worker gets at once: as many as its lanes."""
        if self._wishes.carry.lanes:
            return self._wishes.carry.lanes
        if not on_gpus or not self.waiting:
            return 1
        info = self.waiting[0].film.source.info
        return lanes_for(info.height * info.width)

    def take(self, on_gpus: bool) -> list[_Part]:
        """What the next worker gets. What has failed goes alone, so that it takes nothing else with it."""
        count = 1 if self._tries[self.waiting[0].key] else min(len(self.waiting), self.batch(on_gpus))
        return [self.waiting.popleft() for _ in range(count)]

    def find(self, film: _Film, run: WorkUnit | None) -> None:
        """One more run of a film; None: it has no more."""
        try:
            if film not in self._begun:
                self._begin(film)
            if film.over:
                return
            if run is None:
                film.found = True
                self._end_if_done(film)
                return
            task = _rest(film.job, run)
            there = run.frames - (task.run.frames if task else 0)
            film.earlier += there
            self._bar.update(there)
            if task is not None:
                film.open += 1
                self.waiting.append(_Part(film, task))
        except DreamVideoError as error:
            self._give_up(film, error)

    def keep(self, part: _Part | None, done: FinishedSegment) -> _Part | None:
        """Put a finished piece to the others; returns what is left of its task."""
        assert part is not None
        film, task = part.film, part.task
        rest = task.run.after(1)
        left = None if rest is None else _Part(film, ClusterTask(task.job, rest, done.piece, done.state))
        if film.over:
            return left
        try:
            path = checkpoint.segment_path(checkpoint.checkpoint_folder(film.job.output), done.piece.number)
            with translate_errors(film.job.output):
                checkpoint.write_atomically(path, done.packets)
            store_segment(film.job, film.state, done.piece, done.state)
        except (OutputError, SourceError) as error:
            self._give_up(film, error)
            return left
        self._bar.update(done.piece.frames)
        if left is None:
            film.open -= 1
            self._end_if_done(film)
        return left

    def fail(self, parts: list[_Part], error: Exception) -> None:
        """What is left of tasks of which one failed is done again, or their film given up."""
        parts = [part for part in parts if not part.film.over]
        for part in parts:
            film, run = part.film, part.task.run
            start, end = format_time(run.spans[0].start), "its end" if run.end is None else format_time(run.end)
            self._tries[part.key] += 1
            tries = self._tries[part.key]
            if tries >= MAX_TRIES or (isinstance(error, DreamVideoError) and len(parts) == 1):
                times = f"{tries} times" if tries > 1 else "once"
                why = first_line(error)
                self._give_up(film, ClusterError(f"{film.job.source}, {start} to {end}, failed {times}: {why}"))
            else:
                self._tell(f"{film.job.source}: {start} to {end} is done again ({first_line(error)})")
                self.waiting.appendleft(part)

    def _begin(self, film: _Film) -> None:
        self._begun.add(film)
        self._bar.total += film.source.info.frame_count or 0
        folder = checkpoint.checkpoint_folder(film.job.output)
        if not film.job.to_folder:
            check_encoder(film.job.output, self._wishes.encode, film.source.info)
        if not (self._resume and checkpoint.stored_job(folder) is not None):
            begin_job(film.job, film.source.info, self._wishes)
        if self._pack is not None:
            if film.job.pictures:
                raise SettingsError(f"--ship with {film.job.source}: expected videos, or pictures in a shared folder")
            film.parcels[film.job.source] = self._pack(film.job.source)
        self._announce(film.job, film.source, 0)

    def _end_if_done(self, film: _Film) -> None:
        if not film.found or film.open:
            return
        film.over = True
        seconds = time.monotonic() - film.began
        self._report(finish_job(film.job, film.source, self._wishes, film.earlier, seconds, self._stopped))

    def _give_up(self, film: _Film, error: DreamVideoError) -> None:
        film.over = True
        self._report(JobResult(film.job, error=error))
        self.waiting = deque(part for part in self.waiting if part.film is not film)


def _found(
    jobs: Sequence[Job], wishes: JobSettings, report: Callable[[JobResult], None], stopped: Callable[[], bool]
) -> Generator[tuple[_Film, WorkUnit | None], None, None]:
    """Every run of every film, the longest film first; None: it has no more."""
    alone = wishes.carry.persistence == 0 or not wishes.dream.iterations
    for job in sorted(jobs, key=lambda job: -_length(job, wishes)) if len(jobs) > 1 else jobs:
        try:
            state = source_state(job)
            with open_job(job, wishes) as source:
                film = _Film(job, source, state)
                ahead = prefetch(source.frames)
                steps = split_shots(single_segment(ahead, min_segment_frames(job, wishes)), alone)
                with closing(split_source(steps, wishes.cluster.split_shots)) as runs:
                    for run in runs:
                        if stopped():
                            return
                        yield film, run
            yield film, None
        except SourceError as error:
            report(JobResult(job, error=error))


def _length(job: Job, wishes: JobSettings) -> int:
    """Frames, as far as the file tells; 0: it cannot be read."""
    try:
        with silence_reader(), open_job(job, wishes) as source:
            return source.info.frame_count or 0
    except SourceError:
        return 0


def _rest(job: Job, run: WorkUnit) -> ClusterTask | None:
    """What of a run is not done; None: it is."""
    folder = checkpoint.checkpoint_folder(job.output)
    there = list(takewhile(bool, (checkpoint.segment_from_record(folder, span.number) for span in run.spans)))
    rest = run.after(len(there))
    last = there[-1] if there else None
    return (
        None if rest is None else ClusterTask(job, rest, last, checkpoint.stored_carry(folder, last) if last else None)
    )
