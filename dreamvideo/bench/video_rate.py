"""A clip, frame after frame: our dream carried along the motion against our own from scratch and the others' ways."""

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
from dreamvideo.bench.precisions import BASELINE_PRECISIONS, in_precision
from dreamvideo.bench.synthetic import frame_stream
from dreamvideo.bench.timing import median_speedup, time_call
from dreamvideo.frames import Frames
from dreamvideo.info.tables import TableRow
from dreamvideo.settings.dream import CarrySettings
from dreamvideo.tensors import to_tensor
from dreamvideo.video.pipeline import dream_video

WARM, COLD, GORDICALEKSA = "ours, carried", "ours, from scratch", "gordicaleksa"


def video_rows(bench: BenchRun) -> Iterator[TableRow]:
    """Per way: time per frame, how many times faster ours is, and its objective against ours from scratch."""
    plan, subject, s = bench.plan, bench.video_subject, bench.plan.settings
    network = bench.network(subject, plan.best)
    sources = [to_tensor(frame.image, bench.device) for frame in bench.clip]
    probes = sorted({1, (plan.frames + 1) // 2, plan.frames})  # frames whose objective is looked at
    last = probes[-1]
    scratch = {i: measure_objective(subject, dream(sources[i], network.score, plan.dreaming)) for i in probes}
    before = dream(sources[last - 1], network.score, plan.dreaming)  # what the others' frame follows on

    ways = {
        COLD: lambda: dream(sources[last], network.score, plan.dreaming),
        GORDICALEKSA: in_precision(
            BASELINE_PRECISIONS,
            lambda: gordicaleksa_frame(subject, sources[last], before, s.octaves, s.octave_scale, s.iterations),
            bench.device,
        ),
        ADAM_SCHEDULE: in_precision(
            BASELINE_PRECISIONS,
            lambda: jeremicna_frame(subject, sources[last], sources[last - 1], before),
            bench.device,
        ),
    }
    times: dict[str, list[float]] = {name: [] for name in (WARM, *ways)}
    reached: dict[str, list[float]] = {name: [] for name in times}
    for number in range(plan.rounds):
        if number and bench.clock.late():
            break
        taken, images = steady_rate(
            dream_video(frame_stream(bench.clip), network, plan.dreaming, CarrySettings()), plan.frames
        )
        times[WARM].append(taken)
        reached[WARM] += [measure_objective(subject, to_tensor(images[i], bench.device)) / scratch[i] for i in probes]
        for name, way in ways.items():
            if bench.clock.late() and name != COLD:
                continue
            if name == ADAM_SCHEDULE and number and bench.device.type != "cuda":
                continue  # a quarter of a minute or so on a CPU
            dreams: list[Tensor] = []
            times[name].append(time_call(lambda way=way, dreams=dreams: dreams.append(way()), bench.device))  # type: ignore[misc]
            reached[name].append(measure_objective(subject, dreams[0]) / scratch[last])
    for name, taken_by in times.items():
        if not taken_by:
            continue
        yield {
            "way": name,
            "steps_per_frame": steps_of(name, bench),
            "ms_per_frame": 1000 * median(taken_by),
            "ours_carried_x_faster": None if name == WARM else median_speedup(taken_by, times[WARM]),
            "objective_x_scratch": mean(reached[name]),
            "least_of_frames": min(reached[name]),
        }


def steps_of(name: str, bench: BenchRun) -> int | None:
    """Passes through the network that a frame takes; None: it is ours to choose."""
    full = bench.plan.settings.octaves * bench.plan.settings.iterations
    return {COLD: full, GORDICALEKSA: full, ADAM_SCHEDULE: 204}.get(name)


def steady_rate(frames: Frames, count: int) -> tuple[float, list[NDArray[np.uint8]]]:
    """Seconds per frame once the stream is under way, over `count` frames after the first; and all images so far.

    The stream must be longer than that by what its threads make ahead: else their last frames would be had for nothing.
    """
    images: list[NDArray[np.uint8]] = []
    began = 0.0
    with closing(frames):
        for frame in frames:
            if not images:
                began = time.perf_counter()
            images.append(frame.image)
            if len(images) > count:
                break
        taken = time.perf_counter() - began
    return taken / count, images
