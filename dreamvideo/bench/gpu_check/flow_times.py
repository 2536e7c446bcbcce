"""Flow in torch, kernel by kernel and as a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from statistics import median

from dreamvideo.bench.gpu_check.check_plan import GpuCheck
from dreamvideo.bench.gpu_check.moving_frames import endless_shot
from dreamvideo.bench.timing import time_interleaved
from dreamvideo.bench.traffic import TrafficCounter
from dreamvideo.info.tables import TableRow
from dreamvideo.kernels import graph_capture
from dreamvideo.motion.flow import LARGEST_SIDE, LARGEST_TORCH_SIDE, torch_dis
from dreamvideo.tensors import to_planes

ROUNDS = 3
REHEARSED_SIDES = (64,)


def flow_time_rows(check: GpuCheck) -> Iterator[TableRow]:
    """Measure both directions between two images of as many lines as flow of a video and of a live dream has.

    In a rehearsal nothing is recorded.
    """
    for side in check.pick((LARGEST_TORCH_SIDE, LARGEST_SIDE), REHEARSED_SIDES):
        if check.limit.reached():
            return
        height, width = side, side * 16 // 9
        before, now = (to_planes(frame.image, check.device) for frame in islice(endless_shot(height, width), 2))
        estimate = torch_dis(check.device, side)

        def plain() -> None:
            with graph_capture.enabled(False):
                estimate(now, before)  # noqa: B023

        def replayed() -> None:
            estimate(now, before)  # noqa: B023

        plain()  # constants
        with TrafficCounter() as counter:
            plain()
        for _ in range(3):  # the first time it is only noted, the second time recorded, then replayed
            replayed()
        ways: dict[str, Callable[[], object]] = {"eager": plain, "graph": replayed}
        rounds, least = check.pick((ROUNDS, 0.1), (1, 0.0))
        times = time_interleaved(ways, rounds, check.device, check.limit, min_seconds=least)
        eager, graph = (1000 * median(times[name]) for name in ("eager", "graph"))
        yield {
            "octave": f"flow of {width}x{height}",
            "eager_ms": eager,
            "graph_ms": graph,
            "graph_x_faster": eager / graph,
            "note": f"{counter.total.kernels} kernels without a graph",
        }
