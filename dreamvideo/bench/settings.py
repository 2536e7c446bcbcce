"""What is benchmarked and how long; every default of the benchmark stands here, once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dreamvideo.errors import SettingsError
from dreamvideo.settings import option, parse_size

SECTIONS: Final = ("peak", "check", "cold", "video", "gradient", "lanes", "stages", "live", "memory")

# What --quick and nothing said stand for: (width, height), rounds, frames.
USUAL: Final = ((640, 360), 3, 12)
QUICK: Final = ((384, 216), 1, 4)

# What gordicaleksa's step of 0.09 deviations is on the scale of 0 to 1 (times 0.225, times the mean size of a normal
# number): objectives are compared after as many steps as large.
STEP_SIZE: Final = 0.016


@dataclass(frozen=True, slots=True)
class BenchSettings:
    """What is benchmarked, and for how long."""

    quick: bool = option(False, "about a minute: a small picture, one round", action="store_true")
    only: tuple[str, ...] = option((), "run this section only, repeatable", action="append", choices=SECTIONS)
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
    octave_scale: float = option(1.8, "size ratio of neighbouring octaves", type=float, metavar="X")
    iterations: int = option(10, "ascent steps per octave", type=int, metavar="N")
    step_size: float = option(
        STEP_SIZE, "mean change of our steps, in image units; theirs are their own", type=float, metavar="X"
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
        unknown = [name for name in self.only if name not in SECTIONS]
        if unknown:
            raise SettingsError(f"--only {unknown[0]}: expected one of {', '.join(SECTIONS)}")
        if self.json is not None and not self.json.absolute().parent.is_dir():
            raise SettingsError(f"--json {self.json}: expected a file in a folder that is there")
