"""The motion of each frame: its optical flow is estimated ahead in threads, the rest is computed where the dream is."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import numpy as np
import torch
from torch import Tensor

from dreamvideo.frames import Frame
from dreamvideo.motion.device_motion import estimate_flows, motion_on_device
from dreamvideo.motion.flow import FLOWS, choose_flow, dis
from dreamvideo.motion.frame_motion import Motion, no_motion
from dreamvideo.motion.host_copy import host_copy
from dreamvideo.motion.occlusion import estimate_motion
from dreamvideo.settings.dream import CarrySettings
from dreamvideo.tensors import to_planes
from dreamvideo.threads import usable_cores
from dreamvideo.torch_state import plain_torch
from dreamvideo.video.lanes import LaneStep
from dreamvideo.video.seams import split_long_shots
from dreamvideo.video.shots import DreamInput, split_shots

MAX_FLOW_THREADS = 8

# (current, previous), each (1, 3, H, W) uint8 RGB on the device of the dream -> a function that waits for the motion.
MotionOnDevice = Callable[[Tensor, Tensor], Callable[[], Motion]]


class WaitingFrame:
    """A frame that waits to be dreamed, and what is prepared for it."""

    def __init__(
        self, step: LaneStep, submit: Callable[[], Future[MotionOnDevice]] | None, before: WaitingFrame | None
    ) -> None:
        """
        Args:
            step: the frame and its place.
            submit: begins to estimate its flow in a thread; None: it begins a shot, or it is a flash.
            before: the frame before, unless that was dreamed in an earlier run.
        """
        self.step = step
        self._submit = submit
        self._before = before
        self._estimated: Future[MotionOnDevice] | None = None
        self._planes: Tensor | None = None
        self._motion: Callable[[], Motion] | None = None

    def begin(self, wait: bool = False) -> None:
        """Begin to estimate the flow, unless that has begun; and wait for it, if asked to."""
        if self._submit is not None and self._estimated is None:
            self._estimated = self._submit()
        if wait and self._estimated is not None:
            self._estimated.result()

    def launch(self, device: torch.device) -> None:
        """Wait for the flow and begin to compute the motion on the device of the dream, unless that has begun."""
        self.begin()
        if self._estimated is not None and self._motion is None and self.step.previous is not None:
            before, self._before = self._before, None  # let go of the frames before
            previous = to_planes(self.step.previous.image, device) if before is None else before.planes(device)
            self._motion = self._estimated.result()(self.planes(device), previous)

    def planes(self, device: torch.device) -> Tensor:
        """Return the image on the device of the dream, (1, 3, H, W) uint8 RGB."""
        if self._planes is None:
            self._planes = to_planes(self.step.frame.image, device)
        return self._planes

    def motion(self) -> Motion | None:
        """Wait for the motion to this frame, if `launch` began any."""
        return None if self._motion is None else self._motion()


def flow_threads(carry: CarrySettings, device: torch.device) -> int:
    """Return in how many threads flow is estimated where the dream needs no cores.

    Args:
        carry: which flow; one that is computed on a device takes one pair after the other.
        device: of the dream.
    """
    on_cpu = choose_flow(carry.flow, device.type) == "dis"
    return max(1, min(MAX_FLOW_THREADS, usable_cores() // 2)) if on_cpu else 1


def estimate_ahead(
    inputs: Generator[DreamInput, None, None],
    carry: CarrySettings,
    device: torch.device,
    on_device: bool,
    pool: ThreadPoolExecutor,
    begins_at_once: Callable[[Frame], bool],
) -> Generator[WaitingFrame, None, None]:
    """Find the shot of each frame, and what estimates the motion to it.

    Args:
        inputs: closed at the end.
        carry: which flow, and whether anything is carried at all.
        device: of the dream.
        on_device: see `motion_estimator`.
        pool: threads.
        begins_at_once: whether flow is estimated as soon as a frame is read, given the first.

    Raises:
        WeightsError, ModelError: of the network for the flow.
        Whatever the inputs raise.
    """
    alone = carry.persistence == 0
    before: WaitingFrame | None = None
    at_once = False
    pair: tuple[Frame, Frame] | None = None
    shots = split_shots(inputs, alone, carry.flow == "dis", carry.seamless, carry.split_shots)
    with closing(split_long_shots(shots)) as steps:
        for step in steps:
            if step.index == 0:
                estimate = plain_torch()(motion_estimator(carry, device, on_device))
                at_once = begins_at_once(step.frame)
            submit, last = None, None
            if step.previous is not None and not step.held:
                if pair is None or pair[0] is not step.frame:  # a frame that is dreamed twice has one flow
                    pair = step.frame, step.previous
                    once = functools.cache(functools.partial(pool.submit, estimate, *pair))
                submit = once
                last = before if before is not None and before.step.frame is step.previous else None
            waiting = WaitingFrame(step, submit, last)
            if at_once:
                waiting.begin(wait=not on_device)  # on a CPU one thread beside the dream is enough
            if not step.held:
                before = waiting
            yield waiting


def motion_estimator(
    carry: CarrySettings, device: torch.device, on_device: bool
) -> Callable[[Frame, Frame], MotionOnDevice]:
    """Return a function that estimates the motion to a frame from the one before it.

    Args:
        carry: which flow; none where nothing is carried.
        device: of the dream.
        on_device: only flow is estimated on the CPU, and the rest is computed on that device.

    Raises:
        WeightsError, ModelError: of the network for the flow.
    """
    flow = choose_flow(carry.flow, device.type)
    if carry.persistence == 0 or flow == "none":
        still = functools.cache(functools.partial(no_motion, device=device))
        return lambda current, previous: lambda *_: lambda: still(*current.image.shape[:2])
    estimator = FLOWS[flow](device, carry.flow_weights)
    # A flow of DIS is estimated again where things move fast; a network's is as fine as that already.
    part_estimator = dis(0) if flow == "dis" else None
    cpu = torch.device("cpu")

    def planes_for_flow(frame: Frame) -> Tensor:
        if carry.flow == "dis" or isinstance(frame.image, np.ndarray):
            return to_planes(host_copy(frame).image, cpu)
        return to_planes(frame.image, frame.image.device)

    # A flow that is computed beside the dream does not wait for it. All that waits for the flow is in this thread. Its
    # frame holds it until the batch after is on its way: by then the motion that reads it is done.
    stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def estimate(current: Frame, previous: Frame) -> MotionOnDevice:
        if on_device:
            size = (current.image.shape[0], current.image.shape[1])
            with torch.cuda.stream(stream):
                images = planes_for_flow(current), planes_for_flow(previous)
                flows = estimate_flows(*images, estimator, part_estimator, size)
            return functools.partial(motion_on_device, flows)
        images = to_planes(current.image, cpu), to_planes(previous.image, cpu)
        motion = estimate_motion(*images, estimator, part_estimator)
        return lambda *_: lambda: motion

    return estimate
