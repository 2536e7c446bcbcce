"""Where a live dream stands, and how the next picture of the camera, or a key, moves it on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from dreamvideo.frames import Frame
from dreamvideo.live.controls import Controls
from dreamvideo.live.dreaming.ascent_thread import AscentTask, DreamUpdate, LookChoice
from dreamvideo.live.dreaming.size_control import SizeChoice
from dreamvideo.live.dreaming.tracking import (
    AccumulatedFlow,
    TrackedDream,
    apply_update,
    extend_flow,
    resize_tracked,
    scale_flow,
    shrink_tensor,
    start_flow,
    track_motion,
    undreamed_scene,
)
from dreamvideo.motion.flow import FlowEstimator
from dreamvideo.motion.occlusion import estimate_motion

MAX_FLOW_FRAMES = 0.2  # seconds; however long a camera stood still, the dream fades no more than in these

IsCut = Callable[[NDArray[np.uint8], NDArray[np.uint8]], bool]  # (current, previous)


@dataclass(frozen=True, slots=True)
class LiveFrameState:
    """What goes from picture to picture."""

    frame: Frame  # the camera's
    camera: NDArray[np.uint8]  # (H, W, 3) its picture as it is to be shown
    controls: Controls  # that were acted upon
    scene: TrackedDream
    number: int = 0  # of the picture
    dream: int = 0  # dreams that ended before
    paths: Mapping[int, AccumulatedFlow] = field(
        default_factory=dict
    )  # of ascents under way, by the number they began with


def begin_live(frame: Frame, controls: Controls, pace: SizeChoice, number: int = 0, dream: int = 0) -> LiveFrameState:
    """A dream that begins with this picture."""
    camera = prepare_frame(frame, controls)
    source = shrink_tensor(camera, pace.size(camera.shape[:2]))
    return LiveFrameState(frame, camera, controls, undreamed_scene(source, controls.strength), number, dream)


def apply_result(stand: LiveFrameState, results: Sequence[DreamUpdate]) -> LiveFrameState:
    """`stand` with what ascents have found since the last picture, at the places where it belongs by now."""
    scene = stand.scene
    for result in results:
        task = result.task
        if task.dream != stand.dream or task.scene.source.shape != scene.source.shape:
            continue  # of a dream that has ended, or of another size
        path = start_flow(scene) if task.number == stand.number else stand.paths.get(task.number)
        if path is not None:
            scene = apply_update(scene, result.gain, path)
    return replace(stand, scene=scene)


def advance(
    stand: LiveFrameState,
    frame: Frame | None,
    controls: Controls,
    pace: SizeChoice,
    working: int | None,
    estimate: FlowEstimator,
    is_cut: IsCut,
) -> LiveFrameState:
    """`stand` with the next picture, the controls and the pace as they are now.

    Args:
        frame: None: there is no new one, or it is not wanted; the last one stays.
        working: number of the picture that an ascent is under way from.
    """
    fresh, frame = frame is not None, frame or stand.frame
    camera = prepare_frame(frame, controls)
    if _begins_anew(stand.controls, controls) or (fresh and is_cut(camera, stand.camera)):
        return begin_live(frame, controls, pace, stand.number + 1, stand.dream + 1)
    source = shrink_tensor(camera, pace.size(camera.shape[:2]))
    scene, paths = stand.scene, stand.paths
    if source.shape != scene.source.shape:
        scene, paths = resize_tracked(scene, shrink_tensor(stand.camera, pace.size(stand.camera.shape[:2]))), {}
    scene = scale_flow(scene, controls.strength)
    # An ascent may end, and the next begin with the last picture, before this one is done.
    paths = {number: path for number, path in paths.items() if number == working} | {stand.number: start_flow(scene)}
    if fresh:
        motion = estimate_motion(source, scene.source, estimate)
        seconds = min(float(frame.time - stand.frame.time), MAX_FLOW_FRAMES)
        scene = track_motion(scene, source, motion, seconds)
        paths = {number: extend_flow(path, motion) for number, path in paths.items()}
    return LiveFrameState(frame, camera, controls, scene, stand.number + 1, stand.dream, paths)


def make_task(stand: LiveFrameState, steps: int) -> AscentTask:
    """What the next ascent is to begin with."""
    wish = LookChoice(stand.controls.preset, stand.controls.layer)
    return AscentTask(stand.number, stand.dream, wish, stand.scene, steps)


def prepare_frame(frame: Frame, controls: Controls) -> NDArray[np.uint8]:
    """The camera's picture as it is to be shown."""
    return np.ascontiguousarray(frame.image[:, ::-1]) if controls.mirror else frame.image


def _begins_anew(before: Controls, now: Controls) -> bool:
    same = all(getattr(before, name) == getattr(now, name) for name in ("preset", "layer", "resets", "mirror"))
    return not same or (before.strength == 0 and now.strength > 0)
