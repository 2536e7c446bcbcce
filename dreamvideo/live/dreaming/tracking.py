"""The dream moves with the camera: the carried residual is warped onto each new frame by the flow of that frame.

An ascent takes longer than a frame. What it adds is warped by all the flow since the frame it started from. This
differs from ofxDeepDream (Akashi 2022), which warps what it adds by the flow of a single frame, and has neither an
occlusion test nor a decay.

All of it happens where `TrackedDream.source` is: on the CPU, where OpenCV warps, or on the device of the dream.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, cast

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.motion.frame_motion import Motion
from dreamvideo.motion.occlusion import remap
from dreamvideo.motion.warp import warp
from dreamvideo.video.carry import Carry, learn_ground, move_carry
from dreamvideo.video.fading import fade_progress
from dreamvideo.video.progress import Progress

# Factor on the residual per second. Chosen by eye: what no step renews is gone within half a minute.
DECAY_PER_SECOND: Final = 0.9

# Rows of an image that are added to at once, so that what is between stays in the cache: a third less time at 1080p.
BAND: Final = 16


@dataclass(frozen=True, slots=True)
class TrackedDream:
    """The dream of a frame, at the size that it is dreamed at; carried from frame to frame."""

    source: Tensor  # (1, 3, h, w) uint8, the camera's image
    carry: Carry
    strength: float  # factor on the dream, as set by the user, that the residual has been scaled to
    unseen_sum: float = 0.0  # shares of newly visible pixels, added up since the dream began; may exceed 1
    renewals: int = 0  # how often its picture has grown, and its goals are to be measured anew
    is_zero: bool = False  # the residual is known to be zero everywhere, without a look at it

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) that it is dreamed at."""
        return self.source.shape[2], self.source.shape[3]


@dataclass(frozen=True, slots=True)
class AccumulatedFlow:
    """Where the pixels of the current frame lay when an ascent started."""

    flow: Tensor  # (1, 2, h, w) float32 pixels
    trust: Tensor  # (1, 1, h, w) float32 in [0, 1]; 0: not visible at that time


@dataclass(frozen=True, slots=True)
class ResidualUpdate:
    """What an ascent adds, at the pixels of the frame it started from."""

    residual: Tensor  # (1, 3, h, w) float32, to be added to the residual
    age: Tensor  # (1, 1, h, w) float32, to be added to the age
    strength: float  # `TrackedDream.strength` at the start of the ascent


def undreamed(source: Tensor, strength: float) -> TrackedDream:
    """A frame with an empty dream: (1, 3, h, w) uint8 `source`, zero residual."""
    h, w = source.shape[2:]
    device = source.device
    empty = Carry(
        residual=torch.zeros(1, 3, h, w, device=device),
        strength=torch.zeros(1, 1, 1, 1, device=device),
        target_score=torch.zeros(1, device=device),  # unused, as is `strength`: `AscentState` holds both
        progress=Progress(torch.ones(1, 1, h, w, device=device)),
    )
    return TrackedDream(source, empty, strength, is_zero=True)


def track_motion(
    dream: TrackedDream, source: Tensor, motion: Motion, seconds: float, persistence: float = 1.0
) -> TrackedDream:
    """Carry a dream to the next frame.

    Args:
        dream: the dream of the previous frame.
        source: (1, 3, h, w) uint8, the current frame.
        motion: from the previous to the current frame.
        seconds: time between the two, over which the residual decays.
        persistence: weight of the residual beside that, 0 to 1.
    """
    image = source.float().div_(255)
    carry = learn_ground(move_carry(dream.carry, image, motion, persistence * DECAY_PER_SECOND**seconds), image, motion)
    return replace(
        dream,
        source=source,
        carry=carry,
        unseen_sum=dream.unseen_sum + motion.unseen,
    )


def fade_tracked(dream: TrackedDream, camera: NDArray[np.uint8], presence: float, motion: Motion) -> TrackedDream:
    """Fade a dream, carried to a frame, with its picture.

    Args:
        dream: after `track_motion`.
        camera: (H, W, 3) image of the frame.
        presence: of a picture in it.
        motion: from the previous to the current frame.
    """
    progress, gain = fade_progress(dream.carry.progress, camera, presence, motion)
    residual = dream.carry.residual if gain == 1 else dream.carry.residual * gain
    carry = replace(dream.carry, residual=residual, progress=progress)
    renewals = dream.renewals + progress.renewed
    return replace(dream, carry=carry, renewals=renewals, is_zero=dream.is_zero or gain == 0)


