"""One worker, as Ray keeps it: its network stays loaded from task to task, with all that was compiled for it."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import ray
from torch import Tensor

from dreamvideo._version import __version__
from dreamvideo.errors import ClusterError, SourceError
from dreamvideo.jobs.cluster.task import ClusterTask, FinishedSegment, dream_tasks
from dreamvideo.jobs.cluster.transfer import FilePart, unpack_files, with_local_files
from dreamvideo.jobs.job import Job, JobSettings
from dreamvideo.models.network import Network, load_network
from dreamvideo.process import configure_process


class Worker:
    """Dreams tasks on the device that Ray gave to its process."""

    def __init__(self, wishes: JobSettings, guide: Tensor | None) -> None:
        self._wishes = wishes
        self._guide = guide
        self._network: Network | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="dreamvideo-")
        self._files: dict[Path, Path] = {}

    def prepare(self, version: str, parcels: Mapping[Path, FilePart]) -> str:
        """Load the network; returns the name of the machine.

        Raises:
            ClusterError: another version of the program is installed here.
            DreamVideoError: of the network or its device.
        """
        if version != __version__:
            raise ClusterError(f"{socket.gethostname()} has dreamvideo {__version__}: expected {version}")
        logging.getLogger("dreamvideo").setLevel(logging.ERROR)  # whoever gives out the work has told it
        configure_process(self._wishes.model, opencv_threads=True)
        self._unpack(parcels)
        self._wishes = with_local_files(self._wishes, lambda path: self._files.get(path, path))
        if self._wishes.dream.iterations:
            wishes = self._wishes
            self._network = load_network(wishes.model, wishes.objective, self._guide)
        return str(ray.get_runtime_context().get_node_id())

    def dream(
        self, tasks: Sequence[ClusterTask], parcels: Mapping[Path, FilePart], place: int | None
    ) -> Generator[FinishedSegment, None, None]:
        """As `dream_tasks`.

        Args:
            parcels: the sources that came with the tasks.
            place: which share of the cores is this worker's; None: they are not shared out.
        """
        if place is not None:
            pin_to_cores(place, self._wishes.model.threads or 1)
        self._unpack(parcels)
        here = [replace(task, job=replace(task.job, source=self._at_hand(task.job))) for task in tasks]
        yield from dream_tasks(here, self._wishes, self._network, Path(self._folder.name))

    def leave(self) -> None:
        """Nothing stays here."""
        self._folder.cleanup()

    def _unpack(self, parcels: Mapping[Path, FilePart]) -> None:
        for path, parcel in parcels.items():
            if path not in self._files:
                folder = Path(self._folder.name) / str(len(self._files))
                folder.mkdir()
                self._files[path] = unpack_files(parcel, folder, ray.get)

    def _at_hand(self, job: Job) -> Path:
        path = self._files.get(job.source, job.source)
        if job.images:
            return path  # those that are not there are lost, one by one
        if not path.exists():
            raise SourceError(f"{path} is not there on {socket.gethostname()}: expected a shared folder, or --ship")
        return path


def pin_to_cores(place: int, threads: int) -> None:
    """Let this process run on its share of the machine's cores alone, where the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        return
    cores = range(os.cpu_count() or 1)
    share = {cores[(place * threads + i) % len(cores)] for i in range(threads)}
    for thread in os.listdir("/proc/self/task"):
        with suppress(OSError):  # it has ended, or these cores are not ours to use
            os.sched_setaffinity(int(thread), share)
