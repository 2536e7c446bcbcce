"""Runs the sections of `dreamvideo bench` one after the other until the time limit."""

from __future__ import annotations

import dataclasses
import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from dreamvideo.bench.bench_plan import BenchPlan, BenchRun, make_plan
from dreamvideo.bench.correctness import check_rows
from dreamvideo.bench.first_frame import first_frame_rows
from dreamvideo.bench.gradient_time import gradient_rows
from dreamvideo.bench.lane_batches import lane_rows
from dreamvideo.bench.live_ascent import live_rows
from dreamvideo.bench.peak_memory import memory_rows
from dreamvideo.bench.stages import stage_rows
from dreamvideo.bench.system import describe_system
from dreamvideo.bench.timing import TimeLimit
from dreamvideo.bench.video_rate import video_rows
from dreamvideo.info.results import Report, ReportSection
from dreamvideo.info.tables import TableRow
from dreamvideo.settings.bench import BenchSettings

log = logging.getLogger(__name__)


def peak_rows(run: BenchRun) -> Iterator[TableRow]:
    """Measure the peak speed of the machine."""
    yield from run.peaks.rows


SECTION_FUNCTIONS: Mapping[str, Callable[[BenchRun], Iterator[TableRow]]] = {
    "peak": peak_rows,
    "check": check_rows,
    "cold": first_frame_rows,
    "video": video_rows,
    "gradient": gradient_rows,
    "lanes": lane_rows,
    "stages": stage_rows,
    "live": live_rows,
    "memory": memory_rows,
}


def section_titles(plan: BenchPlan) -> dict[str, str]:
    """Return section -> the title of its table."""
    s = plan.settings
    size, work = f"{plan.width}x{plan.height}", f"{s.octaves} octaves x {s.iterations} x {s.octave_scale:g}"
    weights = "" if s.weights or s.model == "dreamnet" else ", random weights"
    return {
        "peak": "peak speed of this machine",
        "check": "gradient and dream, compared with float64 on the CPU",
        "cold": f"one image from scratch, {s.model}{weights}, {size}, {work}",
        "video": f"a frame of video, {s.video_model}, {size}, {work}",
        "gradient": "one gradient of an image, forward and backward",
        "lanes": "batches of images in lockstep",
        "stages": f"where a carried frame's time goes, {s.video_model}, {size}",
        "live": "dreamnet 320x240, fast enough for a live dream?",
        "memory": f"peak memory of an image from scratch, {s.model}, {size}",
    }


def run_sections(
    settings: BenchSettings,
    print_progress: Callable[[str], None],
    print_section: Callable[[ReportSection], None],
    now: datetime,
) -> Report:
    """Run the sections that `settings` ask for.

    Args:
        settings: of the command.
        print_progress: called with a line about what runs.
        print_section: called with each section when it is finished.
        now: the date of the report.

    Raises:
        DreamVideoError: a network, a device or a file cannot be used.
    """
    plan, limit = make_plan(settings), TimeLimit(settings.minutes)
    head = about_run(plan, now)
    if (head["machine"]["load"] or 0) > 0.5:
        log.warning("this machine is busy (load %s): the times will be too long", head["machine"]["load"])
    sections = []
    with tempfile.TemporaryDirectory(prefix="dreamvideo-bench-") as folder:
        run = BenchRun(plan, limit, Path(folder))
        for name in plan.sections:
            section = _run_section(run, name, print_progress)
            sections.append(section)
            print_section(section)
    return Report(head, tuple(sections))


def _run_section(run: BenchRun, name: str, print_progress: Callable[[str], None]) -> ReportSection:
    title, minutes = section_titles(run.plan)[name], run.plan.settings.minutes
    if run.limit.reached():
        return ReportSection(name, title, skipped=f"the {minutes:g} minutes are over; use a larger --minutes")
    print_progress(f"{name}: {title} ...")
    start, rows = time.monotonic(), []
    for row in SECTION_FUNCTIONS[name](run):
        rows.append(row)
        print_progress("  " + ", ".join(str(value) for value in row.values() if isinstance(value, str)))
    skipped = f"what came after {minutes:g} minutes" if run.limit.reached() else None
    return ReportSection(name, title, tuple(rows), time.monotonic() - start, skipped)


def wrong_results(report: Report) -> list[str]:
    """Return a line for each row of the check whose gradient or dream is wrong; being slow is not an error."""
    return [
        f"{row['network']} in {row['precision']} deviates from float64"
        for section in report.sections
        for row in section.rows
        if row.get("right") is False
    ]


def bench_headline(report: Report) -> str:
    """Describe the machine and the versions in one line."""
    machine, versions = report.about["machine"], report.about["versions"]
    device = "" if machine["device"] == "cpu" else f"{machine['device']}, "
    busy = f", load {machine['load']} at the start" if (machine["load"] or 0) > 0.5 else ""
    return (
        f"dreamvideo {report.about['dreamvideo']}, torch {versions['torch']}, {device}{machine['processor']}, "
        f"{machine['threads']} threads{busy}; {report.about['date']}"
    )


def about_run(plan: BenchPlan, now: datetime) -> dict[str, Any]:
    """Return versions, machine, settings and date, for the head of the report."""
    settings = {
        **dataclasses.asdict(plan.settings),
        "size": f"{plan.width}x{plan.height}",
        "rounds": plan.rounds,
        "frames": plan.frames,
    }
    about = describe_system(plan.device, settings, now)
    about["machine"]["precisions"] = list(plan.precisions)
    return about
