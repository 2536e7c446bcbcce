"""A stream of frames becomes a stream of dreamed frames: motion is watched, the last dream is carried along it.

What is carried is the residual (dream - source), in float and at full size. It is warped to the current frame, weighed
by `persistence`, dropped where the flow cannot be trusted and at cuts; the ascent goes on from source + carry. Ground
that the flow uncovers starts undreamed, so its first steps are larger: else moving things would walk about undreamed.
The mean strength of a shot's first dream is the most that its later frames may have: else still shots would burn in.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Generator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.buffers import prefetch
from dreamvideo.devices import download, upload
from dreamvideo.dream import dream, warm_plan
from dreamvideo.flow import FLOWS, FlowEstimator
from dreamvideo.frames import Frame, Frames
from dreamvideo.lanes import Step, in_lockstep, in_order
from dreamvideo.models import Network
from dreamvideo.settings import CarrySettings, DreamSettings
from dreamvideo.shots import cut_detector
from dreamvideo.warp import occlusion_mask, unchanged, warp


@dataclass(frozen=True, slots=True)
class Motion:
    """How the previous frame became this one."""

    backward: Tensor  # (1, 2, H, W) float32 pixels: where each pixel of this frame lies in the previous one
    occluded: Tensor  # (1, 1, H, W) bool: True = do not trust


@dataclass(frozen=True, slots=True)
class Carry:
    """What one frame hands the next."""

    residual: Tensor  # (1, 3, H, W) float32 dream - source
    maturity: Tensor  # (1, 1, H, W) float32: 0 where nothing was carried to, 1 after GROWTH frames
    strength: Tensor  # (1, 1, 1, 1) float32 mean |residual| of the shot's first frame
    tick: int = 0  # frames since the shot began


# Frames until uncovered ground is dreamed like the rest, and how much larger its first step is; chosen by eye.
GROWTH = 8
FIRST_PACE = 6.0

# Bytes of pictures that may wait, read or dreamed, so that later shots can be dreamed beside the first.
WAITING = 1 << 30

Round = list[tuple[Step, Motion | None]]  # one step a lane; no motion: the shot begins


def dream_video(frames: Frames, network: Network, dreaming: DreamSettings, carrying: CarrySettings) -> Frames:
    """The frames, dreamed, one for one with the same times, in order; motion is estimated ahead in a thread.

    Raises:
        WeightsError, ModelError: of the flow's network.
        Whatever `frames` raises.
    """

    def only() -> Generator[Frames, None, None]:
        yield frames

    with contextlib.closing(dream_videos(only(), network, dreaming, carrying)) as videos:
        for _, dreamed in videos:
            yield from dreamed


def dream_videos(
    streams: Generator[Frames, None, None], network: Network | None, dreaming: DreamSettings, carrying: CarrySettings
) -> Generator[tuple[int, Frames], None, None]:
    """(number, dreamed frames) of each stream that has frames, in order; shots of several may be dreamed side by side.

    Take all frames of one before asking for the next: they are made as they are taken. Without a network the frames
    pass through undreamed.
    """
    if network is None or not dreaming.iterations:
        with contextlib.closing(streams):
            yield from enumerate(streams)
        return
    with contextlib.closing(prefetch(watch(streams, carrying, network.device), depth=1)) as rounds:
        dreamed = in_order(dream_rounds(rounds, network, dreaming, carrying))
        for stream, group in itertools.groupby(dreamed, lambda step: step.stream):
            yield stream, (step.frame for step in group)


def watch(
    streams: Generator[Frames, None, None], carrying: CarrySettings, device: torch.device
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

    with contextlib.closing(in_lockstep(shots_of(streams, alone), carrying.lanes, WAITING)) as rounds:
        for steps in rounds:  # the streams have begun: they are closed if there is no estimator to be had
            yield [(step, motion_of(step, estimator())) for step in steps]


def motion_of(step: Step, estimate: FlowEstimator | None) -> Motion | None:
    """How the frame before became this one; without an estimator nothing moved. None: there is none before."""
    if step.previous is None:
        return None
    now, before = _planes(step.frame), _planes(step.previous)
    if estimate is None:
        return Motion(torch.zeros(1, 2, *now.shape[2:]), torch.zeros(1, 1, *now.shape[2:], dtype=torch.bool))
    backward = estimate(now, before)
    occluded = occlusion_mask(backward, estimate(before, now))
    # On flat ground a flow is a guess and seldom leads back; what has not changed has not moved.
    still = occluded & unchanged(now, before)
    return Motion(backward.masked_fill(still, 0), occluded & ~still)


def shots_of(streams: Generator[Frames, None, None], alone: bool) -> Generator[Step, None, None]:
    """Each frame with its shot and the frame before it there; `alone`: every frame is a shot of its own."""
    is_cut = cut_detector()
    index, shot = 0, -1
    with contextlib.closing(streams):
        for stream, frames in enumerate(streams):
            previous: Frame | None = None
            with contextlib.closing(frames):
                for frame in frames:
                    if alone or previous is None or is_cut(frame.image, previous.image):
                        shot, previous = shot + 1, None
                    yield Step(index, stream, shot, frame, previous)
                    index, previous = index + 1, frame


def dream_rounds(
    rounds: Generator[Round, None, None], network: Network, dreaming: DreamSettings, carrying: CarrySettings
) -> Generator[tuple[int, Step], None, None]:
    """(index, step with its frame dreamed) of every step; what can be is dreamed as one batch."""
    carries: dict[int, Carry] = {}  # shot -> what its last frame left
    for round in rounds:
        batches: dict[object, Round] = {}  # a first frame takes other steps than a later one; sizes do not mix
        for step, motion in round:
            batches.setdefault((motion is None, step.frame.image.shape), []).append((step, motion))
        for batch in batches.values():
            sources = torch.cat([to_tensor(step.frame.image, network.device) for step, _ in batch])
            starts = [carry(carries[step.shot], motion, carrying.persistence) for step, motion in batch if motion]
            made = go_on(sources, starts, network, dreaming, carrying) if starts else begin(sources, network, dreaming)
            for (step, _), source, left in zip(batch, sources, made, strict=True):
                carries[step.shot] = left
                yield step.index, replace(step, frame=replace(step.frame, image=to_image(source + left.residual)))
        oldest = min(step.shot for step, _ in round)
        carries = {shot: left for shot, left in carries.items() if shot >= oldest}


def begin(sources: Tensor, network: Network, dreaming: DreamSettings) -> list[Carry]:
    """The dreams of (B, 3, H, W) first frames of shots."""
    residual = dream(sources, network.score, dreaming) - sources
    mature = torch.ones_like(sources[:1, :1])
    return [Carry(row, mature, strength_of(row)) for row in torch.split(residual, 1)]


def go_on(
    sources: Tensor, starts: list[Carry], network: Network, dreaming: DreamSettings, carrying: CarrySettings
) -> list[Carry]:
    """The dreams of (B, 3, H, W) frames that start from what was carried to them."""
    maturity = torch.cat([start.maturity for start in starts])
    dreamed = dream(
        sources,
        network.score,
        dreaming,
        residual=torch.cat([start.residual for start in starts]),
        pace=1 + (FIRST_PACE - 1) * (1 - maturity),
        plan=warm_plan(sources.shape[2], sources.shape[3], dreaming, carrying.warm_iterations),
        ticks=[start.tick + 1 for start in starts],
    )
    residual = dreamed - sources
    strength = torch.cat([start.strength for start in starts])
    residual = residual * (strength / strength_of(residual)).clamp(max=1)
    maturity = (maturity + 1 / GROWTH).clamp(max=1)
    rows = zip(starts, torch.split(residual, 1), torch.split(maturity, 1), strict=True)
    return [replace(start, residual=row, maturity=grown, tick=start.tick + 1) for start, row, grown in rows]


def carry(last: Carry, motion: Motion, persistence: float) -> Carry:
    """`last` moved to the current frame: warped, the residual weighed, both zero where the motion is not trusted."""
    device = last.residual.device
    # Metal has no bicubic sampling; the motion is on the CPU anyway.
    where = torch.device("cpu") if device.type == "mps" else device
    backward, occluded = upload(motion.backward, where), upload(motion.occluded, where)
    residual = persistence * warp(last.residual.to(where), backward, "bicubic")
    maturity = warp(last.maturity.to(where), backward)
    residual, maturity = residual.masked_fill(occluded, 0), maturity.masked_fill(occluded, 0)
    return replace(last, residual=residual.to(device), maturity=maturity.to(device))


def strength_of(residual: Tensor) -> Tensor:
    """(B, 1, 1, 1) mean |residual| of each image; never quite 0."""
    return residual.abs().mean((1, 2, 3), keepdim=True) + 1e-6


def to_tensor(image: NDArray[np.uint8], device: torch.device) -> Tensor:
    """(1, 3, H, W) float32 in [0, 1] from (H, W, 3) uint8."""
    return upload(torch.from_numpy(image), device).permute(2, 0, 1)[None].float() / 255


def to_image(image: Tensor) -> NDArray[np.uint8]:
    """(H, W, 3) uint8, rounded, from (1, 3, H, W) in [0, 1]."""
    scaled = (image[0] * 255).round().clamp(0, 255).to(torch.uint8)
    return download(scaled.permute(1, 2, 0).contiguous()).numpy()


def _planes(frame: Frame) -> Tensor:
    return torch.from_numpy(frame.image).permute(2, 0, 1)[None]
