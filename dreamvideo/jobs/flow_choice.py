"""Names the flow of jobs whose settings leave it to the device; one that is resumed keeps that of its checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dreamvideo.errors import OutputError
from dreamvideo.jobs.job import Job, JobSettings
from dreamvideo.media.checkpoint import checkpoint_folder, stored_job
from dreamvideo.motion.flow import choose_flow


def with_stored_flow(settings: JobSettings, jobs: Sequence[Job]) -> JobSettings:
    """Name the flow that resumed jobs began with, if the settings leave it to the device and a checkpoint has one.

    Args:
        settings: of all jobs.
        jobs: those that are resumed where they have a checkpoint.

    Raises:
        OutputError: the jobs began with different flows.
        SettingsError: a checkpoint has a flow that does not exist.
    """
    if settings.carry.flow != "auto" or settings.flow is not None:
        return settings
    records = (stored_job(checkpoint_folder(job.output)) or {} for job in jobs)
    stored = {str(record["flow"]) for record in records if record.get("flow", "auto") != "auto"}
    if len(stored) > 1:
        flows = " and ".join(sorted(stored))
        raise OutputError(f"got checkpoints of jobs with --flow {flows}, expected one flow: resume them one by one")
    return replace(settings, flow=stored.pop()) if stored else settings


def with_flow_of(settings: JobSettings, device_type: str) -> JobSettings:
    """Name the flow of jobs by their device, if the settings leave it to that and it has no name yet.

    Args:
        settings: of all jobs.
        device_type: of the device that dreams, such as "cuda".
    """
    if settings.carry.flow != "auto" or settings.flow is not None:
        return settings
    return replace(settings, flow=choose_flow("auto", device_type))
