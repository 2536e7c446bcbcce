"""Dreams shots side by side: which frames make the next batch, and what each hands to the next of its shot.

On a GPU nothing waits for a dream: before a batch is dreamed the motion to the frames two ahead of it, and what the
next ones take (`progress`), are already on their way. The processor reads both while the batch is dreamed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from dreamvideo.ascent.memory_budget import MemoryBudget
from dreamvideo.frames import Frame, Image
from dreamvideo.models.look_networks import LookNetworks
from dreamvideo.motion.host_copy import host_copy
from dreamvideo.settings.timeline import Moment, Schedule
from dreamvideo.tensors import fetch, hand_over, to_mask, to_tensor, to_uint8
from dreamvideo.video.carry import Carry, first_progress, move_residuals, with_learned
from dreamvideo.video.carry_bytes import carry_from_bytes, carry_to_bytes
from dreamvideo.video.dream_frames import dream_first_frames, dream_residuals
from dreamvideo.video.fading import begin_fading, fade_progress
from dreamvideo.video.film_ends import counted_back
from dreamvideo.video.flow_stage import WaitingFrame
from dreamvideo.video.frame_steps import morphing, octave_steps, plan_steps
from dreamvideo.video.goals import Goal, ShotGoals, first_goals, goals_for, with_goal
from dreamvideo.video.lanes import LaneQueue, LaneStep, choose_batch
from dreamvideo.video.moments import FixedSchedule, new_share
from dreamvideo.video.planned_frames import Continuation, DecidedFrame, Pending, PlannedFrame
from dreamvideo.video.progress import Progress, learn, move_progress, renew


class ShotDreamer:
    """Dreams frames; knows what each shot hands on."""

    def __init__(
        self,
        networks: LookNetworks,
        schedule: Schedule,
        budget: MemoryBudget | None = None,
        keep_on_device: bool = False,
    ) -> None:
        self._keep_on_device = keep_on_device
        self._networks, self._schedule = networks, schedule
        self._budget = budget or MemoryBudget()
        self._device = networks.main.device
        self._progress: dict[int, Progress] = {}  # shot -> after its last frame whose steps are decided
        self._carries: dict[int, Carry] = {}  # shot -> after its last frame that was dreamed
        self._goals: dict[int, ShotGoals] = {}  # the same, where they change

    def _schedule_of(self, step: LaneStep) -> Schedule:
        return self._schedule if step.schedule is None else step.schedule

    def plan(self, waiting: WaitingFrame) -> PlannedFrame:
        """Find what the next frame of a shot starts from, and what it takes."""
        step = waiting.step
        schedule = self._schedule_of(step)
        moment = schedule(step.frame.time)
        planned = PlannedFrame(waiting, moment, not isinstance(schedule, FixedSchedule))
        if step.carry is not None:
            resumed, goals = carry_from_bytes(step.carry, self._device)
            self._carries[step.shot], self._progress[step.shot] = resumed, resumed.progress
            if goals is not None:
                self._goals[step.shot] = goals
        if step.held or not step.presence:
            return planned
        mask = None if step.frame.mask is None else to_mask(step.frame.mask, self._device)
        source = waiting.planes(self._device).float() / 255
        last = self._progress.get(step.shot)
        waiting.launch(self._device)
        motion = waiting.motion()
        if last is None or motion is None:
            return replace(planned, source=source, mask=mask)
        progress, move = move_progress(last, source, motion, mask)
        progress = counted_back(step, progress, last)
        size = (source.shape[2], source.shape[3])
        progress, gain = fade_progress(progress, host_copy(step.frame).image, step.presence, motion, size)
        if planned.changes and step.previous is not None and not moment.morphs:
            progress = renew(progress, new_share(schedule(step.previous.time), moment))
        octaves = octave_steps(progress, size, moment.dream, moment.carry, moment.morphs)
        decide = plan_steps(progress, source, moment.dream, moment.carry, octaves)
        continuation = Continuation(progress, replace(move, gain=gain), octaves, decide)
        return replace(planned, source=source, mask=mask, motion=motion, continuation=continuation)

    def decide(self, planned: PlannedFrame) -> DecidedFrame:
        """Decide the steps of a frame; then the next one can be planned."""
        step, source = planned.step, planned.source
        assert source is not None
        if planned.continuation is None:
            steps = None
            size, copy = (source.shape[2], source.shape[3]), host_copy(step.frame).image
            first = counted_back(step, first_progress(source, planned.mask))
            progress = begin_fading(first, copy, step.presence, size)
        else:
            steps = planned.continuation.decide()
            progress = steps.after
        after, learned = learn(progress, source, planned.motion)
        self._progress[step.shot] = after
        return DecidedFrame(planned, steps, after, learned)

    def dream(self, batch: Sequence[DecidedFrame]) -> list[Pending]:
        """Dream frames of one kind as a batch."""
        begins = batch[0].planned.continuation is None
        carries = self._dream_first(batch) if begins else self._dream_carried(batch)
        pending = []
        for each, dreamed in zip(batch, carries, strict=True):
            step, source = each.planned.step, each.planned.source
            assert source is not None
            self._carries[step.shot] = after = with_learned(dreamed, each.after, each.learned)
            image = self._handed_out(shown(source, after.residual, each.planned.moment))
            stored = carry_to_bytes(after, self._goals.get(step.shot)) if step.stores_carry else None
            pending.append(Pending(step, image, stored))
        return pending

    def show(self, step: LaneStep) -> Pending:
        """A frame without a dream of its own; a flash that shows a picture is shown with the last dream."""
        image, last = step.frame.image, self._carries.get(step.shot)
        if last is not None and step.presence:
            source, moment = to_tensor(image, self._device), self._schedule_of(step)(step.frame.time)
            return Pending(step, self._handed_out(shown(source, last.residual, moment)))
        if isinstance(image, np.ndarray):
            return Pending(step, lambda: image)
        return Pending(step, self._handed_out(image))

    def _handed_out(self, image: Tensor) -> Callable[[], Image]:
        """Begin to hand out an image, (H, W, 3) uint8; an array, unless it is to stay on its device."""
        if self._keep_on_device and image.device.type != "cpu":
            return hand_over(image)
        fetched = fetch(image)
        return lambda: fetched().numpy()

    def forget(self, is_over: Callable[[int], bool]) -> None:
        """Drop what shots that are over would have handed on."""
        for shot in [shot for shot in self._progress if is_over(shot)]:
            del self._progress[shot]
            self._carries.pop(shot, None)
            self._goals.pop(shot, None)

    def _dream_first(self, batch: Sequence[DecidedFrame]) -> list[Carry]:
        frames = [each.planned for each in batch]
        carries = self._first_frames(frames, frames[0].moment)
        for frame, carry in zip(frames, carries, strict=True):
            if frame.changes:
                self._goals[frame.step.shot] = first_goals(carry, frame.step.frame.time)
        faint = [frame.step.presence for frame in frames]
        return [
            carry if presence == 1 else replace(carry, residual=carry.residual * presence)
            for carry, presence in zip(carries, faint, strict=True)
        ]

    def _first_frames(self, frames: Sequence[PlannedFrame], moment: Moment) -> list[Carry]:
        sources = torch.cat([each.source for each in frames if each.source is not None])
        masks = [each.mask for each in frames if each.mask is not None]
        network = self._networks.mixed(moment.shares)
        return dream_first_frames(sources, network, moment.dream, torch.cat(masks) if masks else None, self._budget)

    def _dream_carried(self, batch: Sequence[DecidedFrame]) -> list[Carry]:
        frames = [each.planned for each in batch]
        moment = frames[0].moment
        sources = torch.cat([each.source for each in frames if each.source is not None])
        starts, steps = [], []
        for each in batch:
            continuation = each.planned.continuation
            assert continuation is not None and each.steps is not None
            last = self._carries[each.planned.step.shot]
            if each.planned.changes:
                last = self._with_goal(last, each.planned)
            starts.append(move_residuals(last, continuation.progress, continuation.move, moment.carry.persistence))
            steps.append(each.steps)
        network = self._networks.mixed(moment.shares)
        carrying = morphing(moment.carry) if moment.morphs else moment.carry
        residuals = dream_residuals(sources, starts, steps, network, moment.dream, carrying, self._budget)
        carries = [replace(start, residual=residual) for start, residual in zip(starts, residuals, strict=True)]
        renewed = [row for row, start in enumerate(starts) if start.progress.renewed]
        if renewed:  # the goals are those of a first frame
            for row, goals in zip(renewed, self._first_frames([frames[row] for row in renewed], moment), strict=True):
                carries[row] = replace(carries[row], strength=goals.strength, target_score=goals.target_score)
                if frames[row].changes:
                    self._goals[frames[row].step.shot] = first_goals(goals, frames[row].step.frame.time)
        return carries

    def _with_goal(self, last: Carry, frame: PlannedFrame) -> Carry:
        """The carry of the frame before, held at the goal of this one; measures goals that are not known yet."""
        step, schedule = frame.step, self._schedule_of(frame.step)
        known = self._goals.get(step.shot) or first_goals(last, step.frame.time)
        time = step.frame.time

        def measure(at: Fraction) -> Goal:
            (measured,) = self._first_frames([frame], schedule(at))
            return first_goals(measured, at).begin

        self._goals[step.shot] = goals = goals_for(known, time, schedule, measure)
        before = frame.moment if step.previous is None else schedule(step.previous.time)
        return with_goal(last, goals.at(time, schedule), before.shares == frame.moment.shares)


def shown(source: Tensor, residual: Tensor, moment: Moment) -> Tensor:
    """Return the image that is shown of a dream.

    Args:
        source: (1, 3, H, W) in [0, 1].
        residual: (1, 3, H, W) dream - source.
        moment: `amount` is read.

    Returns:
        (H, W, 3) uint8.
    """
    amount = moment.carry.amount
    return to_uint8(source + (residual if amount == 1 else amount * residual))


def dream_shots(
    queue: LaneQueue[WaitingFrame], dreamer: ShotDreamer, device: torch.device, ahead: bool
) -> Generator[list[Pending], None, None]:
    """Dream the frames of a queue, batch by batch.

    Args:
        queue: of the frames.
        dreamer: of all of them.
        device: of the dream.
        ahead: what comes next is prepared before a batch is dreamed.

    Yields:
        The dreams of each batch, which are then on their way from the device.
    """
    planned: dict[int, PlannedFrame] = {}  # shot -> its next frame

    def prepare() -> None:
        queue.refill()
        heads, following = queue.in_flight(), queue.in_flight(1)
        for waiting in heads + following:
            waiting.begin()
        if ahead:
            for waiting in heads + following:
                waiting.launch(device)
        for waiting in heads:
            if waiting.step.shot not in planned:
                planned[waiting.step.shot] = dreamer.plan(waiting)

    while True:
        prepare()
        frames = [planned[waiting.step.shot] for waiting in queue.in_flight()]
        if not frames:
            return
        batch = [frames[place] for place in choose_batch([frame.kind for frame in frames], queue.lanes)]
        for frame in batch:
            queue.take(frame.waiting)
            del planned[frame.step.shot]
        if batch[0].source is None:
            yield [dreamer.show(frame.step) for frame in batch]
        else:
            decided = [dreamer.decide(frame) for frame in batch]
            if ahead:
                prepare()
            yield dreamer.dream(decided)
        dreamer.forget(queue.is_over)


def fetch_dreams(batches: Iterator[list[Pending]], late: bool) -> Generator[tuple[LaneStep, Frame], None, None]:
    """Wait for the dreams of each batch.

    Args:
        batches: what `dream_shots` yields.
        late: wait only after the next batch was given to the device, so that it never idles.
    """
    in_flight: list[Pending] = []
    for pending in batches:
        for each in in_flight if late else pending:
            yield each.step, each.frame()
        in_flight = pending
    if late:
        for each in in_flight:
            yield each.step, each.frame()
