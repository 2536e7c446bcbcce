"""The carry: what one frame of a shot hands to the next, and how a frame is dreamed from it.

Ruder, Dosovitskiy, Brox 2016 start each frame from the last result, warped, and optimize it in full. What differs:

- The residual (dream - source) is carried, in float and at full size, so that a source is never blurred or delayed.
- A frame takes a small step at one octave only, every other frame at the finest, as what a step adds is what flickers.
  The coarser octaves have their turn in between; without it large shapes fade within seconds.
- The score of a shot's first dream is held, where it is a logarithm: frames that have lost score take larger steps,
  those that have more take smaller ones. And its mean |residual| is the most that later frames may have. So still shots
  do not burn in, and fast ones do not fade.
- Under a mask no score is held, as the score is that of the whole image, and strength is that of the masked part. Where
  the mask has become darker the residual fades with it; where it has become lighter the image counts as unseen.
- What has become visible, and what the flow does not explain (`progress`), is dreamed in windows at all sizes
  (`growth`): what deforms outruns its dream, and hides flicker.
- What stands behind moving things is remembered and comes back as it was (`ground`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dreamvideo.motion.frame_motion import Motion
from dreamvideo.motion.occlusion import remap
from dreamvideo.motion.warp import warp
from dreamvideo.video.progress import Progress, ResidualMove, learn, move_progress, warp_device


@dataclass(frozen=True, slots=True)
class Carry:
    """All temporal state: what one frame hands to the next."""

    residual: Tensor  # (1, 3, H, W) float32 dream - source
    strength: Tensor  # (1, 1, 1, 1) float32 mean |residual| of the shot's first frame, over the mean of its mask
    target_score: Tensor  # (1,) float32 score of the shot's first dream
    progress: Progress
    ground_residual: Tensor | None = None  # (1, 3, H, W) float32, of `progress.ground`


def first_progress(source: Tensor, mask: Tensor | None = None) -> Progress:
    """Return the progress after a shot's first frame.

    Args:
        source: (1, 3, H, W), of which the size and the device are read.
        mask: (1, 1, H, W) in [0, 1]; None: no mask.
    """
    return Progress(torch.ones_like(source[:, :1]), mask=mask)


def move_carry(last: Carry, source: Tensor, motion: Motion, persistence: float, mask: Tensor | None = None) -> Carry:
    """Warp a carry to the current frame; the residual fades where the motion is not trusted.

    Args:
        last: after the frame before.
        source: (1, 3, H, W) in [0, 1], the current frame.
        motion: from the frame before to this one.
        persistence: weight of the residual, in [0, 1].
        mask: (1, 1, H, W) float32 in [0, 1] of the current frame, applied to residual and age; None: no mask.

    Returns:
        The carry that the current frame starts from.
    """
    return move_residuals(last, *move_progress(last.progress, source, motion, mask), persistence)


def move_residuals(last: Carry, progress: Progress, move: ResidualMove, persistence: float) -> Carry:
    """Warp the residuals of a carry to a frame whose progress is known.

    Args:
        last: after the frame before.
        progress: of the current frame.
        move: how the residuals move.
        persistence: weight of the residual, in [0, 1].

    Returns:
        The carry that the current frame starts from.
    """
    device = last.residual.device
    where = warp_device(device)
    sample = warp if where.type == "cuda" else remap
    residual = persistence * sample(last.residual.to(where), move.backward, "bicubic") * move.kept
    ground = None if last.ground_residual is None else last.ground_residual.to(where)
    if ground is not None and move.ground_flow is not None:
        ground = sample(ground, move.ground_flow, "bicubic")
    if ground is not None and move.back is not None:
        residual = torch.lerp(residual, ground, move.back)
    if move.under_mask is not None:
        residual = residual * move.under_mask
    if move.gain != 1:
        residual = residual * move.gain
    return Carry(
        residual.to(device),
        last.strength,
        last.target_score,
        progress,
        None if progress.ground is None or ground is None else ground.to(device),
    )


def learn_ground(carry: Carry, source: Tensor, motion: Motion | None) -> Carry:
    """Remember the ground of a frame.

    Args:
        carry: after the frame.
        source: (1, 3, H, W) in [0, 1].
        motion: to this frame; None: it is the first.
    """
    progress, learned = learn(carry.progress, source, motion)
    return with_learned(carry, progress, learned)


def with_learned(carry: Carry, progress: Progress, learned: Tensor | None) -> Carry:
    """Remember the residual of a frame where it is that of the ground.

    Args:
        carry: after the frame.
        progress, learned: of `progress.learn`.
    """
    ground = carry.ground_residual
    if learned is not None:
        ground = carry.residual if ground is None else torch.lerp(ground, carry.residual, learned)
    return Carry(carry.residual, carry.strength, carry.target_score, progress, ground)


def strength_of(residual: Tensor, masks: Tensor | None = None) -> Tensor:
    """Return the strength of dreams.

    Args:
        residual: (B, 3, H, W) dream - source.
        masks: (B, 1, H, W) in [0, 1]; None: no mask.

    Returns:
        (B, 1, 1, 1) mean |residual| of each image, over the mean of its mask; never quite 0.
    """
    strength = residual.abs().mean((1, 2, 3), keepdim=True) + 1e-6
    return strength if masks is None else strength / masks.mean((1, 2, 3), keepdim=True)
