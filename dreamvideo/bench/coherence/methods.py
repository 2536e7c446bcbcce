"""Ways of carrying a dream from frame to frame, all dreaming with the same network and the same step.

Those of others are written anew from descriptions of what their programs do, in 8 bits between frames as there. What
they start a frame from is dreamed as a picture of its own, with jitter drawn anew for every frame.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.ascent.octaves import dream
from dreamvideo.bench.baselines_video import warp_where_similar
from dreamvideo.bench.coherence.clips import CoherenceClip
from dreamvideo.frames import Frame, Frames
from dreamvideo.models.network import Network
from dreamvideo.motion.warp import warp
from dreamvideo.settings.bench import COHERENCE_FLOOR, COHERENCE_OURS
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.tensors import to_image, to_tensor
from dreamvideo.video.pipeline import dream_video

Image = NDArray[np.uint8]  # (H, W, 3) RGB
CoherenceFunction = Callable[[CoherenceClip, Network, DreamSettings], Iterator[Image]]
# (source, last source, last dream), each (1, 3, H, W) in [0, 1] -> what the frame is dreamed from
StartFunction = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class SweepSetting:
    """A setting of a method's sweep: share of the full dream's steps, factor of its step size."""

    steps: float
    size: float = 1.0

    def of(self, full: DreamSettings) -> DreamSettings:
        iterations = max(1, round(self.steps * full.iterations))
        return dataclasses.replace(full, iterations=iterations, step_size=self.size * full.step_size)


# A dream that is carried whole grows from frame to frame, one that fades needs many steps each time: ladders that bring
# both to the strengths that are compared. Ours and the floor keep their plan and change the size of the step.
OWN_SWEEP = (SweepSetting(1, 0.4), SweepSetting(1, 0.7), SweepSetting(1), SweepSetting(1, 1.5))
FADING_SWEEP = (SweepSetting(0.2), SweepSetting(0.5), SweepSetting(1), SweepSetting(1, 2))
LASTING_SWEEP = (
    SweepSetting(0, 0.12),
    SweepSetting(0, 0.35),
    SweepSetting(0),
    SweepSetting(0.3),
    SweepSetting(0.6),
)  # 0: one step


def sweep_settings(method: str) -> tuple[SweepSetting, ...]:
    """The settings at which a method is measured, from weak to strong."""
    if method in (COHERENCE_OURS, COHERENCE_FLOOR):
        return OWN_SWEEP
    return LASTING_SWEEP if method in ("samim23", "zhuyuezx", "ksk-S") else FADING_SWEEP


def dream_ours(clip: CoherenceClip, network: Network, dreaming: DreamSettings) -> Iterator[Image]:
    """`dream_video` as it is by default."""

    def stream() -> Generator[Frame, None, None]:
        for index, image in enumerate(clip.images):
            yield Frame(image, Fraction(index, 24))

    frames: Frames = dream_video(stream(), network, dreaming, CarrySettings())
    for frame in frames:
        yield frame.image


def dream_floor(clip: CoherenceClip, network: Network, dreaming: DreamSettings) -> Iterator[Image]:
    """The first frame's dream carried along the clip's flow, nothing added: as steady as this strength can be."""
    residual: Tensor | None = None
    for index, image in enumerate(clip.images):
        source = to_tensor(image, network.device)
        if residual is None:
            residual = dream(source, network.score, dreaming) - source
        else:
            flow, occluded = (x[index - 1 : index].to(network.device) for x in (clip.flows, clip.occluded))
            residual = warp(residual, flow, "bicubic").masked_fill(occluded, 0)
        yield to_image(source + residual)


def dream_independently(clip: CoherenceClip, network: Network, dreaming: DreamSettings) -> Iterator[Image]:
    """Every frame alone, with the same jitter: the steadiest form of it."""
    for image in clip.images:
        yield to_image(dream(to_tensor(image, network.device), network.score, dreaming))


def method_from_start(start: StartFunction) -> CoherenceFunction:
    """The method that dreams the first frame alone and each later one from what `start` makes of the last."""

    def method(clip: CoherenceClip, network: Network, dreaming: DreamSettings) -> Iterator[Image]:
        last: tuple[Tensor, Tensor] | None = None
        for index, image in enumerate(clip.images):
            source = to_tensor(image, network.device)
            begun = source if last is None else start(source, *last).clamp(0, 1)
            out = to_image(dream(begun, network.score, dreaming, jitter_index=[index]))
            yield out
            last = source, to_tensor(out, network.device)

    return method


def blend_with_last(share: float) -> StartFunction:
    """`share` of the frame, the rest of the last dream, which is not moved."""
    return lambda source, _, dreamed: share * source + (1 - share) * dreamed


def half_warped_dream(source: Tensor, last_source: Tensor, dreamed: Tensor) -> Tensor:
    """Half the frame, half the last dream along the negated forward flow where the moved frame looks alike."""
    return 0.5 * source + 0.5 * warp_where_similar(source, last_source, dreamed)


def residual_negated(source: Tensor, last_source: Tensor, dreamed: Tensor) -> Tensor:
    """The last residual along the negated forward flow, whole."""
    return source + warp(dreamed - last_source, -farneback_flow(last_source, source))


def residual_exact(source: Tensor, last_source: Tensor, dreamed: Tensor) -> Tensor:
    """The last residual along the backward flow, whole."""
    return source + warp(dreamed - last_source, farneback_flow(source, last_source))


def residual_where_moving(source: Tensor, last_source: Tensor, dreamed: Tensor) -> Tensor:
    """0.75 of the last residual along the negated forward flow where it moves, elsewhere a blend of 0.1.

    What moves is a flow above 6 of 255 between the frame's least and greatest.
    """
    flow = farneback_flow(last_source, source)
    speed = flow.square().sum(1, keepdim=True).sqrt()
    moving = 255 * (speed - speed.amin()) / (speed.amax() - speed.amin()).clamp(min=1e-6) > 6
    moved = source + 0.75 * warp(dreamed - last_source, -flow)
    return torch.where(moving, moved, 0.9 * source + 0.1 * dreamed)


def farneback_flow(one: Tensor, other: Tensor) -> Tensor:
    """(1, 2, H, W) flow from one (1, 3, H, W) picture to another; Farneback 2003 as all three programs set it."""
    grays = [cv2.cvtColor(to_image(image), cv2.COLOR_RGB2GRAY) for image in (one, other)]
    flow = cv2.calcOpticalFlowFarneback(*grays, None, 0.5, 3, 15, 3, 5, 1.2, 0)  # type: ignore[call-overload]
    return torch.from_numpy(flow).permute(2, 0, 1)[None].to(one.device)


METHOD_FUNCTIONS: Mapping[str, CoherenceFunction] = {
    COHERENCE_OURS: dream_ours,
    COHERENCE_FLOOR: dream_floor,
    "independent": dream_independently,
    "gordicaleksa": method_from_start(blend_with_last(0.85)),
    "graphific": method_from_start(blend_with_last(0.5)),
    "jeremicna": method_from_start(half_warped_dream),
    "samim23": method_from_start(residual_negated),
    "zhuyuezx": method_from_start(residual_exact),
    "ksk-S": method_from_start(residual_where_moving),
}
