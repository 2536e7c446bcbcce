"""Runs `dreamvideo bench cluster --simulate`: how fast 1 to 1,000 workers are, what limits them, and what they cost."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Final

from dreamvideo.bench.cluster_model import ClusterModel, FrameCosts, simulate_cluster
from dreamvideo.bench.model_film import ModelFilm, model_film
from dreamvideo.info.results import ReportSection, results_table
from dreamvideo.info.tables import TableRow

RATE: Final = 25  # frames per second
SHOTS: Final = (1500, 100)  # number of shots of the film, and the mean of their frames: 100 minutes
SPLIT: Final = 10  # seconds from one seam to the next where the film is one shot
WORKERS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)

# Standard deviation of the logarithm of shot lengths where they are not all equal; assumed, not measured.
SHOT_SPREAD: Final = 0.9

# Measured by `ray.wait` on a thousand streams of one actor that have no news: 0.8 to 1.6 ms.
POLL: Final = 1.6e-6  # seconds for each worker

# At 320x180, a core a worker: measured on two cores, or worse, see docs/cluster.md.
ON_CORES: Final = FrameCosts(
    skip=0.00096,
    dream=0.0746,
    join=0.000019,
    finish=0.02,
    report=0.00073,
    assign=0.00105,
    poll=POLL,
    request=0.02,
    read_bytes=6000,
    written_bytes=6500,
)
CORES_SHARE: Final = 0.92  # of two workers

# 1080p, a GPU for each worker: 60 frames per second and the share of a machine of its own are assumed; skipping takes
# 8.7 ms of a core, of which eight decode.
ON_GPUS: Final = replace(ON_CORES, skip=0.0087 / 8, dream=1 / 60, request=0.05, read_bytes=2e4, written_bytes=3.3e4)
GPU_BANDWIDTH: Final = 10e9  # bytes per second of the storage; assumed

# What goes wrong in the row of deaths: assumed.
TROUBLE: Final = ClusterModel(0, spread=0.1, deaths=0.2, restart=60.0)


def simulate_scaling() -> int:
    """Simulate clusters from costs that were measured earlier, and print the tables.

    Returns:
        The exit code 0.
    """
    cores, gpus = ClusterModel(0, CORES_SHARE), ClusterModel(0, bandwidth=GPU_BANDWIDTH)
    for name, costs, model in (("320x180, a core a worker", ON_CORES, cores), ("1080p, a GPU a worker", ON_GPUS, gpus)):
        print(results_table(ReportSection("costs", name, (costs_row(costs),))), flush=True)
        for section in simulate_films(costs, model):
            print(results_table(section), flush=True)
    return 0


def simulate_films(costs: FrameCosts, model: ClusterModel) -> Iterator[ReportSection]:
    """Simulate a film of equal shots, one of unequal shots, one shot in parts, and workers that differ and die.

    Args:
        costs: what they cost.
        model: the cluster; the number of workers is not read.
    """
    count, frames = SHOTS
    equal, unequal = model_film((frames,) * count, RATE), model_film(drawn_shots(count, frames, SHOT_SPREAD), RATE)
    whole = model_film((count * frames,), RATE, SPLIT)
    trouble = replace(TROUBLE, share=model.share, bandwidth=model.bandwidth)
    yield ReportSection("equal shots", f"{count} of {frames} frames", predict_scaling(costs, equal, model, WORKERS))
    title = f"log-normal lengths, mean {frames} frames, spread {SHOT_SPREAD:g}"
    yield ReportSection("unequal shots", title, predict_scaling(costs, unequal, model, WORKERS))
    title = f"of {count * frames} frames, --split-shots {SPLIT}"
    yield ReportSection("one shot", title, predict_scaling(costs, whole, model, WORKERS))
    title = f"speeds spread by {trouble.spread:g}, {trouble.deaths:g} deaths an hour and worker"
    yield ReportSection("and trouble", title, predict_scaling(costs, unequal, trouble, WORKERS))


def drawn_shots(count: int, mean: float, spread: float, seed: int = 0) -> list[int]:
    """Return the frames of shots whose lengths are log-normal.

    Args:
        count: of shots.
        mean: of their frames, about.
        spread: standard deviation of the logarithm.
        seed: of the lengths.
    """
    chance = random.Random(seed)
    return [max(1, round(chance.lognormvariate(math.log(mean) - spread**2 / 2, spread))) for _ in range(count)]


def costs_row(costs: FrameCosts) -> TableRow:
    """Return a row of a table: milliseconds and bytes.

    Args:
        costs: of a frame, a segment, a window.
    """
    values = asdict(costs)
    times = {f"{name}_ms": 1000 * values[name] for name in ("skip", "dream", "join", "report", "assign", "request")}
    return {**times, "written": costs.written_bytes}


def predict_scaling(
    costs: FrameCosts, film: ModelFilm, model: ClusterModel, workers: Sequence[int]
) -> tuple[TableRow, ...]:
    """Simulate a film on several numbers of workers.

    Args:
        costs: what it costs.
        film: what is dreamed.
        model: the cluster.
        workers: how many; one alone is not slowed down by others.

    Returns:
        A row for each: seconds, speed against one machine without a cluster, hours of workers for an hour of film.
    """
    rows: list[TableRow] = []
    count = film.cuts[-1]
    alone = count * (costs.dream + costs.join)
    for number in workers:
        run = simulate_cluster(film, costs, replace(model, workers=number, share=model.share if number > 1 else 1.0))
        idle = 1 - run.dreaming - run.skipping
        limits = {"workers": run.dreaming, "skipping": run.skipping, "idle at the end": idle}
        limit = max(limits, key=lambda name: limits[name])
        if max(run.scheduling, run.storing) > 0.9:
            limit = "scheduler" if run.scheduling > run.storing else "storage"
        shares = {"dreaming": run.dreaming, "skipping": run.skipping, "scheduler": run.scheduling}
        hours = number * run.seconds / (count / film.rate)
        rows.append(
            {
                "workers": number,
                "seconds": run.seconds,
                "times": alone / run.seconds,
                **{f"{name}_%": 100 * share for name, share in shares.items()},
                "storage_%": 100 * run.storing,
                "limit": limit,
                "worker_hours": hours,
            }
        )
    return tuple(rows)
