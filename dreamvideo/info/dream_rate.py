"""How long a dream takes, found out by dreaming: a first frame of a shot, and some that are carried from it.

The first frame takes every step at every octave and is far dearer.
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
    """Seconds that frames take, measured."""

    first: float  # the first of a shot
    carried: float  # each of the others
    network: str
    precision: str
    device: str

    def total(self, frames: int) -> float:
        """Seconds for a shot of so many frames."""
        return self.first + self.carried * (frames - 1)


def measure_dream_rate(
    frames: Sequence[Frame], network: Network, dreaming: DreamSettings, carrying: CarrySettings
) -> DreamRate:
    """How long `frames`, the first ones of a video, take; what of them is of another shot is not dreamed."""
    shot = first_shot(frames)

    def arrivals(count: int) -> list[float]:
        began = time.monotonic()
        with closing(dream_video(_stream(shot[:count]), network, dreaming, carrying)) as dreamed:
            return [time.monotonic() - began for _ in dreamed]

    if network.device.type == "cuda":
        arrivals(len(shot))  # what is built at the first time is built once
        first = arrivals(1)[0]  # a frame arrives when later ones have been begun: alone, then
        whole = arrivals(len(shot))[-1]
    else:
        at = arrivals(len(shot))
        first, whole = at[0], at[-1]
    carried = (whole - first) / (len(shot) - 1) if len(shot) > 1 else 0.0
    return DreamRate(
        first,
        max(carried, 0.0),
        network.name,
        network.precision_name,
        device_name(network.device),
    )


def first_shot(frames: Sequence[Frame]) -> list[Frame]:
    """As many frames, but where the first shot ends its last one stands still."""
    is_cut = cut_detector()
    kept = [frames[0]]
    for frame in frames[1:]:
        stays = is_cut(frame.image, kept[-1].image)
        kept.append(replace(kept[-1], time=frame.time) if stays else frame)
    return kept


def _stream(frames: Sequence[Frame]) -> Frames:
    yield from frames
