"""CUDA graphs: records the ascent of an octave the second time, and from then on replays it in one launch.

A step of an ascent is some hundred small kernels; the processor launches them more slowly than a GPU runs them, at
small octaves by far. A CUDA graph holds them all (PyTorch's notes on CUDA graphs). A recorded graph works on buffers
that stay in place, so everything that changes from frame to frame, the jitter too, is copied there before a replay.

What is done once, such as a photo, is not recorded: that takes as long as four ascents, and more memory than they do.
An image in tiles is not recorded: its kernels are large, and their number grows with that of the tiles.

Graphs are cached by network, settings, TF32, shapes and number of steps. What changes from frame to frame is passed as
tensors: the step scale, which the step size becomes a part of, and the numbers of the look (`step_numbers`). Only the
width of the smoothing is constant in a graph, as the number of its taps depends on it. All graphs share one pool of
memory and their buffers: one at a time is replayed, on the current stream, and its result is copied out at once.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from dreamvideo.ascent.step_numbers import numbers_data, without_numbers
from dreamvideo.ascent.tiling import Score, TiledScore
from dreamvideo.devices import is_out_of_memory
from dreamvideo.kernels import graph_capture
from dreamvideo.kernels.graph_capture import RecordFunction, while_nothing_is_recorded
from dreamvideo.settings.dream import DreamSettings
from dreamvideo.tensors import upload

log = logging.getLogger(__name__)

Offsets = Sequence[Sequence[tuple[int, int]]] | Tensor  # (dy, dx) of each image at each step; (steps, B, 2) integers

# Graphs that are kept: first and later frames at six octaves in batches of one to four.
MAX_RECORDINGS = 48

MAX_SEEN = 1024  # ascents of which is known whether they were asked for before

_recordings_made = 0
_count_lock = threading.Lock()


class Ascend(Protocol):
    """The ascent at one size, see `ascend.ascend`."""

    def __call__(
        self,
        images: Tensor,
        base: Tensor,
        score: Score,
        settings: DreamSettings,
        offsets: Offsets,
        step_scale: Tensor | None = None,
        target_score: Tensor | None = None,
        area: Tensor | None = None,
        numbers: Tensor | None = None,
    ) -> Tensor: ...


def replay(ascend: Ascend) -> Ascend:
    """Decorate `ascend` so that it replays CUDA graphs where the images are on CUDA, unless they are in tiles.

    Args:
        ascend: the ascent at one size; it must do the same work each time for the same settings and shapes.

    Returns:
        A function with the same parameters and results.
    """

    @functools.wraps(ascend)
    def run(
        images: Tensor,
        base: Tensor,
        score: Score,
        settings: DreamSettings,
        offsets: Offsets,
        step_scale: Tensor | None = None,
        target_score: Tensor | None = None,
        area: Tensor | None = None,
        numbers: Tensor | None = None,
    ) -> Tensor:
        settings, step_scale = _size_as_data(images, settings, step_scale)
        if not (graph_capture.recorded_on(images.device) and len(offsets)):
            return ascend(images, base, score, settings, offsets, step_scale, target_score, area, numbers)
        if numbers is None:  # a plain call reads them where recordings do, too
            settings, numbers = without_numbers(settings), numbers_data(settings, images.device)
        if not isinstance(score, TiledScore):
            recorder = _recorder(images.device)
            # Sums of another layout differ in the last bit: a plain call sees the layout of the recordings' buffers.
            images, base = images.contiguous(), base.contiguous()
            step_scale, target_score, area = (
                None if each is None else each.contiguous() for each in (step_scale, target_score, area)
            )
            inputs = images, base, score, settings, offsets, step_scale, target_score, area, numbers
            dreamed = recorder.run(ascend, *inputs)
            if dreamed is not None:
                return dreamed
        return ascend(images, base, score, settings, offsets, step_scale, target_score, area, numbers)

    return run


def recordings_made() -> int:
    """Return how many recordings were made or tried in this process, by any thread; it only rises.

    Where it has risen, what was timed meanwhile says nothing of replays.
    """
    return _recordings_made


def forget_recordings() -> bool:
    """Drop all recordings and release the memory that they hold; return whether there were any."""
    forgotten = False
    with while_nothing_is_recorded():
        for device in list(_recorders):
            torch.cuda.synchronize(device)  # none may be in the middle of a replay
            forgotten = bool(_recorders.pop(device).recordings) or forgotten
    return forgotten


@dataclass(frozen=True, slots=True)
class GraphRecording:
    """A recorded ascent."""

    replay: Callable[[], object]
    inputs: Mapping[str, Tensor]  # buffers by parameter; after a replay "images" holds the result
    score: Score  # kept alive: the graph points into its weights, and no other may get its id


class GraphRecorder:
    """The recordings of one device."""

    def __init__(self, record: RecordFunction) -> None:
        self.record = record
        self.recordings: OrderedDict[Hashable, GraphRecording] = OrderedDict()  # the last one used comes last
        self.buffers: dict[Hashable, Tensor] = {}
        self.seen: OrderedDict[Hashable, bool] = OrderedDict()  # asked for once -> False; does not fit -> True
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
        step_scale: Tensor | None,
        target_score: Tensor | None,
        area: Tensor | None = None,
        numbers: Tensor | None = None,
    ) -> Tensor | None:
        """Replay the recording for these arguments; the second time, record it.

        Args:
            ascend: called to record.
            images, base, score, settings, offsets, step_scale, target_score, area, numbers: its arguments.

        Returns:
            Its result (B, 3, H, W); None: call it. So the first time, where a recording does not fit into memory, and
            from the first other failure on.
        """
        shifts = offsets if isinstance(offsets, Tensor) else upload(torch.tensor(offsets), images.device)
        optional = {"step_scale": step_scale, "target_score": target_score, "area": area, "numbers": numbers}
        tensors = {"images": images, "base": base, "offsets": shifts}
        tensors |= {name: tensor for name, tensor in optional.items() if tensor is not None}
        look, kinds = _recorded_settings(settings), ((name, each.shape, each.dtype) for name, each in tensors.items())
        key = (id(score), look, torch.backends.cudnn.allow_tf32, *kinds)  # TF32: a kernel is chosen when recorded
        with self.lock:
            if self.works and key not in self.recordings and self._is_worth_it(key):
                self._add(key, ascend, score, settings, tensors)
            recording = self.recordings.get(key)
            if recording is None:
                return None
            self.recordings.move_to_end(key)
            fill_buffer(recording.inputs, tensors)
            recording.replay()
            return recording.inputs["images"].clone()

    def _add(
        self, key: Hashable, ascend: Ascend, score: Score, settings: DreamSettings, tensors: Mapping[str, Tensor]
    ) -> None:
        inputs = {name: self._buffer(name, tensor) for name, tensor in tensors.items()}
        fill_buffer(inputs, tensors)

        def work() -> None:
            inputs["images"].copy_(ascend(score=score, settings=settings, **inputs))

        try:
            self.recordings[key] = GraphRecording(self.record(work), inputs, score)
        except RuntimeError as error:
            self._clear()
            if is_out_of_memory(error):  # a plain call takes less
                self.seen[key] = True
                return
            reason = str(error).partition("\n")[0]
            log.warning("CUDA graphs are off, kernels are launched one by one: cannot record (%s)", reason)
            self.works = False
        finally:
            _count_recording()
        while len(self.recordings) > MAX_RECORDINGS:  # none is being replayed: recording has waited for all
            self.recordings.popitem(last=False)

    def _is_worth_it(self, key: Hashable) -> bool:
        """Whether this is the second time, and a recording has not failed yet."""
        known = key in self.seen
        too_large = self.seen.setdefault(key, False)
        self.seen.move_to_end(key)
        while len(self.seen) > MAX_SEEN:
            self.seen.popitem(last=False)
        return known and not too_large

    def _clear(self) -> None:
        self.recordings.clear()
        self.buffers.clear()

    def _buffer(self, name: str, like: Tensor) -> Tensor:
        # The start of the largest so far: octaves grow, and all but the largest share its memory.
        flat = self.buffers.get((name, like.dtype))
        if flat is None or flat.numel() < like.numel():
            flat = self.buffers[name, like.dtype] = like.new_empty(like.numel())
        return flat[: like.numel()].view(like.shape)


def _size_as_data(
    images: Tensor, settings: DreamSettings, step_scale: Tensor | None
) -> tuple[DreamSettings, Tensor | None]:
    """Settings with steps of size 1, and the step scale times their size: a schedule changes it at every frame.

    On a CPU, too, where nothing is recorded, so that rounding is the same everywhere.
    """
    if settings.tv or settings.step_size == 1:  # total variation reads the size by itself
        return settings, step_scale
    if step_scale is None:
        step_scale = images.new_full((len(images), 1, *images.shape[2:]), settings.step_size)
    else:
        step_scale = step_scale * settings.step_size
    return replace(settings, step_size=1.0), step_scale


@functools.lru_cache(256)
def _recorded_settings(settings: DreamSettings) -> DreamSettings:
    """Settings without what decides which steps are taken, and not how: with any of these a recording is the same."""
    return replace(settings, octaves=None, iterations=1, jitter=0, seed=0)


def fill_buffer(buffers: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """Copy each tensor into the buffer of its name."""
    for name, tensor in tensors.items():
        buffers[name].copy_(tensor, non_blocking=True)


_recorders: dict[torch.device, GraphRecorder] = {}


def _count_recording() -> None:
    global _recordings_made
    with _count_lock:  # each device has a recorder with a lock of its own
        _recordings_made += 1


def _recorder(device: torch.device) -> GraphRecorder:
    if device not in _recorders:
        _recorders[device] = GraphRecorder(graph_capture.on_cuda(device))
    return _recorders[device]
