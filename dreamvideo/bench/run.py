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

from dreamvideo.bench.check import check
from dreamvideo.bench.cold import cold
from dreamvideo.bench.gradient import gradients
from dreamvideo.bench.lanes import lanes
from dreamvideo.bench.live import live
from dreamvideo.bench.machine import facts
from dreamvideo.bench.memory import memory
from dreamvideo.bench.plan import Bench, Plan, make_plan
from dreamvideo.bench.report import Report, Row, Section
from dreamvideo.bench.settings import BenchSettings
from dreamvideo.bench.stages import stages
from dreamvideo.bench.timing import Clock
from dreamvideo.bench.video import video

log = logging.getLogger(__name__)


def peak(bench: Bench) -> Iterator[Row]:
    """What the machine can do at best."""
    yield from bench.peaks.rows


BODIES: Mapping[str, Callable[[Bench], Iterator[Row]]] = {
    "peak": peak,
    "check": check,
    "cold": cold,
    "video": video,
    "gradient": gradients,
    "lanes": lanes,
    "stages": stages,
    "live": live,
    "memory": memory,
}


def titles(plan: Plan) -> dict[str, str]:
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


def run(settings: BenchSettings, say: Callable[[str], None], done: Callable[[Section], None], now: datetime) -> Report:
    """Measure what `settings` ask for.

    Args:
        say: told what is being done.
        done: told each section when it is finished.
        now: the date that stands in the report.

    Raises:
        DreamVideoError: a network, a device or a file is not there.
    """
    plan, clock = make_plan(settings), Clock(settings.minutes)
    head = about(plan, now)
    if (head["machine"]["load"] or 0) > 0.5:
        log.warning("other work keeps this machine busy (load %s): times will be too long", head["machine"]["load"])
    sections = []
    with tempfile.TemporaryDirectory(prefix="dreamvideo-bench-") as folder:
        bench = Bench(plan, clock, Path(folder))
        for name in plan.sections:
            section = _section(bench, name, say)
            sections.append(section)
            done(section)
    return Report(head, tuple(sections))


def _section(bench: Bench, name: str, say: Callable[[str], None]) -> Section:
    title, minutes = titles(bench.plan)[name], bench.plan.settings.minutes
    if bench.clock.late():
        return Section(name, title, skipped=f"{minutes:g} minutes are over; --minutes gives more")
    say(f"{name}: {title} ...")
    began, rows = time.monotonic(), []
    for row in BODIES[name](bench):
        rows.append(row)
        say("  " + ", ".join(str(value) for value in row.values() if isinstance(value, str)))
    late = f"what came after {minutes:g} minutes" if bench.clock.late() else None
    return Section(name, title, tuple(rows), time.monotonic() - began, late)


def failures(report: Report) -> list[str]:
    """What was wrong, not slow: rows of the check that are not right."""
    return [
        f"{row['network']} in {row['precision']} departs from float64"
        for section in report.sections
        for row in section.rows
        if row.get("right") is False
    ]


def headline(report: Report) -> str:
    """The machine and the versions, in one line."""
    machine, versions = report.about["machine"], report.about["versions"]
    device = "" if machine["device"] == "cpu" else f"{machine['device']}, "
    busy = f", load {machine['load']} when it began" if (machine["load"] or 0) > 0.5 else ""
    return (
        f"dreamvideo {report.about['dreamvideo']}, torch {versions['torch']}, {device}{machine['processor']}, "
        f"{machine['threads']} threads{busy}; {report.about['date']}"
    )


def about(plan: Plan, now: datetime) -> dict[str, Any]:
    """Versions, machine, settings and date, for the report."""
    settings = {
        **dataclasses.asdict(plan.settings), "size": f"{plan.width}x{plan.height}",
        "rounds": plan.rounds, "frames": plan.frames,
    }  # fmt: skip
    found = facts(plan.device, settings, now)
    found["machine"]["precisions"] = list(plan.precisions)
    return found
