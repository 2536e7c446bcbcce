"""The state of a live dream, and how the next frame of the camera, or a key, changes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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
from dreamvideo.live.dreaming.tunnel import track_tunnel, tunnel_motion
from dreamvideo.live.named_controls import number_of
from dreamvideo.motion.cuts import Compare
from dreamvideo.motion.device_motion import FlowEstimate, estimate_flows, motion_on_device
from dreamvideo.motion.flow_pair import FlowEstimator
from dreamvideo.motion.frame_motion import Motion, small_size
from dreamvideo.motion.host_copy import shrink_planes
from dreamvideo.motion.occlusion import estimate_motion
from dreamvideo.motion.picture import contrast_of, presence
from dreamvideo.tensors import to_planes
from dreamvideo.video.fading import begin_fading
from dreamvideo.video.judged_frames import FLASH_FRAMES

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
    planes: Tensor | None = None  # (1, 3, H, W) uint8, `camera` on the device; None: the dream is moved by OpenCV


@dataclass(frozen=True, slots=True)
class SeenFrame:
    """What is known of a frame before the dream is moved to it; none of it takes longer for a larger dream."""

    state: LiveFrameState  # that it continues
    fresh: bool  # whether the camera gave a new frame
    frame: Frame
    camera: NDArray[np.uint8]  # (H, W, 3) as it is shown
    planes: Tensor | None  # as in `LiveFrameState`
    presence: float
    begins: bool = False  # a new dream
    before: LiveFrameState | None = None  # of that, as are the next
    flash_frames: int = 0
    flows: FlowEstimate | None = None  # from the frame before, where there are `planes`


def start_dream(
    frame: Frame,
    controls: Controls,
    workload: Workload,
    frame_index: int = 0,
    generation: int = 0,
    device: torch.device | None = None,
) -> LiveFrameState:
    """A new dream that starts with `frame`.

    Args:
        frame: of the camera.
        controls: in effect.
        workload: the size to dream at.
        frame_index, generation: its number, and that of its dream.
        device: where the dream is kept and moved, in torch; None: on the CPU, by OpenCV.
    """
    camera = prepare_image(frame, controls)
    planes = None if device is None else to_planes(camera, device)
    dream = _first_dream(camera, planes, presence(contrast_of(camera)), controls, workload)
    visible = dream.carry.progress.visible
    return LiveFrameState(frame, camera, controls, dream, frame_index, generation, presence=visible, planes=planes)


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
    """Move the dream to the next frame, with the present controls and workload: `see_frame`, then `move_dream`.

    Args:
        state, frame, controls, workload, estimate, compare: as for `see_frame`.
        working_on: as for `move_dream`.
    """
    seen = see_frame(state, frame, controls, workload, estimate, compare)
    return move_dream(seen, controls, workload, working_on, estimate)


def see_frame(
    state: LiveFrameState,
    frame: Frame | None,
    controls: Controls,
    workload: Workload,
    estimate: FlowEstimator,
    compare: Compare,
) -> SeenFrame:
    """Look at the next frame.

    Args:
        state: after the previous frame.
        frame: the next frame of the camera; None: no new one, the previous one stays.
        controls: in effect from now on; some changes restart the dream.
        workload: the size to dream at.
        estimate: the optical flow, which takes images where the dream is moved.
        compare: how the camera's image follows the one before: whether it has changed altogether, which restarts the
            dream, unless the image before that returns within a few frames.
    """
    fresh, begins = frame is not None, _restarts(state.controls, controls)
    if frame is None and not begins:
        return SeenFrame(state, fresh, state.frame, state.camera, state.planes, state.presence)
    frame = frame or state.frame
    camera = prepare_image(frame, controls)
    # The device begins with the image while the CPU looks at it.
    planes = None if state.planes is None else to_planes(camera, state.planes.device)
    visible = presence(contrast_of(camera))
    seen = SeenFrame(state, fresh, frame, camera, planes, visible, begins)
    if begins:
        return seen
    state = _after_flash(state, camera, compare)
    if compare(camera, state.camera) == "cut" or (visible > 0) != (state.presence > 0):
        # What comes back within a few frames is that before the first of them.
        before, flash_frames = state.before or state, state.flash_frames + 1
        return replace(seen, state=state, begins=True, before=before, flash_frames=flash_frames)
    if planes is None or controls.feedback is not None:  # the motion of a tunnel is known
        return replace(seen, state=state)
    assert state.planes is not None  # as `planes`: the dream is moved in one place
    flows = estimate_flows(planes, state.planes, estimate, size=workload.size(camera.shape[:2]))
    return replace(seen, state=state, flows=flows)


def move_dream(
    seen: SeenFrame,
    controls: Controls,
    workload: Workload,
    working_on: int | None,
    estimate: FlowEstimator,
) -> LiveFrameState:
    """Move the dream to a frame that was looked at.

    Args:
        seen: the frame.
        controls, workload, estimate: as for `see_frame`.
        working_on: frame_index from which the running ascent started; None: none is running.
    """
    state, camera, planes = seen.state, seen.camera, seen.planes
    index = state.frame_index + 1
    if seen.begins:
        dream = _first_dream(camera, planes, seen.presence, controls, workload)
        begun = LiveFrameState(seen.frame, camera, controls, dream, index, index, presence=seen.presence, planes=planes)
        return replace(begun, before=seen.before, flash_frames=seen.flash_frames)
    size = workload.size(camera.shape[:2])
    dream, flows = state.dream, state.flows
    if dream.size != size:
        dream, flows = resize_tracked(dream, _source(state.camera, state.planes, size)), {}
    dream = scale_strength(dream, controls.strength)
    # The previous frame is kept too: the next ascent may start from it before this frame is done.
    flows = {number: flow for number, flow in flows.items() if number == working_on}
    flows[state.frame_index] = None
    if seen.fresh:
        source = _source(camera, planes, size)
        seconds = min(float(seen.frame.time - state.frame.time), MAX_DECAY_SECONDS)
        persistence = number_of(controls, "persistence", 1.0)
        if controls.feedback is None:
            motion = _motion(seen, source, dream.source, estimate)
            dream = track_motion(dream, source, motion, seconds, persistence)
            dream = fade_tracked(dream, camera, seen.presence, motion)
        else:  # the camera's picture does not move as the tunnel does, so that it does not tell what fades
            motion = tunnel_motion(controls.feedback, size, source.device)
            dream = track_tunnel(dream, source, motion, seconds, persistence)
        flows = {number: extend_flow(flow, motion) for number, flow in flows.items()}
    return replace(
        state,
        frame=seen.frame,
        camera=camera,
        planes=planes,
        controls=controls,
        dream=dream,
        frame_index=index,
        # Nothing is left of the dream where another picture has taken the place of the one before.
        generation=index if seen.fresh and _is_gone(dream, planes is None) else state.generation,
        flows=flows,
        presence=seen.presence,
    )


def _first_dream(
    camera: NDArray[np.uint8], planes: Tensor | None, visible: float, controls: Controls, workload: Workload
) -> TrackedDream:
    dream = undreamed(_source(camera, planes, workload.size(camera.shape[:2])), controls.strength)
    progress = begin_fading(dream.carry.progress, camera, visible)
    return replace(dream, carry=replace(dream.carry, progress=progress))


def _source(camera: NDArray[np.uint8], planes: Tensor | None, size: tuple[int, int]) -> Tensor:
    """The (1, 3, h, w) uint8 image to dream of, where the dream is moved."""
    return source_tensor(camera, size) if planes is None else shrink_planes(planes, size)


def _motion(seen: SeenFrame, source: Tensor, previous: Tensor, estimate: FlowEstimator) -> Motion:
    if seen.flows is None:
        return estimate_motion(source, previous, estimate)
    return motion_on_device(seen.flows, source, previous, small_size(*seen.camera.shape[:2]))()


def _is_gone(dream: TrackedDream, looks: bool) -> bool:
    """Whether the dream has ended with its picture; `looks`: look at it, which would make a device be waited for."""
    return dream.carry.progress.renewed and (dream.is_zero or (looks and not dream.carry.residual.any()))


def _after_flash(state: LiveFrameState, camera: NDArray[np.uint8], compare: Compare) -> LiveFrameState:
    """The state that an image continues: that before a flash, if the image is like that; `before` is kept a while."""
    if state.before is None:
        return state
    if compare(camera, state.before.camera) == "alike":
        return replace(state.before, frame_index=state.frame_index)
    if state.flash_frames >= FLASH_FRAMES:
        return replace(state, before=None, flash_frames=0)
    return replace(state, flash_frames=state.flash_frames + 1)


def make_task(
    state: LiveFrameState, steps: int, step_ratio: float = 1.0, ready: torch.cuda.Event | None = None
) -> AscentTask:
    """The next ascent: from this state, of `steps` steps; `step_ratio`, `ready`: as in `AscentTask`."""
    controls = state.controls
    choice = LookChoice(controls.preset, controls.layer, controls.classes)
    numbers = dict(controls.numbers)
    return AscentTask(state.frame_index, state.generation, choice, state.dream, steps, numbers, step_ratio, ready)


def prepare_image(frame: Frame, controls: Controls) -> NDArray[np.uint8]:
    """The (H, W, 3) image of the camera as it is shown: mirrored if the controls say so."""
    return cast("NDArray[np.uint8]", cv2.flip(frame.image, 1)) if controls.mirror else frame.image


def _restarts(before: Controls, now: Controls) -> bool:
    same = (before.resets, before.mirror) == (now.resets, now.mirror)
    return not same or (before.strength == 0 and now.strength > 0)
