"""The queue of jobs: one after the other, each in a process of its own; what is in it survives a restart.

The queue is stored in the folder. What a job has finished is in the checkpoint beside its output, as on the command
line.
"""

from __future__ import annotations

import json
import logging
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Condition, Thread
from typing import Any, Final, Protocol

from dreamvideo.errors import DreamVideoError, OutputError, SettingsError, first_line
from dreamvideo.media.atomic_files import write_atomically
from dreamvideo.media.checkpoint import checkpoint_folder, is_resumable, remove_checkpoint
from dreamvideo.media.checkpoint_lock import hold_checkpoint
from dreamvideo.media.kept_part import remove_kept
from dreamvideo.studio.chosen_look import ChosenLook
from dreamvideo.studio.film_folder import FilmFolder
from dreamvideo.studio.studio_job import MOST_JOBS, OVER, QUEUE_FILE, JobState, StudioJob, stored_jobs

log = logging.getLogger(__name__)

STOP_SECONDS: Final = 60.0  # that a job has to finish its frame when the studio ends; one of 4K takes that on a CPU


class RunningJob(Protocol):
    """A process that runs a job, see `json_pipes.ChildProcess`."""

    def send(self, message: dict[str, Any]) -> None: ...
    def receive(self) -> dict[str, Any] | None: ...
    def stop(self) -> None: ...
    def close(self, seconds: float) -> None: ...


