"""TODO"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dreamvideo.errors import SettingsError
from dreamvideo.settings.dream import DreamSettings
from dreamvideo.settings.option import option, parse_camera_size, parse_size

COHERENCE_OURS: Final = "dreamvideo"
COHERENCE_FLOOR: Final = "floor"
COHERENCE_SOURCE: Final = "source"
COHERENCE_BASELINES: Final = ("independent", "gordicaleksa", "graphific", "jeremicna", "samim23", "zhuyuezx", "ksk-S")
COHERENCE_METHODS: Final = (COHERENCE_OURS, COHERENCE_FLOOR, *COHERENCE_BASELINES)
COHERENCE_SHOTS: Final = ("valley", "lake")  # rendered: one with a traveling camera, one with boats before a mirror

COHERENCE_DREAM: Final = DreamSettings()  # as it is by default

# What --quick and nothing said stand for: height, frames.
COHERENCE_USUAL: Final = (180, 24)
COHERENCE_QUICK: Final = (90, 8)


@dataclass(frozen=True, slots=True)
class CoherenceSettings:
    """What is measured, and for how long."""

    quick: bool = option(False, "about a minute: small pictures, few frames", action="store_true")
    only: tuple[str, ...] = option(
        (), "measure this method only, repeatable", action="append", choices=COHERENCE_METHODS
    )
    shots: tuple[str, ...] | None = option(
        None, "rendered shot, repeatable (default: valley and lake)", flag="--shot", action="append", metavar="NAME"
    )
    rendered: bool = option(True, "measure the given clips only", flag="--no-rendered", action="store_false")
    size: tuple[int | None, int] | None = option(
        None, "size of the pictures (default: 180; 90 if quick)", type=parse_size, metavar="WxH|HEIGHT"
    )
    frames: int | None = option(None, "frames of each clip (default: 24; 8 if quick)", type=int, metavar="N")
    minutes: float = option(15, "begin nothing more after this time", type=float, metavar="M")
    json: Path | None = option(None, "write all that was measured to this file", type=Path, metavar="FILE")
    plot: Path | None = option(None, "draw the curves to this PNG", type=Path, metavar="FILE")
    device: str = option("auto", "auto, cpu, mps, cuda or cuda:N", metavar="DEVICE")
    threads: int | None = option(None, "CPU threads (default: all cores)", type=int, metavar="N")
    model: str = option("dreamnet", "network that dreams", metavar="NAME")
    weights: str | None = option(None, "weights in a local .safetensors or .pth file", metavar="FILE")
    iterations: int = option(
        COHERENCE_DREAM.iterations, "ascent steps per octave of a full dream", type=int, metavar="N"
    )
    step_size: float = option(
        COHERENCE_DREAM.step_size, "mean change of one step, in image units of 0 to 1", type=float, metavar="X"
    )

    def __post_init__(self) -> None:
        for name, least in (("frames", 4), ("threads", 1), ("iterations", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise SettingsError(f"--{name} {value}: expected at least {least}")
        for name in ("minutes", "step_size"):
            if getattr(self, name) <= 0:
                raise SettingsError(f"--{name.replace('_', '-')} {getattr(self, name)}: expected more than 0")
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", self.device):
            raise SettingsError(f"--device {self.device}: expected auto, cpu, mps, cuda or cuda:N")
        unknown = [name for name in self.only if name not in COHERENCE_METHODS]
        if unknown:
            raise SettingsError(f"--only {unknown[0]}: expected one of {', '.join(COHERENCE_METHODS)}")
        for name in ("json", "plot"):
            path = getattr(self, name)
            if path is not None and not path.absolute().parent.is_dir():
                raise SettingsError(f"--{name} {path}: expected a file in a folder that is there")
        if self.plot is not None and self.plot.suffix.lower() != ".png":
            raise SettingsError(f"--plot {self.plot}: expected a name that ends in .png")

    @property
    def height(self) -> int:
        return self.size[1] if self.size else (COHERENCE_QUICK if self.quick else COHERENCE_USUAL)[0]

    @property
    def width(self) -> int | None:
        """None: as the aspect ratio has it."""
        return self.size[0] if self.size else None

    @property
    def count(self) -> int:
        """Frames of each clip."""
        return self.frames or (COHERENCE_QUICK if self.quick else COHERENCE_USUAL)[1]

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(name for name in COHERENCE_METHODS if name in self.only) if self.only else COHERENCE_METHODS


@dataclass(frozen=True, slots=True)
class LiveBenchSettings:
    """What is measured, and for how long."""

    seconds: float = option(60.0, "how long it is measured", type=float, metavar="S")
    size: tuple[int, int] = option((640, 480), "size of the camera's pictures", type=parse_camera_size, metavar="WxH")
    fps: float = option(30.0, "pictures a second that the camera gives", type=float, metavar="N")
    window: bool = option(False, "show it in a window, and measure that too", action="store_true")
    json: Path | None = option(None, "write all that was measured to this file", type=Path, metavar="FILE")

    def __post_init__(self) -> None:
        for name in ("seconds", "fps"):
            if getattr(self, name) <= 0:
                raise SettingsError(f"--{name} {getattr(self, name)}: expected more than 0")
        if self.json is not None and not self.json.absolute().parent.is_dir():
            raise SettingsError(f"--json {self.json}: expected a file in a folder that is there")


@dataclass(frozen=True, slots=True)
class ScalingSettings:
    """What is measured, with how many workers."""

    workers: int = option(2, "workers, against one; each has --threads (1) cores", type=int, metavar="N")
    shots: int = option(12, "shots of the drawn clip", type=int, metavar="N")
    frames: int = option(60, "frames of each shot", type=int, metavar="N")
    size: tuple[int, int] = option((320, 180), "size of its pictures", type=parse_camera_size, metavar="WxH")
    rounds: int = option(2, "how often one and many take turns", type=int, metavar="N")

    def __post_init__(self) -> None:
        for name, least in (("workers", 2), ("shots", 2), ("frames", 2), ("rounds", 1)):
            if getattr(self, name) < least:
                raise SettingsError(f"--{name} {getattr(self, name)}: expected at least {least}")


BENCH_SECTIONS: Final = ("peak", "check", "cold", "video", "gradient", "lanes", "stages", "live", "memory")

# What --quick and nothing said stand for: (width, height), rounds, frames.
BENCH_USUAL: Final = ((640, 360), 3, 12)
BENCH_QUICK: Final = ((384, 216), 1, 4)

# What gordicaleksa's step of 0.09 deviations is on the scale of 0 to 1 (times 0.225, times the mean size of a normal
# number): objectives are compared after as many steps as large.
BENCH_STEP_SIZE: Final = 0.016


@dataclass(frozen=True, slots=True)
class BenchSettings:
    """What is benchmarked, and for how long."""

    quick: bool = option(False, "about a minute: a small picture, one round", action="store_true")
    only: tuple[str, ...] = option((), "run this section only, repeatable", action="append", choices=BENCH_SECTIONS)
    rounds: int | None = option(None, "how often each thing is timed (default: 3; 1 if quick)", type=int, metavar="N")
    minutes: float = option(7.5, "begin no section and no further round after this time", type=float, metavar="M")
    json: Path | None = option(None, "write all that was measured to this file", type=Path, metavar="FILE")
    device: str = option("auto", "auto, cpu, mps, cuda or cuda:N", metavar="DEVICE")
    threads: int | None = option(None, "CPU threads (default: all cores)", type=int, metavar="N")
    model: str = option(
        "googlenet", "network of the comparison: a classifier of torchvision or dreamnet", metavar="NAME"
    )
    layer: str | None = option(None, "its layer to excite (default: what suits the network)", metavar="NAME")
    weights: str | None = option(None, "its weights, .safetensors or .pth (default: random)", metavar="FILE")
    video_model: str = option("dreamnet", "network of the sections video and stages", metavar="NAME")
    size: tuple[int | None, int] | None = option(
        None, "size of the pictures (default: 640x360; 384x216 if quick)", type=parse_size, metavar="WxH|HEIGHT"
    )
    octaves: int = option(4, "sizes of the pyramid", type=int, metavar="N")
    octave_scale: float = option(1.8, "size ratio of neighboring octaves", type=float, metavar="X")
    iterations: int = option(10, "ascent steps per octave", type=int, metavar="N")
    step_size: float = option(
        BENCH_STEP_SIZE, "mean change of our steps, in image units; theirs are their own", type=float, metavar="X"
    )
    clip: Path | None = option(None, "a video to dream (default: one drawn for the purpose)", type=Path, metavar="FILE")
    frames: int | None = option(None, "frames of video that are timed (default: 12; 4 if quick)", type=int, metavar="N")

    def __post_init__(self) -> None:
        for name in ("rounds", "threads", "octaves", "iterations", "frames"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingsError(f"--{name} {value}: expected at least 1")
        if self.octave_scale <= 1:
            raise SettingsError(f"--octave-scale {self.octave_scale}: expected more than 1")
        if self.step_size <= 0:
            raise SettingsError(f"--step-size {self.step_size}: expected more than 0")
        if self.minutes <= 0:
            raise SettingsError(f"--minutes {self.minutes}: expected more than 0")
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", self.device):
            raise SettingsError(f"--device {self.device}: expected auto, cpu, mps, cuda or cuda:N")
        unknown = [name for name in self.only if name not in BENCH_SECTIONS]
        if unknown:
            raise SettingsError(f"--only {unknown[0]}: expected one of {', '.join(BENCH_SECTIONS)}")
        if self.json is not None and not self.json.absolute().parent.is_dir():
            raise SettingsError(f"--json {self.json}: expected a file in a folder that is there")
