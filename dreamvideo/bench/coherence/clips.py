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

from dreamvideo.errors import SettingsError, SourceError
from dreamvideo.media.video_reader import open_video
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
    return CoherenceClip(shot, tuple(frame.image for frame in frames), flows, occluded, known_motion=True)


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
    return CoherenceClip(path.stem, tuple(images[:end]), *estimate_clip_motion(images[:end]), known_motion=False)


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
