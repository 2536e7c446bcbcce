"""A stream of frames becomes a stream of dreamed frames: motion is watched, the last dream is carried along it.

Here arrays become tensors and tensors arrays, shots find their lanes, and frames of one kind are put into one batch.
What a frame is dreamed from is the affair of `carry`.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dreamvideo.ascent.memory_budget import MemoryBudget
from dreamvideo.devices import fetch
from dreamvideo.frames import Frame, Frames
from dreamvideo.media.segments import DreamedFrame, SegmentCounter
from dreamvideo.models.network import Network
from dreamvideo.motion import occlusion
from dreamvideo.motion.cuts import cut_detector
from dreamvideo.motion.flow import FLOWS, FlowEstimator
from dreamvideo.motion.occlusion import Motion
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.tensors import to_mask, to_tensor, to_uint8
from dreamvideo.threads import prefetch
from dreamvideo.video.carry import Carry, dream_carried_frames, dream_first_frames, move_carry, steps_for
from dreamvideo.video.carry_bytes import carry_from_bytes, carry_to_bytes
from dreamvideo.video.lanes import LaneStep, in_lockstep, in_order, lanes_for

# Bytes of pictures that may wait, read or dreamed, so that later shots can be dreamed beside the first.
READ_AHEAD_BYTES = 1 << 30

Round = list[tuple[LaneStep, Motion | None]]  # one step a lane; no motion: the shot begins
Fetch = Callable[[], Tensor]  # waits for an image, (H, W, 3) uint8 on the CPU
Save = Callable[[], bytes]  # waits for what a frame leaves
# What is dreamed as one batch: a size, the steps of a carried frame, and whether there are masks; no steps: the shot
# begins.
Kind = tuple[tuple[int, ...], tuple[int, ...] | None, bool]


@dataclass(frozen=True, slots=True)
class InputSegment:
    """A stream of frames, or what is left of one that was dreamed in part."""

    frames: Frames
    piece: int = 0  # the number of its first
    before: Frame | None = None  # the frame before its first, where the shot goes on; it is not dreamed again
    left: bytes | None = None  # what that frame left
    runup: int = 0  # of its frames are dreamed and not given: those after them are to begin as if the shot had gone on
    shortest: int | None = None  # frames of a piece that a cut may end; None: as it suits videos


def single_segment(frames: Frames, shortest: int | None = None) -> Generator[InputSegment, None, None]:
    """One stream alone."""
    yield InputSegment(frames, shortest=shortest)


def dream_video(
    frames: Frames,
    network: Network | None,
    dreaming: DreamSettings,
    carrying: CarrySettings,
    budget: MemoryBudget | None = None,
) -> Frames:
    """The frames, dreamed, one for one with the same times, in order; motion is estimated ahead in a thread.

    Raises:
        WeightsError, ModelError: of the flow's network.
        Whatever `frames` raises.
    """

    with contextlib.closing(dream_segments(single_segment(frames), network, dreaming, carrying, budget)) as streams:
        for _, dreamed in streams:
            for each in dreamed:
                yield each.frame


def dream_segments(
    stretches: Generator[InputSegment, None, None],
    network: Network | None,
    dreaming: DreamSettings,
    carrying: CarrySettings,
    budget: MemoryBudget | None = None,
) -> Generator[tuple[int, Generator[DreamedFrame, None, None]], None, None]:
    """(number, dreamed frames) of each stream that has frames, in order; shots of several may be dreamed side by side.

    Take all frames of one before asking for the next: they are made as they are taken. Without a network the frames
    pass through undreamed.

    Raises:
        WeightsError, ModelError: of the flow's network.
        Whatever the streams raise.
    """
    if network is None or not dreaming.iterations:
        dreamed = (DreamedFrame(step.stream, step.piece, step.frame) for step in split_shots(stretches, alone=True))
        yield from _by_stream(dreamed)
        return
    with contextlib.closing(prefetch(with_motion(stretches, carrying, network.device), depth=1)) as rounds:
        made = dream_rounds(rounds, network, dreaming, carrying, budget or MemoryBudget())
        yield from _by_stream(in_order(fetch_dreams(made, late=network.device.type == "cuda")))


def _by_stream(
    dreamed: Generator[DreamedFrame, None, None],
) -> Generator[tuple[int, Generator[DreamedFrame, None, None]], None, None]:
    with contextlib.closing(dreamed):
        given = (each for each in dreamed if each.piece is not None)
        for stream, group in itertools.groupby(given, lambda each: each.stream):
            yield stream, (each for each in group)


def with_motion(
    stretches: Generator[InputSegment, None, None], carrying: CarrySettings, device: torch.device
) -> Generator[Round, None, None]:
    """Rounds of the next frame of each lane, with its motion; a flow that is a network may run on `device`.

    Raises:
        WeightsError, ModelError: of the flow's network.
        Whatever the streams raise.
    """
    alone = carrying.persistence == 0

    @functools.cache
    def estimator() -> FlowEstimator | None:
        return None if alone or carrying.flow == "none" else FLOWS[carrying.flow](device, carrying.flow_weights)

    def lanes(frame: Frame) -> int:
        return carrying.lanes or (
            lanes_for(frame.image.shape[0] * frame.image.shape[1]) if device.type == "cuda" else 1
        )

    with contextlib.closing(in_lockstep(split_shots(stretches, alone), lanes, READ_AHEAD_BYTES)) as rounds:
        for steps in rounds:  # the streams have begun: they are closed if there is no estimator to be had
            yield [(step, motion_of_step(step, estimator())) for step in steps]


def motion_of_step(step: LaneStep, estimate: FlowEstimator | None) -> Motion | None:
    """How the frame before became this one; without an estimator nothing moved. None: there is none before."""
    if step.previous is None:
        return None
    if estimate is None:
        return occlusion.no_motion(*step.frame.image.shape[:2])
    return occlusion.estimate_motion(_planes(step.frame), _planes(step.previous), estimate)


def split_shots(stretches: Generator[InputSegment, None, None], alone: bool) -> Generator[LaneStep, None, None]:
    """Each frame with its shot, its piece and the frame before it; `alone`: every frame is a shot of its own."""
    is_cut = cut_detector()
    index, shot = 0, -1
    with contextlib.closing(stretches):
        for stream, stretch in enumerate(stretches):
            place, previous, left = SegmentCounter(stretch.piece, stretch.shortest), stretch.before, stretch.left
            shot += 1
            with contextlib.closing(stretch.frames):
                for count, frame in enumerate(stretch.frames):
                    begins = alone or previous is None or is_cut(frame.image, previous.image)
                    if begins:
                        shot, previous, left = shot + 1, None, None
                    given = count >= stretch.runup
                    if given:
                        place.advance(begins)
                    holds = place.is_full and not alone
                    piece = place.piece if given else None
                    yield LaneStep(index, stream, shot, frame, previous, piece, holds, left)
                    index, previous, left = index + 1, frame, None


def dream_rounds(
    rounds: Generator[Round, None, None],
    network: Network,
    dreaming: DreamSettings,
    carrying: CarrySettings,
    budget: MemoryBudget,
) -> Generator[list[tuple[LaneStep, Fetch, Save | None]], None, None]:
    """Every step of a round, its dream and what it leaves, on their way; what can be is dreamed as one batch."""
    carries: dict[int, Carry] = {}  # shot -> what its last frame left
    for round in rounds:
        done: list[tuple[LaneStep, Fetch, Save | None]] = []
        batches: dict[Kind, list[tuple[LaneStep, Carry | None]]] = {}
        for step, moved in round:
            last, mask = carries.pop(step.shot, None), step.frame.mask
            if step.left is not None:
                last = carry_from_bytes(step.left, network.device)
            if mask is not None and not mask.any():  # nothing to be dreamed; what comes after it begins anew
                done.append((step, functools.partial(torch.from_numpy, step.frame.image), None))
                continue
            under = None if mask is None else to_mask(mask, network.device)
            start = move_carry(last, moved, carrying.persistence, under) if moved and last else None
            steps = steps_for(start, dreaming, carrying) if start else None
            batches.setdefault((step.frame.image.shape, steps, mask is not None), []).append((step, start))
        for (_, steps, _), batch in batches.items():
            sources = torch.cat([to_tensor(step.frame.image, network.device) for step, _ in batch])
            if steps is None:
                masks = [to_mask(step.frame.mask, network.device) for step, _ in batch if step.frame.mask is not None]
                made = dream_first_frames(sources, network, dreaming, torch.cat(masks) if masks else None, budget)
            else:
                made = dream_carried_frames(
                    sources, [start for _, start in batch if start], steps, network, dreaming, carrying
                )
            for (step, _), source, left in zip(batch, sources, made, strict=True):
                carries[step.shot] = left
                done.append(
                    (step, fetch(to_uint8(source + left.residual)), carry_to_bytes(left) if step.holds else None)
                )
        yield done
        oldest = min(step.shot for step, _ in round)
        carries = {shot: left for shot, left in carries.items() if shot >= oldest}


def fetch_dreams(
    rounds: Iterator[list[tuple[LaneStep, Fetch, Save | None]]], late: bool
) -> Generator[tuple[int, DreamedFrame], None, None]:
    """(index, dreamed frame) of every step; `late`: only when the device has been given the next round to do."""
    flying: list[tuple[LaneStep, Fetch, Save | None]] = []
    for round in itertools.chain(rounds, [[]]):
        for step, image, left in flying if late else round:
            frame = replace(step.frame, image=image().numpy())
            yield step.index, DreamedFrame(step.stream, step.piece, frame, left)
        flying = round


def _planes(frame: Frame) -> Tensor:
    return torch.from_numpy(frame.image).permute(2, 0, 1)[None]
