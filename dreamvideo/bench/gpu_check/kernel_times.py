"""The kernels of one step at the finest octave of 1080 lines, by the time that they take."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import torch
from torch.profiler import ProfilerActivity, profile

from dreamvideo.bench.gpu_check.check_plan import GpuCheck
from dreamvideo.bench.gpu_check.single_octave import one_size_ascent
from dreamvideo.bench.timing import synchronize, time_call
from dreamvideo.bench.traffic import TrafficCounter
from dreamvideo.info.tables import TableRow, format_table
from dreamvideo.kernels import graph_capture

SIZE, REHEARSED_SIZE = (1080, 1920), (64, 96)
SHOWN = 10  # kernels in the result; all are in the file
NAME_LENGTH = 90  # characters of a kernel's name; templates are long


def kernel_rows(check: GpuCheck) -> Iterator[TableRow]:
    """Profile one step without a graph: totals, then the kernels that take most time; all of them in `kernels.txt`."""
    network = check.load()
    step = one_size_ascent(check, network, check.pick(SIZE, REHEARSED_SIZE), 1)
    with graph_capture.enabled(False):
        for _ in range(3):
            step()
        seconds = median(time_call(step, check.device) for _ in range(5))
        kernels = profile_kernels(step, check.device)
        touched = touched_bytes(step)
    total = sum(time for _, time in kernels)
    yield {
        "kernel": f"all, {network.name} {network.precision_name}, one step of {1000 * seconds:.2f} ms",
        "count": len(kernels),
        "us": total,
        "%": 100.0,
        "GB_touched": touched / 1e9,
        "GB/s": touched / 1e3 / total if total else None,
    }
    rows = sum_by_name(kernels)
    (check.out / "kernels.txt").write_text("\n".join(format_table(rows)) + "\n")
    for row in rows[:SHOWN]:
        yield {**row, "kernel": str(row["kernel"])[:NAME_LENGTH]}


def sum_by_name(kernels: list[tuple[str, float]]) -> list[TableRow]:
    """Add up the microseconds of kernels of one name; most first."""
    times: dict[str, list[float]] = {}
    for name, time in kernels:
        times.setdefault(name, []).append(time)
    total = sum(time for _, time in kernels) or 1.0
    ordered = sorted(times.items(), key=lambda item: -sum(item[1]))
    return [
        {"kernel": name, "count": len(each), "us": sum(each), "%": 100 * sum(each) / total} for name, each in ordered
    ]


def profile_kernels(work: Callable[[], object], device: torch.device) -> list[tuple[str, float]]:
    """Return (name, microseconds) of every kernel and copy of one call; on a CPU of its operations, nested ones too."""
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities) as profiler:
        work()
        synchronize(device)
    with tempfile.TemporaryDirectory(prefix="dreamvideo-bench-") as folder:
        trace = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(trace))  # its names stay the same from version to version
        events = json.loads(trace.read_text())["traceEvents"]
    kinds = ("kernel", "gpu_memcpy", "gpu_memset") if on_gpu else ("cpu_op",)
    return [(event["name"], float(event["dur"])) for event in events if event.get("cat") in kinds]


def touched_bytes(work: Callable[[], object]) -> int:
    """Return the bytes that the operations of one call read and write, see `bench.traffic`."""
    with TrafficCounter() as counter:
        work()
    touched: int = counter.total.bytes
    return touched
