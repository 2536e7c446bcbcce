"""Records work on CUDA as graphs, each of which is launched at once, however many kernels it has.

While a graph is recorded no other thread may wait for the whole device, or give its cached memory back: either fails,
and so does the recording (CUDA's documentation of stream capture). So there is one lock for both.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator
from typing import Final

import torch

RecordFunction = Callable[[Callable[[], object]], Callable[[], object]]  # work on fixed buffers -> its replay

# Runs before the recording, in which libraries choose and load their kernels. PyTorch's notes advise a few; two do.
WARMUP_RUNS: Final = 2

_on = True
_recording = threading.RLock()


@contextlib.contextmanager
def enabled(on: bool) -> Generator[None, None, None]:
    """Switch graphs on or off inside the block, in all threads; afterwards it is as before.

    Args:
        on: whether work on CUDA is recorded and replayed.
    """
    global _on
    before, _on = _on, on
    try:
        yield
    finally:
        _on = before


def recorded_on(device: torch.device) -> bool:
    """Return whether work on a device is recorded.

    Args:
        device: any.
    """
    return _on and device.type == "cuda"


@contextlib.contextmanager
def while_nothing_is_recorded() -> Generator[None, None, None]:
    """Wait until no other thread records a graph, and let none begin inside the block."""
    with _recording:
        yield


def on_cuda(device: torch.device) -> RecordFunction:
    """Return a function that records CUDA graphs, all in one pool of memory: one at a time may be replayed.

    Args:
        device: a CUDA device.
    """
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    pool = torch.cuda.graph_pool_handle()

    def record(work: Callable[[], object]) -> Callable[[], object]:
        current = torch.cuda.current_stream(device)
        # Enter the current stream explicitly: after a failure some versions of torch stay on the recording's.
        with while_nothing_is_recorded(), torch.cuda.device(device), torch.cuda.stream(current):
            stream.wait_stream(current)
            with torch.cuda.stream(stream):  # the recording's own: libraries keep a workspace for each stream
                for _ in range(WARMUP_RUNS):
                    work()
            current.wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            # Only this thread is restricted meanwhile: others read and write video.
            with torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
                work()
        return graph.replay

    return record
