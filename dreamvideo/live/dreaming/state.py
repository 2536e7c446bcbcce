"""The state of a live dream, and how the next frame of the camera, or a key, changes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dreamvideo.frames import Frame
from dreamvideo.live.controls import Controls
from dreamvideo.live.dreaming.ascent_thread import AscentResult, AscentTask, LookChoice
from dreamvideo.live.dreaming.size_control import Workload
from dreamvideo.live.dreaming.tracking import (
    AccumulatedFlow,
    TrackedDream,
    apply_update,
    extend_flow,
    resize_tracked,
    scale_strength,
    source_tensor,
    start_flow,
    track_motion,
    undreamed,
)
from dreamvideo.motion.flow import FlowEstimator
from dreamvideo.motion.occlusion import estimate_motion

MAX_DECAY_SECONDS: Final = 0.2  # chosen by eye; after a camera stood still the dream fades no more than in this time

CutTest = Callable[[NDArray[np.uint8], NDArray[np.uint8]], bool]  # (current, previous)


@dataclass(frozen=True, slots=True)
class LiveFrameState:
    """The state of a live dream after a frame."""

    frame: Frame  # of the camera
    camera: NDArray[np.uint8]  # (H, W, 3) its image as it is shown, mirrored or not
    controls: Controls  # that are in effect
    dream: TrackedDream
    frame_index: int = 0
    generation: int = 0  # incremented whenever the dream restarts
    flows: Mapping[int, AccumulatedFlow] = field(default_factory=dict)  # by the frame_index at which an ascent started


def start_dream(
    frame: Frame, controls: Controls, workload: Workload, frame_index: int = 0, generation: int = 0
) -> LiveFrameState:
    """A new dream that starts with `frame`."""
    camera = prepare_image(frame, controls)
    source = source_tensor(camera, workload.size(camera.shape[:2]))
    return LiveFrameState(frame, camera, controls, undreamed(source, controls.strength), frame_index, generation)


def apply_results(state: LiveFrameState, results: Sequence[AscentResult]) -> LiveFrameState:
    """Add what ascents have found since the last frame; results of an earlier dream or another size are dropped."""
    dream = state.dream
    for result in results:
        task = result.task
        if task.generation != state.generation or task.dream.source.shape != dream.source.shape:
            continue
        flow = start_flow(dream) if task.frame_index == state.frame_index else state.flows.get(task.frame_index)
        if flow is not None:
            dream = apply_update(dream, result.update, flow)
    return replace(state, dream=dream)


def next_state(
    state: LiveFrameState,
    frame: Frame | None,
    controls: Controls,
    workload: Workload,
    working_on: int | None,
    estimate: FlowEstimator,
    is_cut: CutTest,
) -> LiveFrameState:
    """Move the dream to the next frame, with the present controls and workload.

    Args:
        state: after the previous frame.
        frame: the next frame of the camera; None: no new one, the previous one stays.
        controls: in effect from now on; some changes restart the dream.
        workload: the size to dream at.
        working_on: frame_index from which the running ascent started; None: none is running.
        estimate: the optical flow.
        is_cut: whether the camera's image has changed altogether, which restarts the dream.
    """
    fresh, frame = frame is not None, frame or state.frame
    camera = prepare_image(frame, controls)
    if _restarts(state.controls, controls) or (fresh and is_cut(camera, state.camera)):
        return start_dream(frame, controls, workload, state.frame_index + 1, state.generation + 1)
    source = source_tensor(camera, workload.size(camera.shape[:2]))
    dream, flows = state.dream, state.flows
    if source.shape != dream.source.shape:
        size = workload.size(state.camera.shape[:2])
        dream, flows = resize_tracked(dream, source_tensor(state.camera, size)), {}
    dream = scale_strength(dream, controls.strength)
    # The previous frame is kept too: the next ascent may start from it before this frame is done.
    flows = {index: flow for index, flow in flows.items() if index == working_on}
    flows[state.frame_index] = start_flow(dream)
    if fresh:
        motion = estimate_motion(source, dream.source, estimate)
        seconds = min(float(frame.time - state.frame.time), MAX_DECAY_SECONDS)
        dream = track_motion(dream, source, motion, seconds)
        flows = {index: extend_flow(flow, motion) for index, flow in flows.items()}
    return LiveFrameState(frame, camera, controls, dream, state.frame_index + 1, state.generation, flows)


def make_task(state: LiveFrameState, steps: int) -> AscentTask:
    """The next ascent: from this state, of `steps` steps."""
    choice = LookChoice(state.controls.preset, state.controls.layer)
    return AscentTask(state.frame_index, state.generation, choice, state.dream, steps)


def prepare_image(frame: Frame, controls: Controls) -> NDArray[np.uint8]:
    """The (H, W, 3) image of the camera as it is shown: mirrored if the controls say so."""
    return np.ascontiguousarray(frame.image[:, ::-1]) if controls.mirror else frame.image


def _restarts(before: Controls, now: Controls) -> bool:
    same = all(getattr(before, name) == getattr(now, name) for name in ("preset", "layer", "resets", "mirror"))
    return not same or (before.strength == 0 and now.strength > 0)
