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
- What has become visible, and what the flow does not explain, is dreamed in windows at all sizes (`growth`): what
  deforms outruns its dream, and hides flicker.
- What stands behind moving things is remembered and comes back as it was (`ground`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dreamvideo.ascent.bars import picture_area
from dreamvideo.ascent.memory_budget import MemoryBudget
from dreamvideo.ascent.octaves import confine, dream, octave_sizes
from dreamvideo.ascent.tiling import Score
from dreamvideo.models.network import Network
from dreamvideo.motion.camera_motion import camera_flow, is_fixed
from dreamvideo.motion.occlusion import Motion, remap
from dreamvideo.motion.warp import warp
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.tensors import upload
from dreamvideo.video.ground import Ground, move_ground, remember_ground, returned_ground
from dreamvideo.video.growth import grow, local_steps
from dreamvideo.video.octave_turns import UNSEEN_LIMIT, local_gains, steps_per_octave

GROWTH_FRAMES = 12  # frames over which newly visible pixels count as unseen
GROWN_STEPS = 12  # steps until pixels that have become visible count as dreamed like the rest
DRAGGED = 0.9  # share of a residual that stays where its motion is not trusted; by measurement
NEED_STEP = 0.8  # size of the steps of the whole image where it has to grow, over those of a first frame's
CALM_FRAMES = 8  # of which one is remembered where nothing moves
LOCAL_SHARE = 0.02  # of the image that moves fast or is unseen, from which windows are dreamed

MIN_MASK = 1 / 255  # the smallest value above 0 of an 8-bit mask


@dataclass(frozen=True, slots=True)
class Carry:
    """All temporal state: what one frame hands to the next."""

    residual: Tensor  # (1, 3, H, W) float32 dream - source
    age: Tensor  # (1, 1, H, W) float32 in [0, 1]: steps since a pixel became visible, over GROWN_STEPS
    strength: Tensor  # (1, 1, 1, 1) float32 mean |residual| of the shot's first frame, over the mean of its mask
    target_score: Tensor  # (1,) float32 score of the shot's first dream
    frame_index: int = 0  # frames since the shot began
    unseen: float = 0.0  # share of the image that became visible lately and is not dreamed like the rest, 0..1, about
    mask: Tensor | None = None  # (1, 1, H, W) in [0, 1], this frame's; None: no mask
    copy: Tensor | None = None  # (1, 1, h, w) on the CPU, the picture that is dreamed on, see `fading`
    visible: float = 1.0  # share of the dream that fades have left, 0..1; of `strength`, too
    renewed: bool = False  # the picture is new: `strength` and `target_score` are to be measured anew
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


def steps_for(start: Carry, dreaming: DreamSettings, carrying: CarrySettings) -> tuple[int, ...]:
    """Return the steps at each octave of a frame that starts from a carry.

    Args:
        start: moved to the frame.
        dreaming: the octaves.
        carrying: `warm_iterations`.

    Returns:
        Numbers of steps, smallest octave first.
    """
    height, width = start.residual.shape[2:]
    octaves = len(octave_sizes(height, width, dreaming))
    much_unseen, local = start.unseen > UNSEEN_LIMIT, start.grows and carrying.local_steps != 0
    return steps_per_octave(octaves, start.frame_index, carrying.warm_iterations, much_unseen, local)


def dream_first_frames(
    sources: Tensor,
    network: Network,
    dreaming: DreamSettings,
    masks: Tensor | None = None,
    budget: MemoryBudget | None = None,
) -> list[Carry]:
    """Dream the first frames of shots in full.

    Args:
        sources: (B, 3, H, W) float32 in [0, 1].
        network: its score is ascended.
        dreaming: how.
        masks: (B, 1, H, W) float32 in [0, 1], none of them black all over; None: dream everywhere.
        budget: of memory; None: a new one.

    Returns:
        The carry after each frame; its dream is source + residual.

    Raises:
        MemoryBudgetError: an image does not fit into memory.
    """

    def portion(rows: slice, score: Score) -> list[Carry]:
        return _dream_first(sources[rows], score, dreaming, None if masks is None else masks[rows])

    return (budget or MemoryBudget()).run_in_batches(sources, network.score, portion)


def _dream_first(sources: Tensor, score: Score, dreaming: DreamSettings, masks: Tensor | None) -> list[Carry]:
    dreamed = dream(sources, score, dreaming, mask=masks)
    with torch.no_grad():
        scores = score(dreamed)
    age = torch.ones_like(sources[:1, :1])
    mask_rows = [None] * len(sources) if masks is None else torch.split(masks, 1)
    rows = zip(torch.split(dreamed - sources, 1), torch.split(scores, 1), mask_rows, strict=True)
    return [Carry(row, age, strength_of(row, mask), target, mask=mask) for row, target, mask in rows]


def dream_carried_frames(
    sources: Tensor,
    starts: list[Carry],
    steps: tuple[int, ...],
    network: Network,
    dreaming: DreamSettings,
    carrying: CarrySettings,
    budget: MemoryBudget | None = None,
) -> list[Carry]:
    """Dream frames that start from what was carried to them.

    Args:
        sources: (B, 3, H, W) float32 in [0, 1].
        starts: the carry of each, moved to the frame by `move_carry`; all with masks or none.
        steps: numbers of steps of each octave, smallest first, the same for all, see `steps_for`.
        network: its score is ascended.
        dreaming: how.
        carrying: `warm_step`.
        budget: of memory; None: a new one.

    Returns:
        The carry after each frame; its dream is source + residual.

    Raises:
        MemoryBudgetError: an image does not fit into memory.
    """
    holds_score = network.score.logarithmic

    def portion(rows: slice, score: Score) -> list[Carry]:
        return _dream_carried(sources[rows], starts[rows], steps, score, holds_score, dreaming, carrying)

    return (budget or MemoryBudget()).run_in_batches(sources, network.score, portion)


def _dream_carried(
    sources: Tensor,
    starts: list[Carry],
    steps: tuple[int, ...],
    score: Score,
    holds_score: bool,
    dreaming: DreamSettings,
    carrying: CarrySettings,
) -> list[Carry]:
    residual = torch.cat([start.residual for start in starts])
    age = torch.cat([start.age for start in starts])
    needs = torch.cat([start.need for start in starts])
    mask_rows = [start.mask for start in starts if start.mask is not None]
    masks = torch.cat(mask_rows) if mask_rows else None
    area = None if dreaming.dream_bars else picture_area(sources)
    if growing := [row for row, start in enumerate(starts) if start.grows]:
        if area is not None:
            needs = needs * area
        calls = local_steps(carrying.local_steps, sources.device)
        residual, age = residual.clone(), age.clone()
        for call in range(calls - any(steps)):  # the whole image's turn counts as one
            index = [starts[row].frame_index * calls + call for row in growing]
            gains = local_gains(len(steps), index[0], finest=not steps[-1])
            residual[growing], covered = grow(
                sources[growing], residual[growing], needs[growing], score, dreaming, gains, index
            )
            age[growing] = (age[growing] + covered / GROWN_STEPS).clamp(max=1)
    if any(steps):
        dreamed = dream(
            sources,
            score,
            dreaming,
            residual=residual,
            step_scale=carrying.warm_step + (NEED_STEP - carrying.warm_step) * needs,
            steps_per_octave=steps,
            jitter_index=[start.frame_index for start in starts],
            target_score=torch.cat([start.target_score for start in starts]) if holds_score and masks is None else None,
            mask=masks,
        )
        residual = dreamed - sources
        age = (age + steps[-1] / GROWN_STEPS).clamp(max=1)
    elif dreaming.keep_colors:
        residual = confine(sources + residual, sources, dreaming, masks) - sources
    elif area is not None:  # the flow may have moved it there
        residual = residual * area
    # What moves or grows has a strength of its own; the rest keeps that of the first frame.
    calm = 1 - needs
    strength = torch.cat([start.strength * start.visible for start in starts])
    excess = (strength / strength_of(residual * calm, calm if masks is None else calm * masks)).clamp(max=1) - 1
    residual = residual * (1 + calm * excess)
    rows = zip(starts, torch.split(residual, 1), torch.split(age, 1), strict=True)
    return [replace(start, residual=residual_row, age=age_row) for start, residual_row, age_row in rows]


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
    device = last.residual.device
    # Metal has no bicubic sampling; the motion is on the CPU anyway.
    where = device if device.type == "cuda" else torch.device("cpu")
    move = warp if where.type == "cuda" else remap
    backward, occluded, trust, mismatch = (
        upload(x, where) for x in (motion.backward, motion.occluded, motion.trust, motion.mismatch)
    )
    residual = persistence * move(last.residual.to(where), backward, "bicubic")
    age = move(last.age.to(where), backward)
    residual, age = residual * torch.lerp(trust, torch.ones_like(trust), DRAGGED), age.masked_fill(occluded, 0)
    unseen = min(1.0, last.unseen * (1 - 1 / GROWTH_FRAMES) + motion.unseen)
    moved = replace(last, unseen=unseen, mismatch_share=motion.mismatch_share)
    ground = last.ground
    if motion.camera is None or not (moved.grows or is_fixed(motion.camera)):
        ground = None  # where nothing moves but the camera nothing is covered: it is cheaper to learn anew
    elif ground is not None and moved.grows:
        ground = ground.to(where)
        if not is_fixed(motion.camera):
            ground = move_ground(ground, upload(camera_flow(motion.camera, *source.shape[2:]), where), move)
        if motion.near.any():
            back = returned_ground(ground, source.to(where), upload(motion.near & ~motion.inside, where))
            residual = torch.lerp(residual, ground.residual, back)
            age, mismatch = torch.maximum(age, back), mismatch * (1 - back)
    if mask is not None:
        now = mask.to(where)
        before = torch.ones_like(now) if last.mask is None else move(last.mask.to(where), backward)
        residual = residual * (now / before.clamp(min=MIN_MASK)).clamp(max=1)
        age = age * (before / now.clamp(min=MIN_MASK)).clamp(max=1)
    return replace(
        moved,
        residual=residual.to(device),
        age=age.to(device),
        mask=mask,
        ground=None if ground is None else ground.to(device),
        mismatch=mismatch.to(device),
        frame_index=last.frame_index + 1,
    )


def learn_ground(carry: Carry, source: Tensor, motion: Motion | None) -> Carry:
    """Remember the ground of a frame.

    Args:
        carry: after the frame.
        source: (1, 3, H, W) in [0, 1].
        motion: to this frame; None: it is the first.
    """
    if not carry.grows and carry.frame_index % CALM_FRAMES:
        return carry
    near = None if motion is None else upload(motion.near, source.device)
    return replace(carry, ground=remember_ground(carry.ground, source, carry.residual, carry.age, near))


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
