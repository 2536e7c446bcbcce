"""Recorded graphs against plain calls, octave by octave: time of a replay, time and memory of the recording."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

from dreamvideo.ascent import cuda_graphs
from dreamvideo.ascent.octaves import octave_sizes
from dreamvideo.bench.gpu_check.check_plan import GpuCheck
from dreamvideo.bench.gpu_check.flow_times import flow_time_rows
from dreamvideo.bench.gpu_check.single_octave import one_size_ascent
from dreamvideo.bench.timing import synchronize, time_interleaved
from dreamvideo.info.tables import TableRow
from dreamvideo.kernels import graph_capture

SIZE, REHEARSED_SIZE = (1080, 1920), (64, 96)
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class RecordingCost:
    """What a recording took."""

    seconds: float
    card_bytes: int  # less memory free on the card
    reserved_bytes: int  # more memory held by PyTorch


def graph_rows(check: GpuCheck) -> Iterator[TableRow]:
    """Measure flow, then each octave of 1080 lines, with one step as of a carried frame and those of a first frame."""
    yield from flow_time_rows(check)
    network = check.load()
    sizes = octave_sizes(*check.pick(SIZE, REHEARSED_SIZE), check.look)[::-1]  # the finest first
    with timed_recordings(check) as costs:
        for steps in (1, check.look.iterations):
            for size in sizes:
                if check.limit.reached():
                    return
                ascend = one_size_ascent(check, network, size, steps)
                before = len(costs)
                for _ in range(3):  # the first time it is only noted, the second time recorded, then replayed
                    ascend()
                cost = costs[before] if len(costs) > before else None
                ways: dict[str, Callable[[], object]] = {"eager": _plain(ascend), "graph": ascend}
                rounds, least = check.pick((ROUNDS, 0.1), (1, 0.0))
                times = time_interleaved(ways, rounds, check.device, check.limit, min_seconds=least)
                eager, graph = (1000 * median(times[name]) for name in ("eager", "graph"))
                yield {
                    "octave": f"{size[1]}x{size[0]}",
                    "steps": steps,
                    "eager_ms": eager,
                    "graph_ms": graph,
                    "graph_x_faster": eager / graph,
                    "recorded_s": cost.seconds if cost else None,
                    "recorded_card_MB": cost.card_bytes / 1e6 if cost else None,
                    "recorded_reserved_MB": cost.reserved_bytes / 1e6 if cost else None,
                    "note": None if cost else "not recorded",
                }


def _plain(ascend: Callable[[], Tensor]) -> Callable[[], Tensor]:
    def plain() -> Tensor:
        with graph_capture.enabled(False):
            return ascend()

    return plain


@contextlib.contextmanager
def timed_recordings(check: GpuCheck) -> Generator[list[RecordingCost], None, None]:
    """Measure all recordings that are made inside the block; in a rehearsal a recording only calls again.

    Yields:
        A list that grows.
    """
    costs: list[RecordingCost] = []
    on_cuda, recorded_on = graph_capture.on_cuda, graph_capture.recorded_on

    def timed_on(device: torch.device) -> graph_capture.RecordFunction:
        record = on_cuda(device) if check.on_gpu else call_again

        def record_timed(work: Callable[[], object]) -> Callable[[], object]:
            synchronize(device)
            start, free, reserved = time.perf_counter(), check.free_bytes(), _reserved(device)
            replay = record(work)
            synchronize(device)
            seconds = time.perf_counter() - start
            costs.append(RecordingCost(seconds, free - check.free_bytes(), _reserved(device) - reserved))
            return replay

        return record_timed

    cuda_graphs.forget_recordings()
    graph_capture.on_cuda = timed_on
    if not check.on_gpu:
        graph_capture.recorded_on = lambda device: True
    try:
        yield costs
    finally:
        graph_capture.on_cuda, graph_capture.recorded_on = on_cuda, recorded_on
        cuda_graphs._recorders.clear()


def call_again(work: Callable[[], object]) -> Callable[[], object]:
    """Stand in for a recording where there is no CUDA."""
    work()
    return work


def _reserved(device: torch.device) -> int:
    return torch.cuda.memory_reserved(device) if device.type == "cuda" else 0
