"""A whole octave's ascent in one launch, on CUDA: recorded as a graph the first time, replayed from then on.

A step of an ascent is some hundred small kernels; the processor asks for them more slowly than a GPU does them, at
small octaves by far. A CUDA graph holds them all (PyTorch's notes on CUDA graphs). What is recorded works on buffers
that stay where they are, so all that changes from frame to frame, the jitter too, is copied there before a replay.

An image in tiles is not recorded: its kernels are large, and as many as the tiles.

There is a graph for each network, settings, shape and number of steps: what varies from frame to frame belongs into the
pace, not into the settings. They share one pool of memory and their buffers: one at a time is replayed, on the stream
that is current, and what it made is copied out at once.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dreamvideo.ascent.tiling import Score, TiledScore
from dreamvideo.devices import upload
from dreamvideo.settings.dream import DreamSettings

log = logging.getLogger(__name__)

Offsets = Sequence[Sequence[tuple[int, int]]] | Tensor  # (dy, dx) of each image at each step; (steps, B, 2) integers
RecordFunction = Callable[
    [Callable[[], object]], Callable[[], object]
]  # work on fixed buffers -> what does the same again

# Graphs kept: cold and warm frames of six octaves in batches of one to four.
MAX_RECORDINGS = 48

# Runs before the recording, in which libraries choose their kernels and load them; two, as PyTorch's notes advise some.
WARMUP_RUNS = 2

_on = True


class Ascend(Protocol):
    """The ascent at one size, as in `dream.py`."""

    def __call__(
        self,
        images: Tensor,
        base: Tensor,
        score: Score,
        settings: DreamSettings,
        offsets: Offsets,
        pace: Tensor | None = None,
        goal: Tensor | None = None,
    ) -> Tensor: ...


def replay(ascend: Ascend) -> Ascend:
    """`ascend`, by replayed graphs where the images are on CUDA; elsewhere as it is."""

    @functools.wraps(ascend)
    def run(
        images: Tensor,
        base: Tensor,
        score: Score,
        settings: DreamSettings,
        offsets: Offsets,
        pace: Tensor | None = None,
        goal: Tensor | None = None,
    ) -> Tensor:
        if recorded_on(images.device) and len(offsets) and not isinstance(score, TiledScore):
            dreamed = _recorder(images.device).run(ascend, images, base, score, settings, offsets, pace, goal)
            if dreamed is not None:
                return dreamed
        return ascend(images, base, score, settings, offsets, pace, goal)

    return run


@contextlib.contextmanager
def enabled(on: bool) -> Generator[None, None, None]:
    """Graphs on or off inside the block, in all threads; as before afterwards."""
    global _on
    before, _on = _on, on
    try:
        yield
    finally:
        _on = before


def recorded_on(device: torch.device) -> bool:
    """Whether ascents on `device` are recorded."""
    return _on and device.type == "cuda"


def forget_recordings() -> None:
    """Drop all recordings and give back the memory that they hold."""
    if _recorder.cache_info().currsize:
        torch.cuda.synchronize()  # none may be in the middle of a replay
        _recorder.cache_clear()


@dataclass(frozen=True, slots=True)
class GraphRecording:
    """A recorded ascent."""

    replay: Callable[[], object]
    inputs: Mapping[str, Tensor]  # buffers by parameter; after a replay "images" holds the result
    score: Score  # held: the graph points into its weights, and no other may get its id


class GraphRecorder:
    """The recordings of one device."""

    def __init__(self, record: RecordFunction) -> None:
        self.record = record
        self.recordings: OrderedDict[Hashable, GraphRecording] = OrderedDict()  # the last one used comes last
        self.buffers: dict[Hashable, Tensor] = {}
        self.lock = threading.Lock()
        self.works = True

    def run(
        self,
        ascend: Ascend,
        images: Tensor,
        base: Tensor,
        score: Score,
        settings: DreamSettings,
        offsets: Offsets,
        pace: Tensor | None,
        goal: Tensor | None,
    ) -> Tensor | None:
        """What `ascend` makes of these arguments; None where it cannot be recorded."""
        shifts = offsets if isinstance(offsets, Tensor) else upload(torch.tensor(offsets), images.device)
        places = {"images": images, "base": base, "offsets": shifts, "pace": pace, "goal": goal}
        given = {name: tensor for name, tensor in places.items() if tensor is not None}
        tf32 = torch.backends.cudnn.allow_tf32  # a kernel is chosen when it is recorded
        key = (id(score), settings, tf32, *((name, tensor.shape, tensor.dtype) for name, tensor in given.items()))
        with self.lock:
            if self.works and key not in self.recordings:
                self._add(key, ascend, score, settings, given)
            if not self.works:
                return None
            recording = self.recordings[key]
            self.recordings.move_to_end(key)
            fill_buffer(recording.inputs, given)
            recording.replay()
            return recording.inputs["images"].clone()

    def _add(
        self, key: Hashable, ascend: Ascend, score: Score, settings: DreamSettings, given: Mapping[str, Tensor]
    ) -> None:
        inputs = {name: self._buffer(name, tensor) for name, tensor in given.items()}
        fill_buffer(inputs, given)

        def work() -> None:
            inputs["images"].copy_(ascend(score=score, settings=settings, **inputs))

        try:
            self.recordings[key] = GraphRecording(self.record(work), inputs, score)
        except torch.OutOfMemoryError:  # it is done anew, smaller
            self._clear()
            raise
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            log.warning("CUDA graphs are off, kernels are launched one by one: cannot record (%s)", reason)
            self.works = False
            self._clear()
        while len(self.recordings) > MAX_RECORDINGS:  # none is being replayed: recording has waited for all
            self.recordings.popitem(last=False)

    def _clear(self) -> None:
        self.recordings.clear()
        self.buffers.clear()

    def _buffer(self, place: str, like: Tensor) -> Tensor:
        # The start of the largest yet: octaves grow, and all but the largest live in its memory.
        flat = self.buffers.get((place, like.dtype))
        if flat is None or flat.numel() < like.numel():
            flat = self.buffers[place, like.dtype] = like.new_empty(like.numel())
        return flat[: like.numel()].view(like.shape)


def fill_buffer(buffers: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    """Copy each tensor into its buffer."""
    for name, tensor in given.items():
        buffers[name].copy_(tensor, non_blocking=True)


@functools.cache
def _recorder(device: torch.device) -> GraphRecorder:
    return GraphRecorder(on_cuda(device))


def on_cuda(device: torch.device) -> RecordFunction:
    """What records CUDA graphs on `device`, all in one pool of memory."""
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    pool = torch.cuda.graph_pool_handle()

    def record(work: Callable[[], object]) -> Callable[[], object]:
        current = torch.cuda.current_stream(device)
        # Entered though it is current already: after a failure some versions of torch stay on the recording's stream.
        with torch.cuda.device(device), torch.cuda.stream(current):
            stream.wait_stream(current)
            with torch.cuda.stream(stream):  # the same as that of the recording: libraries keep a workspace for each
                for _ in range(WARMUP_RUNS):
                    work()
            current.wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            # Other threads may do as they like meanwhile: those that read and write video do.
            with torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
                work()
        return graph.replay

    return record
