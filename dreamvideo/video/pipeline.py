"""The way of a frame from its reader to its writer: cuts, motion, lanes, batches, and back into order.

split_shots       which shot and segment each frame belongs to                  (video.shots)
in_lockstep       rounds of the next frame of several shots, the lanes          (video.lanes)
estimate_rounds   optical flow and occlusion of each frame, ahead, in a thread  (motion)
dream_rounds      what can be is dreamed as one batch                           (video.carry)
fetch_dreams      dreams arrive from the device, while the next round is dreamed
in_order          frames leave in the order in which they came                  (video.lanes)
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from dreamvideo.ascent.memory_budget import MemoryBudget
from dreamvideo.frames import Frame, Frames, checked_frames
from dreamvideo.media.checkpoint import ResumePoint
from dreamvideo.models.network import Network
from dreamvideo.motion import occlusion
from dreamvideo.motion.flow import FLOWS, dis
from dreamvideo.motion.flow_pair import FlowEstimator
from dreamvideo.motion.occlusion import Motion
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.tensors import fetch, to_mask, to_tensor, to_uint8
from dreamvideo.threads import prefetch
from dreamvideo.torch_state import in_plain_torch
from dreamvideo.video.carry import Carry, dream_carried_frames, dream_first_frames, learn_ground, move_carry, steps_for
from dreamvideo.video.carry_bytes import carry_from_bytes, carry_to_bytes
from dreamvideo.video.fading import fade_carry, first_carry
from dreamvideo.video.lanes import LaneStep, in_lockstep, in_order, lanes_for
from dreamvideo.video.shots import DreamInput, single_input, split_shots

# Bytes of images that may wait, read or dreamed, so that later shots can be dreamed beside the first. By eye: about
# 170 frames of 1080 lines.
READ_AHEAD_BYTES = 1 << 30

Round = list[tuple[LaneStep, Motion | None]]  # one step a lane; no motion: the step begins a shot
# What one batch has in common: the shape of its images, the steps of each octave (None: shots begin), and whether there
# are masks.
BatchKey = tuple[tuple[int, ...], tuple[int, ...] | None, bool]


class Start(NamedTuple):
    """A frame that is about to be dreamed."""

    step: LaneStep
    source: Tensor  # (1, 3, H, W) float32 in [0, 1]
    motion: Motion | None
    carry: Carry | None  # moved to this frame; None: it begins a shot


@dataclass(frozen=True, slots=True)
class Pending:
    """A step whose dream is on its way from the device."""

    step: LaneStep
    image: Callable[[], Tensor]  # waits for it: (H, W, 3) uint8 on the CPU
    carry: Callable[[], bytes] | None = None  # waits for the carry after it; None: it is not stored

    def frame(self) -> Frame:
        """Wait for the dream."""
        return replace(self.step.frame, image=self.image().numpy(), segment=self.step.segment, carry=self.carry)


def dream_video(
    frames: Iterable[Frame],
    network: Network | None,
    dream: DreamSettings,
    carry: CarrySettings,
    budget: MemoryBudget | None = None,
    resume: ResumePoint | None = None,
) -> Frames:
    """Dream frames, carrying the dream along the motion; optical flow is estimated ahead in a thread.

    Args:
        frames: to be dreamed, times ascending; closed at the end, if they can be. Each image is copied, so that they
            may share one buffer.
        network: what dreams; None: the frames pass through as they are.
        dream: how a frame is dreamed.
        carry: how a dream is carried from frame to frame, and how many shots are dreamed at once.
        budget: of memory; None: a new one, which learns what fits.
        resume: where an earlier run ended, see `resume_point`; `frames` then begin with its last finished frame.

    Returns:
        The dreamed frames one for one in order, with the same times; those that `resume` counts are not among them.

    Raises:
        WeightsError, ModelError: of the network for the flow.
        MemoryBudgetError: an image does not fit into memory.
        SettingsError: a frame is not (H, W, 3) uint8.
        Whatever `frames` raises.
    """
    with closing(dream_inputs(single_input(checked_frames(frames), resume), network, dream, carry, budget)) as inputs:
        for _, dreamed in inputs:
            yield from dreamed


def dream_inputs(
    inputs: Generator[DreamInput, None, None],
    network: Network | None,
    dream: DreamSettings,
    carry: CarrySettings,
    budget: MemoryBudget | None = None,
) -> Generator[tuple[int, Frames], None, None]:
    """Dream several inputs, shots of which may be dreamed side by side.

    Args:
        inputs: opened one after the other as they are needed; closed at the end.
        network, dream, carry, budget: as for `dream_video`.

    Yields:
        (number, dreamed frames) of each input that has frames, in order. Take all frames of one before the next.

    Raises:
        WeightsError, ModelError: of the network for the flow.
        MemoryBudgetError: an image does not fit into memory.
        Whatever the inputs raise.
    """
    if network is None or not dream.iterations:
        steps = split_shots(inputs, alone=True)
        pairs = ((step, replace(step.frame, segment=step.segment)) for step in steps)
        yield from _by_input(pairs)
        return
    estimated = in_plain_torch(estimate_rounds(inputs, carry, network.device))
    with closing(prefetch(estimated, depth=1)) as rounds:
        pending = in_plain_torch(dream_rounds(rounds, network, dream, carry, budget or MemoryBudget()))
        landed = in_plain_torch(fetch_dreams(pending, late=network.device.type == "cuda"))
        yield from _by_input(in_order((step.index, (step, frame)) for step, frame in landed))


def _by_input(
    pairs: Generator[tuple[LaneStep, Frame], None, None],
) -> Generator[tuple[int, Frames], None, None]:
    """Frames of each input, without those that only warm up."""
    with closing(pairs):
        output = (pair for pair in pairs if pair[0].segment is not None)
        for number, group in itertools.groupby(output, lambda pair: pair[0].input):
            yield number, (frame for _, frame in group)


def estimate_rounds(
    inputs: Generator[DreamInput, None, None], carry: CarrySettings, device: torch.device
) -> Generator[Round, None, None]:
    """Arrange the frames of inputs in rounds, the next frame of each lane with its motion.

    Args:
        inputs: closed at the end.
        carry: which flow, how many lanes, and whether anything is carried at all.
        device: where a flow that is a network runs, and which decides on the default number of lanes.

    Raises:
        WeightsError, ModelError: of the network for the flow.
        Whatever the inputs raise.
    """
    alone = carry.persistence == 0

    @functools.cache
    def estimator() -> FlowEstimator | None:
        return None if alone or carry.flow == "none" else FLOWS[carry.flow](device, carry.flow_weights)

    def lanes_of(frame: Frame) -> int:
        height, width = frame.image.shape[:2]
        return carry.lanes or (lanes_for(height * width) if device.type == "cuda" else 1)

    # A flow of DIS is estimated again where things move fast; a network's is as fine as that already.
    estimate_part = dis(0) if carry.flow == "dis" else None
    with closing(in_lockstep(split_shots(inputs, alone), lanes_of, READ_AHEAD_BYTES)) as rounds:
        for steps in rounds:  # the inputs are open: they are closed even if there is no estimator
            yield [(step, motion_of_step(step, estimator(), estimate_part)) for step in steps]


def motion_of_step(
    step: LaneStep, estimator: FlowEstimator | None, estimate_part: FlowEstimator | None = None
) -> Motion | None:
    """Estimate the motion from the frame before to this one.

    Args:
        step: with both frames.
        estimator: of the flow; None: nothing moves.
        estimate_part: see `estimate_motion`.

    Returns:
        The motion; None: no frame is before this one in its shot, or it is a flash.
    """
    if step.previous is None or step.held:
        return None
    if estimator is None:
        return occlusion.no_motion(*step.frame.image.shape[:2])
    return occlusion.estimate_motion(_planes(step.frame), _planes(step.previous), estimator, estimate_part)


def dream_rounds(
    rounds: Generator[Round, None, None],
    network: Network,
    dream: DreamSettings,
    carry: CarrySettings,
    budget: MemoryBudget,
) -> Generator[list[Pending], None, None]:
    """Dream each round, as one batch what can be; yield its dreams, which are then on their way from the device."""
    carries: dict[int, Carry] = {}  # after the last frame of each shot that is dreamed
    for steps in rounds:
        pending: list[Pending] = []
        batches: dict[BatchKey, list[Start]] = {}
        for step, motion in steps:
            last, mask = carries.pop(step.shot, None), step.frame.mask
            if step.carry is not None:
                last = carry_from_bytes(step.carry, network.device)
            if step.held or not step.presence:  # nothing is dreamed
                if last is not None:
                    carries[step.shot] = last
                pending.append(_undreamed(step, last, network.device))
                continue
            mask_tensor = None if mask is None else to_mask(mask, network.device)
            source, start = to_tensor(step.frame.image, network.device), None
            if motion and last:
                start = move_carry(last, source, motion, carry.persistence, mask_tensor)
                start = fade_carry(start, step.frame.image, step.presence, motion)
            octave_steps = steps_for(start, dream, carry) if start else None
            key = step.frame.image.shape, octave_steps, mask is not None
            batches.setdefault(key, []).append(Start(step, source, motion, start))
        for (_, octave_steps, _), batch in batches.items():
            dreamed = _dream_batch(batch, octave_steps, network, dream, carry, budget)
            for (step, source, motion, _), after in zip(batch, dreamed, strict=True):
                carries[step.shot] = after = learn_ground(after, source, motion)
                image = fetch(to_uint8(source + after.residual))
                pending.append(Pending(step, image, carry_to_bytes(after) if step.stores_carry else None))
        yield pending
        oldest = min(step.shot for step, _ in steps)
        carries = {shot: after for shot, after in carries.items() if shot >= oldest}


def _dream_batch(
    batch: list[Start],
    octave_steps: tuple[int, ...] | None,
    network: Network,
    dream: DreamSettings,
    carry: CarrySettings,
    budget: MemoryBudget,
) -> list[Carry]:
    """The carry after each frame of a batch, which contains its dream."""
    sources = torch.cat([each.source for each in batch])
    masks = [to_mask(each.step.frame.mask, network.device) for each in batch if each.step.frame.mask is not None]

    def first(rows: list[int]) -> list[Carry]:
        row_masks = torch.cat([masks[row] for row in rows]) if masks else None
        return dream_first_frames(sources[rows], network, dream, row_masks, budget)

    if octave_steps is None:
        firsts = first(list(range(len(batch))))
        return [
            first_carry(after, each.step.frame.image, each.step.presence)
            for after, each in zip(firsts, batch, strict=True)
        ]
    starts = [each.carry for each in batch if each.carry is not None]
    dreamed = dream_carried_frames(sources, starts, octave_steps, network, dream, carry, budget)
    renewed = [row for row, start in enumerate(starts) if start.renewed]
    if renewed:  # the goals are those of a first frame
        for row, goals in zip(renewed, first(renewed), strict=True):
            dreamed[row] = replace(
                dreamed[row], strength=goals.strength, target_score=goals.target_score, renewed=False
            )
    return dreamed


def _undreamed(step: LaneStep, last: Carry | None, device: torch.device) -> Pending:
    """A frame without a dream of its own; a flash that shows a picture is shown with the `last` dream."""
    image = torch.from_numpy(step.frame.image)
    if last is None or not step.presence:
        return Pending(step, lambda: image)
    return Pending(step, fetch(to_uint8(to_tensor(step.frame.image, device)[0] + last.residual)))


def fetch_dreams(rounds: Iterator[list[Pending]], late: bool) -> Generator[tuple[LaneStep, Frame], None, None]:
    """Wait for the dreams of each round.

    Args:
        rounds: what `dream_rounds` yields.
        late: wait only after the next round was given to the device, so that it never idles.
    """
    in_flight: list[Pending] = []
    for pending in itertools.chain(rounds, [[]]):
        for each in in_flight if late else pending:
            yield each.step, each.frame()
        in_flight = pending


def _planes(frame: Frame) -> Tensor:
    return torch.from_numpy(frame.image).permute(2, 0, 1)[None]
