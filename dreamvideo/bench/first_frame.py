"""One picture from scratch: ours against the others' loops, with the same network, octaves and steps."""

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
from dreamvideo.bench.precisions import BASELINE_PRECISIONS, in_precision
from dreamvideo.bench.timing import median_speedup, spread_percent, time_interleaved
from dreamvideo.info.tables import TableRow, TableValue
from dreamvideo.settings.dream import DreamSettings


def first_frame_rows(bench: BenchRun) -> Iterator[TableRow]:
    """Ours in each precision, then the others: time, share of the peak, how many times faster ours is, objective."""
    plan, subject, image = bench.plan, bench.subject, bench.picture
    octaves, scale, iterations = plan.settings.octaves, plan.settings.octave_scale, plan.settings.iterations
    results: dict[str, Tensor] = {}
    contenders: dict[str, Callable[[], object]] = {}

    def enter(name: str, loop: Callable[[int], Tensor], steps: int, precision: str = BASELINE_PRECISIONS) -> None:
        if results and bench.clock.late():
            return  # even to get warm takes a while
        # A GPU has kernels to choose and graphs to record at each size; a CPU is warm after a step.
        results[name] = in_precision(
            precision, lambda: loop(steps if bench.device.type == "cuda" else 1), bench.device
        )()
        contenders[name] = in_precision(precision, lambda: results.update({name: loop(steps)}), bench.device)

    for precision in plan.precisions:
        enter(
            f"ours {precision}",
            partial(_ours, image, bench.network(subject, precision).score, plan.dreaming),
            iterations,
            precision,
        )
    for name, reference in LOOPS.items():
        enter(name, partial(reference, subject, image, octaves, scale), iterations)
    enter(ADAM_SCHEDULE, lambda n: adam_loop(subject, image, iterations=n), 50)
    once = [] if bench.device.type == "cuda" else [ADAM_SCHEDULE]  # a minute or so on a CPU
    times = time_interleaved(contenders, plan.rounds, bench.device, bench.clock, warm=False, once=once, whole=False)
    flop = dream_flop(subject.name, (subject.layer,), plan.height, plan.width, plan.dreaming)
    before = measure_objective(subject, image)
    theirs = BASELINE_PRECISIONS if bench.device.type == "cuda" else "fp32"
    for name, taken in times.items():
        ours = name.removeprefix("ours ") if name.startswith("ours ") else None
        row: dict[str, TableValue] = {"contender": name, "s_per_frame": median(taken)}
        row["spread_%"] = spread_percent(taken)
        row["%_of_peak"] = None if name == ADAM_SCHEDULE else bench.peaks.share(ours or theirs, flop, median(taken))
        for precision in plan.precisions:
            row[f"ours_{precision}_x_faster"] = (
                None if ours or f"ours {precision}" not in times else median_speedup(taken, times[f"ours {precision}"])
            )
        row["objective_x_source"] = measure_objective(subject, results[name]) / before
        yield row


def _ours(image: Tensor, score: Score, dreaming: DreamSettings, iterations: int) -> Tensor:
    return dream(image, score, replace(dreaming, iterations=iterations))
