"""Compares batches of images in lockstep with one image at a time; on CUDA also recorded graphs with plain calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

import torch
from torch import Tensor

from dreamvideo.ascent import cuda_graphs
from dreamvideo.ascent.octaves import dream
from dreamvideo.bench.bench_plan import BenchRun
from dreamvideo.bench.flops import dream_flop
from dreamvideo.bench.synthetic import synthetic_image
from dreamvideo.bench.timing import median_speedup, time_interleaved
from dreamvideo.devices import is_out_of_memory
from dreamvideo.info.tables import TableRow
from dreamvideo.kernels import graph_capture
from dreamvideo.settings.dream import DreamSettings

# On CUDA a whole dream at the default octave scale; on a CPU, where that takes too long, a few steps at one size.
FULL_DREAM = DreamSettings(octaves=4, octave_scale=1.4, iterations=10)
FEW_STEPS = DreamSettings(octaves=1, iterations=2)

Call = Callable[[], Tensor]


def lane_rows(run: BenchRun) -> Iterator[TableRow]:
    """Measure each network at each image size: time per image in batches of several sizes."""
    cuda = run.device.type == "cuda"
    settings = FULL_DREAM if cuda else FEW_STEPS
    precision = run.plan.best_precision
    for name in run.plan.networks:
        network = run.network(name)
        score = run.load(network, precision).score
        for height, width in run.plan.sizes:
            if run.limit.reached():
                return
            flop = dream_flop(name, (network.layer,), height, width, settings)
            contenders: dict[tuple[str, int], Call] = {}
            memory: dict[tuple[str, int], float] = {}
            for count in run.plan.lanes:
                images = torch.cat([synthetic_image(height, width, seed) for seed in range(count)]).to(run.device)
                for engine, call in graph_variants(partial(dream, images, score, settings), run.device).items():
                    used = measure_device_memory(call, run.device)
                    if used is not None:
                        contenders[engine, count], memory[engine, count] = call, used
            named = {f"{engine} {count}": call for (engine, count), call in contenders.items()}
            times = time_interleaved(named, run.plan.rounds, run.device, run.limit, min_seconds=0.0 if cuda else 0.3)
            for (engine, count), used in memory.items():
                seconds = [t / count for t in times[f"{engine} {count}"]]
                one = times.get(f"{engine} 1")
                yield {
                    "network": f"{name} {network.layer}",
                    "size": f"{width}x{height}",
                    "precision": precision,
                    "engine": engine,
                    "octaves_x_steps": f"{settings.octaves} x {settings.iterations}",
                    "lanes": count,
                    "ms_per_image": 1000 * median(seconds),
                    "x_one_lane": median_speedup(one, seconds) if one else None,
                    "%_of_peak": run.peaks.share(precision, flop, median(seconds)),
                    **({"peak_VRAM_MB": used} if cuda else {}),
                }


def measure_device_memory(run: Call, device: torch.device) -> float | None:
    """Return the peak of device memory during a first call, in MB.

    Args:
        run: the call.
        device: where it runs.

    Returns:
        Megabytes; 0 on a CPU; None if the memory was not sufficient.
    """
    if device.type != "cuda":
        return 0.0
    cuda_graphs.forget_recordings()  # those of other sizes occupy memory
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    try:
        for _ in range(2):  # the second time it is recorded, which takes more
            run()
        torch.cuda.synchronize(device)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return None
    return torch.cuda.max_memory_allocated(device) / 1e6


def graph_variants(run: Call, device: torch.device) -> dict[str, Call]:
    """Return `run` as it is and, on CUDA, without graphs.

    Args:
        run: the call.
        device: where it runs.

    Returns:
        "graph" and "eager", or only "eager" -> the call.
    """
    if device.type != "cuda":
        return {"eager": run}

    def eager() -> Tensor:
        with graph_capture.enabled(False):
            return run()

    return {"graph": run, "eager": eager}
