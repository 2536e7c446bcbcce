"""What the sections of a benchmark share: sizes and precisions of the run; networks and images, made on first use."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dreamvideo.ascent.octaves import octave_sizes
from dreamvideo.bench import clip_files, synthetic
from dreamvideo.bench.networks import BenchNetwork, make_network
from dreamvideo.bench.peaks import MachinePeaks, measure_peaks
from dreamvideo.bench.precisions import Precision, precisions_of
from dreamvideo.bench.timing import TimeLimit
from dreamvideo.devices import pick_device
from dreamvideo.frames import Frame
from dreamvideo.models.network import Network, load_network
from dreamvideo.process import configure_process
from dreamvideo.settings.bench import BENCH_QUICK, BENCH_SECTIONS, BENCH_USUAL, BenchSettings
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.tensors import to_tensor

# (height, width) and networks of the sweep on a GPU
GPU_SIZES = ((360, 640), (720, 1280), (1080, 1920))
GPU_NETWORKS = ("googlenet", "vgg16", "dreamnet")

# Frames beyond those that are timed: the prefetching stages may have finished so many before the clock starts, so the
# stream must be longer, or the last frames would cost nothing.
BUFFERED_FRAMES = 16


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """The settings with all defaults resolved for the device."""

    settings: BenchSettings
    device: torch.device
    height: int
    width: int
    rounds: int
    frames: int
    sections: tuple[str, ...]
    precisions: tuple[Precision, ...]  # that this device has in hardware

    @property
    def best_precision(self) -> Precision:
        """The precision of sections that measure only one: what `auto` means."""
        return "bf16" if "bf16" in self.precisions else "fp32"

    @property
    def sweeps(self) -> bool:
        """Whether every network is measured at every size: on a GPU, without --size or --quick."""
        return self.device.type == "cuda" and self.settings.size is None and not self.settings.quick

    @property
    def lanes(self) -> tuple[int, ...]:
        """The batch sizes that are compared."""
        if self.settings.quick:
            return (1, 4)
        return (1, 4, 16) if self.device.type == "cuda" else (1, 2, 4)

    @property
    def networks(self) -> tuple[str, ...]:
        """The networks of the sections gradient and lanes."""
        return tuple(dict.fromkeys((self.settings.model, *GPU_NETWORKS))) if self.sweeps else (self.settings.model,)

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """(height, width) of the images of the sections gradient and lanes."""
        if self.sweeps:
            return GPU_SIZES
        sizes = octave_sizes(self.height, self.width, DreamSettings(octaves=4))  # at the default octave scale
        return tuple(dict.fromkeys((sizes[0], sizes[-1])))

    @property
    def dreaming(self) -> DreamSettings:
        """Octaves and steps that all contenders share."""
        s = self.settings
        return DreamSettings(
            octaves=s.octaves,
            octave_scale=s.octave_scale,
            iterations=s.iterations,
            step_size=s.step_size,
        )


def make_plan(settings: BenchSettings) -> BenchPlan:
    """Resolve the defaults of `settings` for the device, and configure this process for it.

    Args:
        settings: of the command.

    Raises:
        DeviceError: the device does not exist.
    """
    device = pick_device(settings.device)
    configure_process(ModelSettings(device=settings.device, threads=settings.threads))
    usual = BENCH_QUICK if settings.quick else BENCH_USUAL
    width, height = settings.size or usual[0]
    rounds, frames = settings.rounds or usual[1], settings.frames or usual[2]
    sections = settings.only or BENCH_SECTIONS
    ordered = tuple(name for name in BENCH_SECTIONS if name in sections)
    return BenchPlan(
        settings, device, height, width or round(height * 16 / 9), rounds, frames, ordered, precisions_of(device)
    )


@dataclass
class BenchRun:
    """One run of the benchmark.

    Args:
        plan: what is measured.
        limit: when no further measurement starts.
        folder: for files that last as long as the run.
    """

    plan: BenchPlan
    limit: TimeLimit
    folder: Path
    _networks: dict[str, BenchNetwork] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        return self.plan.device

    @cached_property
    def peaks(self) -> MachinePeaks:
        """The peak speed of this machine."""
        return measure_peaks(self.device, self.plan.rounds, self.limit)

    @property
    def image_network(self) -> BenchNetwork:
        """The network of the sections that dream single images."""
        return self.network(self.plan.settings.model)

    @property
    def video_network(self) -> BenchNetwork:
        """The network of the sections that dream video."""
        return self.network(self.plan.settings.video_model)

    def network(self, name: str) -> BenchNetwork:
        """Return a network by name; `--layer` and `--weights` apply to that of `--model`."""
        if name not in self._networks:
            s = self.plan.settings
            layer, weights = (s.layer, s.weights) if name == s.model else (None, None)
            self._networks[name] = make_network(name, layer, weights, self.folder, self.device)
        return self._networks[name]

    def load(self, network: BenchNetwork, precision: Precision, **changes: Any) -> Network:
        """Load a network the way this program dreams with it.

        Args:
            network: name, layer and weights.
            precision: of its arithmetic, as in `ModelSettings`.
            changes: other fields of `ModelSettings`.
        """
        model = ModelSettings(
            network.name,
            network.weights,
            device=str(self.device),
            precision=precision,
            threads=self.plan.settings.threads,
        )
        objective = ObjectiveSettings(layers=((network.layer, 1.0),), objective="l2")
        loaded = load_network(dataclasses.replace(model, **changes), objective)
        # The baselines do not know divisors of channels, and all contenders must maximize the same objective.
        return dataclasses.replace(loaded, score=dataclasses.replace(loaded.score, divisors={}))

    @cached_property
    def clip(self) -> list[Frame]:
        """As many frames as any section needs."""
        plan, count = self.plan, self.plan.frames + BUFFERED_FRAMES
        if plan.settings.clip:
            return clip_files.read_clip(plan.settings.clip, plan.height, plan.width, count)
        return synthetic.synthetic_frames(plan.height, plan.width, count)

    @cached_property
    def image(self) -> Tensor:
        """(1, 3, H, W) in [0, 1]: the first frame of the clip, or a synthetic image."""
        if self.plan.settings.clip:
            first = clip_files.read_clip(self.plan.settings.clip, self.plan.height, self.plan.width, 1)[0]
            return to_tensor(first.image, self.device)
        return synthetic.synthetic_image(self.plan.height, self.plan.width).to(self.device)