class JobQueue:
    """Runs jobs in a thread.

    Args:
        folder: of their files.
        start: starts the process of a job.
    """

    def __init__(self, folder: FilmFolder, start: Callable[[], RunningJob]) -> None:
        self._folder, self._start = folder, start
        self._changed = Condition()
        self._jobs: list[StudioJob] = stored_jobs(folder)
        self._number = max((job.number for job in self._jobs), default=0)
        self._pictures: dict[int, bytes] = {}
        self._running: tuple[StudioJob, RunningJob] | None = None
        self._closing = False
        self.version = 1  # grows with every change
        self._thread = Thread(target=self._run, name="jobs")
        self._thread.start()

    def jobs(self) -> list[dict[str, Any]]:
        """Return all jobs in their order."""
        with self._changed:
            return [job.as_json() for job in self._jobs]

    def job(self, number: int) -> StudioJob:
        """Return a job.

        Raises:
            SettingsError: there is none of this number.
        """
        with self._changed:
            for job in self._jobs:
                if job.number == number:
                    return job
        raise SettingsError(f"there is no job {number}: it was removed")

    def picture(self, number: int) -> bytes | None:
        """Return the last frame of a job as JPEG; None: there is none yet."""
        return self._pictures.get(number)

    def add(self, sources: Sequence[Path], look: ChosenLook) -> list[int]:
        """Add a job for each film or photo, with an output of its own.

        Returns:
            The numbers of the jobs.

        Raises:
            SettingsError: there are too many jobs.
        """
        with self._changed:
            self._check_room(len(sources))
            numbers = []
            for source in sources:
                output = self._folder.free_output(source, self._outputs())
                numbers.append(self._append(source, output, look))
            self._store()
            return numbers

    def add_unfinished(self, source: Path, output: Path) -> int:
        """Add a job that was begun elsewhere, whose checkpoint is there.

        Raises:
            SettingsError: there are too many jobs, or it is in the queue.
            OutputError: there is nothing to resume.
        """
        with self._changed:
            self._check_room(1)
            if not is_resumable(output):
                raise OutputError(f"nothing is left of {output.name} that could be resumed")
            if output in self._outputs():
                raise SettingsError(f"{output.name} is in the queue already")
            number = self._append(source, output, None)
            self._store()
            return number

    def _check_room(self, more: int) -> None:
        if len(self._jobs) + more > MOST_JOBS:
            raise SettingsError(f"the queue holds {len(self._jobs)} jobs: at most {MOST_JOBS}; remove finished ones")

    def _outputs(self) -> set[Path]:
        return {self._folder.root / job.output for job in self._jobs if job.state not in OVER}

    def _append(self, source: Path, output: Path, look: ChosenLook | None) -> int:
        self._number += 1
        self._jobs.append(StudioJob(self._number, self._folder.name(source), self._folder.name(output), look))
        self._touch()
        return self._number

    def pause(self, number: int) -> None:
        """Stop a job after its frame, or do not begin it; its checkpoint stays."""
        with self._changed:
            job = self.job(number)
            if job.state == "waiting":
                self._set(job, "paused")
            elif job.state == "running":
                self._set(job, "pausing")
                self._stop(job)

    def resume(self, number: int) -> None:
        """Put a job that is paused or has failed back into its place in the queue."""
        with self._changed:
            job = self.job(number)
            if job.state in ("paused", "failed"):
                job.error = None
                self._set(job, "waiting")

    def remove(self, number: int) -> None:
        """Take a job out of the queue; one that is not done is cancelled, and its checkpoint deleted."""
        with self._changed:
            job = self.job(number)
            job.removed = True
            if self._running is not None and self._running[0] is job:
                self._set(job, "pausing")
                self._stop(job)
                return
            self._forget(job)

    def close(self) -> None:
        """Pause the job that runs, and end the thread."""
        with self._changed:
            self._closing = True
            if self._running is not None:
                self._stop(self._running[0])
            self._changed.notify_all()
        self._thread.join()

    def _stop(self, job: StudioJob) -> None:
        if self._running is not None and self._running[0] is job:
            self._running[1].stop()

    def _forget(self, job: StudioJob) -> None:
        """Delete a job and, unless it is done, what it has left on the disk."""
        self._jobs.remove(job)
        self._pictures.pop(job.number, None)
        if job.state != "done" and job.count:  # else it has not begun here, and what is there is of another run
            output = self._folder.root / job.output
            with suppress(DreamVideoError, OSError):
                if checkpoint_folder(output).exists():
                    with hold_checkpoint(output) as lock:
                        remove_kept(output)
                        remove_checkpoint(lock.folder)
        self._touch()
        self._store()

    def _set(self, job: StudioJob, state: JobState) -> None:
        job.state = state
        job.fps = job.left = None
        self._touch()
        self._store()

    def _touch(self) -> None:
        self.version += 1
        self._changed.notify_all()

    def _store(self) -> None:
        content = {"version": 1, "jobs": [job.as_json() for job in self._jobs]}
        try:
            write_atomically(self._folder.root / QUEUE_FILE, json.dumps(content, indent=1).encode())
        except OSError as error:
            log.warning("the queue cannot be stored in %s: %s", self._folder.root, error.strerror)

    def _next(self) -> StudioJob | None:
        return next((job for job in self._jobs if job.state == "waiting"), None)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._next() is not None)
                job = self._next()
                if self._closing or job is None:
                    return
                self._set(job, "running")
            ended: JobState = "failed"
            try:
                ended = self._watch(job)
            except Exception as error:
                log.exception("a job failed")
                job.error = first_line(error)
            with self._changed:
                self._running = None
                self._set(job, ended)
                if job.removed:
                    self._forget(job)

    def _watch(self, job: StudioJob) -> JobState:
        """Run a job to its end; return how it ended."""
        spec = {
            "source": str(self._folder.find_source(job.source)),
            "output": str(self._folder.find(job.output)),
            "look": None if job.look is None else job.look.as_json(),
            "root": str(self._folder.root),
        }
        running = self._start()
        with self._changed:
            self._running = job, running
            running.send(spec)
            if self._closing or job.state == "pausing":
                running.stop()
        try:
            while (message := running.receive()) is not None:
                with self._changed:
                    if (ended := self._hear(job, message)) is not None:
                        return ended
        finally:
            running.close(STOP_SECONDS)
        job.error = "its process has ended, perhaps for want of memory: resume it, it goes on where it was"
        return "failed"

    def _hear(self, job: StudioJob, message: Mapping[str, Any]) -> JobState | None:
        if "picture" in message:
            self._pictures[job.number] = b64decode(message["picture"])
            job.drawn += 1
        for name in ("frames", "count", "fps", "left"):
            if name in message:
                setattr(job, name, message[name])
        self._touch()
        if "error" in message:
            job.error = str(message["error"])
            return "failed"
        return "done" if "finished" in message else "paused" if "paused" in message else None
