"""Progress: how far each place of a frame is dreamed, and what has to be dreamed anew, without the dream itself.

None of it depends on what an ascent found. So it is known, and what a frame takes is decided, before the frame before
it is dreamed: on a GPU nothing waits for that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dreamvideo.motion.camera_motion import camera_flow, is_fixed
from dreamvideo.motion.frame_motion import Motion
from dreamvideo.motion.occlusion import remap
from dreamvideo.motion.warp import warp
from dreamvideo.video.ground import Ground, move_ground, remember_ground, returned_ground

GROWTH_FRAMES = 12  # frames over which newly visible pixels count as unseen
GROWN_STEPS = 12  # steps until pixels that have become visible count as dreamed like the rest
DRAGGED = 0.9  # share of a residual that stays where its motion is not trusted; by measurement
CALM_FRAMES = 8  # of which one is remembered where nothing moves
LOCAL_SHARE = 0.02  # of the image that moves fast or is unseen, from which windows are dreamed

MIN_MASK = 1 / 255  # the smallest value above 0 of an 8-bit mask


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a frame is dreamed."""

    age: Tensor  # (1, 1, H, W) float32 in [0, 1]: steps since a pixel became visible, over GROWN_STEPS
    frame_index: int = 0  # frames since the shot began
    unseen: float = 0.0  # share of the image that became visible lately and is not dreamed like the rest, 0..1, about
    mask: Tensor | None = None  # (1, 1, H, W) in [0, 1], this frame's; None: no mask
    copy: Tensor | None = None  # (1, 1, h, w) on the CPU, the picture that is dreamed on, see `fading`
    visible: float = 1.0  # share of the dream that fades have left, 0..1; of the strength, too
    renewed: bool = False  # the picture is new: the strength and the score to hold are to be measured anew
    ground: Ground | None = None  # what may be covered; None: nothing is remembered
    mismatch: Tensor | None = None  # (1, 1, H, W) in [0, 1], how little its motion explains this frame; None: 0
    mismatch_share: float = 0.0  # mean of `mismatch`

    @property
    def grows(self) -> bool:
        """Whether enough is unseen or moves fast, so that windows are dreamed."""
        return self.unseen + self.mismatch_share > LOCAL_SHARE

    @property
    def need(self) -> Tensor:
        """How much each place has to be dreamed anew, (1, 1, H, W) in [0, 1]."""
        need = 1 - self.age if self.mismatch is None else torch.maximum(1 - self.age, self.mismatch)
        return need if self.mask is None else need * self.mask


@dataclass(frozen=True, slots=True)
class ResidualMove:
    """How the residuals of a frame become those of the next; tensors are where `warp_device` says."""

    backward: Tensor  # (1, 2, H, W) px
    kept: Tensor  # (1, 1, H, W) share that is left, in [0, 1]
    ground_flow: Tensor | None = None  # (1, 2, H, W) px, of the ground; None: it stays where it is
    back: Tensor | None = None  # (1, 1, H, W) in [0, 1], where the ground's takes its place; None: nowhere
    under_mask: Tensor | None = None  # (1, 1, H, W) factor; None: 1
    gain: float = 1.0  # a further factor


def warp_device(device: torch.device) -> torch.device:
    """Return where what is carried on a device is warped: Metal has no bicubic sampling."""
    return device if device.type == "cuda" else torch.device("cpu")


def move_progress(
    last: Progress, source: Tensor, motion: Motion, mask: Tensor | None = None
) -> tuple[Progress, ResidualMove]:
    """Move to the next frame.

    Args:
        last: after the frame before.
        source: (1, 3, H, W) in [0, 1], the current frame.
        motion: from the frame before to this one.
        mask: (1, 1, H, W) float32 in [0, 1] of the current frame; None: no mask.

    Returns:
        The progress that the current frame starts from, and how the residuals move.
    """
    device = last.age.device
    where = warp_device(device)
    move = warp if where.type == "cuda" else remap
    backward, occluded, trust, mismatch = (
        x.to(where) for x in (motion.backward, motion.occluded, motion.trust, motion.mismatch)
    )
    age = move(last.age.to(where), backward).masked_fill(occluded, 0)
    unseen = min(1.0, last.unseen * (1 - 1 / GROWTH_FRAMES) + motion.unseen)
    moved = replace(last, unseen=unseen, mismatch_share=motion.mismatch_share)
    ground, ground_flow, back = last.ground, None, None
    if motion.camera is None or not (moved.grows or is_fixed(motion.camera)):
        ground = None  # where nothing moves but the camera nothing is covered: it is cheaper to learn anew
    elif ground is not None and moved.grows:
        ground = ground.to(where)
        if not is_fixed(motion.camera):
            ground_flow = camera_flow(motion.camera, (source.shape[2], source.shape[3]), where)
            ground = move_ground(ground, ground_flow, move)
        if motion.any_near:
            back = returned_ground(ground, source.to(where), (motion.near & ~motion.inside).to(where))
            age, mismatch = torch.maximum(age, back), mismatch * (1 - back)
    under_mask = None
    if mask is not None:
        now = mask.to(where)
        before = torch.ones_like(now) if last.mask is None else move(last.mask.to(where), backward)
        under_mask = (now / before.clamp(min=MIN_MASK)).clamp(max=1)
        age = age * (before / now.clamp(min=MIN_MASK)).clamp(max=1)
    progress = replace(
        moved,
        age=age.to(device),
        mask=mask,
        ground=None if ground is None else ground.to(device),
        mismatch=mismatch.to(device),
        frame_index=last.frame_index + 1,
    )
    kept = torch.lerp(trust, torch.ones_like(trust), DRAGGED)
    return progress, ResidualMove(backward, kept, ground_flow, back, under_mask)


def renew(progress: Progress, share: float) -> Progress:
    """Return the progress of a frame some of whose dream is another's, which has to grow.

    Args:
        progress: moved to the frame.
        share: of what is dreamed that is new, 0 to 1.
    """
    if not share:
        return progress
    return replace(progress, age=progress.age * (1 - share), unseen=min(1.0, progress.unseen + share))


def learn(progress: Progress, source: Tensor, motion: Motion | None) -> tuple[Progress, Tensor | None]:
    """Remember the ground of a frame.

    Args:
        progress: after the frame.
        source: (1, 3, H, W) in [0, 1].
        motion: to this frame; None: it is the first.

    Returns:
        The progress that the next frame starts from; and (1, 1, H, W) float32, 1 where this frame's residual is that of
        the ground, else 0. None: nothing was learned.
    """
    if not progress.grows and progress.frame_index % CALM_FRAMES:
        return progress, None
    near = None if motion is None else motion.near.to(source.device)
    ground, learned = remember_ground(progress.ground, source, progress.age, near)
    return replace(progress, ground=ground), learned
