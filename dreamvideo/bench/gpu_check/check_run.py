"""Runs `dreamvideo bench gpu`: parts in processes of their own, results written as they come, all tables last."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Final

from dreamvideo.bench.gpu_check.gpu_part import PartJob
from dreamvideo.bench.timing import TimeLimit
from dreamvideo.errors import DeviceError, OutputError, printable
from dreamvideo.info.results import ReportSection, results_table
from dreamvideo.info.tables import TableRow, format_value
from dreamvideo.process import child_environment, python_child
from dreamvideo.settings.bench import GpuCheckSettings, GpuPartName
from dreamvideo.settings.network_looks import resolve_network

# What each part shows, and the seconds that it may take at most. Most take half of that.
PARTS: Final[dict[GpuPartName, tuple[str, float]]] = {
    "versions": ("what this runs on", 45),
    "tests": ("tests that need a GPU", 120),
    "kernels": ("kernels of one step at 1920x1080, without a graph", 50),
    "graphs": ("recorded graphs against plain calls, octave by octave", 60),
    "leak": ("memory from frame to frame with a network that cannot be recorded", 60),
    "fp16": ("gradients in fp16 by objective", 70),
    "carried": ("carried frames, dream alone", 75),
    "files": ("from file to file", 90),
    "lanes": ("a film of many shots by lanes", 75),
    "live": ("a live dream", 50),
}
USUAL_MINUTES: Final = 9  # a slow machine may be given more, and then its parts too
LEAST_SECONDS: Final = 15.0  # a part that would have less is left out: its process would hardly have started
STARTING_SHARE: Final = 0.85  # of its seconds, after which a part starts no further measurement; then it is ended


def check_gpu(settings: GpuCheckSettings, quiet: bool) -> int:
    """Test and measure everything on a GPU, and print the results as tables.

    Args:
        settings: which parts, how long, and the folder of the results.
        quiet: print no progress on stderr.

    Returns:
        The exit code: 0, or 1 if a part failed. Being slow is not an error.

    Raises:
        DeviceError: there is no such GPU.
        OutputError: the folder of the results cannot be written.
    """
    device, limit = device_to_check(settings.device), TimeLimit(settings.minutes)
    model = resolve_network(settings.model)
    rehearsal = ", a rehearsal: no figure counts" if device == "cpu" else ""
    out = settings.out
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "log.txt").write_text("")
        results = (out / "results.jsonl").open("w", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"--out {out} cannot be written: {error.strerror or error}") from None
    sections = []
    with results:

        def write_row(part: str, row: TableRow) -> None:
            print(json.dumps({"part": part, "at_s": round(time.monotonic() - limit.start, 1), **row}), file=results)
            results.flush()
            if not quiet:
                words = (f"{name}={format_value(value)}" for name, value in row.items() if value is not None)
                print(printable(f"{part}: {' '.join(words)}"), file=sys.stderr, flush=True)

        for name in settings.parts:
            job = PartJob(name, device, model, str(out.absolute()), 0.0)
            seconds = PARTS[name][1] * max(1.0, settings.minutes / USUAL_MINUTES)
            section = run_part(job, min(seconds, limit.remaining()), write_row)
            sections.append(section)
            if section.skipped:
                write_row(name, {"skipped": section.skipped})
            title = f"{model} on {device}{rehearsal}; {settings.minutes:g} minutes"
            text = "\n\n".join([title, *(results_table(each) for each in sections)])
            (out / "results.txt").write_text(text + "\n", encoding="utf-8")  # after each part
    print(printable(text, keep="\n"), flush=True)
    return int(any(section.skipped and section.skipped.startswith(FAILED) for section in sections))


FAILED: Final = "failed: "


def device_to_check(requested: str) -> str:
    """Return the device by its name in torch; a rehearsal is on `cpu`. Nothing is set up on a GPU."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if requested == "auto":
        return "cuda" if count else "cpu"
    if requested != "cpu" and (torch.device(requested).index or 0) >= count:
        raise DeviceError(f"--device {requested}: {count} CUDA devices found; --device cpu rehearses the check")
    return requested


def run_part(job: PartJob, seconds: float, write_row: Callable[[str, TableRow], None]) -> ReportSection:
    """Run one part in a process of its own.

    Args:
        job: its `seconds` are set here.
        seconds: after which the process is ended.
        write_row: called with the part and each row as it comes.

    Returns:
        Its rows; `skipped` says what went wrong.
    """
    title = next(title for name, (title, _) in PARTS.items() if name == job.part)
    if seconds < LEAST_SECONDS:
        return ReportSection(job.part, title, skipped="left out: its time is over; use a larger --minutes")
    job = PartJob(**{**asdict(job), "seconds": STARTING_SHARE * seconds})
    start, rows, problem = time.monotonic(), [], None
    with (Path(job.out) / "log.txt").open("a", encoding="utf-8") as log:
        print(f"== {job.part}", file=log, flush=True)
        with running_child(python_child("-m", GPU_PART, json.dumps(asdict(job))), log, seconds) as child:
            for line in child.lines:
                result = json.loads(line)
                if "row" in result:
                    rows.append(result["row"])
                    write_row(job.part, result["row"])
                else:
                    problem = FAILED + result["error"]
    if problem is None and child.out_of_time:
        problem = f"{FAILED}it had not ended after {seconds:.0f} s"
    elif problem is None and child.code:
        problem = f"{FAILED}its process ended with exit code {child.code}"
    elif problem is None and time.monotonic() - start > job.seconds:
        problem = f"what came after {job.seconds:.0f} s"
    return ReportSection(job.part, title, tuple(rows), time.monotonic() - start, problem)


GPU_PART: Final = "dreamvideo.bench.gpu_check.gpu_part"


@dataclass
class RunningChild:
    """A child process: the lines that it prints, and once it has ended how it did."""

    lines: IO[str]
    out_of_time: bool = False
    code: int = 0


@contextlib.contextmanager
def running_child(words: list[str], log: IO[str], seconds: float) -> Generator[RunningChild, None, None]:
    """Start a process, and end it with all that it has started at the end of the block, or after some seconds.

    Args:
        words: its command line.
        log: gets its stderr.
        seconds: that it may take.

    Yields:
        Its lines; take all of them.
    """
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=log, text=True, env=child_environment(), start_new_session=True
    ) as process:
        assert process.stdout is not None
        child = RunningChild(process.stdout)

        def end() -> None:
            child.out_of_time = process.poll() is None
            _kill_group(process)

        timer = threading.Timer(seconds, end)
        timer.start()
        try:
            yield child
            child.code = process.wait()
        finally:
            timer.cancel()
            _kill_group(process)


def _kill_group(process: subprocess.Popen[str]) -> None:
    if not hasattr(os, "killpg"):
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # its tests are a process of their own
