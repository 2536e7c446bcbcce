"""Measures the peak memory of a dream from scratch, each way in a process of its own, above the import of torch.

`python -m dreamvideo.bench.peak_memory JSON` is that process: JSON holds the fields of `MemoryJob`; it prints a JSON
object of byte counts.
"""

from __future__ import annotations

import ctypes
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from dreamvideo.bench.precisions import Precision
from dreamvideo.info.tables import TableRow
from dreamvideo.process import child_environment, python_child

if TYPE_CHECKING:
    from dreamvideo.bench.bench_plan import BenchRun

log = logging.getLogger(__name__)

OURS = "ours "  # followed by a precision: this program, not a baseline


@dataclass(frozen=True, slots=True)
class MemoryJob:
    """What one process dreams, and how."""

    way: str
    model: str
    layer: str
    weights: str | None
    height: int
    width: int
    octaves: int
    octave_scale: float
    device: str
    threads: int


def memory_rows(run: BenchRun) -> Iterator[TableRow]:
    """Measure the peak resident memory above the import, on CUDA also that of the device."""
    import torch

    from dreamvideo.bench.baselines import LOOPS

    plan, s, network = run.plan, run.plan.settings, run.image_network
    ways = [OURS + plan.best_precision] if s.quick else [*(OURS + name for name in plan.precisions), *LOOPS]
    for way in ways:
        job = MemoryJob(
            way,
            network.name,
            network.layer,
            network.weights,
            plan.height,
            plan.width,
            s.octaves,
            s.octave_scale,
            str(run.device),
            torch.get_num_threads(),
        )
        yield {"way": way, **{name: value / 1e6 for name, value in measure_memory(job).items()}}


def measure_memory(job: MemoryJob) -> dict[str, float]:
    """Run one job in a fresh process; returns its byte counts by name, empty if the process failed."""
    words = python_child("-m", "dreamvideo.bench.peak_memory", json.dumps(asdict(job)))
    environment = {**child_environment(), "OMP_NUM_THREADS": str(job.threads)}
    child = subprocess.run(words, stdout=subprocess.PIPE, text=True, env=environment, check=False)
    if child.returncode:
        log.warning("the process that measures the memory of %s ended with exit code %d", job.way, child.returncode)
        return {}
    byte_counts: dict[str, float] = json.loads(child.stdout)
    return byte_counts


def resident_bytes() -> tuple[int, int]:
    """Return the resident memory of this process and its peak, in bytes."""
    try:
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return int(status["VmRSS"].split()[0]) * 1024, int(status["VmHWM"].split()[0]) * 1024
    except (OSError, KeyError):
        if sys.platform == "win32":
            return _windows_bytes()
        import resource  # exists on every Unix; its peak is in bytes on macOS, in kilobytes elsewhere

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return peak, peak


def _windows_bytes() -> tuple[int, int]:
    """Working set and its peak, by the PROCESS_MEMORY_COUNTERS of psapi.h: two DWORDs, then sizes."""
    counters = (ctypes.c_size_t * 9)()
    sizes = ctypes.sizeof(counters)
    ctypes.memmove(counters, ctypes.byref(ctypes.c_uint32(sizes)), 4)  # cb
    libraries = ctypes.windll  # type: ignore[attr-defined,unused-ignore]
    libraries.kernel32.GetCurrentProcess.restype = ctypes.c_void_p
    process = ctypes.c_void_p(libraries.kernel32.GetCurrentProcess())
    if not libraries.kernel32.K32GetProcessMemoryInfo(process, ctypes.byref(counters), ctypes.c_uint32(sizes)):
        return 0, 0
    return int(counters[2]), int(counters[1])


def run_memory_job(job: MemoryJob) -> dict[str, int]:
    """Dream one image with two steps per octave in this process; returns byte counts by name."""
    import torch
    import torchvision  # noqa: F401  the bare import, which every way needs

    before = resident_bytes()[0]
    import tempfile

    from dreamvideo.ascent.octaves import dream
    from dreamvideo.bench.baselines import LOOPS
    from dreamvideo.bench.networks import make_network
    from dreamvideo.bench.synthetic import synthetic_image
    from dreamvideo.models.network import load_network
    from dreamvideo.process import configure_process
    from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings

    device = torch.device(job.device)
    image = synthetic_image(job.height, job.width).to(device)
    if job.way.startswith(OURS):
        precision = cast(Precision, job.way.removeprefix(OURS))
        model = ModelSettings(job.model, job.weights, device=job.device, precision=precision, threads=job.threads)
        configure_process(model)
        objective = ObjectiveSettings(layers=((job.layer, 1.0),), objective="l2")
        settings = DreamSettings(octaves=job.octaves, octave_scale=job.octave_scale, iterations=2)
        dream(image, load_network(model, objective).score, settings)
    else:
        # A baseline does not configure its process, such as to keep freed memory.
        network = make_network(job.model, job.layer, job.weights, Path(tempfile.gettempdir()), device)
        LOOPS[job.way](network, image, job.octaves, job.octave_scale, 2)
    byte_counts = {"peak_MB_above_import": resident_bytes()[1] - before, "import_MB": before}
    if device.type == "cuda":
        byte_counts["peak_VRAM_MB"] = torch.cuda.max_memory_allocated(device)
    return byte_counts


if __name__ == "__main__":
    print(json.dumps(run_memory_job(MemoryJob(**json.loads(sys.argv[1])))))
