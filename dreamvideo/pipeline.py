"""A stream of frames becomes a stream of dreamed frames: motion is watched, the last dream is carried along it.

What is carried is the residual (dream - source), in float and at full size. It is warped to the current frame, weighed
by `persistence`, dropped where the flow cannot be trusted and at cuts; the ascent goes on from source + carry. Ground
that the flow uncovers starts undreamed, so its first steps are larger: else moving things would walk about undreamed.
The mean strength of a shot's first dream is the most that its later frames may have: else still shots would burn in.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.buffers import prefetch
from dreamvideo.dream import dream
from dreamvideo.flow import FLOWS
from dreamvideo.frames import Frame, Frames
from dreamvideo.models import Network
from dreamvideo.settings import CarrySettings, DreamSettings
from dreamvideo.shots import cut_detector
from dreamvideo.warp import occlusion_mask, warp


@dataclass(frozen=True, slots=True)
class Motion:
    """How the previous frame became this one."""

    backward: Tensor  # (1, 2, H, W) float32 pixels: where each pixel of this frame lies in the previous one
    occluded: Tensor  # (1, 1, H, W) bool: True = do not trust


@dataclass(frozen=True, slots=True)
class Carry:
    """What one frame hands the next."""

    residual: Tensor  # (1, 3, H, W) float32 dream - source
    maturity: Tensor  # (1, 1, H, W) float32: 0 where nothing was carried to, 1 after GROWTH frames
    strength: Tensor  # (1, 1, 1, 1) float32 mean |residual| of the shot's first frame


# Frames until uncovered ground is dreamed like the rest, and how much larger its first step is; chosen by eye.
GROWTH = 8
FIRST_PACE = 6.0


@dataclass(frozen=True, slots=True)
class Watched:
    """A frame and its motion; None at the start of a shot."""

    frame: Frame
    motion: Motion | None


def dream_video(frames: Frames, network: Network, dreaming: DreamSettings, carrying: CarrySettings) -> Frames:
    """The frames, dreamed, one for one with the same times; the motion is estimated ahead in a thread.

    Raises:
        Whatever `frames` raises.
    """
    if dreaming.iterations == 0:
        yield from frames
        return
    alone = carrying.persistence == 0
    last: Carry | None = None
    tick = 0  # frames since the shot began
    with contextlib.closing(prefetch(watch(frames, None if alone else carrying.flow))) as watched:
        for step in watched:
            source = to_tensor(step.frame.image, network.device)
            if last is None or step.motion is None or alone:
                tick = 0
                dreamed = dream(source, network.score, dreaming)
                residual = dreamed - source
                last = Carry(residual, torch.ones_like(source[:, :1]), strength_of(residual))
            else:
                tick += 1
                start = carry(last, step.motion, carrying.persistence)
                dreamed = dream(
                    source,
                    network.score,
                    dreaming,
                    residual=start.residual,
                    pace=1 + (FIRST_PACE - 1) * (1 - start.maturity),
                    iterations=carrying.warm_iterations,
                    tick=tick,
                )
                residual = dreamed - source
                residual = residual * (start.strength / strength_of(residual)).clamp(max=1)
                last = Carry(residual, (start.maturity + 1 / GROWTH).clamp(max=1), start.strength)
            yield replace(step.frame, image=to_image(source + last.residual))


def watch(frames: Frames, flow: str | None) -> Generator[Watched, None, None]:
    """Each frame with its motion by the estimator named `flow`; "none" watches for cuts only; None for nothing."""
    is_cut = cut_detector()
    estimate = FLOWS[flow]() if flow in FLOWS else None
    previous: Frame | None = None
    with contextlib.closing(frames):
        for frame in frames:
            motion = None
            if flow is not None and previous is not None and not is_cut(frame.image, previous.image):
                now, before = _planes(frame), _planes(previous)
                if estimate is None:
                    h, w = frame.image.shape[:2]
                    motion = Motion(torch.zeros(1, 2, h, w), torch.zeros(1, 1, h, w, dtype=torch.bool))
                else:
                    backward = estimate(now, before)
                    motion = Motion(backward, occlusion_mask(backward, estimate(before, now)))
            yield Watched(frame, motion)
            previous = frame


def carry(last: Carry, motion: Motion, persistence: float) -> Carry:
    """`last` moved to the current frame: warped, the residual weighed, both zero where the motion is not trusted."""
    device = last.residual.device
    backward, occluded = motion.backward.to(device), motion.occluded.to(device)
    residual = persistence * warp(last.residual, backward, "bicubic")
    maturity = warp(last.maturity, backward)
    return Carry(residual.masked_fill(occluded, 0), maturity.masked_fill(occluded, 0), last.strength)


def strength_of(residual: Tensor) -> Tensor:
    """(B, 1, 1, 1) mean |residual| of each image; never quite 0."""
    return residual.abs().mean((1, 2, 3), keepdim=True) + 1e-6


def to_tensor(image: NDArray[np.uint8], device: torch.device) -> Tensor:
    """(1, 3, H, W) float32 in [0, 1] from (H, W, 3) uint8."""
    return torch.from_numpy(image).to(device).permute(2, 0, 1)[None].float() / 255


def to_image(image: Tensor) -> NDArray[np.uint8]:
    """(H, W, 3) uint8, rounded, from (1, 3, H, W) in [0, 1]."""
    scaled = (image[0] * 255).round().clamp(0, 255).to(torch.uint8)
    return scaled.permute(1, 2, 0).contiguous().cpu().numpy()


def _planes(frame: Frame) -> Tensor:
    return torch.from_numpy(frame.image).permute(2, 0, 1)[None]
