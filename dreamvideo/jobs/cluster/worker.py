"""One worker process of a cluster: its network stays loaded, and what was compiled for it, from task to task."""

from __future__ import annotations

import logging
import os
import socket
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import ray
from torch import Tensor

from dreamvideo._version import __version__
from dreamvideo.errors import ClusterError, DreamVideoError, SourceError
from dreamvideo.jobs.cluster.transfer import StoredFile, fetch_file, replace_files
from dreamvideo.jobs.job import Job, JobSettings
from dreamvideo.jobs.job_schedule import load_networks
from dreamvideo.jobs.task import ClusterTask, FinishedSegment, FinishedTask, OpenedJob, dream_tasks, open_for_workers
from dreamvideo.media.worker_folder import WorkerFolder
from dreamvideo.models.look_networks import LookNetworks
from dreamvideo.models.network import Network
from dreamvideo.process import configure_process, networks_from


class ClusterWorker:
    """A Ray actor that dreams tasks on the device that Ray assigned to its process.

    Args:
        settings: of all jobs.
        guide: (1, 3, H, W) in [0, 1], an image whose features are dreamed; None: no guide.
    """

    def __init__(self, settings: JobSettings, guide: Tensor | None) -> None:
        self._settings = settings
        self._guide = guide
        self._network: Network | LookNetworks | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="dreamvideo-")
        self._local_paths: dict[Path, Path] = {}  # path where the jobs were started -> path here

    def prepare(self, version: str, files: Mapping[Path, StoredFile], networks: Path | None = None) -> str:
        """Load the network.

        Args:
            version: of dreamvideo where the jobs were started.
            files: weights and masks to fetch from the object store.
            networks: folder from which a user's own network may be imported, see `process.networks_from`.

        Returns:
            The machine's name: nodes of Ray that share a machine share its cores.

        Raises:
            ClusterError: another version of dreamvideo is installed here.
            DreamVideoError: of the network or its device.
        """
        if version != __version__:
            raise ClusterError(f"{socket.gethostname()} has dreamvideo {__version__}: expected {version}")
        logging.getLogger("dreamvideo").setLevel(logging.ERROR)  # warnings were shown where the jobs were started
        configure_process(self._settings.model, opencv_threads=True)
        self._fetch(files)
        self._settings = replace_files(self._settings, lambda path: self._local_paths.get(path, path))
        if self._settings.dream.iterations:
            with networks_from(networks):
                self._network = load_networks(self._settings, self._guide)
        return socket.gethostname()

    @ray.method(num_returns="streaming")
    def dream(
        self, tasks: Sequence[ClusterTask], files: Mapping[Path, StoredFile], slot: int | None
    ) -> Generator[FinishedSegment | FinishedTask, None, None]:
        """Dream tasks, see `dream_tasks`.

        Args:
            tasks: of any jobs.
            files: inputs of the tasks to fetch from the object store.
            slot: which share of the machine's cores this worker may use; None: all cores.
        """
        if slot is not None:
            pin_to_cores(slot, self._settings.model.threads or 1)
        self._fetch(files)
        local = [self._local_task(task) for task in tasks]
        yield from dream_tasks(local, self._settings, self._network, Path(self._folder.name))

    @ray.method(num_returns="streaming")
    def open_jobs(
        self, jobs: Sequence[tuple[Job, WorkerFolder]], files: Mapping[Path, StoredFile]
    ) -> Generator[OpenedJob | DreamVideoError, None, None]:
        """Yield what is found in the input of each job, in order, or the error with which it cannot be read.

        Args:
            jobs: what is dreamed into what, and folders that tell whether this process sees the checkpoints.
            files: the inputs, to be fetched from the object store.
        """
        for job, folder in jobs:
            try:
                self._fetch({path: stored for path, stored in files.items() if path == job.source})
                local = replace(job, source=self._local_source(job))
                yield open_for_workers(local, self._settings, folder.is_visible())
            except DreamVideoError as error:
                yield error

    def clean_up(self) -> None:
        """Delete the files of this worker."""
        self._folder.cleanup()

    def _fetch(self, files: Mapping[Path, StoredFile]) -> None:
        for path, stored in files.items():
            if path not in self._local_paths:
                folder = Path(self._folder.name) / str(len(self._local_paths))
                folder.mkdir()
                self._local_paths[path] = fetch_file(stored, folder, ray.get)

    def _local_task(self, task: ClusterTask) -> ClusterTask:
        folder = task.folder if task.folder is not None and task.folder.is_visible() else None
        return replace(task, job=replace(task.job, source=self._local_source(task.job)), folder=folder)

    def _local_source(self, job: Job) -> Path:
        path = self._local_paths.get(job.source, job.source)
        if job.images:
            return path  # a missing image is lost by itself
        if not path.exists():
            raise SourceError(f"{path} does not exist on {socket.gethostname()}: use a shared folder, or --ship")
        return path


def pin_to_cores(slot: int, threads: int) -> None:
    """Restrict this process to its share of the machine's cores, where the system supports that.

    Args:
        slot: number of the share, from 0; shares wrap around.
        threads: cores of a share.
    """
    if not sys.platform.startswith("linux"):  # the threads of a process are listed in /proc there
        return
    cores = range(os.cpu_count() or 1)
    share = {cores[(slot * threads + i) % len(cores)] for i in range(threads)}
    for thread in os.listdir("/proc/self/task"):
        with suppress(OSError):  # the thread has ended, or these cores are not available to this process
            os.sched_setaffinity(int(thread), share)