def scale_strength(dream: TrackedDream, strength: float) -> TrackedDream:
    """Scale the residual to another strength. A residual of strength 0 stays zero: it needs a new dream."""
    if strength == dream.strength:
        return dream
    factor = strength / dream.strength if dream.strength else 0.0
    ground = dream.carry.ground_residual
    carry = replace(
        dream.carry,
        residual=dream.carry.residual * factor,
        ground_residual=None if ground is None else ground * factor,
    )
    return replace(dream, carry=carry, strength=strength, is_zero=dream.is_zero or factor == 0)


def resize_tracked(dream: TrackedDream, source: Tensor) -> TrackedDream:
    """Resize a dream to the size of `source`, (1, 3, h, w) uint8: the same frame at another size.

    What was remembered of covered ground is forgotten.
    """
    size = source.shape[2:]
    progress = dream.carry.progress
    residual, age = (
        F.interpolate(plane, size, mode="bilinear", antialias=True) for plane in (dream.carry.residual, progress.age)
    )
    progress = replace(progress, age=age, ground=None, mismatch=None, mismatch_share=0.0)
    carry = replace(dream.carry, residual=residual, progress=progress, ground_residual=None)
    return replace(dream, source=source, carry=carry)


def start_flow(dream: TrackedDream) -> AccumulatedFlow:
    """The flow of an ascent that starts from this frame: zero, and trusted everywhere."""
    h, w = dream.source.shape[2:]
    device = dream.source.device
    return AccumulatedFlow(torch.zeros(1, 2, h, w, device=device), torch.ones(1, 1, h, w, device=device))


def extend_flow(accumulated: AccumulatedFlow | None, motion: Motion) -> AccumulatedFlow:
    """Extend the flow by one frame: back to the previous frame by `motion`, from there along `accumulated`.

    Args:
        accumulated: up to the previous frame; None: an ascent started from that, see `start_flow`.
        motion: from the previous to the current frame.
    """
    if accumulated is None:
        return AccumulatedFlow(motion.backward, motion.trust)
    sample = _sampler(motion.backward)
    return AccumulatedFlow(
        sample(accumulated.flow, motion.backward).add_(motion.backward),
        sample(accumulated.trust, motion.backward).mul_(motion.trust),
    )


def apply_update(dream: TrackedDream, update: ResidualUpdate, flow: AccumulatedFlow) -> TrackedDream:
    """Add what an ascent found, warped to where its pixels are now and scaled to the present strength."""
    factor = dream.strength / update.strength if update.strength else 0.0
    trust = flow.trust if factor == 1 else flow.trust * factor
    progress = dream.carry.progress
    sample = _sampler(flow.flow)
    residual = sample(update.residual, flow.flow, "bicubic").mul_(trust).add_(dream.carry.residual)
    age = sample(update.age, flow.flow).mul_(flow.trust).add_(progress.age).clamp_(max=1)
    carry = replace(dream.carry, residual=residual, progress=replace(progress, age=age))
    return replace(dream, carry=carry, is_zero=False)


def _sampler(flow: Tensor) -> Callable[..., Tensor]:
    return warp if flow.is_cuda else remap


def compose_image(dream: TrackedDream, camera: NDArray[np.uint8], amount: float = 1.0) -> NDArray[np.uint8]:
    """Add `amount` times the residual, resized, to the (H, W, 3) uint8 image of the camera, whose detail stays."""
    h, w = camera.shape[:2]
    residual = np.ascontiguousarray(dream.carry.residual[0].permute(1, 2, 0).numpy())
    if residual.shape[:2] != (h, w):
        residual = cv2.resize(residual, (w, h), interpolation=cv2.INTER_CUBIC)
    image = np.empty_like(camera)
    for top in range(0, h, BAND):
        rows = slice(top, top + BAND)
        cv2.add(
            camera[rows], residual[rows] * (255 * amount), image[rows], dtype=cv2.CV_8U
        )  # rounds, and saturates at 0 and 255
    return image


def source_tensor(camera: NDArray[np.uint8], size: tuple[int, int]) -> Tensor:
    """Return the (H, W, 3) uint8 image of the camera as (1, 3, h, w) uint8, shrunk to (h, w) = `size`."""
    if camera.shape[:2] != size:
        camera = cast("NDArray[np.uint8]", cv2.resize(camera, size[::-1], interpolation=cv2.INTER_AREA))
    return torch.from_numpy(np.ascontiguousarray(camera)).permute(2, 0, 1)[None]


def enlarged_source(source: Tensor, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a (1, 3, h, w) uint8 source of a dream as (H, W, 3), enlarged to (H, W) = `size`."""
    image = np.ascontiguousarray(source[0].permute(1, 2, 0).numpy())
    return cast("NDArray[np.uint8]", cv2.resize(image, size[::-1], interpolation=cv2.INTER_CUBIC))
