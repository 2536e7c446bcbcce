"""Clips with their motion: known for rendered shots, estimated for videos."""

from __future__ import annotations

import contextlib
import importlib
import logging
import sys
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.bench.coherence.moving import find_movers
from dreamvideo.errors import SettingsError, SourceError
from dreamvideo.media.video_reader import open_video
from dreamvideo.motion.camera_motion import camera_flow, camera_matrix
from dreamvideo.motion.cuts import cut_detector
from dreamvideo.motion.occlusion import occlusion_mask
from dreamvideo.settings.job import ReadSettings

SAMPLES = Path(__file__).parents[3] / "samples"  # exists in a checkout, not in an installed package
LEAST_FRAMES = 4  # below it nothing can be measured

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CoherenceClip:
    """Frames of one shot, and the motion between them."""

    name: str
    images: tuple[NDArray[np.uint8], ...]  # N of (H, W, 3) RGB
    flows: Tensor  # (N - 1, 2, H, W) float32 pixels, backward
    occluded: Tensor  # (N - 1, 1, H, W) bool
    known_motion: bool  # else the flows and occlusions are estimated
    movers: Tensor  # (N, 1, H, W) bool, what moves on the ground
    ground_flows: Tensor  # (N - 1, 2, H, W) float32 pixels, backward, of the ground, also where it is covered


def can_render_samples() -> bool:
    """Return whether samples/ is there to render shots."""
    return (SAMPLES / "render_sample.py").is_file()


def rendered_clip(shot: str, height: int, width: int | None, count: int) -> CoherenceClip:
    """Render the first frames of a shot, with exact flow and occlusion.

    Args:
        shot: its name in samples/render_sample.py.
        height, width: in pixels; None: the width for 16:9.
        count: number of frames.

    Raises:
        SettingsError: there is no such shot.
    """
    with _importable_samples():
        sample = importlib.import_module("render_sample")
    if shot not in sample.SHOTS:
        raise SettingsError(f"--shot {shot}: expected one of {', '.join(sample.SHOTS)}")
    frames = list(islice(sample.render(width or round(height * 16 / 9), height, shots=(shot,)), count))
    flows = torch.from_numpy(np.stack([frame.flow for frame in frames[1:]]))
    occluded = torch.from_numpy(np.stack([frame.occluded for frame in frames[1:]]))[:, None]
    images = tuple(frame.image for frame in frames)
    if frames[0].mover is None:  # a landscape: all of it is ground
        movers, ground_flows = torch.zeros(len(frames), 1, *flows.shape[2:], dtype=torch.bool), flows
    else:
        movers = torch.from_numpy(np.stack([frame.mover for frame in frames]))[:, None]
        ground_flows = torch.from_numpy(np.stack([frame.ground_flow for frame in frames[1:]]))
    return CoherenceClip(shot, images, flows, occluded, True, movers, ground_flows)


@contextlib.contextmanager
def _importable_samples() -> Generator[None, None, None]:
    """Let the modules in samples/, which import each other by name, be imported inside the block."""
    sys.path.append(str(SAMPLES))
    try:
        yield
    finally:
        sys.path.remove(str(SAMPLES))


def video_clip(path: Path, height: int, width: int | None, count: int) -> CoherenceClip:
    """Read the first frames of a video up to its first cut, and estimate their motion.

    Args:
        path: of the video.
        height, width: to which the frames are resized, in pixels; None: the width that keeps the aspect ratio.
        count: number of frames, at most.

    Raises:
        SourceError: it cannot be read, or its first shot is shorter than `LEAST_FRAMES`.
    """
    with (
        open_video(path, ReadSettings(frames=count, size=(width, height))) as source,
        contextlib.closing(source.frames) as frames,
    ):
        images = [frame.image for frame in islice(frames, count)]
    is_cut = cut_detector()
    end = next((i for i in range(1, len(images)) if is_cut(images[i], images[i - 1])), len(images))
    if end < LEAST_FRAMES:
        raise SourceError(f"{path} starts with a shot of {end} frames: expected at least {LEAST_FRAMES}")
    if end < count:
        log.warning("%s: its first %d frames are measured; there a shot or the clip ends", path, end)
    flows, occluded = estimate_clip_motion(images[:end])
    ground_flows = torch.cat([_camera(flow) for flow in flows])
    sources = torch.from_numpy(np.stack(images[:end])).permute(0, 3, 1, 2).float() / 255
    movers = find_movers(sources, ground_flows)
    return CoherenceClip(path.stem, tuple(images[:end]), flows, occluded, False, movers, ground_flows)


def _camera(flow: Tensor) -> Tensor:
    """(1, 2, H, W) flow of the ground in a (2, H, W) flow; the flow itself where no camera explains it."""
    matrix = camera_matrix(flow.numpy())
    return flow[None] if matrix is None else camera_flow(matrix, (flow.shape[1], flow.shape[2]))


def estimate_clip_motion(images: Sequence[NDArray[np.uint8]]) -> tuple[Tensor, Tensor]:
    """Estimate backward flows and occlusions by DIS flow (Kroeger et al. 2016) and the forward-backward check.

    The preset is finer than that of the flow that carries the dream, so that the flow does not judge itself.

    Args:
        images: (H, W, 3) uint8 RGB each.

    Returns:
        (N - 1, 2, H, W) float32 pixels, and (N - 1, 1, H, W) bool.
    """
    grays = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images]
    backward = torch.cat([_dis(now, before) for now, before in zip(grays[1:], grays[:-1], strict=True)])
    forward = torch.cat([_dis(before, now) for now, before in zip(grays[1:], grays[:-1], strict=True)])
    return backward, occlusion_mask(backward, forward)


def _dis(one: cv2.typing.MatLike, other: cv2.typing.MatLike) -> Tensor:
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # a reused estimator keeps state
    flow = estimator.calc(one, other, None)  # type: ignore[call-overload]
    return torch.from_numpy(flow).permute(2, 0, 1)[None]
