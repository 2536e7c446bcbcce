"""A pool of workers on Ray: one per GPU, or per group of CPU cores."""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from dreamvideo._version import __version__
from dreamvideo.errors import ClusterError, DreamVideoError, first_line
from dreamvideo.jobs.cluster.ray_cluster import check_cluster_device, connect_ray
from dreamvideo.jobs.cluster.transfer import StoredFile, replace_files, store_file
from dreamvideo.jobs.cluster.worker import ClusterWorker
from dreamvideo.jobs.flow_choice import with_flow_of
from dreamvideo.jobs.job import Job, JobSettings
from dreamvideo.jobs.task import ClusterTask, FinishedTask, Report
from dreamvideo.media.worker_folder import WorkerFolder
from dreamvideo.process import network_folder

log = logging.getLogger(__name__)

MAX_DEATHS = 3  # workers in a row that fail before they work; then another one would not help


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What a worker reports, or the error with which it ended; with neither, a request is finished."""

    request: int  # what `WorkerPool.submit` returned
    report: Report | None = None
    error: Exception | None = None


class WorkerPool:
    """The workers of one command. They start when the pool is made, and load their networks meanwhile.

    Args:
        ray: the module, connected to a cluster.
        settings: of all jobs.
        guide: (1, 3, H, W) in [0, 1], an image whose features are dreamed; None: no guide.

    Raises:
        ClusterError: the cluster has neither a GPU nor enough CPU cores for a worker, or no GPU for `--device cuda`.
    """

    def __init__(self, ray: Any, settings: JobSettings, guide: Tensor | None) -> None:
        self._ray = ray
        resources = ray.cluster_resources()
        self.on_gpus = settings.model.device != "cpu" and resources.get("GPU", 0) >= 1
        threads = settings.model.threads or 1
        kind, share = ("GPU", 1) if self.on_gpus else ("CPU", threads)
        self.count = min(int(resources.get(kind, 0) // share), settings.cluster.workers or 1 << 30)
        if settings.model.device == "cuda" and not self.on_gpus:
            raise ClusterError(
                "--device cuda: Ray has no GPU to give to a worker (see `ray status`); expected --device cpu, or a "
                "cluster that was started with GPUs"
            )
        if not self.count:
            available = int(resources.get(kind, 0))
            raise ClusterError(
                f"the cluster has {available} {kind}s, a worker needs {share}: use fewer --threads, or add machines"
            )
        if not self.on_gpus:
            # Not "auto": a worker would take a GPU that Ray has not given to it, and all of a machine the same one.
            settings = replace(settings, model=replace(settings.model, device="cpu", threads=threads))
        settings = with_flow_of(settings, "cuda" if self.on_gpus else "cpu")
        self._files: dict[Path, StoredFile] = {}  # weights and masks
        if settings.cluster.ship:
            replace_files(settings, self._ship)
        needs = {"num_gpus": 1} if self.on_gpus else {"num_cpus": threads}
        self._new_worker: Callable[[], Any] = functools.partial(
            ray.remote(ClusterWorker).options(**needs).remote, settings, guide
        )
        self._idle: list[Any] = []
        self._slots: dict[Any, tuple[str, int]] = {}  # worker -> its machine, and its share of the cores there
        self._pending: dict[Any, tuple[Any, int | None]] = {}  # reference -> worker, request; None: it prepares
        self._last_tasks: dict[int, int] = {}  # request -> index of its last task, after which nothing comes
        self._deaths = 0
        self.requests = 0  # so far
        for _ in range(self.count):
            self._start_worker()

    def _ship(self, path: Path) -> Path:
        self._files[path] = store_file(path, self.put)
        return path

    def _start_worker(self) -> None:
        worker = self._new_worker()
        self._pending[worker.prepare.remote(__version__, self._files, network_folder())] = worker, None

    @property
    def free(self) -> int:
        """How many workers have nothing to do."""
        return len(self._idle)

    @property
    def busy(self) -> bool:
        """Whether a request is in progress."""
        return any(request is not None for _, request in self._pending.values())

    def submit(self, tasks: list[ClusterTask], files: Mapping[Path, StoredFile]) -> int:
        """Give tasks to a free worker; there must be one.

        Args:
            tasks: dreamed side by side.
            files: their inputs, if they are to be fetched from the object store.

        Returns:
            The number of the request.
        """
        worker = self._idle.pop()
        slot = None if self.on_gpus else self._slots[worker][1]
        request = self._follow(worker, worker.dream.remote(tasks, files, slot))
        self._last_tasks[request] = len(tasks) - 1
        return request

    def open_jobs(self, jobs: Sequence[tuple[Job, WorkerFolder]], files: Mapping[Path, StoredFile]) -> int:
        """Let a free worker open the inputs of jobs; there must be one.

        Args:
            jobs: what is dreamed into what, and folders that tell whether the worker sees the checkpoints.
            files: the inputs, if they are to be fetched from the object store.

        Returns:
            The number of the request.
        """
        worker = self._idle.pop()
        return self._follow(worker, worker.open_jobs.remote(jobs, files))

    def _follow(self, worker: Any, stream: Any) -> int:
        self.requests += 1
        self._pending[stream] = worker, self.requests
        return self.requests

    def wait_until_ready(self) -> None:
        """Wait until all workers have loaded their networks.

        Raises:
            DreamVideoError: as `results`.
        """
        while self.free < self.count:
            for _ in self.results(1.0):
                pass

    def results(self, seconds: float) -> Generator[TaskResult, None, None]:
        """Yield what workers report; a worker that died is replaced.

        Args:
            seconds: how long to wait for the first report.

        Raises:
            DreamVideoError: a worker cannot load its network, and another could not either.
        """
        if not self._pending:
            return
        pending = list(self._pending)
        if seconds and not self._ray.wait(pending, num_returns=1, timeout=seconds, fetch_local=False)[0]:
            return
        # One look at a thousand workers takes a millisecond or two: it finds all that has come.
        ready, _ = self._ray.wait(pending, num_returns=len(pending), timeout=0, fetch_local=False)
        for reference in ready:
            worker, request = self._pending[reference]
            try:
                content = self._ray.get(reference if request is None else next(reference))
            except StopIteration:
                del self._pending[reference]
                self._idle.append(worker)
                assert request is not None
                yield TaskResult(request)
            except self._ray.exceptions.RayError as error:
                cause = error.cause if isinstance(error, self._ray.exceptions.RayTaskError) else error
                self._replace_worker(reference, cause)
                if request is not None:
                    yield TaskResult(request, error=cause)
            else:
                self._deaths = 0
                if request is not None:
                    yield TaskResult(request, content)
                else:
                    self._slots[worker] = content, self._lowest_slot(content)
                if request is None or self._is_last(request, content):
                    del self._pending[reference]
                    self._idle.append(worker)
                    if request is not None:
                        yield TaskResult(request)  # without waiting for the end of its stream

    def _is_last(self, request: int, report: Report) -> bool:
        return isinstance(report, FinishedTask) and report.task == self._last_tasks[request]

    def _replace_worker(self, reference: Any, cause: Exception) -> None:
        """Kill a worker after an error and start another; raise if it failed while it prepared, and others would."""
        worker, request = self._pending.pop(reference)
        self._slots.pop(worker, None)
        self._ray.kill(worker)  # if it is not dead, its process may be corrupt
        if request is None:
            if isinstance(cause, DreamVideoError):
                raise cause
            self._deaths += 1
            if self._deaths == MAX_DEATHS:
                raise ClusterError(f"{MAX_DEATHS} workers in a row failed before they worked: {first_line(cause)}")
        self._start_worker()

    def _lowest_slot(self, machine: str) -> int:
        used = {slot for other, slot in self._slots.values() if other == machine}
        return next(slot for slot in itertools.count() if slot not in used)

    def put(self, content: bytes) -> Any:
        """Put bytes into the object store that all workers share.

        Args:
            content: at most a few hundred megabytes.

        Returns:
            A reference, which may be sent to workers.
        """
        return self._ray.put(content)

    def close(self) -> None:
        """Stop all workers, whatever they are doing."""
        cleaning = [worker.clean_up.remote() for worker in self._idle]
        if cleaning:
            self._ray.wait(cleaning, num_returns=len(cleaning), timeout=5)
        for worker in [*self._idle, *(worker for worker, _ in self._pending.values())]:
            self._ray.kill(worker)


@contextmanager
def open_pool(settings: JobSettings, guide: Tensor | None) -> Generator[WorkerPool, None, None]:
    """Open a pool on the cluster that the settings name.

    Args:
        settings: of all jobs; `settings.cluster.cluster` is the address.
        guide: (1, 3, H, W) in [0, 1], an image whose features are dreamed; None: no guide.

    Raises:
        SettingsError: the device is one that Ray does not distribute.
        ClusterError: there is no cluster, or neither a GPU nor enough CPU cores for a worker.
    """
    assert settings.cluster.cluster is not None
    check_cluster_device(settings.model.device)
    with connect_ray(settings.cluster.cluster) as ray, closing(WorkerPool(ray, settings, guide)) as pool:
        yield pool
