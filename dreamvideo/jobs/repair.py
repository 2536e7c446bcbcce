"""Dreams damaged segments of a video again, before it is resumed: from the cut before each, and no others."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from dreamvideo.jobs.film_windows import missing_windows
from dreamvideo.jobs.job import Job, JobSettings, segment_grid
from dreamvideo.jobs.job_drives import hear_job
from dreamvideo.jobs.job_output import encode_of
from dreamvideo.jobs.task import ClusterTask, FinishedSegment, dream_tasks
from dreamvideo.media.checkpoint_lock import CheckpointLock
from dreamvideo.media.segment_content import write_segment
from dreamvideo.media.segment_records import has_carry, is_whole, record_segment, stored_carry, stored_segments
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
    folder = lock.folder
    whole = [segment for segment in stored_segments(folder) if is_whole(folder, segment)]
    windows = missing_windows(whole, segment_grid(job, settings), lambda segment: has_carry(folder, segment))
    for window in windows[:-1]:
        after = window.after
        tell(f"{job.output}: a segment after frame {after.through if after else 0} is damaged, and dreamed again")
        network = load() if settings.dream.iterations else None
        carry = None if after is None else stored_carry(folder, after)
        task = ClusterTask(job, window, carry, encode_of(job, settings).codec, heard=hear_job(job, settings))
        with (
            tempfile.TemporaryDirectory(prefix="dreamvideo-") as made,
            closing(dream_tasks([task], settings, network, Path(made))) as reports,
        ):
            for each in reports:
                if isinstance(each, FinishedSegment) and each.files is not None:
                    with translate_errors(job.output):
                        write_segment(folder, each.segment, each.files, images=False)
                        record_segment(folder, replace(each.segment, run=lock.run), each.carry)
