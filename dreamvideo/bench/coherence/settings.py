"""What is measured and how long; every default of the measurement stands here, once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dreamvideo.errors import SettingsError
from dreamvideo.settings import DreamSettings, option, parse_size

OURS: Final = "dreamvideo"
FLOOR: Final = "floor"
SOURCE: Final = "source"
RIVALS: Final = ("independent", "gordicaleksa", "graphific", "jeremicna", "samim23", "zhuyuezx", "ksk-S")
METHODS: Final = (OURS, FLOOR, *RIVALS)
SHOTS: Final = ("valley", "lake")  # rendered: one with a travelling camera, one with boats before a mirror

DREAM: Final = DreamSettings()  # as it is by default

# What --quick and nothing said stand for: height, frames.
USUAL: Final = (180, 24)
QUICK: Final = (90, 8)


@dataclass(frozen=True, slots=True)
class CoherenceSettings:
    """What is measured, and for how long."""

    quick: bool = option(False, "about a minute: small pictures, few frames", action="store_true")
    only: tuple[str, ...] = option((), "measure this method only, repeatable", action="append", choices=METHODS)
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
    iterations: int = option(DREAM.iterations, "ascent steps per octave of a full dream", type=int, metavar="N")
    step_size: float = option(
        DREAM.step_size, "mean change of one step, in image units of 0 to 1", type=float, metavar="X"
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
        unknown = [name for name in self.only if name not in METHODS]
        if unknown:
            raise SettingsError(f"--only {unknown[0]}: expected one of {', '.join(METHODS)}")
        for name in ("json", "plot"):
            path = getattr(self, name)
            if path is not None and not path.absolute().parent.is_dir():
                raise SettingsError(f"--{name} {path}: expected a file in a folder that is there")
        if self.plot is not None and self.plot.suffix.lower() != ".png":
            raise SettingsError(f"--plot {self.plot}: expected a name that ends in .png")

    @property
    def height(self) -> int:
        return self.size[1] if self.size else (QUICK if self.quick else USUAL)[0]

    @property
    def width(self) -> int | None:
        """None: as the aspect ratio has it."""
        return self.size[0] if self.size else None

    @property
    def count(self) -> int:
        """Frames of each clip."""
        return self.frames or (QUICK if self.quick else USUAL)[1]

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(name for name in METHODS if name in self.only) if self.only else METHODS
