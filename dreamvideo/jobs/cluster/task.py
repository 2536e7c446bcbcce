"""What a worker does, wherever it is: runs of frames become finished pieces."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from dreamvideo.ascent.memory_budget import MemoryBudget
from dreamvideo.frames import Frames, StreamInfo
from dreamvideo.jobs.cluster.split import WorkUnit
from dreamvideo.jobs.job import Job, JobSettings, job_encoder, min_segment_frames, open_job
from dreamvideo.media.checkpoint import Segment, segment_path
from dreamvideo.media.concat import write_segments
from dreamvideo.media.masks import with_masks
from dreamvideo.media.video_reader import silence_reader
from dreamvideo.models.network import Network
from dreamvideo.threads import prefetch
from dreamvideo.video.pipeline import InputSegment, dream_segments


@dataclass(frozen=True, slots=True)
class ClusterTask:
    """A run, or what is left of one."""

    job: Job
    run: WorkUnit
    last: Segment | None = None  # the piece before it, of the same run
    state: bytes | None = None  # what the last frame of that left


@dataclass(frozen=True, slots=True)
class FinishedSegment:
    """A finished piece on its way to the one who keeps it."""

    task: int  # which of those that were given
    piece: Segment
    state: bytes | None
    packets: bytes


def dream_tasks(
    tasks: Sequence[ClusterTask], wishes: JobSettings, network: Network | None, folder: Path
) -> Generator[FinishedSegment, None, None]:
    """The pieces of all tasks, as they are finished; several tasks fill the lanes of one device.

    Args:
        folder: where a piece is while it is under way.

    Raises:
        SourceError: an input cannot be read here.
        OutputError: the encoder cannot be used here.
        Whatever dreaming raises.
    """
    infos: list[StreamInfo] = []
    budget = MemoryBudget(wishes.tile.tile_side)
    with closing(
        dream_segments(_stretches(tasks, wishes, infos), network, wishes.dream, wishes.carry, budget)
    ) as streams:
        for number, dreamed in streams:
            job, before = tasks[number].job, tasks[number].run.spans[0].before
            ahead = prefetch(dreamed)
            made = write_segments(ahead, folder, job.output, job_encoder(job, infos[number], wishes), before)
            with closing(ahead), closing(made) as pieces:
                for piece, state in pieces:
                    path = segment_path(folder, piece.number)
                    yield FinishedSegment(number, piece, state, path.read_bytes())
                    path.unlink()


def _stretches(
    tasks: Sequence[ClusterTask], wishes: JobSettings, infos: list[StreamInfo]
) -> Generator[InputSegment, None, None]:
    for task in tasks:
        run, first = task.run, task.run.spans[0]
        goes_on = task.last is not None and task.state is not None
        opening = task.last.last if task.last is not None and goes_on else run.opening
        with silence_reader(), open_job(task.job, wishes, opening, jump=True) as source:
            frames = source.frames
            if wishes.mask.mask is not None:
                frames = with_masks(
                    frames, Path(wishes.mask.mask), wishes.read, before=first.before - goes_on - run.runup
                )
            infos.append(source.info)
            before = next(frames) if goes_on else None
            kept = _limited(frames, run.runup + run.frames, run.end)
            yield InputSegment(kept, first.number, before, task.state, run.runup, min_segment_frames(task.job, wishes))


def _limited(frames: Frames, count: int, end: Fraction | None) -> Frames:
    """The first `count` frames, the last of which is shown until `end`; None: as long as it says."""
    with closing(frames):
        for number, frame in enumerate(frames, 1):
            if number < count:
                yield frame
                continue
            yield frame if end is None else replace(frame, duration=end - frame.time)
            return
