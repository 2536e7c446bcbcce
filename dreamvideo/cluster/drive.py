"""Jobs on a cluster: runs are found here, dreamed by a crew, and kept and joined here, whoever dreamed them."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from dreamvideo import leftovers
from dreamvideo.buffers import prefetch
from dreamvideo.cluster.crew import Crew, ray_at
from dreamvideo.cluster.runs import Run, runs_of
from dreamvideo.cluster.ship import Parcel, packed
from dreamvideo.cluster.work import Done, Task
from dreamvideo.errors import ClusterError, DreamVideoError, OutputError, SourceError, first_line
from dreamvideo.film import translated
from dreamvideo.frames import Source
from dreamvideo.glimpses import clock
from dreamvideo.jobs import Job, Outcome, Wishes, finished, keep, state_of
from dreamvideo.lanes import fitting
from dreamvideo.pipeline import only, shots_of
from dreamvideo.progress import counter
from dreamvideo.readers import open_source, quiet
from dreamvideo.writers import check_encoder

TRIES = 3  # of a run, before its film is given up
AHEAD = 1000  # runs that may be found before there is a worker for them; they are a few numbers each


@dataclass(slots=True, eq=False)
class _Film:
    """A job under way."""

    job: Job
    source: Source
    state: tuple[int, int]  # of the input file
    parcels: dict[Path, Parcel] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    earlier: int = 0  # frames that were there before
    open: int = 0  # runs that are not done
    found: bool = False  # all its runs are known
    over: bool = False  # it has ended, well or not


_Item = tuple[_Film, Task]


def dream_on_cluster(
    jobs: Sequence[Job],
    wishes: Wishes,
    guide: Tensor | None,
    announce: Callable[[Job, Source, int], None],
    report: Callable[[Outcome], None],
    tell: Callable[[str], None],
    stopped: Callable[[], bool] = lambda: False,
    resume: bool = False,
    hidden: bool = False,
) -> None:
    """Do the jobs, the longest first, their runs side by side on all workers. What fails ends its own job only.

    Args:
        guide: (1, 3, H, W) what is to be dreamed of; None: no guide.
        announce: told of each job that begins, with the number of frames that were done in an earlier run.
        report: told of each job that ends, in some thread.
        tell: told of what goes on besides.
        stopped: asked now and then whether to end; what is done can be gone on with.
        resume: go on with what is left of an earlier run.
        hidden: show no bar.

    Raises:
        KeyboardInterrupt: `stopped` said so.
        ClusterError: there is no cluster, or no worker that works.
        DreamVideoError: of the network or its device.
    """
    assert wishes.cluster.cluster is not None
    with (
        ray_at(wishes.cluster.cluster) as ray,
        closing(Crew(ray, wishes, guide, wishes.cluster)) as crew,
        closing(prefetch(_found(jobs, wishes, report, stopped), depth=AHEAD)) as found,
        counter(0, "all", hidden) as bar,
    ):
        tell(f"{crew.count} workers, each with {'a GPU' if crew.on_gpus else f'{wishes.model.threads or 1} threads'}")
        films: set[_Film] = set()
        waiting: deque[_Item] = deque()
        given: dict[int, list[_Item | None]] = {}  # work -> what of it is not done
        tries: Counter[tuple[Job, int]] = Counter()
        number, more = 0, True

        def end(film: _Film, error: DreamVideoError | None = None) -> None:
            film.over = True
            if error is not None:
                report(Outcome(film.job, error=error))
                return
            seconds = time.monotonic() - film.began
            report(finished(film.job, film.source, wishes, film.earlier, seconds, stopped))

        def find() -> bool:
            """Take one more run, or the end of a film, from those that were found; False: there are no more."""
            item = next(found, None)
            if item is None:
                return False
            film, run = item
            try:
                if film not in films:
                    films.add(film)
                    bar.total += film.source.info.frame_count or 0
                    _begun(film, wishes, resume)
                    if wishes.cluster.ship:
                        film.parcels[film.job.source] = packed(film.job.source, ray.put)
                    announce(film.job, film.source, 0)
                if film.over:
                    return True
                if run is None:
                    film.found = True
                    if not film.open:
                        end(film)
                    return True
                task = _rest(film.job, run)
                there = run.frames - (task.run.frames if task else 0)
                film.earlier += there
                bar.update(there)
                if task is not None:
                    film.open += 1
                    waiting.append((film, task))
            except DreamVideoError as error:
                end(film, error)
            return True

        def kept(items: list[_Item | None], done: Done) -> None:
            item = items[done.task]
            assert item is not None
            film, task = item
            rest = task.run.after(1) if len(task.run.spans) > 1 else None
            items[done.task] = None if rest is None else (film, Task(task.job, rest, done.piece, done.state))
            if film.over:
                return
            try:
                path = leftovers.packets_of(leftovers.folder_of(film.job.output), done.piece.number)
                with translated(film.job.output):
                    leftovers.write_whole(path, done.packets)
                keep(film.job, film.state, done.piece, done.state)
            except (OutputError, SourceError) as error:
                end(film, error)
                return
            bar.update(done.piece.frames)
            if rest is None:
                film.open -= 1
                if film.found and not film.open:
                    end(film)

        def failed(items: list[_Item | None], error: Exception) -> None:
            left = [item for item in items if item is not None and not item[0].over]
            for film, task in left:
                spans = task.run.spans
                tries[film.job, spans[-1].number] += 1
                count = tries[film.job, spans[-1].number]
                if count >= TRIES or (isinstance(error, DreamVideoError) and len(left) == 1):
                    until = "its end" if task.run.end is None else clock(task.run.end)
                    what = f"{film.job.source}, {clock(spans[0].start)} to {until}, failed {count} times"
                    end(film, ClusterError(f"{what}: {first_line(error)}"))
                else:
                    tell(f"{film.job.source}: {clock(spans[0].start)} is done again ({first_line(error)})")
                    waiting.appendleft((film, task))

        while more or waiting or crew.working:
            if stopped():
                raise KeyboardInterrupt
            while crew.free and more and len(waiting) < crew.free * _at_once(waiting, crew, wishes):
                more = find()
            waiting = deque(item for item in waiting if not item[0].over)
            while crew.free and waiting:
                again = any(tries[film.job, task.run.spans[-1].number] for film, task in [waiting[0]])
                count = 1 if again else min(len(waiting), _at_once(waiting, crew, wishes))
                items = [waiting.popleft() for _ in range(count)]
                given[number] = list(items)
                parcels = {path: parcel for film, _ in items for path, parcel in film.parcels.items()}
                crew.give(number, [task for _, task in items], parcels)
                number += 1
            for result in crew.results(1.0):
                if result.done is not None:
                    kept(given[result.work], result.done)
                    continue
                items_left = given.pop(result.work)
                failed(items_left, result.error or ClusterError("it has fewer frames than were found"))


def _found(
    jobs: Sequence[Job], wishes: Wishes, report: Callable[[Outcome], None], stopped: Callable[[], bool]
) -> Generator[tuple[_Film, Run | None], None, None]:
    """Every run of every film, the longest film first; None: it has no more."""
    alone = wishes.carry.persistence == 0 or not wishes.dream.iterations
    for job in sorted(jobs, key=lambda job: -_length(job, wishes)) if len(jobs) > 1 else jobs:
        try:
            state = state_of(job.source)
            with open_source(job.source, wishes.read) as source:
                film = _Film(job, source, state)
                ahead = prefetch(source.frames)
                with closing(runs_of(shots_of(only(ahead), alone), wishes.cluster.split_shots)) as runs:
                    for run in runs:
                        if stopped():
                            return
                        yield film, run
            yield film, None
        except SourceError as error:
            report(Outcome(job, error=error))


def _length(job: Job, wishes: Wishes) -> int:
    """Frames, as far as the file tells; 0: it cannot be read."""
    try:
        with quiet(), open_source(job.source, wishes.read) as source:
            return source.info.frame_count or 0
    except SourceError:
        return 0


def _begun(film: _Film, wishes: Wishes, resume: bool) -> None:
    """The folder of its pieces is there."""
    folder = leftovers.folder_of(film.job.output)
    check_encoder(film.job.output, wishes.encode, film.source.info)
    if not (resume and leftovers.job_of(folder) is not None):
        with translated(film.job.output):
            leftovers.begin(folder, wishes.of(film.job))


def _rest(job: Job, run: Run) -> Task | None:
    """What of a run is not done; None: it is."""
    folder = leftovers.folder_of(job.output)
    last, count = None, 0
    for span in run.spans:
        piece = leftovers.piece_in(folder, span.number)
        if piece is None:
            state = leftovers.state_after(folder, last) if last else None
            return Task(job, run.after(count), last, state)
        last, count = piece, count + 1
    return None


def _at_once(waiting: deque[_Item], crew: Crew, wishes: Wishes) -> int:
    """How many tasks a worker gets: as many as its lanes."""
    if wishes.carry.lanes:
        return wishes.carry.lanes
    if not crew.on_gpus or not waiting:
        return 1
    info = waiting[0][0].source.info
    return fitting(info.height * info.width)
