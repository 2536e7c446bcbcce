"""The commands video and frames."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dreamvideo.commands.console import announce_network, one_line, print_error, print_summary, tell
from dreamvideo.commands.exits import DONE, INTERRUPTED, SOME_FAILED, exit_code
from dreamvideo.commands.network import load_guide, load_requested_network
from dreamvideo.commands.options import settings_from
from dreamvideo.commands.plan import plan_outputs
from dreamvideo.commands.sheets import run_preview
from dreamvideo.commands.summary import SummaryRow
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.job import (
    ClusterSettings,
    EncodeSettings,
    MaskSettings,
    PreviewSettings,
    ReadSettings,
    SequenceSettings,
    TileSettings,
)

if TYPE_CHECKING:
    from dreamvideo.frames import Source
    from dreamvideo.jobs.job import Job, JobResult, JobSettings
    from dreamvideo.models.network import Network


def run_video(arguments: argparse.Namespace) -> int:
    """dreamvideo video INPUT..."""
    if settings_from(arguments, PreviewSettings).preview is not None:
        return run_preview(arguments)
    from dreamvideo.jobs.job import Job, check_checkpoint
    from dreamvideo.media.video_writer import check_encoder

    encode = settings_from(arguments, EncodeSettings)
    jobs = [Job(*pair) for pair in plan_outputs(arguments, "videos")]
    if encode.codec is not None:
        for output in {job.output.suffix: job.output for job in jobs}.values():
            check_encoder(output, encode)
    wishes = _wishes(arguments)
    for job in jobs:
        check_checkpoint(job, wishes, arguments.resume, arguments.overwrite)
    return dream_files(arguments, jobs, wishes)


def run_frames(arguments: argparse.Namespace) -> int:
    """dreamvideo frames FOLDER..."""
    from dreamvideo.jobs.job import check_checkpoint
    from dreamvideo.jobs.plan_frames import plan_frames
    from dreamvideo.media.video_writer import check_encoder

    wishes = _wishes(arguments)
    overwrite, skip, resume = arguments.overwrite, arguments.skip_existing, arguments.resume
    say = functools.partial(tell, arguments)
    job = plan_frames(arguments.inputs, arguments.output, wishes.read, wishes.sequence, say, overwrite, skip, resume)
    if job is None:
        return DONE
    if wishes.encode.codec is not None and not job.to_folder:
        check_encoder(job.output, wishes.encode)
    check_checkpoint(job, wishes, resume, overwrite or (skip and job.to_folder))
    return dream_files(arguments, [job], wishes)


def _wishes(arguments: argparse.Namespace) -> JobSettings:
    from dreamvideo.jobs.job import JobSettings

    under, carry = settings_from(arguments, MaskSettings), settings_from(arguments, CarrySettings)
    sequence = settings_from(arguments, SequenceSettings)
    if under.mask is not None:
        from dreamvideo.media.masks import check_mask

        check_mask(Path(under.mask))
    return JobSettings(
        settings_from(arguments, ReadSettings),
        settings_from(arguments, ModelSettings),
        settings_from(arguments, ObjectiveSettings),
        settings_from(arguments, DreamSettings),
        dataclasses.replace(carry, persistence=0.0) if sequence.independent else carry,
        under,
        settings_from(arguments, EncodeSettings),
        sequence,
        settings_from(arguments, ClusterSettings),
        settings_from(arguments, TileSettings),
    )


def dream_files(arguments: argparse.Namespace, jobs: list[Job], wishes: JobSettings) -> int:
    """Dream videos, and say how each went."""
    from dreamvideo.commands.progress import job_bar
    from dreamvideo.jobs.cancel import cancel_on_signals
    from dreamvideo.jobs.runner import dream_jobs

    def begin(job: Job, source: Source, done: int, network: Network | None) -> None:
        if network is not None:
            announce_network(arguments, job.source, f"{source.info.width}x{source.info.height}", network)
        if done:
            tell(arguments, f"{job.output}: going on after {done} frames")

    rows: list[SummaryRow] = []
    failures = incomplete = 0

    def report(outcome: JobResult, passed: Callable[[], None]) -> None:
        nonlocal failures, incomplete
        incomplete += bool(outcome.lost and outcome.job.pictures)
        rows.append(_row(outcome))
        passed()
        if outcome.error is not None:
            failures += 1
            print_error(outcome.error)
            return
        lost = f", {outcome.lost} lost" if outcome.lost else ""
        rate = f" ({outcome.made / outcome.seconds:.1f} fps)" if outcome.made else ""
        tell(arguments, f"{outcome.job.output}: {outcome.frames} frames in {outcome.seconds:.1f} s{rate}{lost}")

    hidden = arguments.quiet > 0
    with (
        cancel_on_signals(lambda: tell(arguments, "ending after this frame; again: at once"), INTERRUPTED) as stopped,
        job_bar(len(jobs), hidden) as passed,
    ):
        load, tell_how = functools.partial(load_requested_network, arguments), functools.partial(report, passed=passed)
        try:
            if wishes.cluster.cluster is not None:
                from dreamvideo.jobs.cluster.scheduler import run_on_cluster
                from dreamvideo.jobs.cluster.workers import open_pool

                begin_there, say = functools.partial(begin, network=None), functools.partial(tell, arguments)
                with open_pool(wishes, load_guide(wishes.objective.guide)) as crew:
                    run_on_cluster(crew, jobs, wishes, begin_there, tell_how, say, stopped, arguments.resume, hidden)
            else:
                dream_jobs(jobs, wishes, load, begin, tell_how, stopped, arguments.resume, hidden)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"go on with: {_again(arguments)}") from None
    print_summary(arguments, rows)
    return exit_code(failures, len(jobs)) or (SOME_FAILED if incomplete else DONE)


def _row(outcome: JobResult) -> SummaryRow:
    result = str(outcome.job.output) if outcome.error is None else f"failed: {one_line(outcome.error)}"
    counts = outcome.frames, outcome.made, outcome.seconds, outcome.lost
    return SummaryRow(str(outcome.job.source), result, *counts)


def _again(arguments: argparse.Namespace) -> str:
    words = [word for word in arguments.words if word != "--resume"]
    if arguments.run is run_frames and arguments.skip_existing:  # what was skipped then is so again
        return shlex.join(["dreamvideo", *words])
    return shlex.join(["dreamvideo", *words, "--resume"])
