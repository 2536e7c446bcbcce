"""A model of a cluster that dreams a film, simulated event by event; windows are given out as the scheduler does it.

Workers skip to the first cut of a window, dream shots of it and write segments; a scheduler hands out windows, takes
note of segments and joins them in order; a storage that all share reads and writes. Workers differ in speed, die, and
spot workers are taken away all at once.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from typing import Any

import simpy

from dreamvideo.bench.model_film import ModelFilm
from dreamvideo.jobs.cluster.cluster_job import JOINS
from dreamvideo.jobs.film_windows import (
    FilmWindow,
    divide,
    halve_window,
    length_of,
    longest_window,
    take_window,
)
from dreamvideo.media.segments import GRID


@dataclass(frozen=True, slots=True)
class FrameCosts:
    """Seconds and bytes per frame, and seconds for what is done once for a window or a segment."""

    skip: float  # decoding to a small picture, in search of a cut
    dream: float  # on one worker, everything included
    join: float  # on the machine that distributes the work
    finish: float  # there, once: the end of the file
    report: float  # there, for each segment
    assign: float  # there, for each window: to give it out, and to note its end
    poll: float  # there, for each worker that is asked whether it has news
    request: float  # from the end of a window to the first frame of the next, on a worker
    read_bytes: float
    written_bytes: float


@dataclass(frozen=True, slots=True)
class ClusterModel:
    """A cluster."""

    workers: int
    share: float = 1.0  # speed of a worker beside others, over its speed alone
    spread: float = 0.0  # standard deviation of the logarithm of a worker's speed
    deaths: float = 0.0  # of each worker in an hour
    restart: float = 60.0  # seconds until another has taken its place
    preempted: float | None = None  # seconds after which all workers die at once; None: never
    bandwidth: float = float("inf")  # bytes per second of the storage
    lanes: int = 1


@dataclass(frozen=True, slots=True)
class SimulatedRun:
    """How a simulated run went."""

    seconds: float
    dreaming: float  # share of the workers' time
    skipping: float
    scheduling: float  # share of the time in which the scheduler is at work
    storing: float  # the same of the storage
    deaths: int


def simulate_cluster(film: ModelFilm, costs: FrameCosts, model: ClusterModel, seed: int = 0) -> SimulatedRun:
    """Simulate a cluster that dreams a film.

    Args:
        film: what is dreamed.
        costs: what it costs.
        model: the cluster.
        seed: of speeds and deaths.
    """
    return _Simulation(film, costs, model, random.Random(seed)).run()


class _Simulation:
    """One run of the model."""

    def __init__(self, film: ModelFilm, costs: FrameCosts, model: ClusterModel, chance: random.Random) -> None:
        self._film, self._costs, self._model, self._chance = film, costs, model, chance
        self._env = simpy.Environment()
        self._storage = simpy.Resource(self._env)
        self._waiting = divide(FilmWindow(), film.index, longest_window(film.index.cells, model.workers, model.lanes))
        self._again: list[tuple[int, int]] = []  # what dead workers left: the first frame, and that after the last
        self._left = film.cuts[-1]  # frames that are not dreamed
        self._segments: list[tuple[int, int]] = []  # that are not joined, as heap
        self._idle: list[Any] = []  # events: of workers that wait for a window
        self._reports: list[tuple[float, Any]] = []  # that the scheduler has not seen: its time, and what comes of it
        self._news = self._env.event()  # there is something for the scheduler
        self._spent = dict.fromkeys(("dream", "skip", "scheduler", "storage"), 0.0)
        self._absent: set[Any] = set()  # workers that died, and are not replaced yet
        self._deaths = 0

    def run(self) -> SimulatedRun:
        """Run it to its end."""
        model = self._model
        processes = [self._env.process(self._worker()) for _ in range(model.workers)]
        for process in processes:
            self._env.process(self._end_of(process))
        self._env.run(until=self._env.process(self._schedule()))
        seconds, (dream, skip, scheduler, storage) = self._env.now, self._spent.values()
        of_workers = seconds * model.workers
        shares = dream / of_workers, skip / of_workers, scheduler / seconds, storage / seconds
        return SimulatedRun(seconds, *shares, self._deaths)

    def _schedule(self) -> Generator[Any, Any, None]:
        """Do what `cluster.scheduler` does in each round: give out windows, join a segment, look who has reports."""
        joined, costs = 0, self._costs
        while joined < self._film.cuts[-1]:
            while self._idle and (self._again or self._waiting):
                yield from self._spend("scheduler", costs.assign)
                if self._idle:  # it may have died meanwhile
                    self._idle.pop(0).succeed(self._take())
            before = joined
            for _ in range(JOINS):
                if self._segments and self._segments[0][0] == joined:
                    first, joined = heapq.heappop(self._segments)
                    yield from self._spend("scheduler", (joined - first) * costs.join)
            if waits := joined == before and not self._reports:
                yield self._news
            yield from self._spend("scheduler", (1 + waits) * costs.poll * self._model.workers)
            reports, self._reports = self._reports, []
            for seconds, seen in reports:
                yield from self._spend("scheduler", seconds)
                seen.succeed()
        yield from self._spend("scheduler", costs.finish)

    def _report(self, seconds: float) -> Any:
        """Tell the scheduler something, which takes some of its time; the event is when it has."""
        seen = self._env.event()
        self._reports.append((seconds, seen))
        self._tell()
        return seen

    def _take(self) -> tuple[FilmWindow | None, tuple[int, int]]:
        """What an idle worker gets: a window, or frames that a dead one left."""
        if self._again:
            return None, self._again.pop()
        length = partial(length_of, index=self._film.index)
        halves = partial(halve_window, index=self._film.index)
        return take_window(self._waiting, self._model.workers, length, halves), (0, 0)

    def _worker(self) -> Generator[Any, Any, None]:
        """A worker, and after its death the next one in its place."""
        speed = self._model.share * math.exp(self._chance.gauss(0, self._model.spread))
        while self._left:
            window: FilmWindow | None = None
            rest = [0, 0]
            turn: Any = self._env.event()
            self._idle.append(turn)
            self._tell()
            try:
                given: tuple[FilmWindow | None, tuple[int, int]] = yield turn
                window, rest = given[0], [*given[1]]
                yield from self._spend("skip", self._costs.request)
                if window is not None:
                    first, last, frames = self._found(window)
                    yield from self._spend("skip", frames * self._costs.skip / speed)
                    window, rest = None, [first, last]
                yield from self._dream(rest, speed)
                yield self._report(0.0)  # the window is finished; the request is
                yield self._report(0.0)
            except simpy.Interrupt:
                self._deaths += 1
                if turn in self._idle:
                    self._idle.remove(turn)
                elif turn.triggered and window is None and rest == [0, 0]:  # it was given a window at this moment
                    window, rest = turn.value[0], [*turn.value[1]]
                if window is not None:
                    self._waiting.insert(0, window)
                elif rest[0] < rest[1]:
                    self._again.append((rest[0], rest[1]))
                self._tell()
                self._absent.add(self._env.active_process)
                yield self._env.timeout(self._model.restart)
                self._absent.discard(self._env.active_process)

    def _found(self, window: FilmWindow) -> tuple[int, int, int]:
        """The first frame of a window, that after its last, and how many are decoded to find them."""
        film = self._film
        last = film.cuts[-1] if window.end is None else film.first_cut(window.end)
        if not window.begin:
            return 0, last, 0
        first, begin = film.first_cut(window.begin), film.key_before(film.lead_of_window(window.begin))
        until = film.cuts[-1] if window.end is None else math.ceil(window.end * GRID * film.rate)
        if first >= until:  # no shot begins in it
            return first, first, max(0, until - begin)
        return first, last, first - begin

    def _dream(self, rest: list[int], speed: float) -> Generator[Any, Any, None]:
        """Dream frames; `rest` is what is left of them, segment by segment."""
        costs = self._costs
        stored: Any = self._env.timeout(0)
        if rest[0] < rest[1]:
            yield from self._spend("dream", self._film.head(rest[0]) * costs.dream / speed)
        for end in self._film.segments(*rest):
            frames = end - rest[0] + self._film.head(end)
            yield from self._spend("dream", frames * costs.dream / speed)
            yield stored
            size = frames * (costs.read_bytes + costs.written_bytes)
            stored = self._env.process(self._store(rest[0], end, size))
            rest[0] = end
        yield stored

    def _store(self, first: int, end: int, size: float) -> Generator[Any, Any, None]:
        yield from self._use("storage", self._storage, size / self._model.bandwidth)
        yield self._report(self._costs.report)
        heapq.heappush(self._segments, (first, end))
        self._left -= end - first
        self._tell()

    def _end_of(self, worker: Any) -> Generator[Any, Any, None]:
        """Let a worker die, again and again."""
        rate, at_once = self._model.deaths / 3600, self._model.preempted
        while worker.is_alive:
            wait = self._chance.expovariate(rate) if rate else math.inf
            if at_once is not None and at_once - self._env.now <= wait:
                wait, at_once = at_once - self._env.now, None
            if wait == math.inf:
                return
            yield self._env.timeout(wait)
            if worker.is_alive and worker not in self._absent:
                worker.interrupt()

    def _tell(self) -> None:
        news, self._news = self._news, self._env.event()
        news.succeed()

    def _spend(self, what: str, seconds: float) -> Generator[Any, Any, None]:
        start = self._env.now
        try:
            yield self._env.timeout(seconds)
        finally:
            self._spent[what] += self._env.now - start

    def _use(self, what: str, resource: Any, seconds: float) -> Generator[Any, Any, None]:
        with resource.request() as turn:
            yield turn
            yield from self._spend(what, seconds)
