"""How much memory a dream from scratch takes, each way in a process of its own, above what importing torch takes.

`python -m dreamvideo.bench.peak_memory WAY JSON` is that process: it prints two numbers of bytes.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from dreamvideo.bench.bench_plan import BenchRun
from dreamvideo.info.tables import TableRow

log = logging.getLogger(__name__)

OURS = "ours "


@dataclass(frozen=True, slots=True)
class MemoryJob:
    """What one process does."""

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


def memory_rows(bench: BenchRun) -> Iterator[TableRow]:
    """Peak resident memory above the bare import; on CUDA also the device's."""
    import torch

    from dreamvideo.bench.baselines import LOOPS

    plan, s, subject = bench.plan, bench.plan.settings, bench.subject
    ways = [OURS + plan.best] if s.quick else [*(OURS + name for name in plan.precisions), *LOOPS]
    for way in ways:
        job = MemoryJob(
            way,
            subject.name,
            subject.layer,
            subject.weights,
            plan.height,
            plan.width,
            s.octaves,
            s.octave_scale,
            str(bench.device),
            torch.get_num_threads(),
        )
        yield {"way": way, **{name: value / 1e6 for name, value in measure_memory(job).items()}}


def measure_memory(job: MemoryJob) -> dict[str, float]:
    """Bytes, by name, of one job in a fresh process."""
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    words = [sys.executable, "-m", "dreamvideo.bench.peak_memory", json.dumps(asdict(job))]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}, check=False)
    if done.returncode:
        log.warning("the process that should measure the memory of %s ended with %d", job.way, done.returncode)
        return {}
    found: dict[str, float] = json.loads(done.stdout)
    return found


def resident_bytes() -> tuple[int, int]:
    """Bytes of memory that this process has, and had at most."""
    try:
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return int(status["VmRSS"].split()[0]) * 1024, int(status["VmHWM"].split()[0]) * 1024
    except (OSError, KeyError):
        import resource  # there on every Unix; its peak is in bytes on macOS

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return peak, peak


def run_memory_job(job: MemoryJob) -> dict[str, int]:
    """Dream one picture for two steps per octave, and say how much memory that took at most."""
    import torch
    import torchvision  # noqa: F401  the bare import is what every way needs

    before = resident_bytes()[0]
    import tempfile

    from dreamvideo.ascent.octaves import dream
    from dreamvideo.bench.baselines import LOOPS
    from dreamvideo.bench.networks import make_network
    from dreamvideo.bench.synthetic import synthetic_image
    from dreamvideo.models.network import load_network
    from dreamvideo.process import configure_process
    from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings

    torch.set_num_threads(job.threads)
    device = torch.device(job.device)
    image = synthetic_image(job.height, job.width).to(device)
    if job.way.startswith(OURS):
        model = ModelSettings(job.model, job.weights, device=job.device, precision=job.way.removeprefix(OURS))
        objective = ObjectiveSettings(((job.layer, 1.0),), objective="l2")
        settings = DreamSettings(
            octaves=job.octaves,
            octave_scale=job.octave_scale,
            iterations=2,
        )
        configure_process(model)
        dream(image, load_network(model, objective).score, settings)
    else:
        subject = make_network(job.model, job.layer, job.weights, Path(tempfile.gettempdir()), device)
        LOOPS[job.way](subject, image, job.octaves, job.octave_scale, 2)
    found = {"peak_MB_above_import": resident_bytes()[1] - before, "import_MB": before}
    if device.type == "cuda":
        found["peak_VRAM_MB"] = torch.cuda.max_memory_allocated(device)
    return found


if __name__ == "__main__":
    print(json.dumps(run_memory_job(MemoryJob(**json.loads(sys.argv[1])))))
