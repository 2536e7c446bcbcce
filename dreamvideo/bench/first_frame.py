"""Compares one image dreamed from scratch with the loops of other programs: same network, octaves and steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from statistics import median

from torch import Tensor

from dreamvideo.ascent.octaves import dream
from dreamvideo.ascent.tiling import Score
from dreamvideo.bench.baselines import ADAM_SCHEDULE, LOOPS, adam_loop
from dreamvideo.bench.bench_plan import BenchRun
from dreamvideo.bench.flops import dream_flop
from dreamvideo.bench.networks import measure_objective
from dreamvideo.bench.precisions import BASELINE_PRECISION, in_precision
from dreamvideo.bench.timing import median_speedup, spread_percent, time_interleaved
from dreamvideo.info.tables import TableRow, TableValue
from dreamvideo.settings.dream import DreamSettings


def first_frame_rows(run: BenchRun) -> Iterator[TableRow]:
    """Measure ours in each precision, then the baselines: time, share of the peak, speedup, objective reached."""
    plan, network, image = run.plan, run.image_network, run.image
    octaves, scale, iterations = plan.settings.octaves, plan.settings.octave_scale, plan.settings.iterations
    dreams: dict[str, Tensor] = {}
    contenders: dict[str, Callable[[], object]] = {}

    def add(name: str, loop: Callable[[int], Tensor], steps: int, precision: str = BASELINE_PRECISION) -> None:
        if dreams and run.limit.reached():
            return  # the warm-up takes time too
        # A GPU chooses kernels and records graphs at each size; a CPU is warm after one step.
        warm_up = steps if run.device.type == "cuda" else 1
        dreams[name] = in_precision(precision, lambda: loop(warm_up), run.device)()
        contenders[name] = in_precision(precision, lambda: dreams.update({name: loop(steps)}), run.device)

    for precision in plan.precisions:
        score = run.load(network, precision).score
        add(f"ours {precision}", partial(_dream_steps, image, score, plan.dreaming), iterations, precision)
    for name, baseline in LOOPS.items():
        add(name, partial(baseline, network, image, octaves, scale), iterations)
    add(ADAM_SCHEDULE, lambda steps: adam_loop(network, image, iterations=steps), 50)
    once = [] if run.device.type == "cuda" else [ADAM_SCHEDULE]  # about a minute on a CPU
    times = time_interleaved(
        contenders, plan.rounds, run.device, run.limit, warm_up=False, once=once, complete_first_round=False
    )
    flop = dream_flop(network.name, (network.layer,), plan.height, plan.width, plan.dreaming)
    source_objective = measure_objective(network, image)
    baseline_precision = BASELINE_PRECISION if run.device.type == "cuda" else "fp32"
    for name, seconds in times.items():
        is_ours = name.startswith("ours ")
        used = name.removeprefix("ours ") if is_ours else baseline_precision
        row: dict[str, TableValue] = {"contender": name, "s_per_frame": median(seconds)}
        row["spread_%"] = spread_percent(seconds)
        row["%_of_peak"] = None if name == ADAM_SCHEDULE else run.peaks.share(used, flop, median(seconds))
        for ours in plan.precisions:
            row[f"ours_{ours}_x_faster"] = (
                None if is_ours or f"ours {ours}" not in times else median_speedup(seconds, times[f"ours {ours}"])
            )
        row["objective_x_source"] = measure_objective(network, dreams[name]) / source_objective
        yield row


def _dream_steps(image: Tensor, score: Score, dreaming: DreamSettings, iterations: int) -> Tensor:
    return dream(image, score, replace(dreaming, iterations=iterations))
