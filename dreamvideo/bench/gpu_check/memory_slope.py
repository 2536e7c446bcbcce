"""Whether memory grows from frame to frame with a network that cannot be recorded as a graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from dreamvideo.bench.gpu_check.check_plan import GpuCheck
from dreamvideo.bench.gpu_check.moving_frames import endless_shot
from dreamvideo.bench.peak_memory import resident_bytes
from dreamvideo.info.tables import TableRow
from dreamvideo.models.network import Network
from dreamvideo.models.objectives import Features
from dreamvideo.settings.dream import CarrySettings
from dreamvideo.video.pipeline import dream_video

FRAMES, REHEARSED_FRAMES = 300, 9
SIZE, REHEARSED_SIZE = (360, 640), (64, 96)


@dataclass(frozen=True, slots=True)
class WaitingFeatures:
    """A network that waits for the device in each forward pass, as networks of users may."""

    features: Features

    def __call__(self, images: Tensor) -> Mapping[str, Tensor]:
        activations = self.features(images)
        next(iter(activations.values())).sum().item()
        return activations


def leak_rows(check: GpuCheck) -> Iterator[TableRow]:
    """Dream frames, and fit a line to each kind of memory, once its first third has warmed up."""
    network, (height, width) = waiting_network(check.load()), check.pick(SIZE, REHEARSED_SIZE)
    count = check.pick(FRAMES, REHEARSED_FRAMES)
    used: dict[str, list[int]] = {}
    with closing(dream_video(endless_shot(height, width), network, check.look, CarrySettings())) as dreamed:
        for number, _ in enumerate(dreamed):
            for name, value in memory_in_use(check).items():
                used.setdefault(name, []).append(value)
            if number + 1 == count or check.limit.reached():
                break
    for name, values in used.items():
        settled = values[len(values) // 3 :]
        slope = float(np.polyfit(range(len(settled)), settled, 1)[0]) if len(settled) > 1 else None
        yield {
            "memory": name,
            "frames": len(values),
            "size": f"{width}x{height}",
            "settled_MB": settled[0] / 1e6,
            "last_MB": settled[-1] / 1e6,
            "kB_per_frame": None if slope is None else slope / 1e3,
            "a_frame_has_kB": height * width * 3 / 1e3,
        }


def waiting_network(network: Network) -> Network:
    """Return a network with the same dream that cannot be recorded."""
    return replace(network, score=replace(network.score, features=WaitingFeatures(network.score.features)))


def memory_in_use(check: GpuCheck) -> dict[str, int]:
    """Return bytes by kind of memory; nothing waits for the device."""
    resident = {"process": resident_bytes()[0]}
    if not check.on_gpu:
        return resident
    return {
        "tensors": torch.cuda.memory_allocated(check.device),
        "reserved": torch.cuda.memory_reserved(check.device),
        "card": torch.cuda.get_device_properties(check.device).total_memory - check.free_bytes(),
        **resident,
    }
