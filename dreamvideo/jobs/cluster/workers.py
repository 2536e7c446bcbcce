"""A pool of workers on Ray: one per GPU, or per group of CPU cores."""

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
from dreamvideo.jobs.cluster.transfer import StoredFile, replace_files, store_file
from dreamvideo.jobs.cluster.worker import ClusterWorker
from dreamvideo.jobs.job import JobSettings
from dreamvideo.jobs.task import ClusterTask, FinishedSegment
from dreamvideo.process import network_folder

log = logging.getLogger(__name__)

MAX_DEATHS = 3  # workers in a row that fail before they work; then another one would not help


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What a worker reports: a finished segment, an error, or, with neither, that a request is finished."""

    request: int  # what `WorkerPool.submit` returned
    segment: FinishedSegment | None = None
    error: Exception | None = None


class WorkerPool:
    """The workers of one command. They start when the pool is made, and load their networks meanwhile.

    Args:
        ray: the module, connected to a cluster.
        settings: of all jobs.
        guide: (1, 3, H, W) in [0, 1], an image whose features are dreamed; None: no guide.

    Raises:
        ClusterError: the cluster has neither a GPU nor enough CPU cores for a worker.
    """

    def __init__(self, ray: Any, settings: JobSettings, guide: Tensor | None) -> None:
        self._ray = ray
        resources = ray.cluster_resources()
        self.on_gpus = settings.model.device != "cpu" and resources.get("GPU", 0) >= 1
        threads = settings.model.threads or 1
        kind, share = ("GPU", 1) if self.on_gpus else ("CPU", threads)
        self.count = min(int(resources.get(kind, 0) // share), settings.cluster.workers or 1 << 30)
        if not self.count:
            available = int(resources.get(kind, 0))
            raise ClusterError(
                f"the cluster has {available} {kind}s, a worker needs {share}: use fewer --threads, or add machines"
            )
        if not self.on_gpus:
            settings = replace(settings, model=replace(settings.model, threads=threads))
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
        self._deaths = self._requests = 0
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
        self._requests += 1
        slot = None if self.on_gpus else self._slots[worker][1]
        stream = worker.dream.options(num_returns="streaming").remote(tasks, files, slot)
        self._pending[stream] = worker, self._requests
        return self._requests

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
        ready, _ = self._ray.wait(list(self._pending), num_returns=1, timeout=seconds, fetch_local=False)
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
                    del self._pending[reference]
                    self._slots[worker] = content, self._lowest_slot(content)
                    self._idle.append(worker)

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
        ClusterError: there is no cluster, or neither a GPU nor enough CPU cores for a worker.
    """
    assert settings.cluster.cluster is not None
    with connect_ray(settings.cluster.cluster) as ray, closing(WorkerPool(ray, settings, guide)) as pool:
        yield pool


@contextmanager
def connect_ray(address: str) -> Generator[Any, None, None]:
    """Connect to a Ray cluster.

    Args:
        address: as for `ray.init`; `local` starts a cluster of this machine alone, which ends with the block.

    Yields:
        The module `ray`.

    Raises:
        ClusterError: Ray is not installed, or the cluster cannot be reached.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise ClusterError("--cluster needs Ray: pip install 'dreamvideo[cluster]'") from None
    logging.getLogger("ray").setLevel(logging.WARNING)  # such as of a cluster that anyone who reaches it may use
    _check_address(address)
    on_term = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(
            address=address,
            include_dashboard=None if address != "local" else False,
            log_to_driver=False,
            logging_level=logging.WARNING,
            configure_logging=False,
            **({} if "://" in address else {"job_config": _own_path_job()}),
        )
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        raise _unreachable(address, error) from None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_term)  # Ray has replaced the handler
    try:
        yield ray
    finally:
        ray.shutdown()


def _own_path_job() -> Any:
    """Return the configuration of a Ray job whose workers do not import from the current folder of this process.

    By itself Ray puts that folder in front of their import path, so that a file such as cv2.py in it would be executed.
    It does not for jobs that a server of its clients started; nothing else depends on this mark, which has no public
    name.
    """
    from ray.job_config import JobConfig

    config = JobConfig()
    config._client_job = True
    return config


def _check_address(address: str) -> None:
    """Raise a ClusterError at once if nothing listens at HOST:PORT; Ray would try for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdigit():
        return  # a word, such as auto
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except OSError as error:
        raise _unreachable(address, error) from None


def _unreachable(address: str, error: Exception) -> ClusterError:
    return ClusterError(
        f"--cluster {address}: no Ray cluster can be reached there ({first_line(error)}); expected auto, local or "
        f"HOST:PORT of a running one"
    )
