"""Checks what an earlier run of a job has left, and takes over what another name of its output has."""

from __future__ import annotations

import logging
from contextlib import suppress

from dreamvideo.errors import OutputError
from dreamvideo.jobs.fingerprint import differences
from dreamvideo.jobs.job import Job, JobSettings
from dreamvideo.media import checkpoint
from dreamvideo.media.checkpoint_lock import check_free, move_checkpoint
from dreamvideo.media.remote_checkpoint import fetch_checkpoint
from dreamvideo.media.segment_records import stored_segments
from dreamvideo.media.segments import RULE

log = logging.getLogger(__name__)


def check_checkpoint(job: Job, settings: JobSettings, resume: bool, overwrite: bool) -> None:
    """Check that a job may begin or resume, given what an earlier run left.

    Args:
        job: what is dreamed into what.
        settings: of the job.
        resume: it is to go on after the finished segments.
        overwrite: they are to be deleted.

    Raises:
        OutputError: there are segments and neither was asked for, or they are of another job; another run writes them;
            or the folder is not that of a checkpoint.
    """
    folder = checkpoint.checkpoint_folder(job.output)
    if resume or not overwrite:
        fetch_checkpoint(job.output)
    if resume and not job.to_folder and not checkpoint.is_resumable(job.output):
        adopt_checkpoint(job, settings)
    check_free(job.output)
    if not folder.exists() or (overwrite and not resume):
        return
    before, segments = checkpoint.stored_job(folder), stored_segments(folder)
    if before and before.get("segments") != RULE and any(folder.glob("[0-9]*.json")):
        raise OutputError(
            f"{folder} is of an older version, which ended segments elsewhere: start again with --overwrite (-y)"
        )
    if not resume:
        if segments:
            raise OutputError(
                f"{folder} holds {len(segments)} finished segments of an earlier run: "
                f"continue with --resume, or start again with --overwrite (-y)"
            )
        return
    if before is None and segments:
        raise OutputError(f"{folder / checkpoint.JOB_FILE} is damaged: start again with --overwrite (-y)")
    try:
        now = settings.record(job, before)
    except OSError:
        return  # what is wrong with the input shows when it is opened
    if before is not None and (changes := differences(before, now)):
        raise OutputError(
            f"{folder} is of another job: {'; '.join(changes)}. "
            f"Use the same settings to resume, or start again with --overwrite (-y)"
        )


def adopt_checkpoint(job: Job, settings: JobSettings) -> None:
    """Take over the checkpoint of the same job from an output of another name in the same folder, if there is one.

    One that another run holds, or that cannot be renamed, stays: the job then begins.

    Args:
        job: a video, which has no checkpoint; images of a folder are where the earlier run has put them.
        settings: of the job.
    """
    folder = checkpoint.checkpoint_folder(job.output)
    others = [path for path in folder.parent.glob("*.checkpoint") if path != folder and checkpoint.stored_job(path)]
    if not others or folder.exists():
        return
    try:
        records = ((path, checkpoint.stored_job(path)) for path in others)
        same = [path for path, before in records if before == settings.record(job, before)]
    except OSError:
        return  # what is wrong with the input shows when it is opened
    if len(same) == 1:
        with suppress(OutputError):
            move_checkpoint(same[0], folder)
            log.warning("resuming what %s holds", same[0])
