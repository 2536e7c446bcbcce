"""Several pictures in lockstep against one at a time; on CUDA also recorded graphs against plain calls."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import partial
from statistics import median

import torch

from dreamvideo.bench.flops import dream_flop
from dreamvideo.bench.pictures import still
from dreamvideo.bench.plan import Bench
from dreamvideo.bench.report import Row
from dreamvideo.bench.subjects import Subject
from dreamvideo.bench.timing import interleaved, ratio
from dreamvideo.dream import dream
from dreamvideo.models import Network
from dreamvideo.settings import DreamSettings, ModelSettings

# A whole dream at the program's own ratio where that is quick; elsewhere a few steps at one size.
WHOLE = DreamSettings(octaves=4, octave_scale=1.4, iterations=10)
STEPS = DreamSettings(octaves=1, iterations=2)

# Names under which a setting could turn recorded graphs off; where there is none, nothing is compared.
SWITCHES = ("graph", "graphs", "cuda_graph", "cuda_graphs")


def lanes(bench: Bench) -> Iterator[Row]:
    """Each network at each size: time per picture in batches of several sizes."""
    cuda = bench.device.type == "cuda"
    settings = WHOLE if cuda else STEPS
    precision = bench.plan.precisions[-1]
    for name in bench.plan.networks:
        subject = bench.subject_of(name)
        engines = engines_of(bench, subject, precision)
        for height, width in bench.plan.sizes:
            if bench.clock.late():
                return
            flop = dream_flop(name, (subject.layer,), height, width, settings)
            contenders, memory = {}, {}
            for engine, network in engines.items():
                for count in bench.plan.lanes:
                    images = torch.cat([still(height, width, seed) for seed in range(count)]).to(bench.device)
                    run = partial(dream, images, network.score, settings)
                    used = fits(run, bench.device)
                    if used is not None:
                        contenders[engine, count], memory[engine, count] = run, used
            named = {f"{engine} {count}": run for (engine, count), run in contenders.items()}
            times = interleaved(named, bench.plan.rounds, bench.device, bench.clock, least=0.0 if cuda else 0.3)
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
                    "x_one_lane": ratio(one, taken) if one else None,
                    "%_of_peak": bench.peaks.share(precision, flop, median(taken)),
                    **({"peak_VRAM_MB": run_used} if cuda else {}),
                }


def fits(run: partial[torch.Tensor], device: torch.device) -> float | None:
    """Megabytes of the device's memory that a first call took at most (0 on a CPU); None: there were not enough."""
    if device.type != "cuda":
        return 0.0
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    try:
        run()
        torch.cuda.synchronize(device)
    except torch.cuda.OutOfMemoryError:
        return None
    return torch.cuda.max_memory_allocated(device) / 1e6


def engines_of(bench: Bench, subject: Subject, precision: str) -> dict[str, Network]:
    """The network as it is loaded by itself and, on CUDA where it can be said, without recorded graphs."""
    usual = bench.network(subject, precision)
    switch = next((f.name for f in dataclasses.fields(ModelSettings) if f.name in SWITCHES), None)
    if bench.device.type != "cuda" or switch is None:
        return {"as loaded": usual}
    return {"graph": usual, "eager": bench.network(subject, precision, **{switch: False})}
