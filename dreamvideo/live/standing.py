"""Where a live dream stands, and how the next picture of the camera, or a key, moves it on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from dreamvideo.flow import FlowEstimator
from dreamvideo.frames import Frame
from dreamvideo.live.ascent import Result, Task, Wish
from dreamvideo.live.controls import Controls
from dreamvideo.live.following import Path, Scene, further, gained, moved, resized, scaled, shrunk, start, undreamed
from dreamvideo.live.pacing import Pace
from dreamvideo.motion import between

LONGEST = 0.2  # seconds; however long a camera stood still, the dream fades no more than in these

IsCut = Callable[[NDArray[np.uint8], NDArray[np.uint8]], bool]  # (current, previous)


@dataclass(frozen=True, slots=True)
class Stand:
    """What goes from picture to picture."""

    frame: Frame  # the camera's
    camera: NDArray[np.uint8]  # (H, W, 3) its picture as it is to be shown
    controls: Controls  # that were acted upon
    scene: Scene
    number: int = 0  # of the picture
    dream: int = 0  # dreams that ended before
    paths: Mapping[int, Path] = field(default_factory=dict)  # of ascents under way, by the number they began with


def begun(frame: Frame, controls: Controls, pace: Pace, number: int = 0, dream: int = 0) -> Stand:
    """A dream that begins with this picture."""
    camera = seen(frame, controls)
    source = shrunk(camera, pace.size(camera.shape[:2]))
    return Stand(frame, camera, controls, undreamed(source, controls.strength), number, dream)


def enriched(stand: Stand, results: Sequence[Result]) -> Stand:
    """`stand` with what ascents have found since the last picture, at the places where it belongs by now."""
    scene = stand.scene
    for result in results:
        task = result.task
        if task.dream != stand.dream or task.scene.source.shape != scene.source.shape:
            continue  # of a dream that has ended, or of another size
        path = start(scene) if task.number == stand.number else stand.paths.get(task.number)
        if path is not None:
            scene = gained(scene, result.gain, path)
    return replace(stand, scene=scene)


def advanced(
    stand: Stand,
    frame: Frame | None,
    controls: Controls,
    pace: Pace,
    working: int | None,
    estimate: FlowEstimator,
    is_cut: IsCut,
) -> Stand:
    """`stand` with the next picture, the controls and the pace as they are now.

    Args:
        frame: None: there is no new one, or it is not wanted; the last one stays.
        working: number of the picture that an ascent is under way from.
    """
    fresh, frame = frame is not None, frame or stand.frame
    camera = seen(frame, controls)
    if _begins_anew(stand.controls, controls) or (fresh and is_cut(camera, stand.camera)):
        return begun(frame, controls, pace, stand.number + 1, stand.dream + 1)
    source = shrunk(camera, pace.size(camera.shape[:2]))
    scene, paths = stand.scene, stand.paths
    if source.shape != scene.source.shape:
        scene, paths = resized(scene, shrunk(stand.camera, pace.size(stand.camera.shape[:2]))), {}
    scene = scaled(scene, controls.strength)
    # An ascent may end, and the next begin with the last picture, before this one is done.
    paths = {number: path for number, path in paths.items() if number == working} | {stand.number: start(scene)}
    if fresh:
        motion = between(source, scene.source, estimate)
        seconds = min(float(frame.time - stand.frame.time), LONGEST)
        scene = moved(scene, source, motion, seconds)
        paths = {number: further(path, motion) for number, path in paths.items()}
    return Stand(frame, camera, controls, scene, stand.number + 1, stand.dream, paths)


def task_of(stand: Stand, steps: int) -> Task:
    """What the next ascent is to begin with."""
    wish = Wish(stand.controls.preset, stand.controls.layer)
    return Task(stand.number, stand.dream, wish, stand.scene, steps)


def seen(frame: Frame, controls: Controls) -> NDArray[np.uint8]:
    """The camera's picture as it is to be shown."""
    return np.ascontiguousarray(frame.image[:, ::-1]) if controls.mirror else frame.image


def _begins_anew(before: Controls, now: Controls) -> bool:
    same = all(getattr(before, name) == getattr(now, name) for name in ("preset", "layer", "resets", "mirror"))
    return not same or (before.strength == 0 and now.strength > 0)
