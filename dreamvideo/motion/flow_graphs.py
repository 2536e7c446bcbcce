"""Replays a flow as a CUDA graph: some thousand small kernels, which a processor launches more slowly than they run.

From the second pair of images of a size on, flow is one launch. It is computed in buffers that stay in place: the
images are copied there before, and the flow is copied from there after it.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dreamvideo.devices import is_out_of_memory
from dreamvideo.errors import first_line
from dreamvideo.kernels.graph_capture import RecordFunction, on_cuda, recorded_on
from dreamvideo.motion.flow_pair import FlowEstimator, FlowPair, image_on

log = logging.getLogger(__name__)

MAX_RECORDINGS = 4  # sizes of images; videos of one call seldom have more


@dataclass(frozen=True, slots=True)
class FlowRecording:
    """The recorded flow of images of one size."""

    images: tuple[Tensor, Tensor]  # current, previous: buffers of the graph
    pair: FlowPair  # what a replay writes
    replay: Callable[[], object]
    constants: object  # kept alive: the graph points into them


def replayed_flow(
    estimate: FlowEstimator, constants: Callable[[int, int], object], device: torch.device
) -> FlowEstimator:
    """Return an estimator that replays CUDA graphs of another one, on the present stream; one thread at a time.

    Args:
        estimate: takes images on the device, and always does the same for images of one size.
        constants: (height, width) of images -> tensors that it has cached for them.
        device: where flow is computed; on a CPU nothing is recorded.
    """
    recordings: OrderedDict[torch.Size, FlowRecording | None] = OrderedDict()  # None: seen once, or it does not fit
    record: RecordFunction | None = None
    works = True

    @torch.no_grad()
    def replayed(current: Tensor, previous: Tensor) -> FlowPair:
        nonlocal record, works
        images = image_on(device, current), image_on(device, previous)
        size = current.shape
        if not recorded_on(device) or not works:
            return estimate(*images)
        if size not in recordings:
            recordings[size] = None
            return estimate(*images)
        recording = recordings[size]
        if recording is None:
            record = record or on_cuda(device)
            try:
                recording = recordings[size] = record_flow(estimate, images, constants, record)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    log.warning("flow is launched kernel by kernel: cannot record it (%s)", first_line(error))
                works = False
                return estimate(*images)
        recordings.move_to_end(size)
        while len(recordings) > MAX_RECORDINGS:
            recordings.popitem(last=False)
        for buffer, image in zip(recording.images, images, strict=True):
            buffer.copy_(image)
        recording.replay()
        return FlowPair(*(flow.clone() for flow in recording.pair))

    return replayed


def record_flow(
    estimate: FlowEstimator,
    images: tuple[Tensor, Tensor],
    constants: Callable[[int, int], object],
    record: RecordFunction,
) -> FlowRecording:
    """Record the flow between two images.

    Args:
        estimate, constants: as for `replayed_flow`.
        images: current and previous one on the device, (B, 3, H, W) uint8.
        record: records, see `graph_capture.on_cuda`.

    Raises:
        RuntimeError: it cannot be recorded.
    """
    current, previous = (image.clone(memory_format=torch.contiguous_format) for image in images)
    kept = constants(current.shape[2], current.shape[3])
    pairs: list[FlowPair] = []

    def work() -> None:
        pairs[:] = [estimate(current, previous)]

    replay = record(work)
    return FlowRecording((current, previous), pairs[0], replay, kept)
