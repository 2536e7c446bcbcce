"""One ascent of a live dream: what it starts from, and what it adds.

A new dream grows through all octaves, from coarse to fine, as the first frame of a shot does, but a few steps at a
time and on whatever frame is the newest. After that it continues as the later frames of a shot do, see `video.carry`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import torch
from torch import Tensor

from dreamvideo.ascent.memory_budget import MemoryBudget
from dreamvideo.ascent.octaves import dream_octaves, octave_sizes
from dreamvideo.ascent.tiling import Score
from dreamvideo.live.dreaming.dials import dialed_carry, dialed_dream
from dreamvideo.live.dreaming.tracking import ResidualUpdate, TrackedDream
from dreamvideo.live.dreaming.turns import next_turn
from dreamvideo.models.network import Network
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.tensors import download, upload
from dreamvideo.video.carry import Carry, strength_of
from dreamvideo.video.dream_frames import dream_carried_frames, dream_first_frames
from dreamvideo.video.frame_steps import morphing
from dreamvideo.video.octave_turns import UNSEEN_LIMIT

# Lower limit of a dream's mean |residual|, over `step_size` times the square root of its steps. Many cameras start with
# black images, which hardly dream; without this limit what follows would stay as faint.
MIN_STRENGTH: Final = 0.8

STALE_SHARE: Final = 0.5  # share of newly visible pixels after which the score to hold is measured anew; by eye


@dataclass(frozen=True, slots=True)
class LookChoice:
    """The look that the controls ask for."""

    preset: str | None = None
    layer: str | None = None
    classes: str | None = None  # as `Controls.classes`


@dataclass(frozen=True, slots=True)
class Look:
    """A network and how it dreams.

    Attributes:
        network, settings: of all that is dreamed, a mixture in a fade.
        choice: what the controls asked for.
        end: what is dreamed when a fade has ended; None: it is no fade.
        share: of the end, 0 to 1.
        fades: whether it is a fade, or one ended lately: steps are smaller, see `MORPH_STEP`.
    """

    network: Network
    settings: DreamSettings
    choice: LookChoice = LookChoice()
    end: Look | None = None
    share: float = 1.0
    fades: bool = False
    budgets: dict[tuple[int, int], MemoryBudget] = field(default_factory=dict)  # by (height, width) of the dream

    def budget(self, size: tuple[int, int]) -> MemoryBudget:
        """The budget of memory at a (height, width): a smaller dream may do without the tiles of a larger one."""
        return self.budgets.setdefault(size, MemoryBudget())


@dataclass(frozen=True, slots=True)
class AscentTask:
    """What an ascent starts from."""

    frame_index: int
    generation: int  # see `LiveFrameState`
    look_choice: LookChoice
    dream: TrackedDream
    steps: int
    numbers: Mapping[str, float] = field(default_factory=dict)  # options that are not as the look has them
    step_ratio: float = 1.0  # see `Dials`
    ready: torch.cuda.Event | None = None  # happens when the device has the dream; None: it has


@dataclass(frozen=True, slots=True)
class LookGoals:
    """What a dream is held at."""

    unit_strength: Tensor  # as in `AscentState`
    target_score: Tensor


@dataclass(frozen=True, slots=True)
class AscentState:
    """The state of the ascent between two tasks."""

    generation: int = -1  # of the dream that it belongs to
    size: tuple[int, int] = (0, 0)
    growth_steps: int = 0  # steps taken while the dream was growing
    turn_index: int = 0  # of the last turn after that, see `next_turn`
    frame_index: int = 0  # from which that turn was taken
    unit_strength: Tensor | None = None  # (1, 1, 1, 1) limit of the mean |residual| at strength 1; None: it still grows
    target_score: Tensor | None = None  # (1,) score to hold; None: to be measured
    strength: float = 0.0  # `TrackedDream.strength` when `target_score` was measured
    unseen_sum: float = 0.0  # `TrackedDream.unseen_sum` when `target_score` was measured
    renewals: int = 0  # `TrackedDream.renewals` when the dream began to grow, or when both goals were measured anew
    goals: LookGoals | None = None  # those that a fade comes from, while it goes on
    choice: LookChoice | None = None  # the look that `unit_strength` and `target_score` are of
    share: float = 1.0  # `Look.share` of the last ascent


def run_ascent(
    state: AscentState, task: AscentTask, look: Look, carry_settings: CarrySettings
) -> tuple[AscentState, ResidualUpdate | None, int]:
    """Run one ascent.

    Args:
        state: after the previous ascent.
        task: what to start from.
        look: the network, and its settings.
        carry_settings: steps of a dream that has grown.

    Returns:
        The new state, what the ascent adds (None: no turn is due yet), and its steps.

    Raises:
        MemoryBudgetError: the dream does not fit into memory, even in the smallest tiles.
    """
    if state.generation != task.generation:
        state = AscentState(task.generation, renewals=task.dream.renewals)
    if state.size != task.dream.size:
        state = replace(state, size=task.dream.size, target_score=None)
    look = replace(look, settings=dialed_dream(look.settings, task.numbers))
    carry_settings = dialed_carry(carry_settings, task.numbers, task.step_ratio)
    octaves = len(octave_sizes(*state.size, look.settings))
    grows = state.unit_strength is None and state.growth_steps < octaves * look.settings.iterations

    def ascend_whole(rows: slice, score: Score) -> list[tuple[AscentState, ResidualUpdate | None, int]]:
        if grows:
            return [_grow(state, task, look, octaves, score)]
        return [_continue(state, task, look, carry_settings, octaves, score)]

    # All that takes memory on the device, the uploads too, is done again with less where it runs out.
    device = look.network.device
    budget = look.budget(task.dream.size)
    (outcome,) = budget.run_in_batches(task.dream.source, look.network.score, ascend_whole, device)
    return outcome


def _grow(
    state: AscentState, task: AscentTask, look: Look, octaves: int, score: Score
) -> tuple[AscentState, ResidualUpdate, int]:
    """Take the next steps of a new dream, at the octave whose turn it is."""
    source, residual, age = _planes(task.dream, look)
    octave = state.growth_steps // look.settings.iterations
    dreamed = dream_octaves(
        source,
        score,
        look.settings,
        residual=residual,
        step_scale=torch.full_like(age, task.dream.strength * task.dream.carry.progress.visible),
        steps_per_octave=[task.steps if each == octave else 0 for each in range(octaves)],
        jitter_index=[state.growth_steps],
    )
    added = _brought_back(dreamed - source - residual, task.dream)
    update = ResidualUpdate(added, torch.zeros_like(task.dream.carry.progress.age), task.dream.strength)
    return replace(state, growth_steps=state.growth_steps + task.steps), update, task.steps


def _continue(
    state: AscentState, task: AscentTask, look: Look, carry_settings: CarrySettings, octaves: int, score: Score
) -> tuple[AscentState, ResidualUpdate | None, int]:
    """Take the next turn of a dream that has grown, as a later frame of a shot does."""
    tracked, budget = task.dream, look.budget(task.dream.size)
    source, residual, age = _planes(tracked, look)
    if state.unit_strength is None:
        least = MIN_STRENGTH * look.settings.step_size * math.sqrt(octaves * look.settings.iterations)
        # A faint picture has a faint dream; its goal is that of a whole one.
        whole = tracked.strength * max(tracked.carry.progress.visible, 0.01)
        unit_strength = (strength_of(residual) / whole).clamp(min=least)
        choice = look.choice if look.end is None else None
        state = replace(state, unit_strength=unit_strength, frame_index=task.frame_index - 1, choice=choice)
    elif state.renewals != tracked.renewals:
        state = replace(_measured(state, tracked, source, look), share=look.share)
    frames = task.frame_index - state.frame_index
    local = tracked.carry.progress.grows and carry_settings.local_steps != 0
    iterations = task.steps * carry_settings.warm_iterations
    unseen = 1.0 if look.fades else tracked.carry.progress.unseen
    turn_index, steps = next_turn(state.turn_index, frames, octaves, iterations, unseen, local)
    if steps is None:
        return state, None, 0
    if state.goals is None and _target_is_stale(state, tracked):
        with torch.no_grad():
            target = score((source + residual).clamp(0, 1))
        state = replace(state, target_score=target, strength=tracked.strength, unseen_sum=tracked.unseen_sum)
    if state.choice != look.choice:
        state = replace(_measured(state, tracked, source, look), goals=_goals(state))
    state = replace(state, share=look.share, goals=None if look.end is None else state.goals)
    goals = _goals(state)
    limit = goals.unit_strength * tracked.strength
    mismatch = tracked.carry.progress.mismatch
    progress = replace(
        tracked.carry.progress,
        age=age,
        frame_index=turn_index,
        mismatch=None if mismatch is None else _brought(mismatch, look.network.device),
        ground=None,
    )
    start = Carry(residual, limit, goals.target_score, progress)
    if look.fades:
        carry_settings = morphing(carry_settings)
    (after,) = dream_carried_frames(source, [start], look.network, look.settings, carry_settings, budget, steps)
    added, aged = after.residual - residual, after.progress.age - age
    update = ResidualUpdate(_brought_back(added, tracked), _brought_back(aged, tracked), tracked.strength)
    return replace(state, turn_index=turn_index, frame_index=task.frame_index), update, sum(steps)


def _measured(state: AscentState, tracked: TrackedDream, source: Tensor, look: Look) -> AscentState:
    """The state with the goals of a look, or of the one that it fades to: a frame is dreamed from scratch for them."""
    end = look.end or look
    (first,) = dream_first_frames(source, end.network, end.settings, budget=end.budget(tracked.size))
    target = first.target_score
    if tracked.strength != 1:
        with torch.no_grad():
            target = end.network.score((source + tracked.strength * first.residual).clamp(0, 1))
    return replace(
        state,
        unit_strength=first.strength,
        target_score=target,
        strength=tracked.strength,
        unseen_sum=tracked.unseen_sum,
        renewals=tracked.renewals,
        choice=look.choice,
    )


def _goals(state: AscentState) -> LookGoals:
    """What the dream is held at: in a fade between the goals of both looks."""
    assert state.unit_strength is not None and state.target_score is not None
    before, share = state.goals, state.share
    if before is None:
        return LookGoals(state.unit_strength, state.target_score)
    strength = before.unit_strength ** (1 - share) * state.unit_strength**share
    return LookGoals(strength, torch.lerp(before.target_score, state.target_score, share))


def _planes(tracked: TrackedDream, look: Look) -> tuple[Tensor, Tensor, Tensor]:
    """Source in [0, 1], residual and age on the device of the network."""
    device = look.network.device
    source = _brought(tracked.source, device).float() / 255
    return source, _brought(tracked.carry.residual, device), _brought(tracked.carry.progress.age, device)


def _brought(planes: Tensor, device: torch.device) -> Tensor:
    """Planes of a dream on the device of the network, where they are unless the dream is moved on the CPU."""
    return upload(planes, device) if planes.device.type == "cpu" else planes


def _brought_back(planes: Tensor, tracked: TrackedDream) -> Tensor:
    return download(planes) if tracked.source.device.type == "cpu" else planes


def _target_is_stale(state: AscentState, tracked: TrackedDream) -> bool:
    if state.target_score is None or state.strength != tracked.strength:
        return True
    return tracked.unseen_sum - state.unseen_sum > STALE_SHARE and tracked.carry.progress.unseen < UNSEEN_LIMIT
