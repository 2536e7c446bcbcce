"""What jobs report while they run, and how they are cancelled: one object in place of a callback for each event."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dreamvideo.frames import Frame, StreamInfo
    from dreamvideo.jobs.job import Job, JobResult
    from dreamvideo.models.network import Network


class Observer:
    """Watches `dream_jobs` and `run_on_cluster`; this one ignores everything and never stops. Subclass it.

    All methods but `should_stop` are called from the thread that called `dream_jobs` or `run_on_cluster`, so they need
    no locks; they hold up the writing of frames, so they should return quickly. On one machine the calls of a job are
    `started`, any number of `progress`, `finished`, and one job follows another. On a cluster the calls of several jobs
    are interleaved. A job whose input cannot be read is finished without having been started.
    """

    def started(self, job: Job, info: StreamInfo, done: int, network: Network | None) -> None:
        """A job begins or resumes; called once, before its first frame is written.

        Args:
            job: what is dreamed into what.
            info: of its input; `info.frame_count` may be None or wrong.
            done: frames that an earlier run finished; they are not reported by `progress` again.
            network: what dreams it; None: nothing is dreamed, or workers of a cluster do it.
        """

    def progress(self, job: Job, frames: int) -> None:
        """More frames are finished: on one machine each frame, on a cluster each segment of up to 120 frames.

        Args:
            job: whose frames they are.
            frames: how many since the last call for this job.
        """

    def frame_finished(self, job: Job, frame: Frame) -> None:
        """A dreamed frame is finished, which `progress` counts next; called by `dream_jobs` alone.

        Args:
            job: whose frame it is.
            frame: its image may lie on a device, and must not be changed.
        """

    def message(self, text: str) -> None:
        """A line for the user, such as the number of workers, or that a worker died and its work is repeated."""

    def finished(self, result: JobResult) -> None:
        """A job ended, well or with `result.error`; called once for each job, unless the jobs are cancelled.

        A job ends when its output has its final name. `Cancelled` is raised without this call.
        """

    def should_stop(self) -> bool:
        """Whether to cancel: asked after each frame, from any thread, and so must not block.

        Once it is True the frame under way is written, what is finished is left so that it can be resumed, and
        `Cancelled` is raised.
        """
        return False
