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
- Pixels that were not visible before start undreamed and take larger steps for some frames.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dreamvideo.ascent.bars import picture_area
from dreamvideo.ascent.memory_budget import MemoryBudget
from dreamvideo.ascent.octaves import confine, dream, octave_sizes
from dreamvideo.ascent.tiling import Score
from dreamvideo.devices import upload
from dreamvideo.models.network import Network
from dreamvideo.motion.occlusion import Motion, remap
from dreamvideo.motion.warp import warp
from dreamvideo.settings.dream import CarrySettings, DreamSettings

# Frames until pixels that have become visible are dreamed like the rest, and the size of their first step, over that of
# a first frame's. By eye and by measurement: with fewer and larger steps a hand-held camera is less steady.
GROWTH_FRAMES = 12
FIRST_STEP_SCALE = 3.5

# Share of the image that is not yet dreamed like the rest, above which the finest octave is stepped at every frame. By
# measurement: cars before a fixed camera stay below, a hand-held camera does not.
UNSEEN_LIMIT = 0.12

MIN_MASK = 1 / 255  # the smallest value above 0 of an 8-bit mask


@dataclass(frozen=True, slots=True)
class Carry:
    """All temporal state: what one frame hands to the next."""

    residual: Tensor  # (1, 3, H, W) float32 dream - source
    age: Tensor  # (1, 1, H, W) float32 frames since a pixel became visible, over GROWTH_FRAMES, at most 1
    strength: Tensor  # (1, 1, 1, 1) float32 mean |residual| of the shot's first frame, over the mean of its mask
    target_score: Tensor  # (1,) float32 score of the shot's first dream
    frame_index: int = 0  # frames since the shot began
    unseen: float = 0.0  # share of the image that became visible lately and is not dreamed like the rest, 0..1, about
    mask: Tensor | None = None  # (1, 1, H, W) in [0, 1], this frame's; None: no mask
    copy: Tensor | None = None  # (1, 1, h, w) on the CPU, the picture that is dreamed on, see `fading`
    visible: float = 1.0  # share of the dream that fades have left, 0..1; of `strength`, too
    renewed: bool = False  # the picture is new: `strength` and `target_score` are to be measured anew


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
    return steps_per_octave(octaves, start.frame_index, carrying.warm_iterations, start.unseen > UNSEEN_LIMIT)


def steps_per_octave(octaves: int, frame_index: int, iterations: int, much_unseen: bool) -> tuple[int, ...]:
    """Return the steps at each octave: `iterations` at those whose turn it is, else 0.

    The finest has its turn every other frame, or every frame where `much_unseen`; of four frames one is for a coarser
    octave, each in its turn.

    Args:
        octaves: how many there are.
        frame_index: frames since the shot began.
        iterations: steps of an octave whose turn it is.
        much_unseen: more than `UNSEEN_LIMIT` is newly visible.

    Returns:
        Numbers of steps, smallest octave first.
    """
    finest = octaves - 1
    chosen = set()
    if frame_index % 2 or much_unseen:
        chosen.add(finest)
    if frame_index % 4 == 2 and finest:
        chosen.add(finest - 1 - frame_index // 4 % finest)
    return tuple(iterations if octave in chosen else 0 for octave in range(octaves))


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
    mask_rows = [start.mask for start in starts if start.mask is not None]
    masks = torch.cat(mask_rows) if mask_rows else None
    if any(steps):
        dreamed = dream(
            sources,
            score,
            dreaming,
            residual=residual,
            step_scale=carrying.warm_step + (FIRST_STEP_SCALE - carrying.warm_step) * (1 - age),
            steps_per_octave=steps,
            jitter_index=[start.frame_index for start in starts],
            target_score=torch.cat([start.target_score for start in starts]) if holds_score and masks is None else None,
            mask=masks,
        )
        residual = dreamed - sources
    elif dreaming.keep_colors:
        residual = confine(sources + residual, sources, dreaming, masks) - sources
    elif not dreaming.dream_bars:  # the flow may have moved it there
        residual = residual * picture_area(sources)
    strength = torch.cat([start.strength * start.visible for start in starts])
    residual = residual * (strength / strength_of(residual, masks)).clamp(max=1)
    age = (age + 1 / GROWTH_FRAMES).clamp(max=1)
    rows = zip(starts, torch.split(residual, 1), torch.split(age, 1), strict=True)
    return [replace(start, residual=residual_row, age=age_row) for start, residual_row, age_row in rows]


def move_carry(last: Carry, motion: Motion, persistence: float, mask: Tensor | None = None) -> Carry:
    """Warp a carry to the current frame; the residual fades where the motion is not trusted.

    Args:
        last: after the frame before.
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
    backward, occluded, trust = (upload(x, where) for x in (motion.backward, motion.occluded, motion.trust))
    residual = persistence * move(last.residual.to(where), backward, "bicubic")
    age = move(last.age.to(where), backward)
    residual, age = residual * trust, age.masked_fill(occluded, 0)
    if mask is not None:
        now = mask.to(where)
        before = torch.ones_like(now) if last.mask is None else move(last.mask.to(where), backward)
        residual = residual * (now / before.clamp(min=MIN_MASK)).clamp(max=1)
        age = age * (before / now.clamp(min=MIN_MASK)).clamp(max=1)
    return replace(
        last,
        residual=residual.to(device),
        age=age.to(device),
        mask=mask,
        frame_index=last.frame_index + 1,
        unseen=min(1.0, last.unseen * (1 - 1 / GROWTH_FRAMES) + motion.unseen),
    )


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
