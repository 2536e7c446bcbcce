"""What a worker does, without Ray: opens a job, and dreams windows of it and encodes them as segments."""

from __future__ import annotations

import socket
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
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
    ends_at_seams,
    first_frame,
    masked,
    open_job,
    resume_start,
    segment_grid,
)
from dreamvideo.jobs.job_drives import HeardSound
from dreamvideo.jobs.job_output import segment_opener
from dreamvideo.jobs.job_schedule import job_schedule
from dreamvideo.media.checkpoint import ResumePoint
from dreamvideo.media.reader_log import silence_reader
from dreamvideo.media.segment_content import read_segment
from dreamvideo.media.segment_records import Segment, forget_segment, stored_carry, write_record
from dreamvideo.media.segments import write_segments
from dreamvideo.media.worker_folder import WorkerFolder
from dreamvideo.models.look_networks import LookNetworks, main_network
from dreamvideo.models.network import Network
from dreamvideo.threads import prefetch
from dreamvideo.video.judged_frames import first_cut, lead_of, lead_start
from dreamvideo.video.pipeline import dream_inputs
from dreamvideo.video.seams import SeamTracker, seam_grid
from dreamvideo.video.shots import DreamInput, part_takes_over
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


@dataclass(frozen=True, slots=True)
class _OpenTask:
    """A task and what was opened for it."""

    number: int
    source: Source
    before: int  # frames of the film before its first


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
            each = opened[number]
            yield from _finished(range(done, each.number), opened)
            task, done = tasks[each.number], each.number
            kept = task.folder
            opener = segment_opener(
                task.job, each.source.info, settings, folder if kept is None else kept.path, task.codec, maker
            )
            with closing(write_segments(prefetch(frames), task.job.output, opener, before=each.before)) as segments:
                for segment, carry in segments:
                    if kept is not None:
                        yield FinishedSegment(
                            each.number, write_record(kept.path, replace(segment, run=kept.run), carry)
                        )
                    else:
                        yield FinishedSegment(each.number, segment, carry, read_segment(folder, segment.number))
                        forget_segment(folder, segment.number)
    yield from _finished(range(done, len(tasks)), opened)


def _finished(tasks: range, opened: Sequence[_OpenTask]) -> Generator[FinishedTask, None, None]:
    lost = {each.number: each.source.lost for each in opened}
    for task in tasks:
        yield FinishedTask(task, lost.get(task, 0))


def _open_tasks(
    tasks: Sequence[ClusterTask],
    settings: JobSettings,
    opened: list[_OpenTask],
    network: Network | None,
) -> Generator[DreamInput, None, None]:
    """Open the input of each task when its frames are needed; a task in which no shot begins has none."""
    device = frames_device(settings.read, settings.dream, settings.model, network)
    jump = settings.read.frames is None  # they are counted from the beginning
    for number, task in enumerate(tasks):
        job, window, grid = task.job, task.window, segment_grid(task.job, settings)
        point, cut, takes_over, start, before = None, None, None, None, 0
        if window.after is not None:
            carry = task.carry
            if carry is None and task.folder is not None:
                carry = stored_carry(task.folder.checkpoint, window.after)
            if carry is None and window.after.carry is not None:
                raise ClusterError(f"the checkpoint of {job.output} cannot be read on {socket.gethostname()}")
            before = window.after.through
            point = ResumePoint(before, window.after.last, carry, window.after.number)
            start = resume_start(point, grid, settings)
        elif window.begin:
            found = _find_cut(task, settings, grid, network)
            if found is None:
                continue
            time, before, is_cut = found
            if is_cut:
                cut, start = time, lead_start(time, grid)
            else:
                assert settings.carry.split_shots is not None
                seams = seam_grid(settings.carry.split_shots)
                takes_over, start = time, seams.lead(seams.seam_of(time), grid)
        with silence_reader(), open_job(job, settings, start, jump=jump, device=device) as source:
            opened.append(_OpenTask(number, source, before))
            frames = masked(source.frames, settings, before=max(0, before - 1))
            schedule = job_schedule(settings, source.info, task.heard)
            first = None if start is None else partial(first_frame, job, settings, device)
            ends = ends_at_seams(settings)
            yield DreamInput(frames, point, grid, schedule, cut, window.end, first, takes_over, ends)


def _find_cut(
    task: ClusterTask, settings: JobSettings, grid: Fraction, network: Network | None
) -> tuple[Fraction, int, bool] | None:
    """The first cut or seam in a window, by small pictures, how many frames are before it, and whether it is a cut."""
    job, window = task.job, task.window
    device = frames_device(settings.read, settings.dream, settings.model, network)
    alone = settings.carry.persistence == 0 or not settings.dream.iterations
    every = settings.carry.split_shots if ends_at_seams(settings) else None
    seams = None if every is None else SeamTracker(every)
    start = lead_of(window.begin, grid) if seams is None else seams.grid.lead_of_window(window.begin, grid)
    with silence_reader(), open_job(job, settings, start, jump=True, device=device, blank=True) as source:
        frames = prefetch(masked(source.frames, settings, before=window.before))
        takes_over = partial(part_takes_over, seams)
        for_flow = settings.carrying.flow == "dis"
        found = first_cut(frames, window.begin, window.end, grid, alone, for_flow, takes_over)
    return None if found is None else (found[0], window.before + found[1], found[2])
