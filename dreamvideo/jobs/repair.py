"""Dreams damaged segments of a video again, before it is resumed: from the cut before each, and no others."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from dreamvideo.jobs.job import Job, JobSettings
from dreamvideo.jobs.job_drives import hear_job
from dreamvideo.jobs.job_output import encode_of
from dreamvideo.jobs.split import SegmentRange, WorkUnit
from dreamvideo.jobs.task import ClusterTask, dream_tasks
from dreamvideo.media.checkpoint_lock import CheckpointLock
from dreamvideo.media.segment_content import write_segment
from dreamvideo.media.segment_records import Segment, is_whole, record_segment, stored_segments
from dreamvideo.media.video_file import translate_errors
from dreamvideo.models.look_networks import LookNetworks
from dreamvideo.models.network import Network


def repair_segments(
    job: Job,
    settings: JobSettings,
    lock: CheckpointLock,
    load: Callable[[], Network | LookNetworks],
    tell: Callable[[str], None],
) -> None:
    """Dream the segments of a video again whose bytes have changed, unless they are the last: those are resumed at.

    Args:
        job: what is dreamed into what.
        settings: of the job.
        lock: holds its checkpoint.
        load: loads the network; called if there is something to dream.
        tell: gets a line about each repair.

    Raises:
        SourceError: the input cannot be read.
        OutputError: the checkpoint cannot be written.
        DreamVideoError: of the network or its device.
    """
    if job.to_folder:
        return  # its images have left the checkpoint
    segments = {segment.number: segment for segment in stored_segments(lock.folder)}
    for unit in damaged_units(segments, lambda segment: is_whole(lock.folder, segment)):
        numbers = [each.number for each in unit.segments]
        tell(f"{job.output}: segment {numbers[-1]} is damaged: {unit.frames} frames are dreamed again")
        network = load() if settings.dream.iterations else None
        task = ClusterTask(job, unit, codec=encode_of(job, settings).codec, heard=hear_job(job, settings))
        with (
            tempfile.TemporaryDirectory(prefix="dreamvideo-") as folder,
            closing(dream_tasks([task], settings, network, Path(folder))) as finished,
        ):
            for each in finished:
                with translate_errors(job.output):
                    write_segment(lock.folder, each.segment, each.files, images=False)
                    record_segment(lock.folder, replace(each.segment, run=lock.run), each.carry)


def damaged_units(
    segments: Mapping[int, Segment], is_good: Callable[[Segment], bool]
) -> Generator[WorkUnit, None, None]:
    """Yield the segments to be dreamed again so that there is none damaged before the last good one.

    Args:
        segments: the finished ones by number; a record that is missing between them counts as damaged.
        is_good: whether a segment is as it was written.
    """
    good = [number for number in sorted(segments) if is_good(segments[number])]
    edges = {0: 0}  # frames before each segment, as far as records tell
    for number, segment in segments.items():
        edges |= {number: segment.before, number + 1: segment.through}
    for before, after in pairwise([-1, *good]):
        first = before + 1
        # From a cut on, whose time is known; at the latest from the first segment.
        while first and (first not in segments or first - 1 not in segments or segments[first - 1].carry is not None):
            first -= 1
        numbers = range(first, after)
        if after == before + 1 or not edges.keys() >= {*numbers, after}:
            continue
        starts = [segments[number].start if number in segments else Fraction(0) for number in numbers]
        ranges = [
            SegmentRange(number, edges[number], edges[number + 1] - edges[number], start)
            for number, start in zip(numbers, starts, strict=True)
        ]
        yield WorkUnit(tuple(ranges), starts[0], 0, segments[after].start)
