"""Several pictures in lockstep against one at a time; on CUDA also recorded graphs against plain calls."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from types import ModuleType

import torch
from torch import Tensor

from dreamvideo.ascent.octaves import dream
from dreamvideo.bench.bench_plan import BenchRun
from dreamvideo.bench.flops import dream_flop
from dreamvideo.bench.synthetic import synthetic_image
from dreamvideo.bench.timing import median_speedup, time_interleaved
from dreamvideo.info.tables import TableRow
from dreamvideo.settings.dream import DreamSettings

# A whole dream at the program's own ratio where that is quick; elsewhere a few steps at one size.
WHOLE = DreamSettings(octaves=4, octave_scale=1.4, iterations=10)
STEPS = DreamSettings(octaves=1, iterations=2)

Run = Callable[[], Tensor]


def lane_rows(bench: BenchRun) -> Iterator[TableRow]:
    """Each network at each size: time per picture in batches of several sizes."""
    cuda = bench.device.type == "cuda"
    settings = WHOLE if cuda else STEPS
    precision = bench.plan.best
    for name in bench.plan.networks:
        subject = bench.subject_of(name)
        score = bench.network(subject, precision).score
        for height, width in bench.plan.sizes:
            if bench.clock.late():
                return
            flop = dream_flop(name, (subject.layer,), height, width, settings)
            contenders: dict[tuple[str, int], Run] = {}
            memory: dict[tuple[str, int], float] = {}
            for count in bench.plan.lanes:
                images = torch.cat([synthetic_image(height, width, seed) for seed in range(count)]).to(bench.device)
                for engine, run in graph_variants(partial(dream, images, score, settings), bench.device).items():
                    used = measure_device_memory(run, bench.device)
                    if used is not None:
                        contenders[engine, count], memory[engine, count] = run, used
            named = {f"{engine} {count}": run for (engine, count), run in contenders.items()}
            times = time_interleaved(named, bench.plan.rounds, bench.device, bench.clock, least=0.0 if cuda else 0.3)
            for (engine, count), run_used in memory.items():
                taken = [t / count for t in times[f"{engine} {count}"]]
                one = times.get(f"{engine} 1")
                yield {
                    "network": f"{name} {subject.layer}",
                    "size": f"{width}x{height}",
                    "precision": precision,
                    "engine": engine,
                    "octaves_x_steps": f"{settings.octaves} x {settings.iterations}",
                    "lanes": count,
                    "ms_per_picture": 1000 * median(taken),
                    "x_one_lane": median_speedup(one, taken) if one else None,
                    "%_of_peak": bench.peaks.share(precision, flop, median(taken)),
                    **({"peak_VRAM_MB": run_used} if cuda else {}),
                }


def measure_device_memory(run: Run, device: torch.device) -> float | None:
    """Megabytes of the device's memory that a first call took at most (0 on a CPU); None: there were not enough."""
    if device.type != "cuda":
        return 0.0
    getattr(cuda_graphs_module(), "forget", int)()  # what was recorded for other sizes counts for them
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    try:
        run()
        torch.cuda.synchronize(device)
    except torch.cuda.OutOfMemoryError:
        return None
    return torch.cuda.max_memory_allocated(device) / 1e6


def graph_variants(run: Run, device: torch.device) -> dict[str, Run]:
    """`run` as it is and, on CUDA where graphs are recorded and can be turned off, without them."""
    enabled = getattr(cuda_graphs_module(), "enabled", None)
    if device.type != "cuda" or enabled is None:
        return {"eager": run}

    def eager() -> Tensor:
        with enabled(False):
            return run()

    return {"graph": run, "eager": eager}


def cuda_graphs_module() -> ModuleType | None:
    """The module that records graphs, if this version has it."""
    try:
        return importlib.import_module("dreamvideo.ascent.cuda_graphs")
    except ImportError:
        return None
