"""A job on a cluster: what is known of it, and its checkpoint."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from dreamvideo.errors import OutputError, SettingsError
from dreamvideo.frames import Source, StreamInfo
from dreamvideo.jobs.cluster.transfer import StoredFile
from dreamvideo.jobs.film_windows import FilmIndex, FilmWindow, missing_windows
from dreamvideo.jobs.image_output import publish_images
from dreamvideo.jobs.job import Job, JobResult, JobSettings, check_unchanged, segment_grid, source_state
from dreamvideo.jobs.job_drives import HeardSound, hear_job
from dreamvideo.jobs.job_output import begin_job, encode_of, finish_job, job_result
from dreamvideo.jobs.task import FinishedSegment, OpenedJob
from dreamvideo.media.checkpoint import is_resumable, remove_checkpoint
from dreamvideo.media.checkpoint_lock import CheckpointLock
from dreamvideo.media.concat import SegmentJoiner, check_same_encoder
from dreamvideo.media.segment_content import write_segment
from dreamvideo.media.segment_records import (
    Segment,
    forget_from,
    forget_segment,
    has_carry,
    images_folder,
    is_whole,
    record_segment,
    remove_folder,
    stored_segments,
)
from dreamvideo.media.segments import PARTS
from dreamvideo.media.video_file import translate_errors
from dreamvideo.media.video_writer import check_absent, check_encoder
from dreamvideo.media.worker_folder import WorkerFolder, take_over
from dreamvideo.settings.job import EncodeSettings

log = logging.getLogger(__name__)

# Segments that are joined before workers are asked for news again. Each takes two milliseconds; no worker waits longer.
JOINS = 8


@dataclass(slots=True, eq=False)
class ClusterJob:
    """A job that workers open or dream, whose checkpoint this process holds."""

    job: Job
    settings: JobSettings
    lock: CheckpointLock
    state: tuple[int, int]  # of its input when it began, see `source_state`
    files: dict[Path, StoredFile] = field(default_factory=dict)  # its input, if that is sent to workers
    started_at: float = 0.0  # of the monotonic clock, when a worker got a part of it; 0: none has
    info: StreamInfo = StreamInfo(0, 0)  # of its input, once a worker has opened it
    index: FilmIndex = FilmIndex(1)
    heard: HeardSound = HeardSound()  # what its dream follows; the sound stays here
    encode: EncodeSettings = EncodeSettings()  # with the encoder that was chosen when it began
    shared: bool = False  # workers see the checkpoint
    resumed: int = 0  # frames that an earlier run finished
    lost: int = 0  # packets or frames that workers could not decode
    open_windows: int = 0  # that are not finished
    segments: dict[int, Segment] = field(default_factory=dict)  # that are finished, by number
    ended: bool = False  # finished or failed
    mended: bool = False  # windows that did not meet were dreamed again as one
    joiner: SegmentJoiner | None = None  # of a video that is joined while others dream
    joined: list[Segment] = field(default_factory=list)  # that it has got
    joins_ahead: bool = True

    @property
    def folder(self) -> Path:
        """Of the checkpoint."""
        return self.lock.folder

    @property
    def grid(self) -> Fraction:
        """Seconds from one grid point to the next."""
        return segment_grid(self.job, self.settings)


def begin_cluster_job(job: Job, settings: JobSettings) -> ClusterJob:
    """Lock the output of a job.

    Args:
        job: what is dreamed into what.
        settings: of the job.

    Raises:
        SettingsError: it cannot be sent to workers.
        OutputError: it exists, or another run writes it.
    """
    if settings.cluster.ship and job.images:
        raise SettingsError(f"--ship with {job.source}: expected videos; put images into a shared folder")
    if not job.to_folder:
        check_absent(job.output, job.overwrite)
    return ClusterJob(job, settings, CheckpointLock(job.output), source_state(job))


def begin_windows(active: ClusterJob, opened: OpenedJob, resume: bool, tell: Callable[[str], None]) -> list[FilmWindow]:
    """Begin or resume the checkpoint of a job that a worker has opened.

    Args:
        active: the job.
        opened: what the worker found.
        resume: go on after the finished segments of an earlier run.
        tell: gets a line about each segment that is damaged, and about a film that one worker has to dream.

    Returns:
        What has to be dreamed.

    Raises:
        SourceError: the sound that its dream follows cannot be read.
        OutputError: the encoder cannot be used, or the checkpoint not be written.
    """
    job, settings = active.job, active.settings
    active.info = opened.info if job.images else replace(opened.info, path=job.source)
    active.index, active.shared = opened.index, opened.sees_checkpoint
    if opened.index.inexact is not None:
        tell(f"{job.source} is dreamed by one worker: {opened.index.inexact}")
    if not job.to_folder:
        check_encoder(job.output, settings.encode, active.info)
    active.heard = hear_job(job, settings)
    if resume and is_resumable(job.output):
        for path in active.folder.glob("*.worker"):
            with suppress(OSError):  # its worker may outlive a command that was killed by a moment
                remove_folder(path)
        for segment in stored_segments(active.folder):
            if not is_whole(active.folder, segment):
                tell(f"{job.output}: segment {segment.number} is damaged, and dreamed again")
                forget_segment(active.folder, segment.number)
        if not job.to_folder:
            check_same_encoder(job.output, active.info, encode_of(job, settings))
        active.segments = {segment.number: segment for segment in stored_segments(active.folder)}
        active.resumed = sum(segment.frames for segment in active.segments.values())
    else:
        begin_job(job, active.info, settings)
    active.encode = encode_of(job, settings)
    return _missing(active)


def _missing(active: ClusterJob) -> list[FilmWindow]:
    stored = [active.segments[number] for number in sorted(active.segments)]
    is_there: Callable[[Segment], bool] = lambda segment: has_carry(active.folder, segment)  # noqa: E731
    return missing_windows(stored, active.grid, is_there, counted=active.job.to_folder and not active.job.images)


def store_finished(active: ClusterJob, finished: FinishedSegment, folder: WorkerFolder | None) -> Segment:
    """Put a segment that a worker made into the checkpoint of its job; images appear in the output folder.

    Args:
        active: the job.
        finished: the segment, which need not be the next one.
        folder: of the worker, where the segment is unless it was returned.

    Returns:
        Its record.

    Raises:
        SourceError: the input has changed since it was opened.
        OutputError: the segment cannot be written, or its files have other names than those of a segment.
    """
    check_unchanged(active.job, active.state)
    output, segment = active.job.output, finished.segment

    def publish() -> None:
        if active.job.to_folder:
            publish_images(images_folder(active.folder, segment.number), output, active.job.overwrite)

    with translate_errors(output):
        if finished.files is not None:
            write_segment(active.folder, segment, finished.files, active.job.to_folder)
            publish()
            segment = record_segment(active.folder, replace(segment, run=active.lock.run), finished.carry)
        else:
            assert folder is not None
            take_over(folder, segment, publish)
    active.segments[segment.number] = segment
    return segment


def windows_that_do_not_meet(active: ClusterJob) -> list[FilmWindow]:
    """Return what is missing although all windows of a job are finished: where seeking led to other frames.

    Args:
        active: the job. Segments after the first gap are deleted.

    Returns:
        At most one window, from the gap to the end of the film.

    Raises:
        OutputError: that was dreamed already, and there is a gap again; or there is no segment at all.
    """
    if not active.segments:
        raise OutputError(f"{active.job.output} was not written: there was no frame")
    windows = _missing(active)
    if len(windows) == 1:
        return []
    if active.mended:
        raise OutputError(f"{active.job.output} cannot be joined: frames of its input are not the same twice")
    active.mended = True
    drop_joined(active)
    first = windows[0]
    number = 0 if first.after is None else first.after.number + 1
    with translate_errors(active.job.output):
        forget_from(active.folder, number)
    active.segments = {key: segment for key, segment in active.segments.items() if key < number}
    return [replace(first, end=None)]


def end_cluster_job(active: ClusterJob, should_stop: Callable[[], bool]) -> JobResult:
    """Join the segments of a job, all of which are finished.

    Args:
        active: the job.
        should_stop: whether to end.

    Raises:
        Cancelled: `should_stop` returned True.
    """
    job, source = active.job, Source(active.info, (_ for _ in ()), active.lost)
    while not should_stop() and join_ahead(active):
        pass
    is_joined = active.joiner is not None and len(active.joined) == len(active.segments)
    if active.joiner is None or not is_joined or active.joined[-1].last != active.index.last:
        drop_joined(active)
        seconds = time.monotonic() - active.started_at
        return finish_job(job, source, active.settings, active.resumed, seconds, should_stop)
    try:
        active.joiner.finish(job.overwrite)
        active.joiner = None
        remove_checkpoint(active.folder)
    except OutputError as error:
        drop_joined(active)
        return JobResult(job, error=error)
    frames = sum(segment.frames for segment in active.joined)
    return job_result(job, source, frames, active.resumed, time.monotonic() - active.started_at)


def join_ahead(active: ClusterJob) -> bool:
    """Join the segment of a video that follows those that are joined, while others are dreamed.

    Args:
        active: the job; images are not joined, nor is a video whose end is not known.

    Returns:
        Whether there was one.
    """
    end = active.index.last
    if active.job.to_folder or end is None or not active.joins_ahead:
        return False
    segment = _next_to_join(active)
    if segment is None:
        return False
    try:
        if active.joiner is None:
            comment = active.settings.comment
            active.joiner = SegmentJoiner(active.job.output, active.info, active.encode, comment, end, True)
        active.joiner.add(segment)
    except OutputError as error:  # all of it is joined at the end, where this shows again
        log.debug("%s", error)
        drop_joined(active)
        return False
    active.joined.append(segment)
    return True


def _next_to_join(active: ClusterJob) -> Segment | None:
    if not active.joined:
        return active.segments.get(0)
    last = active.joined[-1]
    for number in (last.number + 1, int(last.end // active.grid) * PARTS):
        segment = active.segments.get(number)
        if segment is not None and segment.start == last.end:
            return segment
    return None


def drop_joined(active: ClusterJob) -> None:
    """Delete what is joined of a video; all of it is joined at the end.

    Args:
        active: the job.
    """
    active.joins_ahead = False
    if active.joiner is not None:
        active.joiner.abandon()
    active.joiner = None
