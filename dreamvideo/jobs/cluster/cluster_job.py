"""A job on a cluster: its work units are found, and the segments that workers made are stored, on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import TypeAlias

from dreamvideo.errors import Cancelled, SourceError
from dreamvideo.frames import Source
from dreamvideo.jobs.cluster.transfer import StoredFile
from dreamvideo.jobs.image_output import publish_images
from dreamvideo.jobs.job import Job, JobResult, JobSettings, check_unchanged, min_segment_frames, open_job, source_state
from dreamvideo.jobs.job_drives import HeardSound
from dreamvideo.jobs.split import WorkUnit, split_into_units
from dreamvideo.jobs.task import ClusterTask, FinishedSegment
from dreamvideo.media.checkpoint import ResumePoint, checkpoint_folder
from dreamvideo.media.checkpoint_lock import CheckpointLock
from dreamvideo.media.segment_content import write_segment
from dreamvideo.media.segment_records import (
    Segment,
    images_folder,
    record_segment,
    segment_from_record,
    stored_carry,
    usable_segments,
)
from dreamvideo.media.video_file import translate_errors
from dreamvideo.media.video_reader import silence_reader
from dreamvideo.threads import prefetch
from dreamvideo.video.seams import split_long_shots
from dreamvideo.video.shots import single_input, split_shots


@dataclass(slots=True, eq=False)
class ClusterJob:
    """A job whose work units are being found or dreamed."""

    job: Job
    source: Source
    state: tuple[int, int]  # of its input when it was opened, see `source_state`
    files: dict[Path, StoredFile] = field(default_factory=dict)  # its input, if that is sent to workers
    started_at: float = field(default_factory=time.monotonic)
    heard: HeardSound = HeardSound()  # what its dream follows; the sound stays here
    resumed: int = 0  # frames that an earlier run finished
    open_units: int = 0  # units that are not finished
    all_found: bool = False  # every unit is known
    started: bool = False
    ended: bool = False  # finished or failed
    lock: CheckpointLock | None = None  # from its start to its end


# A job with a unit of it, or with None after its last one; or the result of a job whose input cannot be read.
Found: TypeAlias = tuple[ClusterJob, WorkUnit | None] | JobResult


def find_units(
    jobs: Sequence[Job], settings: JobSettings, should_stop: Callable[[], bool]
) -> Generator[Found, None, None]:
    """Find the work units of all jobs by decoding their inputs, the longest job first.

    Args:
        jobs: what is dreamed into what.
        settings: of all of them.
        should_stop: asked before each unit, from the thread that this runs in.

    Yields:
        Each job with each of its units, and at last with None; or a result if its input cannot be read.

    Raises:
        Cancelled: `should_stop` returned True.
    """
    alone = settings.carry.persistence == 0 or not settings.dream.iterations
    for job in sorted(jobs, key=lambda job: -_frame_count(job, settings)) if len(jobs) > 1 else jobs:
        try:
            state = source_state(job)
            with open_job(job, settings) as source:
                active = ClusterJob(job, source, state)
                shortest = min_segment_frames(job, settings)
                steps = split_shots(single_input(prefetch(source.frames), min_segment_frames=shortest), alone)
                with closing(split_into_units(split_long_shots(steps, settings.carry.split_shots))) as units:
                    for unit in units:
                        if should_stop():
                            raise Cancelled("cancelled; finished segments can be resumed")
                        yield active, unit
            yield active, None
        except SourceError as error:
            yield JobResult(job, error=error)


def _frame_count(job: Job, settings: JobSettings) -> int:
    """Return the number of frames according to the file; 0 if it cannot be read."""
    try:
        with silence_reader(), open_job(job, settings) as source:
            return source.info.frame_count or 0
    except SourceError:
        return 0


def rest_of_unit(job: Job, unit: WorkUnit) -> ClusterTask | None:
    """Return the task that is left of a unit after the segments that an earlier run finished; None: nothing.

    Args:
        job: whose unit it is.
        unit: all of it.
    """
    folder = checkpoint_folder(job.output)
    records = (segment_from_record(folder, each.number) for each in unit.segments)
    stored = [segment for segment in takewhile(lambda each: each is not None, records) if segment is not None]
    if len(stored) == len(unit.segments):
        return None
    stored = usable_segments(folder, stored)
    rest = unit.without(len(stored))
    assert rest is not None
    last = stored[-1] if stored else None
    return ClusterTask(job, rest, resume_point_after(last, stored_carry(folder, last)) if last else None)


def resume_point_after(segment: Segment, carry: bytes | None) -> ResumePoint | None:
    """Return where a unit goes on after a segment of it; None: at a cut, where the next frame needs no carry.

    Args:
        segment: the last finished one.
        carry: after its last frame.
    """
    return None if carry is None else ResumePoint(segment.through, segment.last, carry)


def store_finished(active: ClusterJob, finished: FinishedSegment) -> None:
    """Put a segment that a worker made into the checkpoint of its job; images appear in the output folder.

    Args:
        active: the job.
        finished: the segment, which need not be the next one.

    Raises:
        SourceError: the input has changed since it was opened.
        OutputError: the segment cannot be written, or its files have other names than those of a segment.
    """
    check_unchanged(active.job, active.state)
    output, segment = active.job.output, finished.segment
    folder = checkpoint_folder(output)
    assert active.lock is not None
    with translate_errors(output):
        write_segment(folder, segment, finished.files, active.job.to_folder)
        if active.job.to_folder:
            publish_images(images_folder(folder, segment.number), output, active.job.overwrite)
        record_segment(folder, replace(segment, run=active.lock.run), finished.carry)
