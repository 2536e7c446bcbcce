"""What one frame of a shot hands the next, and how a frame is dreamed from it.

Ruder, Dosovitskiy, Brox 2016 start each frame from the last result, warped, and optimize it in full. What differs:

- The residual (dream - source) is carried, in float and at full size, so that a source is never blurred or delayed.
- A frame takes a small step at one size only, every other frame at the finest: what a step adds is what flickers. The
  coarser sizes have their turn in between; without it large shapes fade within seconds.
- The score of a shot's first dream is held, where it is a logarithm: what has lost it takes larger steps, what has more
  smaller ones. And its mean |residual| is the most that later frames may have. So still shots do not burn in, fast ones
  do not fade.
- Under a mask no score is held, for it is that of the whole picture, and strength is that of what lies under it. Where
  a mask has become darker what is carried fades with it; where it has become lighter is new ground.
- Ground that was not seen before starts undreamed and takes larger steps for some frames.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dreamvideo.ascent.memory_budget import MemoryBudget
from dreamvideo.ascent.octaves import confine, dream, octave_sizes
from dreamvideo.ascent.tiling import Score
from dreamvideo.devices import upload
from dreamvideo.models.network import Network
from dreamvideo.motion.occlusion import Motion, remap
from dreamvideo.motion.warp import warp
from dreamvideo.settings.dream import CarrySettings, DreamSettings

# Frames until new ground is dreamed like the rest, and the size of its first step, over that of a first frame's. By eye
# and by measurement: with fewer and larger steps a camera in the hand is less steady.
GROWTH_FRAMES = 12
FIRST_STEP_SCALE = 3.5

# Share of a picture that is not yet dreamed like the rest, above which every frame steps. By measurement: cars before
# a fixed camera stay below, a camera in the hand does not.
UNSEEN_LIMIT = 0.12

MIN_MASK = 1 / 255  # of a mask that is not 0


@dataclass(frozen=True, slots=True)
class Carry:
    """What one frame hands the next."""

    residual: Tensor  # (1, 3, H, W) float32 dream - source
    maturity: Tensor  # (1, 1, H, W) float32: 0 where nothing was carried to, 1 after GROWTH frames
    strength: Tensor  # (1, 1, 1, 1) float32 mean |residual| of the shot's first frame, over the mean of its mask
    goal: Tensor  # (1,) float32 score of the shot's first dream
    tick: int = 0  # frames since the shot began
    new: float = 0.0  # about what share of the picture is not mature
    mask: Tensor | None = None  # (1, 1, H, W) in [0, 1], this frame's; None: there is none


def steps_for(start: Carry, dreaming: DreamSettings, carrying: CarrySettings) -> tuple[int, ...]:
    """Steps at each octave, small to large, of the frame to which `start` was carried."""
    height, width = start.residual.shape[2:]
    octaves = len(octave_sizes(height, width, dreaming))
    return steps_per_octave(octaves, start.tick, carrying.warm_iterations, start.new > UNSEEN_LIMIT)


def steps_per_octave(octaves: int, tick: int, iterations: int, much_new: bool) -> tuple[int, ...]:
    """`iterations` at the octaves whose turn it is, small to large.

    The finest has its turn every other frame, or at every frame where `much_new` is there to be dreamed; of four
    frames one is for a coarser one, each in its turn.
    """
    finest = octaves - 1
    chosen = set()
    if tick % 2 or much_new:
        chosen.add(finest)
    if tick % 4 == 2 and finest:
        chosen.add(finest - 1 - tick // 4 % finest)
    return tuple(iterations if octave in chosen else 0 for octave in range(octaves))


def dream_first_frames(
    sources: Tensor,
    network: Network,
    dreaming: DreamSettings,
    masks: Tensor | None = None,
    budget: MemoryBudget | None = None,
) -> list[Carry]:
    """The dreams of (B, 3, H, W) first frames of shots, under (B, 1, H, W) masks, none of which is black all over."""

    def some(rows: slice, score: Score) -> list[Carry]:
        return _begun(sources[rows], score, dreaming, None if masks is None else masks[rows])

    return (budget or MemoryBudget()).portions(sources, network.score, some)


def _begun(sources: Tensor, score: Score, dreaming: DreamSettings, masks: Tensor | None) -> list[Carry]:
    dreamed = dream(sources, score, dreaming, mask=masks)
    with torch.no_grad():
        goals = score(dreamed)
    mature = torch.ones_like(sources[:1, :1])
    each = [None] * len(sources) if masks is None else torch.split(masks, 1)
    rows = zip(torch.split(dreamed - sources, 1), torch.split(goals, 1), each, strict=True)
    return [Carry(row, mature, strength_of(row, mask), goal, mask=mask) for row, goal, mask in rows]


def dream_carried_frames(
    sources: Tensor,
    starts: list[Carry],
    steps: tuple[int, ...],
    network: Network,
    dreaming: DreamSettings,
    carrying: CarrySettings,
    budget: MemoryBudget | None = None,
) -> list[Carry]:
    """The dreams of (B, 3, H, W) frames that start from what was carried to them, with the same `steps` for all."""
    holds = network.score.logarithmic

    def some(rows: slice, score: Score) -> list[Carry]:
        return _gone_on(sources[rows], starts[rows], steps, score, holds, dreaming, carrying)

    return (budget or MemoryBudget()).portions(sources, network.score, some)


def _gone_on(
    sources: Tensor,
    starts: list[Carry],
    steps: tuple[int, ...],
    score: Score,
    holds: bool,
    dreaming: DreamSettings,
    carrying: CarrySettings,
) -> list[Carry]:
    residual = torch.cat([start.residual for start in starts])
    maturity = torch.cat([start.maturity for start in starts])
    under = [start.mask for start in starts if start.mask is not None]
    masks = torch.cat(under) if under else None
    if any(steps):
        pace = carrying.warm_step + (FIRST_STEP_SCALE - carrying.warm_step) * (1 - maturity)
        dreamed = dream(
            sources,
            score,
            dreaming,
            residual=residual,
            pace=pace,
            plan=steps,
            ticks=[start.tick for start in starts],
            goal=torch.cat([start.goal for start in starts]) if holds and not under else None,
            mask=masks,
        )
        residual = dreamed - sources
    elif dreaming.keep_colors:
        residual = confine(sources + residual, sources, dreaming, masks) - sources
    strength = torch.cat([start.strength for start in starts])
    residual = residual * (strength / strength_of(residual, masks)).clamp(max=1)
    maturity = (maturity + 1 / GROWTH_FRAMES).clamp(max=1)
    rows = zip(starts, torch.split(residual, 1), torch.split(maturity, 1), strict=True)
    return [replace(start, residual=row, maturity=grown) for start, row, grown in rows]


def move_carry(last: Carry, motion: Motion, persistence: float, mask: Tensor | None = None) -> Carry:
    """`last` moved to the current frame: warped, the residual weighed, both as far as the motion is trusted.

    A (1, 1, H, W) `mask` of the current frame is put on both.
    """
    device = last.residual.device
    # Metal has no bicubic sampling; the motion is on the CPU anyway.
    where = device if device.type == "cuda" else torch.device("cpu")
    move = warp if where.type == "cuda" else remap
    backward, occluded, trust = (upload(x, where) for x in (motion.backward, motion.occluded, motion.trust))
    residual = persistence * move(last.residual.to(where), backward, "bicubic")
    maturity = move(last.maturity.to(where), backward)
    residual, maturity = residual * trust, maturity.masked_fill(occluded, 0)
    if mask is not None:
        now = mask.to(where)
        before = torch.ones_like(now) if last.mask is None else move(last.mask.to(where), backward)
        residual = residual * (now / before.clamp(min=MIN_MASK)).clamp(max=1)
        maturity = maturity * (before / now.clamp(min=MIN_MASK)).clamp(max=1)
    return replace(
        last,
        residual=residual.to(device),
        maturity=maturity.to(device),
        mask=mask,
        tick=last.tick + 1,
        new=min(1.0, last.new * (1 - 1 / GROWTH_FRAMES) + motion.hidden),
    )


def strength_of(residual: Tensor, masks: Tensor | None = None) -> Tensor:
    """(B, 1, 1, 1) mean |residual| of each image, over the mean of its (B, 1, H, W) mask; never quite 0."""
    strength = residual.abs().mean((1, 2, 3), keepdim=True) + 1e-6
    return strength if masks is None else strength / masks.mean((1, 2, 3), keepdim=True)
