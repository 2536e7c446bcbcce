"""Ways of carrying a dream from frame to frame, all with the same network and the same step.

Those of other programs are reimplemented from descriptions of them, in 8 bits between frames as there. The image that
they start a frame from is dreamed by itself, with new jitter for every frame.
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
# (source, last source, last dream), each (1, 3, H, W) in [0, 1] -> the image that the frame is dreamed from
StartFunction = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class SweepSetting:
    """A point of a method's sweep, relative to the full dream."""

    iterations: float  # factor of the steps per octave; 0: one step
    step_size: float = 1.0  # factor of the step size

    def apply(self, full: DreamSettings) -> DreamSettings:
        """Return `full` with as many and as large steps."""
        iterations = max(1, round(self.iterations * full.iterations))
        return dataclasses.replace(full, iterations=iterations, step_size=self.step_size * full.step_size)


# Chosen so that all methods reach the strengths that are compared: a dream that is carried whole grows from frame to
# frame, one that fades needs many steps each time. Ours and the floor keep their steps and change the step size.
OWN_SWEEP = (SweepSetting(1, 0.4), SweepSetting(1, 0.7), SweepSetting(1), SweepSetting(1, 1.5))
FADING_SWEEP = (SweepSetting(0.2), SweepSetting(0.5), SweepSetting(1), SweepSetting(1, 2))
LASTING_SWEEP = (
    SweepSetting(0, 0.12),
    SweepSetting(0, 0.35),
    SweepSetting(0),
    SweepSetting(0.3),
    SweepSetting(0.6),
)


def sweep_settings(method: str) -> tuple[SweepSetting, ...]:
    """Return the settings at which a method is measured, from weak to strong."""
    if method in (COHERENCE_OURS, COHERENCE_FLOOR):
        return OWN_SWEEP
    return LASTING_SWEEP if method in ("samim23", "zhuyuezx", "ksk-S") else FADING_SWEEP


def dream_ours(clip: CoherenceClip, network: Network, dreaming: DreamSettings) -> Iterator[Image]:
    """Dream with `dream_video` at its default carry."""

    def stream() -> Generator[Frame, None, None]:
        for index, image in enumerate(clip.images):
            yield Frame(image, Fraction(index, 24))

    frames: Frames = dream_video(stream(), network, dreaming, CarrySettings())
    for frame in frames:
        yield frame.image


def dream_floor(clip: CoherenceClip, network: Network, dreaming: DreamSettings) -> Iterator[Image]:
    """Carry the first frame's dream along the clip's flow and add nothing: the steadiest dream of its strength."""
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
    """Dream every frame alone, with the same jitter, which is steadier than new jitter."""
    for image in clip.images:
        yield to_image(dream(to_tensor(image, network.device), network.score, dreaming))


def method_from_start(start: StartFunction) -> CoherenceFunction:
    """Make a method that dreams the first frame alone and each later one from `start`.

    Args:
        start: makes the image that a frame is dreamed from, out of the frame, the last frame and the last dream.
    """

    def method(clip: CoherenceClip, network: Network, dreaming: DreamSettings) -> Iterator[Image]:
        last: tuple[Tensor, Tensor] | None = None
        for index, image in enumerate(clip.images):
            source = to_tensor(image, network.device)
            initial = source if last is None else start(source, *last).clamp(0, 1)
            out = to_image(dream(initial, network.score, dreaming, jitter_index=[index]))
            yield out
            last = source, to_tensor(out, network.device)

    return method


def blend_with_last(share: float) -> StartFunction:
    """Return a start of `share` of the frame and the rest of the last dream, which is not warped."""
    return lambda source, _, dreamed: share * source + (1 - share) * dreamed


def half_warped_dream(source: Tensor, last_source: Tensor, dreamed: Tensor) -> Tensor:
    """Return half the frame, half the last dream, warped along the negated forward flow where the frames look alike."""
    return 0.5 * source + 0.5 * warp_where_similar(source, last_source, dreamed)


def residual_negated(source: Tensor, last_source: Tensor, dreamed: Tensor) -> Tensor:
    """Add the whole last residual, warped along the negated forward flow."""
    return source + warp(dreamed - last_source, -farneback_flow(last_source, source))


def residual_exact(source: Tensor, last_source: Tensor, dreamed: Tensor) -> Tensor:
    """Add the whole last residual, warped along the backward flow."""
    return source + warp(dreamed - last_source, farneback_flow(source, last_source))


def residual_where_moving(source: Tensor, last_source: Tensor, dreamed: Tensor) -> Tensor:
    """Add 0.75 of the last residual, warped along the negated forward flow, where it moves; elsewhere blend in 0.1.

    A place moves if its flow is above 6 of 255 on the scale from the least to the greatest flow of the frame.
    """
    flow = farneback_flow(last_source, source)
    magnitude = flow.square().sum(1, keepdim=True).sqrt()
    moving = 255 * (magnitude - magnitude.amin()) / (magnitude.amax() - magnitude.amin()).clamp(min=1e-6) > 6
    warped = source + 0.75 * warp(dreamed - last_source, -flow)
    return torch.where(moving, warped, 0.9 * source + 0.1 * dreamed)


def farneback_flow(one: Tensor, other: Tensor) -> Tensor:
    """Return the (1, 2, H, W) flow between two (1, 3, H, W) images, Farneback 2003 as all three programs set it."""
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
