"""The command's body: the sections one after the other until the time is up, each printed when it is done."""

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


def peak_rows(bench: BenchRun) -> Iterator[TableRow]:
    """What the machine can do at best."""
    yield from bench.peaks.rows


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
    """What each table says, in one line."""
    s = plan.settings
    size, work = f"{plan.width}x{plan.height}", f"{s.octaves} octaves x {s.iterations} x {s.octave_scale:g}"
    weights = "" if s.weights or s.model == "dreamnet" else ", random weights"
    return {
        "peak": "what this machine can do at best",
        "check": "gradient and dream against float64 on the CPU",
        "cold": f"one picture from scratch, {s.model}{weights}, {size}, {work}",
        "video": f"a frame of video, {s.video_model}, {size}, {work}",
        "gradient": "one gradient, forward and back to the picture",
        "lanes": "pictures in lockstep",
        "stages": f"where a carried frame's time goes, {s.video_model}, {size}",
        "live": "dreamnet 320x240, quick enough to look at?",
        "memory": f"peak memory of a picture from scratch, {s.model}, {size}",
    }


def run_sections(
    settings: BenchSettings, say: Callable[[str], None], done: Callable[[ReportSection], None], now: datetime
) -> Report:
    """Measure what `settings` ask for.

    Args:
        say: told what is being done.
        done: told each section when it is finished.
        now: the date that stands in the report.

    Raises:
        DreamVideoError: a network, a device or a file is not there.
    """
    plan, clock = make_plan(settings), TimeLimit(settings.minutes)
    head = about_run(plan, now)
    if (head["machine"]["load"] or 0) > 0.5:
        log.warning("other work keeps this machine busy (load %s): times will be too long", head["machine"]["load"])
    sections = []
    with tempfile.TemporaryDirectory(prefix="dreamvideo-bench-") as folder:
        bench = BenchRun(plan, clock, Path(folder))
        for name in plan.sections:
            section = _section(bench, name, say)
            sections.append(section)
            done(section)
    return Report(head, tuple(sections))


def _section(bench: BenchRun, name: str, say: Callable[[str], None]) -> ReportSection:
    title, minutes = section_titles(bench.plan)[name], bench.plan.settings.minutes
    if bench.clock.late():
        return ReportSection(name, title, skipped=f"{minutes:g} minutes are over; --minutes gives more")
    say(f"{name}: {title} ...")
    began, rows = time.monotonic(), []
    for row in SECTION_FUNCTIONS[name](bench):
        rows.append(row)
        say("  " + ", ".join(str(value) for value in row.values() if isinstance(value, str)))
    late = f"what came after {minutes:g} minutes" if bench.clock.late() else None
    return ReportSection(name, title, tuple(rows), time.monotonic() - began, late)


def wrong_results(report: Report) -> list[str]:
    """What was wrong, not slow: rows of the check that are not right."""
    return [
        f"{row['network']} in {row['precision']} departs from float64"
        for section in report.sections
        for row in section.rows
        if row.get("right") is False
    ]


def bench_headline(report: Report) -> str:
    """The machine and the versions, in one line."""
    machine, versions = report.about["machine"], report.about["versions"]
    device = "" if machine["device"] == "cpu" else f"{machine['device']}, "
    busy = f", load {machine['load']} when it began" if (machine["load"] or 0) > 0.5 else ""
    return (
        f"dreamvideo {report.about['dreamvideo']}, torch {versions['torch']}, {device}{machine['processor']}, "
        f"{machine['threads']} threads{busy}; {report.about['date']}"
    )


def about_run(plan: BenchPlan, now: datetime) -> dict[str, Any]:
    """Versions, machine, settings and date, for the report."""
    settings = {
        **dataclasses.asdict(plan.settings),
        "size": f"{plan.width}x{plan.height}",
        "rounds": plan.rounds,
        "frames": plan.frames,
    }
    found = describe_system(plan.device, settings, now)
    found["machine"]["precisions"] = list(plan.precisions)
    return found
