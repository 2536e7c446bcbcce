"""One picture from scratch: ours against the others' loops, with the same network, octaves and steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from statistics import median

from torch import Tensor

from dreamvideo.bench.arithmetic import THEIRS, under
from dreamvideo.bench.flops import dream_flop
from dreamvideo.bench.plan import Bench
from dreamvideo.bench.references import LOOPS, SCHEDULE, adam_loop
from dreamvideo.bench.report import Row, Value
from dreamvideo.bench.subjects import judge
from dreamvideo.bench.timing import interleaved, ratio, spread
from dreamvideo.dream import dream
from dreamvideo.settings import DreamSettings
from dreamvideo.tiles import Score


def cold(bench: Bench) -> Iterator[Row]:
    """Ours in each precision, then the others: time, share of the peak, how many times faster ours is, objective."""
    plan, subject, image = bench.plan, bench.subject, bench.picture
    octaves, scale, iterations = plan.settings.octaves, plan.settings.octave_scale, plan.settings.iterations
    results: dict[str, Tensor] = {}
    contenders: dict[str, Callable[[], object]] = {}

    def enter(name: str, loop: Callable[[int], Tensor], steps: int, precision: str = THEIRS) -> None:
        if results and bench.clock.late():
            return  # even to get warm takes a while
        # A GPU has kernels to choose and graphs to record at each size; a CPU is warm after a step.
        results[name] = under(precision, lambda: loop(steps if bench.device.type == "cuda" else 1), bench.device)()
        contenders[name] = under(precision, lambda: results.update({name: loop(steps)}), bench.device)

    for precision in plan.precisions:
        enter(
            f"ours {precision}",
            partial(_ours, image, bench.network(subject, precision).score, plan.dreaming),
            iterations,
            precision,
        )
    for name, reference in LOOPS.items():
        enter(name, partial(reference, subject, image, octaves, scale), iterations)
    enter(SCHEDULE, lambda n: adam_loop(subject, image, iterations=n), 50)
    once = [] if bench.device.type == "cuda" else [SCHEDULE]  # a minute or so on a CPU
    times = interleaved(contenders, plan.rounds, bench.device, bench.clock, warm=False, once=once, whole=False)
    flop = dream_flop(subject.name, (subject.layer,), plan.height, plan.width, plan.dreaming)
    before = judge(subject, image)
    theirs = THEIRS if bench.device.type == "cuda" else "fp32"
    for name, taken in times.items():
        ours = name.removeprefix("ours ") if name.startswith("ours ") else None
        row: dict[str, Value] = {"contender": name, "s_per_frame": median(taken)}
        row["spread_%"] = spread(taken)
        row["%_of_peak"] = None if name == SCHEDULE else bench.peaks.share(ours or theirs, flop, median(taken))
        for precision in plan.precisions:
            row[f"ours_{precision}_x_faster"] = (
                None if ours or f"ours {precision}" not in times else ratio(taken, times[f"ours {precision}"])
            )
        row["objective_x_source"] = judge(subject, results[name]) / before
        yield row


def _ours(image: Tensor, score: Score, dreaming: DreamSettings, iterations: int) -> Tensor:
    return dream(image, score, replace(dreaming, iterations=iterations))
