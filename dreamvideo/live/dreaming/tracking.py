"""The dream moves with the camera: the carried residual is warped onto each new picture by that picture's own flow.

What the ascent finds out meanwhile is added when it is done, moved by all the flow since it began. After ofxDeepDream
(Akashi 2022), which moves what it adds by one picture's flow only, and has neither a test of occlusion nor a decay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.motion.occlusion import Motion, remap
from dreamvideo.video.carry import Carry, move_carry

# What is left after a second of a dream that no step renews. By eye: what steps miss is gone within half a minute.
DECAY = 0.9


@dataclass(frozen=True, slots=True)
class TrackedDream:
    """What is carried from picture to picture, at the working size."""

    source: Tensor  # (1, 3, h, w) uint8
    carry: Carry
    strength: float  # that the residual was scaled to
    replaced: float = 0.0  # share of the picture that was replaced since it began, which grows above 1

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) that it is dreamed at."""
        return self.source.shape[2], self.source.shape[3]


@dataclass(frozen=True, slots=True)
class AccumulatedFlow:
    """Where the places of the current picture lay when an ascent began."""

    flow: Tensor  # (1, 2, h, w) float32 pixels
    trust: Tensor  # (1, 1, h, w) float32 in [0, 1]; 0: they were not to be seen then


@dataclass(frozen=True, slots=True)
class FlowedUpdate:
    """What an ascent found, at the places of the picture that it began with."""

    residual: Tensor  # (1, 3, h, w) float32: what is to be added
    maturity: Tensor  # (1, 1, h, w) float32: likewise
    strength: float  # of the scene that it began with


def undreamed_scene(source: Tensor, strength: float) -> TrackedDream:
    """A scene that nothing has been dreamed in."""
    h, w = source.shape[2:]
    nothing = Carry(
        residual=torch.zeros(1, 3, h, w),
        maturity=torch.ones(1, 1, h, w),
        strength=torch.zeros(1, 1, 1, 1),
        goal=torch.zeros(1),  # the ascent holds that, and `strength`
    )
    return TrackedDream(source, nothing, strength)


def track_motion(scene: TrackedDream, source: Tensor, motion: Motion, seconds: float) -> TrackedDream:
    """`scene` carried to the picture `source`, which came `seconds` after the last one."""
    return replace(
        scene,
        source=source,
        carry=move_carry(scene.carry, motion, DECAY**seconds),
        replaced=scene.replaced + motion.hidden,
    )


def scale_flow(scene: TrackedDream, strength: float) -> TrackedDream:
    """`scene` with its dream as strong as is wanted now; from a strength of 0 there is no way back but a new dream."""
    if strength == scene.strength:
        return scene
    factor = strength / scene.strength if scene.strength else 0.0
    return replace(scene, carry=replace(scene.carry, residual=scene.carry.residual * factor), strength=strength)


def resize_tracked(scene: TrackedDream, source: Tensor) -> TrackedDream:
    """`scene` at the size of `source`, the same picture at another working size."""
    size = source.shape[2:]
    residual, maturity = (
        F.interpolate(plane, size, mode="bilinear", antialias=True)
        for plane in (scene.carry.residual, scene.carry.maturity)
    )
    return replace(scene, source=source, carry=replace(scene.carry, residual=residual, maturity=maturity))


def start_flow(scene: TrackedDream) -> AccumulatedFlow:
    """The path of an ascent that begins with `scene`: nothing has moved yet."""
    h, w = scene.source.shape[2:]
    return AccumulatedFlow(torch.zeros(1, 2, h, w), torch.ones(1, 1, h, w))


def extend_flow(path: AccumulatedFlow, motion: Motion) -> AccumulatedFlow:
    """`path` to one picture later: first back by its motion, from there along the path."""
    return AccumulatedFlow(
        motion.backward + remap(path.flow, motion.backward), motion.trust * remap(path.trust, motion.backward)
    )


def apply_update(scene: TrackedDream, gain: FlowedUpdate, path: AccumulatedFlow) -> TrackedDream:
    """`scene` with what an ascent found, moved to where its places are now."""
    factor = scene.strength / gain.strength if gain.strength else 0.0
    residual = remap(gain.residual, path.flow, "bicubic") * (path.trust * factor)
    maturity = remap(gain.maturity, path.flow) * path.trust
    return replace(
        scene,
        carry=replace(
            scene.carry,
            residual=scene.carry.residual + residual,
            maturity=(scene.carry.maturity + maturity).clamp(max=1),
        ),
    )


def compose_image(scene: TrackedDream, camera: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) the camera's picture, in full detail, with the dream of `scene` laid over it."""
    h, w = camera.shape[:2]
    residual = np.ascontiguousarray(scene.carry.residual[0].permute(1, 2, 0).numpy())
    if residual.shape[:2] != (h, w):
        residual = cv2.resize(residual, (w, h), interpolation=cv2.INTER_CUBIC)
    dreamed = cv2.add(camera, residual * 255, dtype=cv2.CV_8U)  # rounded and held to 0..255
    return cast("NDArray[np.uint8]", dreamed)


def shrink_tensor(camera: NDArray[np.uint8], size: tuple[int, int]) -> Tensor:
    """(1, 3, h, w) uint8 of the camera's picture at the (height, width) it is dreamed at."""
    if camera.shape[:2] != size:
        camera = cast("NDArray[np.uint8]", cv2.resize(camera, size[::-1], interpolation=cv2.INTER_AREA))
    return torch.from_numpy(np.ascontiguousarray(camera)).permute(2, 0, 1)[None]
