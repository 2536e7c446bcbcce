"""Dreams frames of shots: the first in full, later ones from what was carried to them. How, see `carry`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dreamvideo.ascent.memory_budget import MemoryBudget
from dreamvideo.ascent.octaves import confine, dream_octaves
from dreamvideo.ascent.tiling import Score
from dreamvideo.models.network import Network
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.video.carry import Carry, first_progress, strength_of
from dreamvideo.video.frame_steps import FrameSteps, plan_steps
from dreamvideo.video.growth import grow

NEED_STEP = 0.8  # size of the steps of the whole image where it has to grow, over those of a first frame's


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
    dreamed = dream_octaves(sources, score, dreaming, mask=masks)
    with torch.no_grad():
        scores = score(dreamed)
    mask_rows = [None] * len(sources) if masks is None else torch.split(masks, 1)
    rows = zip(torch.split(dreamed - sources, 1), torch.split(scores, 1), mask_rows, strict=True)
    return [Carry(row, strength_of(row, mask), target, first_progress(row, mask)) for row, target, mask in rows]


def dream_carried_frames(
    sources: Tensor,
    starts: Sequence[Carry],
    network: Network,
    dreaming: DreamSettings,
    carrying: CarrySettings,
    budget: MemoryBudget | None = None,
    steps: tuple[int, ...] | None = None,
) -> list[Carry]:
    """Dream frames that start from what was carried to them.

    Args:
        sources: (B, 3, H, W) float32 in [0, 1].
        starts: the carry of each, moved to the frame by `move_carry`; all with masks or none.
        network: its score is ascended.
        dreaming: how.
        carrying: `warm_iterations`, `warm_step` and `local_steps`.
        budget: of memory; None: a new one.
        steps: of the whole image at each octave, smallest first; None: those whose turn it is, the same for all.

    Returns:
        The carry after each frame; its dream is source + residual.

    Raises:
        MemoryBudgetError: an image does not fit into memory.
    """
    plans = [
        plan_steps(start.progress, source, dreaming, carrying, steps)()
        for start, source in zip(starts, torch.split(sources, 1), strict=True)
    ]
    residuals = dream_residuals(sources, starts, plans, network, dreaming, carrying, budget)
    rows = zip(residuals, starts, plans, strict=True)
    return [
        Carry(residual, start.strength, start.target_score, plan.after, start.ground_residual)
        for residual, start, plan in rows
    ]


def dream_residuals(
    sources: Tensor,
    starts: Sequence[Carry],
    plans: Sequence[FrameSteps],
    network: Network,
    dreaming: DreamSettings,
    carrying: CarrySettings,
    budget: MemoryBudget | None = None,
) -> list[Tensor]:
    """Dream frames of which is known what steps they take.

    Args:
        sources, starts, network, dreaming, carrying, budget: as for `dream_carried_frames`.
        plans: the steps of each; those of the whole image are the same for all.

    Returns:
        The residual of each, (1, 3, H, W).

    Raises:
        MemoryBudgetError: an image does not fit into memory.
    """
    holds_score = network.score.logarithmic

    def portion(rows: slice, score: Score) -> list[Tensor]:
        batch = sources[rows], starts[rows], plans[rows]
        return list(torch.split(_dream_carried(*batch, score, holds_score, dreaming, carrying), 1))

    return (budget or MemoryBudget()).run_in_batches(sources, network.score, portion)


def _dream_carried(
    sources: Tensor,
    starts: Sequence[Carry],
    plans: Sequence[FrameSteps],
    score: Score,
    holds_score: bool,
    dreaming: DreamSettings,
    carrying: CarrySettings,
) -> Tensor:
    residual = torch.cat([start.residual for start in starts])
    needs = torch.cat([plan.need for plan in plans])
    mask_rows = [start.progress.mask for start in starts if start.progress.mask is not None]
    masks = torch.cat(mask_rows) if mask_rows else None
    area = _areas_of(plans)
    steps = plans[0].octaves
    for call in range(max(len(plan.local) for plan in plans)):
        residual = _grow_rows(sources, residual, needs, plans, call, score, dreaming)
    if any(steps):
        dreamed = dream_octaves(
            sources,
            score,
            dreaming,
            residual=residual,
            step_scale=carrying.warm_step + (NEED_STEP - carrying.warm_step) * needs,
            steps_per_octave=steps,
            jitter_index=[start.progress.frame_index for start in starts],
            target_score=torch.cat([start.target_score for start in starts]) if holds_score and masks is None else None,
            mask=masks,
            area=area,
        )
        residual = dreamed - sources
    elif dreaming.keep_colors:
        residual = confine(sources + residual, sources, dreaming, masks, area) - sources
    elif area is not None:  # the flow may have moved it there
        residual = residual * area
    # What moves or grows has a strength of its own; the rest keeps that of the first frame.
    calm = 1 - needs
    strength = torch.cat([start.strength * start.progress.visible for start in starts])
    excess = (strength / strength_of(residual * calm, calm if masks is None else calm * masks)).clamp(max=1) - 1
    return residual * (1 + calm * excess)


def _areas_of(plans: Sequence[FrameSteps]) -> Tensor | None:
    """(B, 1, H, W) where frames are dreamed; None: everywhere."""
    if all(plan.area is None for plan in plans):
        return None
    return torch.cat([torch.ones_like(plan.need) if plan.area is None else plan.area for plan in plans])


def _grow_rows(
    sources: Tensor,
    residual: Tensor,
    needs: Tensor,
    plans: Sequence[FrameSteps],
    call: int,
    score: Score,
    dreaming: DreamSettings,
) -> Tensor:
    """Take the local step of this number in the images that have one with windows."""
    rows = [row for row, plan in enumerate(plans) if call < len(plan.local) and plan.local[call].windows]
    if not rows:
        return residual
    local = [plans[row].local[call] for row in rows]
    if len(rows) == len(plans):
        return grow(sources, residual, needs, score, dreaming, local)
    of_rows = [torch.cat([planes[row : row + 1] for row in rows]) for planes in (sources, residual, needs)]
    grown = grow(of_rows[0], of_rows[1], of_rows[2], score, dreaming, local)
    planes = list(torch.split(residual, 1))
    for row, plane in zip(rows, torch.split(grown, 1), strict=True):
        planes[row] = plane
    return torch.cat(planes)
