"""A window of one of the films that the scheduler gives to workers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dreamvideo.jobs.cluster.cluster_job import ClusterJob
from dreamvideo.jobs.film_windows import FilmWindow, halve_window, length_of
from dreamvideo.jobs.job import Job
from dreamvideo.media.sample_frames import format_time
from dreamvideo.media.worker_folder import WorkerFolder


@dataclass(frozen=True, slots=True)
class JobWindow:
    """A window and its job."""

    active: ClusterJob
    window: FilmWindow
    folder: WorkerFolder | None = None  # of the worker that dreams it, if that sees the checkpoint

    @property
    def key(self) -> tuple[Job, int | None]:
        """Identifies the window: equal for all rests of it."""
        return self.active.job, self.window.end

    @property
    def place(self) -> str:
        """Where in which film it is, for messages."""
        grid, end = self.active.grid, self.window.end
        begin = self.window.begin * grid if self.window.after is None else self.window.after.end
        return f"{format_time(begin)} to {'its end' if end is None else format_time(end * grid)}"

    def length(self) -> int:
        """Cells of the grid."""
        return length_of(self.window, self.active.index)

    def halves(self) -> tuple[JobWindow, JobWindow] | None:
        """The window as two; None: it cannot be split."""
        halves = halve_window(self.window, self.active.index)
        return None if halves is None else (replace(self, window=halves[0]), replace(self, window=halves[1]))
