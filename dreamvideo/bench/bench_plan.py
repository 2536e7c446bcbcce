"""What the sections share: the sizes and precisions of this run, and the network and pictures, made when asked for."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dreamvideo.ascent.octaves import octave_sizes
from dreamvideo.bench import synthetic
from dreamvideo.bench.networks import BenchNetwork, make_network
from dreamvideo.bench.peaks import MachinePeaks, measure_peaks
from dreamvideo.bench.precisions import precisions_of
from dreamvideo.bench.timing import TimeLimit
from dreamvideo.devices import pick_device
from dreamvideo.frames import Frame
from dreamvideo.models.network import Network, load_network
from dreamvideo.settings.bench import BENCH_QUICK, BENCH_SECTIONS, BENCH_USUAL, BenchSettings
from dreamvideo.settings.dream import DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.tensors import to_tensor

log = logging.getLogger(__name__)

GPU_SIZES = ((360, 640), (720, 1280), (1080, 1920))
GPU_NETWORKS = ("googlenet", "vgg16", "dreamnet")

# Frames more than are timed: as many as the stages may have made ahead, so that none is had for nothing.
BUFFERED_FRAMES = 16


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """The settings with every gap filled."""

    settings: BenchSettings
    device: torch.device
    height: int
    width: int
    rounds: int
    frames: int
    sections: tuple[str, ...]
    precisions: tuple[str, ...]  # that this device has in hardware

    @property
    def best(self) -> str:
        """The precision that is taken where one must do: what `auto` means."""
        return "bf16" if "bf16" in self.precisions else "fp32"

    @property
    def sweeps(self) -> bool:
        """Whether every network is measured at every size: on a GPU, unless a size is given or there is no time."""
        return self.device.type == "cuda" and self.settings.size is None and not self.settings.quick

    @property
    def lanes(self) -> tuple[int, ...]:
        """The batches that are compared."""
        if self.settings.quick:
            return (1, 4)
        return (1, 4, 16) if self.device.type == "cuda" else (1, 2, 4)

    @property
    def networks(self) -> tuple[str, ...]:
        """Those that are measured by themselves."""
        return tuple(dict.fromkeys((self.settings.model, *GPU_NETWORKS))) if self.sweeps else (self.settings.model,)

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """(height, width) of the pictures that single gradients and lanes are measured on."""
        if self.sweeps:
            return GPU_SIZES
        smaller = octave_sizes(self.height, self.width, DreamSettings(octaves=4))  # at the program's own ratio
        return tuple(dict.fromkeys((smaller[0], smaller[-1])))

    @property
    def dreaming(self) -> DreamSettings:
        """Octaves and steps as all contenders have them."""
        s = self.settings
        return DreamSettings(
            octaves=s.octaves,
            octave_scale=s.octave_scale,
            iterations=s.iterations,
            step_size=s.step_size,
        )


def make_plan(settings: BenchSettings) -> BenchPlan:
    """Fill the gaps of `settings` for the device there is; sets the number of threads.

    Raises:
        DeviceError: the device asked for is not there.
    """
    device = pick_device(settings.device)
    if settings.threads:
        torch.set_num_threads(settings.threads)
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
    """One run of the benchmark: its plan, its clock, and what its sections share."""

    plan: BenchPlan
    clock: TimeLimit
    folder: Path  # for files that last as long as the run
    _subjects: dict[str, BenchNetwork] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        return self.plan.device

    @cached_property
    def peaks(self) -> MachinePeaks:
        """What this machine can do, measured when first asked for."""
        return measure_peaks(self.device, self.plan.rounds, self.clock)

    @property
    def subject(self) -> BenchNetwork:
        """The network of the comparison."""
        return self.subject_of(self.plan.settings.model)

    @property
    def video_subject(self) -> BenchNetwork:
        """The network of the video sections."""
        return self.subject_of(self.plan.settings.video_model)

    def subject_of(self, name: str) -> BenchNetwork:
        """A network; the layer and weights that were asked for are those of `--model`."""
        if name not in self._subjects:
            s = self.plan.settings
            asked = (s.layer, s.weights) if name == s.model else (None, None)
            self._subjects[name] = make_network(name, *asked, self.folder, self.device)
        return self._subjects[name]

    def network(self, subject: BenchNetwork, precision: str, **changes: Any) -> Network:
        """The same network as this program dreams with it; `changes` go to its settings."""
        model = ModelSettings(
            subject.name,
            subject.weights,
            device=str(self.device),
            precision=precision,
            threads=self.plan.settings.threads,
        )
        objective = ObjectiveSettings(layers=((subject.layer, 1.0),), objective="l2")
        network = load_network(dataclasses.replace(model, **changes), objective)
        # Others know no divisors of channels: what is raised must be the same for all.
        return dataclasses.replace(network, score=dataclasses.replace(network.score, divisors={}))

    @cached_property
    def clip(self) -> list[Frame]:
        """As many frames as any section needs."""
        plan, count = self.plan, self.plan.frames + BUFFERED_FRAMES
        if plan.settings.clip:
            return synthetic.read_clip(plan.settings.clip, plan.height, plan.width, count)
        return synthetic.synthetic_frames(plan.height, plan.width, count)

    @cached_property
    def picture(self) -> Tensor:
        """(1, 3, H, W) the picture of the comparison: the clip's first, or a drawn one."""
        if self.plan.settings.clip:
            first = synthetic.read_clip(self.plan.settings.clip, self.plan.height, self.plan.width, 1)[0]
            return to_tensor(first.image, self.device)
        return synthetic.synthetic_image(self.plan.height, self.plan.width).to(self.device)
