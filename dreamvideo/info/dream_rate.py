"""Measures how long a dream takes by dreaming the first frames of a video.

The first frame of a shot takes all steps at all octaves and far more time than the frames that are carried from it, so
the two are timed apart.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from dreamvideo.devices import device_name
from dreamvideo.frames import Frame, Frames
from dreamvideo.models.network import Network
from dreamvideo.motion.cuts import cut_detector
from dreamvideo.settings.dream import CarrySettings, DreamSettings
from dreamvideo.video.pipeline import dream_video


@dataclass(frozen=True, slots=True)
class DreamRate:
    """Measured seconds per frame, and what was measured."""

    first: float  # of a shot's first frame
    carried: float  # of each other frame
    network: str
    precision: str
    device: str

    def total(self, frames: int) -> float:
        """Return the seconds for a shot of `frames` frames."""
        return self.first + self.carried * (frames - 1)


def measure_dream_rate(
    frames: Sequence[Frame], network: Network, dreaming: DreamSettings, carrying: CarrySettings
) -> DreamRate:
    """Dream frames and measure their time.

    Args:
        frames: the first ones of a video, at least one; those of another shot are replaced, see `first_shot`.
        network: what dreams.
        dreaming, carrying: as in `dream_video`.
    """
    shot = first_shot(frames)

    def arrivals(count: int) -> list[float]:
        start = time.monotonic()
        with closing(dream_video(_stream(shot[:count]), network, dreaming, carrying)) as dreamed:
            return [time.monotonic() - start for _ in dreamed]

    if network.device.type == "cuda":
        arrivals(len(shot))  # warm-up: kernels are chosen and graphs recorded once
        first = arrivals(1)[0]  # alone, as a frame arrives only after later ones have started
        whole = arrivals(len(shot))[-1]
    else:
        times = arrivals(len(shot))
        first, whole = times[0], times[-1]
    carried = (whole - first) / (len(shot) - 1) if len(shot) > 1 else 0.0
    return DreamRate(
        first,
        max(carried, 0.0),
        network.name,
        network.precision_name,
        device_name(network.device),
    )


def first_shot(frames: Sequence[Frame]) -> list[Frame]:
    """Return as many frames of the first shot: after its end its last image is repeated, at the times of the others."""
    is_cut = cut_detector()
    shot = [frames[0]]
    for frame in frames[1:]:
        shot.append(replace(shot[-1], time=frame.time) if is_cut(frame.image, shot[-1].image) else frame)
    return shot


def _stream(frames: Sequence[Frame]) -> Frames:
    yield from frames
