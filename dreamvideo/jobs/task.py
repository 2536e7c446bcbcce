"""What a worker does, without Ray: opens a job, and dreams windows of it and encodes them as segments."""

from __future__ import annotations

import socket
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from dreamvideo.ascent.memory_budget import MemoryBudget
from dreamvideo.errors import ClusterError, DreamVideoError
from dreamvideo.frames import Source, StreamInfo
from dreamvideo.jobs.decoding import frames_device
from dreamvideo.jobs.film_index import film_index
from dreamvideo.jobs.film_windows import FilmIndex, FilmWindow
from dreamvideo.jobs.job import (
    Job,
    JobSettings,
    encodes_on_device,
    first_frame,
    masked,
    open_job,
    segment_grid,
)
from dreamvideo.jobs.job_drives import HeardSound
from dreamvideo.jobs.job_output import segment_opener
from dreamvideo.jobs.job_schedule import job_schedule
from dreamvideo.jobs.read_start import ends_at_seams, resume_start, window_start
from dreamvideo.media.checkpoint import ResumePoint
from dreamvideo.media.reader_log import silence_reader
from dreamvideo.media.segment_content import read_segment
from dreamvideo.media.segment_records import Segment, forget_segment, stored_carry, write_record
from dreamvideo.media.segments import write_segments
from dreamvideo.media.worker_folder import WorkerFolder
from dreamvideo.models.look_networks import LookNetworks, main_network
from dreamvideo.models.network import Network
from dreamvideo.threads import prefetch
from dreamvideo.video.pipeline import dream_inputs
from dreamvideo.video.shots import DreamInput
from dreamvideo.yuv.encoder_planes import EncoderPlanes


@dataclass(frozen=True, slots=True)
class ClusterTask:
    """A window of a job."""

    job: Job
    window: FilmWindow
    carry: bytes | None = None  # after the segment that it goes on after; None: it is in the checkpoint, or not needed
    codec: str | None = None  # the encoder that was chosen when the job began; None: the default
    folder: WorkerFolder | None = None  # for its segments, where the checkpoint is seen; None: they are returned
    heard: HeardSound = HeardSound()  # what its dream follows


@dataclass(frozen=True, slots=True)
class OpenedJob:
    """What a worker found in the input of a job."""

    info: StreamInfo
    index: FilmIndex
    sees_checkpoint: bool  # it can write there


@dataclass(frozen=True, slots=True)
class FinishedSegment:
    """A segment that a worker has made."""

    task: int  # index among the tasks that the worker got
    segment: Segment
    carry: bytes | None = None  # after its last frame, unless it is in the worker's folder or not needed
    files: dict[str, bytes] | None = None  # see `read_segment`; None: they are in the worker's folder


@dataclass(frozen=True, slots=True)
class FinishedTask:
    """A task of which nothing is left."""

    task: int  # index among the tasks that the worker got
    lost: int  # packets or frames that could not be decoded


Report = OpenedJob | DreamVideoError | FinishedSegment | FinishedTask  # the error: a job cannot be opened


@dataclass(slots=True)
class _OpenTask:
    """A task and what was opened for it."""

    source: Source
    before: int  # frames of the film before its first; while that is looked for, before those that are read
    lost_before: int | None = 0  # losses that are not its own; None: its first frame is not found

    def begin(self, passed: int) -> None:
        """Note that the first frame is found.

        Args:
            passed: frames that were read before it.
        """
        self.before += passed
        self.lost_before = self.source.lost

    @property
    def lost(self) -> int:
        """Packets or frames so far that could not be decoded; those before its first belong to other windows."""
        return 0 if self.lost_before is None else self.source.lost - self.lost_before


def open_for_workers(job: Job, settings: JobSettings, sees_checkpoint: bool) -> OpenedJob:
    """Open the input of a job and read where windows of it may begin.

    Args:
        job: a video or images.
        settings: of the job.
        sees_checkpoint: see `OpenedJob`.

    Raises:
        SourceError: it cannot be read here.
    """
    with open_job(job, settings) as source:
        info = source.info
    return OpenedJob(info, film_index(job, settings, info), sees_checkpoint)


