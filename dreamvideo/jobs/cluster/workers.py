"""Workers on Ray: one for each GPU, or for some cores; each gets work, and gives one result after another."""

from __future__ import annotations

import functools
import itertools
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from dreamvideo._version import __version__
from dreamvideo.errors import ClusterError, DreamVideoError, first_line
from dreamvideo.jobs.cluster.task import ClusterTask, FinishedSegment
from dreamvideo.jobs.cluster.transfer import FilePart, pack_files, with_local_files
from dreamvideo.jobs.cluster.worker import Worker
from dreamvideo.jobs.job import JobSettings

log = logging.getLogger(__name__)

MAX_DEATHS = 3  # of workers in a row that never got to work, before there is no use in more of them


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What a worker has to say of its work."""

    work: int  # which
    done: FinishedSegment | None = None
    error: Exception | None = None  # with neither: all that was given is done


class WorkerPool:
    """The workers of one command."""

    def __init__(self, ray: Any, wishes: JobSettings, guide: Tensor | None) -> None:
        """Start them; they load their networks meanwhile.

        Raises:
            ClusterError: there is neither a GPU nor a core for one.
        """
        self._ray = ray
        self.on_gpus = wishes.model.device != "cpu" and ray.cluster_resources().get("GPU", 0) >= 1
        threads = wishes.model.threads or 1
        kind, share = ("GPU", 1) if self.on_gpus else ("CPU", threads)
        self.count = min(int(ray.cluster_resources().get(kind, 0) // share), wishes.cluster.workers or 1 << 30)
        if not self.count:
            raise ClusterError(f"the cluster has no {share} {kind}s for a worker: expected fewer --threads")
        if not self.on_gpus:
            wishes = replace(wishes, model=replace(wishes.model, threads=threads))
        self._parcels: dict[Path, FilePart] = {}
        if wishes.cluster.ship:
            with_local_files(wishes, lambda path: self._parcels.setdefault(path, pack_files(path, self.put)))
        needs = {"num_gpus": 1} if self.on_gpus else {"num_cpus": threads}
        self._hire: Callable[[], Any] = functools.partial(ray.remote(Worker).options(**needs).remote, wishes, guide)
        self._idle: list[Any] = []
        self._places: dict[Any, tuple[str, int]] = {}  # worker -> its machine, and which share of that is its own
        self._busy: dict[Any, tuple[Any, int | None]] = {}  # what is waited for -> worker, work; None: it prepares
        self._deaths = self._given = 0
        for _ in range(self.count):
            self._begin()

    def _begin(self) -> None:
        worker = self._hire()
        self._busy[worker.prepare.remote(__version__, self._parcels)] = worker, None

    @property
    def free(self) -> int:
        """How many workers have nothing to do."""
        return len(self._idle)

    @property
    def working(self) -> bool:
        """Whether any has."""
        return any(work is not None for _, work in self._busy.values())

    def give(self, tasks: list[ClusterTask], parcels: Mapping[Path, FilePart]) -> int:
        """Have tasks done by a worker that is free; returns the number of this work.

        `parcels` are the sources of the tasks, if these were shipped.
        """
        worker = self._idle.pop()
        self._given += 1
        place = None if self.on_gpus else self._places[worker][1]
        waited = worker.dream.options(num_returns="streaming").remote(tasks, parcels, place)
        self._busy[waited] = worker, self._given
        return self._given

    def gather(self) -> None:
        """Wait until all are ready.

        Raises:
            DreamVideoError: as `results`.
        """
        while self.free < self.count:
            for _ in self.results(1.0):
                pass

    def results(self, seconds: float) -> Generator[TaskResult, None, None]:
        """What there is to be said within so many seconds.

        Raises:
            DreamVideoError: a worker cannot get ready, and no other could.
        """
        if not self._busy:
            return
        ready, _ = self._ray.wait(list(self._busy), num_returns=1, timeout=seconds, fetch_local=False)
        for waited in ready:
            worker, work = self._busy[waited]
            try:
                content = self._ray.get(waited if work is None else next(waited))
            except StopIteration:
                del self._busy[waited]
                self._idle.append(worker)
                assert work is not None
                yield TaskResult(work)
            except self._ray.exceptions.RayError as error:
                del self._busy[waited]
                self._places.pop(worker, None)
                self._ray.kill(worker)  # it is dead, or not to be trusted
                cause = error.cause if isinstance(error, self._ray.exceptions.RayTaskError) else error
                if work is None:
                    self._mourn(cause)
                self._begin()
                if work is not None:
                    yield TaskResult(work, error=cause)
            else:
                self._deaths = 0
                if work is None:
                    del self._busy[waited]
                    self._places[worker] = content, self._lowest_place(content)
                    self._idle.append(worker)
                else:
                    yield TaskResult(work, content)

    def _lowest_place(self, machine: str) -> int:
        taken = {place for other, place in self._places.values() if other == machine}
        return next(place for place in itertools.count() if place not in taken)

    def _mourn(self, cause: Exception) -> None:
        if isinstance(cause, DreamVideoError):
            raise cause
        self._deaths += 1
        if self._deaths == MAX_DEATHS:
            raise ClusterError(f"{MAX_DEATHS} workers in a row failed before they worked: {first_line(cause)}")

    def put(self, content: bytes) -> Any:
        """Bring something into the store that all workers share; returns what it is got by."""
        return self._ray.put(content)

    def close(self) -> None:
        """End all workers, whatever they do."""
        left = [worker.leave.remote() for worker in self._idle]
        if left:
            self._ray.wait(left, num_returns=len(left), timeout=5)
        for worker in [*self._idle, *(worker for worker, _ in self._busy.values())]:
            self._ray.kill(worker)


@contextmanager
def open_pool(wishes: JobSettings, guide: Tensor | None) -> Generator[WorkerPool, None, None]:
    """A crew on the cluster that `wishes` name, as long as the block lasts.

    Args:
        guide: (1, 3, H, W) what is to be dreamed of; None: no guide.

    Raises:
        ClusterError: there is no cluster, or neither a GPU nor a core for a worker.
    """
    assert wishes.cluster.cluster is not None
    with connect_ray(wishes.cluster.cluster) as ray, closing(WorkerPool(ray, wishes, guide)) as crew:
        yield crew


@contextmanager
def connect_ray(address: str) -> Generator[Any, None, None]:
    """Ray, connected to the cluster at `address`; `local`: one of this machine alone, that ends with the block.

    Raises:
        ClusterError: Ray is not installed, or there is no cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise ClusterError("--cluster needs Ray: pip install 'dreamvideo[cluster]'") from None
    logging.getLogger("ray").setLevel(logging.ERROR)
    _knock(address)
    on_term = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(
            address=address,
            include_dashboard=None if address != "local" else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=False,
        )
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        raise ClusterError(f"--cluster {address}: no Ray cluster can be reached there ({first_line(error)})") from None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_term)  # Ray puts its own in its place
    try:
        yield ray
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raise ClusterError if nobody listens at HOST:PORT; Ray itself would try for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdigit():
        return  # a word, such as auto
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except OSError as error:
        raise ClusterError(f"--cluster {address}: no Ray cluster can be reached there ({first_line(error)})") from None
