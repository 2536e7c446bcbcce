"""The state of a live dream, and how the next frame of the camera, or a key, changes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dreamvideo.frames import Frame
from dreamvideo.live.controls import Controls
from dreamvideo.live.dreaming.ascent_task import AscentTask, LookChoice
from dreamvideo.live.dreaming.ascent_thread import AscentResult
from dreamvideo.live.dreaming.size_control import Workload
from dreamvideo.live.dreaming.tracking import (
    AccumulatedFlow,
    TrackedDream,
    apply_update,
    extend_flow,
    fade_tracked,
    resize_tracked,
    scale_strength,
    source_tensor,
    start_flow,
    track_motion,
    undreamed,
)
from dreamvideo.motion.cuts import Compare
from dreamvideo.motion.flow_pair import FlowEstimator
from dreamvideo.motion.occlusion import estimate_motion
from dreamvideo.motion.picture import contrast_of, presence
from dreamvideo.video.fading import begin_fading
from dreamvideo.video.shots import FLASH_FRAMES

MAX_DECAY_SECONDS: Final = 0.2  # chosen by eye; after a camera stood still the dream fades no more than in this time


@dataclass(frozen=True, slots=True)
class LiveFrameState:
    """The state of a live dream after a frame."""

    frame: Frame  # of the camera
    camera: NDArray[np.uint8]  # (H, W, 3) its image as it is shown, mirrored or not
    controls: Controls  # that are in effect
    dream: TrackedDream
    frame_index: int = 0
    generation: int = 0  # the frame_index at which the dream started
    # By the frame_index at which an ascent started; None: nothing has moved since.
    flows: Mapping[int, AccumulatedFlow | None] = field(default_factory=dict)
    presence: float = 1.0  # of a picture in the image, 0..1; 0: it is not dreamed
    before: LiveFrameState | None = None  # the state before what may be a flash; None: there was none lately
    flash_frames: int = 0  # since `before`


def start_dream(
    frame: Frame, controls: Controls, workload: Workload, frame_index: int = 0, generation: int = 0
) -> LiveFrameState:
    """A new dream that starts with `frame`."""
    camera = prepare_image(frame, controls)
    source = source_tensor(camera, workload.size(camera.shape[:2]))
    visible = presence(contrast_of(camera))
    dream = undreamed(source, controls.strength)
    progress = begin_fading(dream.carry.progress, camera, visible)
    dream = replace(dream, carry=replace(dream.carry, progress=progress))
    return LiveFrameState(frame, camera, controls, dream, frame_index, generation, presence=visible)


def apply_results(state: LiveFrameState, results: Sequence[AscentResult]) -> LiveFrameState:
    """Add what ascents have found since the last frame; results of an earlier dream or another size are dropped."""
    dream = state.dream
    for result in results:
        task = result.task
        if task.generation != state.generation or task.dream.source.shape != dream.source.shape:
            continue
        if task.frame_index == state.frame_index or task.frame_index in state.flows:
            flow = state.flows.get(task.frame_index) or start_flow(dream)
            dream = apply_update(dream, result.update, flow)
    return replace(state, dream=dream)


def next_state(
    state: LiveFrameState,
    frame: Frame | None,
    controls: Controls,
    workload: Workload,
    working_on: int | None,
    estimate: FlowEstimator,
    compare: Compare,
) -> LiveFrameState:
    """Move the dream to the next frame, with the present controls and workload.

    Args:
        state: after the previous frame.
        frame: the next frame of the camera; None: no new one, the previous one stays.
        controls: in effect from now on; some changes restart the dream.
        workload: the size to dream at.
        working_on: frame_index from which the running ascent started; None: none is running.
        estimate: the optical flow.
        compare: how the camera's image follows the one before: whether it has changed altogether, which restarts the
            dream, unless the image before that returns within a few frames.
    """
    fresh, frame = frame is not None, frame or state.frame
    camera = prepare_image(frame, controls)
    if _restarts(state.controls, controls):
        return start_dream(frame, controls, workload, state.frame_index + 1, state.frame_index + 1)
    visible = presence(contrast_of(camera)) if fresh else state.presence
    if fresh:
        state = _after_flash(state, camera, compare)
        if compare(camera, state.camera) == "cut" or (visible > 0) != (state.presence > 0):
            begun = start_dream(frame, controls, workload, state.frame_index + 1, state.frame_index + 1)
            # What comes back within a few frames is that before the first of them.
            return replace(begun, before=state.before or state, flash_frames=state.flash_frames + 1)
    source = source_tensor(camera, workload.size(camera.shape[:2]))
    dream, flows = state.dream, state.flows
    if source.shape != dream.source.shape:
        size = workload.size(state.camera.shape[:2])
        dream, flows = resize_tracked(dream, source_tensor(state.camera, size)), {}
    dream = scale_strength(dream, controls.strength)
    # The previous frame is kept too: the next ascent may start from it before this frame is done.
    flows = {index: flow for index, flow in flows.items() if index == working_on}
    flows[state.frame_index] = None
    if fresh:
        motion = estimate_motion(source, dream.source, estimate)
        seconds = min(float(frame.time - state.frame.time), MAX_DECAY_SECONDS)
        dream = track_motion(dream, source, motion, seconds)
        dream = fade_tracked(dream, camera, visible, motion)
        flows = {index: extend_flow(flow, motion) for index, flow in flows.items()}
    return replace(
        state,
        frame=frame,
        camera=camera,
        controls=controls,
        dream=dream,
        frame_index=state.frame_index + 1,
        # Nothing is left of the dream where another picture has taken the place of the one before.
        generation=state.frame_index + 1 if fresh and _is_gone(dream) else state.generation,
        flows=flows,
        presence=visible,
    )


def _is_gone(dream: TrackedDream) -> bool:
    return dream.carry.progress.renewed and not dream.carry.residual.any()


def _after_flash(state: LiveFrameState, camera: NDArray[np.uint8], compare: Compare) -> LiveFrameState:
    """The state that an image continues: that before a flash, if the image is like that; `before` is kept a while."""
    if state.before is None:
        return state
    if compare(camera, state.before.camera) == "alike":
        return replace(state.before, frame_index=state.frame_index)
    if state.flash_frames >= FLASH_FRAMES:
        return replace(state, before=None, flash_frames=0)
    return replace(state, flash_frames=state.flash_frames + 1)


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