def dream_tasks(
    tasks: Sequence[ClusterTask],
    settings: JobSettings,
    networks: Network | LookNetworks | None,
    folder: Path,
) -> Generator[FinishedSegment | FinishedTask, None, None]:
    """Dream tasks, several in the lanes of one device, and yield their segments as they are finished.

    Args:
        tasks: of any jobs.
        settings: of the jobs.
        networks: what dreams; None: frames pass through.
        folder: where a segment is while it is written, of a task without a folder of its own.

    Raises:
        SourceError: an input cannot be read here.
        OutputError: the encoder cannot be used here.
        DreamVideoError: of the network or its device.
    """
    opened: list[_OpenTask] = []
    network = main_network(networks)
    budget = MemoryBudget(settings.tile.tile_side)
    on_device = encodes_on_device([task.job for task in tasks], settings, network)
    inputs = _open_tasks(tasks, settings, opened, network)
    maker = None if network is None else EncoderPlanes(network.device)
    done = 0  # tasks
    with closing(dream_inputs(inputs, networks, settings.dream, settings.carrying, budget, on_device)) as dreamed:
        for number, frames in dreamed:
            yield from _finished(range(done, number), opened)
            each, task, done = opened[number], tasks[number], number
            kept = task.folder
            if kept is not None:
                kept.path.mkdir()
            opener = segment_opener(
                task.job, each.source.info, settings, folder if kept is None else kept.path, task.codec, maker
            )
            with closing(write_segments(prefetch(frames), task.job.output, opener, before=each.before)) as segments:
                for segment, carry in segments:
                    if kept is not None:
                        yield FinishedSegment(number, write_record(kept.path, replace(segment, run=kept.run), carry))
                    else:
                        yield FinishedSegment(number, segment, carry, read_segment(folder, segment.number))
                        forget_segment(folder, segment.number)
    yield from _finished(range(done, len(tasks)), opened)


def _finished(tasks: range, opened: Sequence[_OpenTask]) -> Generator[FinishedTask, None, None]:
    for task in tasks:
        yield FinishedTask(task, opened[task].lost)


def _open_tasks(
    tasks: Sequence[ClusterTask],
    settings: JobSettings,
    opened: list[_OpenTask],
    network: Network | None,
) -> Generator[DreamInput, None, None]:
    """Open the input of each task when its frames are needed."""
    device = frames_device(settings.read, settings.dream, settings.model, network)
    jump = settings.read.frames is None  # they are counted from the beginning
    for task in tasks:
        job, window, grid = task.job, task.window, segment_grid(task.job, settings)
        point, begin, start, before = None, None, None, window.before
        if window.after is not None:
            point = _resume_point(task, window.after)
            start, before = resume_start(point, grid, settings), point.frames
        elif window.begin:
            begin, start = window.begin, window_start(window.begin, grid, settings)
        with silence_reader(), open_job(job, settings, start, jump, device, late=begin is not None) as source:
            frames = masked(source.frames, settings, before=max(0, before - 1))
            with closing(prefetch(frames)) as frames:  # decode in a thread
                each = _OpenTask(source, before, 0 if begin is None else None)
                opened.append(each)
                schedule = job_schedule(settings, source.info, task.heard)
                first = None if start is None else partial(first_frame, job, settings, device)
                ends = ends_at_seams(settings)
                yield DreamInput(frames, point, grid, schedule, begin, window.end, first, ends, each.begin)


def _resume_point(task: ClusterTask, after: Segment) -> ResumePoint:
    """Where the rest of a window begins after a finished segment of it."""
    carry = task.carry
    if carry is None and task.folder is not None:
        carry = stored_carry(task.folder.checkpoint, after)
    if carry is None and after.carry is not None:
        raise ClusterError(f"the checkpoint of {task.job.output} cannot be read on {socket.gethostname()}")
    return ResumePoint(after.through, after.last, carry, after.number)
