"""Goals: the strength and the score at which a shot is held while what is dreamed changes.

Both are measured, as those of a shot's first frame are: a frame is dreamed from scratch, and only its numbers are kept.
That is done for the end of a change when the change begins, so that the goals can go from one to the other with it;
else the controller and the bound of the carry would undo the change. Where a change has both begun and ended since the
frame before, as at a beat, what is dreamed now is measured, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import torch
from torch import Tensor

from dreamvideo.settings.timeline import Schedule
from dreamvideo.video.carry import Carry
from dreamvideo.video.moments import dreams_alike, share_of_change

NEVER = Fraction(1 << 40)  # seconds


@dataclass(frozen=True, slots=True)
class Goal:
    """What a shot is held at, at one time."""

    time: Fraction  # seconds
    strength: Tensor  # (1, 1, 1, 1), see `Carry`
    target_score: Tensor  # (1,)


@dataclass(frozen=True, slots=True)
class ShotGoals:
    """The goal at one time, and where it goes from there."""

    begin: Goal
    until: Fraction | None = None  # seconds, the time that is looked ahead to; None: none yet
    end: Goal | None = None  # at that time; None: nothing changes until then

    def at(self, time: Fraction, schedule: Schedule) -> Goal:
        """Return the goal at a time.

        Args:
            time: seconds, before `until`.
            schedule: what is dreamed when.
        """
        begin, end = self.begin, self.end
        if end is None:
            return begin
        share = share_of_change(schedule(begin.time), schedule(end.time), schedule(time))
        strength = begin.strength ** (1 - share) * end.strength**share
        return Goal(time, strength, torch.lerp(begin.target_score, end.target_score, share))


def first_goals(carry: Carry, time: Fraction) -> ShotGoals:
    """Return the goals of a shot after its first frame, or after one that is dreamed from scratch to measure them.

    Args:
        carry: after it.
        time: of it, seconds.
    """
    return ShotGoals(Goal(time, carry.strength, carry.target_score))


def goals_for(goals: ShotGoals, time: Fraction, schedule: Schedule, measure: Callable[[Fraction], Goal]) -> ShotGoals:
    """Return the goals of a shot for a frame.

    Args:
        goals: for the frame before.
        time: of the frame, seconds.
        schedule: what is dreamed when.
        measure: dreams the frame from scratch as at a time, and returns its goal.
    """
    if goals.until is not None and time < goals.until:
        return goals
    begin = goals.begin if goals.end is None else goals.end
    passed = schedule.next_node(begin.time if goals.until is None else goals.until)
    if passed is not None and passed <= time and not dreams_alike(schedule(time), schedule(begin.time)):
        begin = measure(time)
    node = schedule.next_node(time)
    if node is None or dreams_alike(schedule(node), schedule(begin.time)):
        return ShotGoals(begin, NEVER if node is None else node)
    return ShotGoals(begin, node, measure(node))


def with_goal(carry: Carry, goal: Goal, same_look: bool) -> Carry:
    """Return a carry that is held at a goal; where it is to be fainter or stronger than before, all of it is at once.

    The bound of the carry alone would not reach what moves or grows, and the few steps of a frame would take a second
    to make a dream as much stronger as a beat asks for.

    Args:
        carry: after the frame before.
        goal: of the frame.
        same_look: no other look begins or ends. Else the dream is not made stronger: what it gains is the other look's.
    """
    change, ground = goal.strength / carry.strength, carry.ground_residual
    if not same_look:
        change = change.clamp(max=1)
    return replace(
        carry,
        residual=carry.residual * change,
        strength=goal.strength,
        target_score=goal.target_score,
        ground_residual=None if ground is None else ground * change,
    )


def goals_to_tensors(goals: ShotGoals) -> dict[str, Tensor]:
    """Return goals as named tensors, to be stored with a carry.

    Args:
        goals: of a shot.
    """
    tensors = {} if goals.until is None else {"goals.until": _exact(goals.until)}
    for name, goal in (("begin", goals.begin), ("end", goals.end)):
        if goal is not None:
            tensors |= {
                f"goals.{name}.time": _exact(goal.time),
                f"goals.{name}.strength": goal.strength,
                f"goals.{name}.target_score": goal.target_score,
            }
    return tensors


def goals_from_tensors(tensors: Mapping[str, Tensor]) -> ShotGoals | None:
    """Return the goals that `goals_to_tensors` made tensors of; None: there are none.

    Args:
        tensors: by name, among others.
    """

    def time(name: str) -> Fraction | None:
        pair = tensors.get(f"goals.{name}")
        return None if pair is None else Fraction(*pair.tolist())

    def goal(name: str) -> Goal | None:
        seconds = time(f"{name}.time")
        if seconds is None:
            return None
        return Goal(seconds, tensors[f"goals.{name}.strength"], tensors[f"goals.{name}.target_score"])

    begin = goal("begin")
    return None if begin is None else ShotGoals(begin, time("until"), goal("end"))


def _exact(time: Fraction) -> Tensor:
    """(2,) int64 numerator and denominator."""
    return torch.tensor([time.numerator, time.denominator], dtype=torch.int64)
