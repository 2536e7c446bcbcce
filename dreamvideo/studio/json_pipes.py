"""A child process that talks with its parent in lines of JSON: both ends of the pipes.

What takes long, and what loads networks, runs in such a child: the page stays quick, memory returns to the system when
the child ends, and a crash ends neither the page nor another job.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from queue import SimpleQueue
from threading import Event, Lock, Thread
from types import MappingProxyType
from typing import Any

from dreamvideo.process import child_environment, python_child

Message = dict[str, Any]


class ChildProcess:
    """The parent's end.

    Args:
        module: what the child runs, a module that makes a `ParentPipe`.
        environment: more variables of its environment.
    """

    def __init__(self, module: str, environment: Mapping[str, str] = MappingProxyType({})) -> None:
        self._lock = Lock()
        # A session of its own: Ctrl-C reaches the parent alone, which then asks the child to stop.
        self._process = subprocess.Popen(
            python_child("-m", module),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**child_environment(), **environment},
            start_new_session=True,
        )

    def send(self, message: Message) -> None:
        """Send a message; does nothing if the child has ended."""
        assert self._process.stdin is not None
        with self._lock, suppress(OSError, ValueError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def receive(self) -> Message | None:
        """Wait for a message; None: the child has ended."""
        assert self._process.stdout is not None
        try:
            line = self._process.stdout.readline()
        except ValueError:  # closed by another thread
            return None
        return dict(json.loads(line)) if line.endswith(b"\n") else None

    def stop(self) -> None:
        """Ask the child to stop what it does."""
        self.send({"do": "stop"})

    def close(self, seconds: float) -> None:
        """Close the pipe to the child, which ends it; kill it if it takes longer than `seconds`."""
        assert self._process.stdin is not None and self._process.stdout is not None
        if self._lock.acquire(
            timeout=seconds
        ):  # else a thread waits for a child that does not read: killing it ends that
            with suppress(OSError):
                self._process.stdin.close()
            self._lock.release()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


class ParentPipe:
    """The child's end. What libraries print goes to stderr.

    Attributes:
        stopped: whether the parent asked to stop what it sent last, or has ended.
    """

    def __init__(self) -> None:
        self.stopped = Event()
        self._tasks: SimpleQueue[Message | None] = SimpleQueue()
        self._out = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        # Not buffered: a thread that waits for a buffer of Python's keeps the interpreter from ending.
        self._input = open(os.dup(0), "rb", buffering=0)  # noqa: SIM115  # as long as the process lives
        Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._input:
            message = json.loads(line)
            if message.get("do") == "stop":
                self.stopped.set()
            else:
                self.stopped.clear()
                self._tasks.put(message)
        self.stopped.set()
        self._tasks.put(None)

    def receive(self) -> Message | None:
        """Wait for a task; None: the parent has ended."""
        return self._tasks.get()

    def send(self, message: Message) -> None:
        """Send a message; does nothing if the parent has ended."""
        with suppress(OSError):
            self._out.write(json.dumps(message).encode() + b"\n")
            self._out.flush()
