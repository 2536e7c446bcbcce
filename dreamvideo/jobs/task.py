"""What a worker does, without Ray: dreams the frames of work units and encodes them as segments."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from dreamvideo.ascent.memory_budget import MemoryBudget
from dreamvideo.frames import Frames, StreamInfo
from dreamvideo.jobs.decoding import frames_device
from dreamvideo.jobs.job import Job, JobSettings, encodes_on_device, masked, min_segment_frames, open_job
from dreamvideo.jobs.job_drives import HeardSound
from dreamvideo.jobs.job_output import segment_opener
from dreamvideo.jobs.job_schedule import job_schedule
from dreamvideo.jobs.split import WorkUnit
from dreamvideo.media.checkpoint import ResumePoint
from dreamvideo.media.segment_content import read_segment
from dreamvideo.media.segment_records import Segment, forget_segment
from dreamvideo.media.segments import write_segments
from dreamvideo.media.video_reader import silence_reader
from dreamvideo.models.look_networks import LookNetworks, main_network
from dreamvideo.models.network import Network
from dreamvideo.threads import prefetch
from dreamvideo.video.pipeline import dream_inputs
from dreamvideo.video.shots import DreamInput
from dreamvideo.yuv.encoder_planes import EncoderPlanes


@dataclass(frozen=True, slots=True)
class ClusterTask:
    """A work unit of a job, or the rest of one."""

    job: Job
    unit: WorkUnit
    resume: ResumePoint | None = None  # where it goes on, in the middle of a shot; None: at a cut, or after warmup
    codec: str | None = None  # the encoder that was chosen when the job began; None: the default
    heard: HeardSound = HeardSound()  # what its dream follows


@dataclass(frozen=True, slots=True)
class FinishedSegment:
    """A segment on its way from a worker to the scheduler."""

    task: int  # index among the tasks that the worker got
    segment: Segment
    carry: bytes | None  # after its last frame; None: the next frame needs nothing of it
    files: dict[str, bytes]  # see `read_segment`


def dream_tasks(
    tasks: Sequence[ClusterTask], settings: JobSettings, networks: Network | LookNetworks | None, folder: Path
) -> Generator[FinishedSegment, None, None]:
    """Dream tasks, several in the lanes of one device, and yield their segments as they are finished.

    Args:
        tasks: of any jobs.
        settings: of the jobs.
        networks: what dreams; None: frames pass through.
        folder: where a segment is while it is written.

    Raises:
        SourceError: an input cannot be read here.
        OutputError: the encoder cannot be used here.
        DreamVideoError: of the network or its device.
    """
    infos: list[StreamInfo] = []
    network = main_network(networks)
    budget = MemoryBudget(settings.tile.tile_side)
    on_device = encodes_on_device([task.job for task in tasks], settings, network)
    opened = _open_tasks(tasks, settings, infos, network)
    maker = None if network is None else EncoderPlanes(network.device)
    with closing(dream_inputs(opened, networks, settings.dream, settings.carrying, budget, on_device)) as dreamed:
        for number, frames in dreamed:
            job, first = tasks[number].job, tasks[number].unit.segments[0]
            opener = segment_opener(job, infos[number], settings, folder, tasks[number].codec, maker)
            with closing(write_segments(prefetch(frames), job.output, opener, first.number, first.before)) as segments:
                for segment, carry in segments:
                    yield FinishedSegment(number, segment, carry, read_segment(folder, segment.number))
                    forget_segment(folder, segment.number)


def _open_tasks(
    tasks: Sequence[ClusterTask], settings: JobSettings, infos: list[StreamInfo], network: Network | None
) -> Generator[DreamInput, None, None]:
    """Open the input of each task when its frames are needed, and append what is known of it to `infos`."""
    device = frames_device(settings.read, settings.dream, settings.model, network)
    for task in tasks:
        unit, point = task.unit, task.resume
        start = unit.start if point is None else point.time
        with silence_reader(), open_job(task.job, settings, start, jump=True, device=device) as source:
            leading = unit.warmup if point is None else 1  # frames before the first that is output
            infos.append(source.info)
            frames = masked(source.frames, settings, before=unit.segments[0].before - leading)
            frames = _limited(frames, leading + unit.frames, unit.end)
            shortest = min_segment_frames(task.job, settings)
            schedule = job_schedule(settings, source.info, task.heard)
            yield DreamInput(frames, point, unit.warmup, shortest, schedule, unit.shot_start)


def _limited(frames: Frames, count: int, end: Fraction | None) -> Frames:
    """Yield the first `count` frames; the last is shown until `end`, or for its own duration if that is None."""
    with closing(frames):
        for number, frame in enumerate(frames, 1):
            if number < count:
                yield frame
                continue
            yield frame if end is None else replace(frame, duration=end - frame.time)
            return
