"""Clips and how they move: rendered ones with the truth, real ones with an estimate of it."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Sequence
from contextlib import closing
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

SAMPLES = Path(__file__).parents[3] / "samples"  # there in a checkout, not in an installed package
LEAST_FRAMES = 4  # frames from which anything is measured

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CoherenceClip:
    """Frames of one shot and how each became the next."""

    name: str
    images: tuple[NDArray[np.uint8], ...]  # N of (H, W, 3) RGB
    flows: Tensor  # (N - 1, 2, H, W) float32 pixels, backward
    occluded: Tensor  # (N - 1, 1, H, W) bool
    true: bool  # whether the motion is known; else estimated


def can_render_samples() -> bool:
    """Whether this checkout can render."""
    return (SAMPLES / "render_sample.py").is_file()


def rendered_clip(shot: str, height: int, width: int | None, count: int) -> CoherenceClip:
    """The first `count` frames of a rendered shot, with true flow and true occlusion.

    Raises:
        SettingsError: there is no such shot.
    """
    if str(SAMPLES) not in sys.path:
        sys.path.append(str(SAMPLES))
    sample = importlib.import_module("render_sample")
    if shot not in sample.SHOTS:
        raise SettingsError(f"--shot {shot}: expected one of {', '.join(sample.SHOTS)}")
    frames = list(islice(sample.render(width or round(height * 16 / 9), height, shots=(shot,)), count))
    flows = torch.from_numpy(np.stack([frame.flow for frame in frames[1:]]))
    occluded = torch.from_numpy(np.stack([frame.occluded for frame in frames[1:]]))[:, None]
    return CoherenceClip(shot, tuple(frame.image for frame in frames), flows, occluded, true=True)


def video_clip(path: Path, height: int, width: int | None, count: int) -> CoherenceClip:
    """The first `count` frames of a video, as far as its first cut, with an estimate of their motion.

    Raises:
        SourceError: it cannot be read, or its first shot is too short.
    """
    wanted = ReadSettings(frames=count, size=(width, height))
    with open_video(path, wanted) as source, closing(source.frames) as found:
        images = [frame.image for frame in islice(found, count)]
    is_cut = cut_detector()
    end = next((i for i in range(1, len(images)) if is_cut(images[i], images[i - 1])), len(images))
    if end < LEAST_FRAMES:
        raise SourceError(f"{path} begins with a shot of {end} frames: expected at least {LEAST_FRAMES}")
    if end < count:
        log.warning("%s: its first %d frames are measured; there a shot ends, or the clip", path, end)
    return CoherenceClip(path.stem, tuple(images[:end]), *estimate_clip_motion(images[:end]), true=False)


def estimate_clip_motion(images: Sequence[NDArray[np.uint8]]) -> tuple[Tensor, Tensor]:
    """Backward flows and occlusions of a clip by DIS flow (Kroeger et al. 2016) and the two-way check.

    The flow is at a finer preset than the one that carries the dream, so that it does not judge itself.
    """
    grays = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images]
    backward = torch.cat([_dis(now, before) for now, before in zip(grays[1:], grays[:-1], strict=True)])
    forward = torch.cat([_dis(before, now) for now, before in zip(grays[1:], grays[:-1], strict=True)])
    return backward, occlusion_mask(backward, forward)


def _dis(one: cv2.typing.MatLike, other: cv2.typing.MatLike) -> Tensor:
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # one that is used again remembers
    flow = estimator.calc(one, other, None)  # type: ignore[call-overload]
    return torch.from_numpy(flow).permute(2, 0, 1)[None]
