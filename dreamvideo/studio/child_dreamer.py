"""The process of pictures, started when it is needed, and again after it has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from threading import Lock
from typing import Any

from dreamvideo.studio.json_pipes import ChildProcess

# Beside a job, threads that wait must not keep the cores: they would take them from those that work.
_SHARING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
_PATIENCE = 5.0  # seconds that the process has to end by itself


class ChildDreamer:
    """Runs tasks in a process of its own; called by one thread, closed by another."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._child: ChildProcess | None = None
        self._closed = False

    def start(self) -> None:
        """Start the process, which then loads its libraries, while the user looks for a film."""
        with self._lock:
            if self._child is None and not self._closed:
                self._child = ChildProcess("dreamvideo.studio.look_process", _SHARING)

    def __call__(self, task: Mapping[str, Any], should_stop: Callable[[], bool]) -> Iterator[Mapping[str, Any]]:
        """Run a task; yields its answers, an `error` last if it failed."""
        self.start()
        child = self._child
        if child is None:
            return
        child.send(dict(task))
        asked = False
        while (answer := child.receive()) is not None:
            if answer.get("done"):
                return
            yield answer
            if "error" in answer:
                return
            if should_stop() and not asked:
                asked = True
                child.stop()
        with self._lock:
            if self._closed:
                return
            self._child = None
        child.close(_PATIENCE)
        yield {"error": "the process that dreams pictures has ended, perhaps for want of memory: try again"}

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._closed = True
            child, self._child = self._child, None
        if child is not None:
            child.stop()
            child.close(_PATIENCE)
