"""Compares a carried frame of a clip with a frame from scratch and with how other programs dream video."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from statistics import mean, median

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.ascent.octaves import dream
from dreamvideo.bench.baselines import ADAM_SCHEDULE
from dreamvideo.bench.baselines_video import gordicaleksa_frame, jeremicna_frame
from dreamvideo.bench.bench_plan import BenchRun
from dreamvideo.bench.networks import measure_objective
from dreamvideo.bench.precisions import BASELINE_PRECISION, in_precision
from dreamvideo.bench.synthetic import frame_stream
from dreamvideo.bench.timing import median_speedup, time_call
from dreamvideo.frames import Frames
from dreamvideo.info.tables import TableRow
from dreamvideo.settings.dream import CarrySettings
from dreamvideo.tensors import to_tensor
from dreamvideo.video.pipeline import dream_video

CARRIED, FROM_SCRATCH, GORDICALEKSA = "ours, carried", "ours, from scratch", "gordicaleksa"


def video_rows(run: BenchRun) -> Iterator[TableRow]:
    """Measure each way: time per frame, how many times faster ours is, and its objective over ours from scratch."""
    plan, network, s = run.plan, run.video_network, run.plan.settings
    loaded = run.load(network, plan.best_precision)
    sources = [to_tensor(frame.image, run.device) for frame in run.clip]
    judged = sorted({1, (plan.frames + 1) // 2, plan.frames})  # frames whose objective is measured
    last = judged[-1]
    scratch = {i: measure_objective(network, dream(sources[i], loaded.score, plan.dreaming)) for i in judged}
    last_dream = dream(sources[last - 1], loaded.score, plan.dreaming)  # what the baselines' frame continues

    ways = {
        FROM_SCRATCH: lambda: dream(sources[last], loaded.score, plan.dreaming),
        GORDICALEKSA: in_precision(
            BASELINE_PRECISION,
            lambda: gordicaleksa_frame(network, sources[last], last_dream, s.octaves, s.octave_scale, s.iterations),
            run.device,
        ),
        ADAM_SCHEDULE: in_precision(
            BASELINE_PRECISION,
            lambda: jeremicna_frame(network, sources[last], sources[last - 1], last_dream),
            run.device,
        ),
    }
    times: dict[str, list[float]] = {name: [] for name in (CARRIED, *ways)}
    objectives: dict[str, list[float]] = {name: [] for name in times}
    for round_index in range(plan.rounds):
        if round_index and run.limit.reached():
            break
        stream = dream_video(frame_stream(run.clip), loaded, plan.dreaming, CarrySettings())
        seconds, images = steady_rate(stream, plan.frames)
        times[CARRIED].append(seconds)
        objectives[CARRIED] += [
            measure_objective(network, to_tensor(images[i], run.device)) / scratch[i] for i in judged
        ]
        for name, way in ways.items():
            if run.limit.reached() and name != FROM_SCRATCH:
                continue
            if name == ADAM_SCHEDULE and round_index and run.device.type != "cuda":
                continue  # about a quarter of a minute on a CPU
            dreams: list[Tensor] = []
            times[name].append(time_call(lambda way=way, dreams=dreams: dreams.append(way()), run.device))  # type: ignore[misc]
            objectives[name].append(measure_objective(network, dreams[0]) / scratch[last])
    for name, measured in times.items():
        if not measured:
            continue
        yield {
            "way": name,
            "steps_per_frame": steps_per_frame(name, run),
            "ms_per_frame": 1000 * median(measured),
            "ours_carried_x_faster": None if name == CARRIED else median_speedup(measured, times[CARRIED]),
            "objective_x_scratch": mean(objectives[name]),
            "least_of_frames": min(objectives[name]),
        }


def steps_per_frame(way: str, run: BenchRun) -> int | None:
    """Return how many passes through the network a frame takes; None for the carried dream, whose number varies."""
    full = run.plan.settings.octaves * run.plan.settings.iterations
    return {FROM_SCRATCH: full, GORDICALEKSA: full, ADAM_SCHEDULE: 204}.get(way)


def steady_rate(frames: Frames, count: int) -> tuple[float, list[NDArray[np.uint8]]]:
    """Time a stream between its first frame and `count` frames later.

    Args:
        frames: closed at the end. It must be longer than `count` by what its threads prefetch, see `BUFFERED_FRAMES`.
        count: number of frames that are timed.

    Returns:
        (seconds per frame, all images so far).
    """
    images: list[NDArray[np.uint8]] = []
    start = 0.0
    with closing(frames):
        for frame in frames:
            if not images:
                start = time.perf_counter()
            images.append(frame.image)
            if len(images) > count:
                break
        seconds = time.perf_counter() - start
    return seconds / count, images
