"""What the benchmarks measure, and for how long: frozen settings that check themselves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from dreamvideo.settings.dream import check_device
from dreamvideo.settings.network_looks import DEFAULT_NETWORK
from dreamvideo.settings.option import MOST_PIXELS, MOST_STEPS, check, check_fields, option, option_flag
from dreamvideo.settings.parsers import parse_camera_size, parse_size

# Ours first, then its lower bound, then the baselines in the order in which tables list them.
CoherenceMethod = Literal[
    "dreamvideo", "floor", "independent", "gordicaleksa", "graphific", "jeremicna", "samim23", "zhuyuezx", "ksk-S"
]
COHERENCE_METHODS: Final[tuple[CoherenceMethod, ...]] = get_args(CoherenceMethod)
COHERENCE_OURS: Final = COHERENCE_METHODS[0]
COHERENCE_FLOOR: Final = COHERENCE_METHODS[1]
COHERENCE_BASELINES: Final = COHERENCE_METHODS[2:]
COHERENCE_SOURCE: Final = "source"
COHERENCE_SHOTS: Final = ("valley", "lake")  # rendered: one with a traveling camera, one with boats before a mirror

# Height and frame count where nothing is set, without and with --quick: a long run and about a minute.
COHERENCE_USUAL: Final = (180, 24)
COHERENCE_QUICK: Final = (90, 8)


def _check_at_least(settings: Any, **least: int) -> None:
    """Check that each named value is None or at least so much."""
    for name, smallest in least.items():
        value = getattr(settings, name)
        flag = option_flag(type(settings).__dataclass_fields__[name])
        check(value is None or value >= smallest, f"{flag} {value}", f"at least {smallest}")


def _check_positive(settings: Any, *names: str) -> None:
    """Check that each named value is None or more than 0."""
    for name in names:
        value = getattr(settings, name)
        check(
            value is None or value > 0,
            f"{option_flag(type(settings).__dataclass_fields__[name])} {value}",
            "more than 0",
        )


def _check_directory_exists(flag: str, path: Path | None) -> None:
    """Check that a result file can be created before anything is measured."""
    check(path is None or path.absolute().parent.is_dir(), f"{flag} {path}", "a file in an existing directory")


@dataclass(frozen=True, slots=True)
class CoherenceSettings:
    """What is measured, and for how long."""

    quick: bool = option(False, "about a minute: small frames, few of them", action="store_true")
    only: tuple[CoherenceMethod, ...] = option((), "measure this method only, repeatable", action="append")
    shots: tuple[str, ...] | None = option(
        None, "rendered shot, repeatable (default: valley and lake)", flag="--shot", action="append", metavar="NAME"
    )
    rendered: bool = option(True, "measure the given clips only", flag="--no-rendered", action="store_false")
    size: tuple[int | None, int] | None = option(
        None, "frame size (default: 180; 90 with --quick)", type=parse_size, metavar="WxH|HEIGHT", most=MOST_PIXELS
    )
    frames: int | None = option(None, "frames of each clip (default: 24; 8 with --quick)", type=int, metavar="N")
    minutes: float = option(15, "start no further measurement after this time", type=float, metavar="M")
    json: Path | None = option(None, "write all results to this file", type=Path, metavar="FILE")
    plot: Path | None = option(None, "draw the curves to this PNG", type=Path, metavar="FILE")
    device: str = option("auto", "auto, cpu, mps, cuda or cuda:N", kind="machine", metavar="DEVICE")
    threads: int | None = option(
        None, "CPU threads (default: all cores)", kind="machine", type=int, metavar="N", most=1024
    )
    model: str = option("auto", "network that dreams", metavar="NAME")
    weights: str | None = option(None, "weights in a local .safetensors or .pth file", kind="file", metavar="FILE")
    iterations: int | None = option(
        None,
        "ascent steps per octave of a full dream (default: as suits the network)",
        type=int,
        metavar="N",
        most=MOST_STEPS,
    )
    step_size: float | None = option(
        None,
        "mean absolute change of one step, in image units of 0 to 1 (default: as suits the network)",
        type=float,
        metavar="X",
        most=10,
    )

    def __post_init__(self) -> None:
        check_fields(self)
        check_device(self.device)
        _check_at_least(self, frames=4, threads=1, iterations=1)
        _check_positive(self, "minutes", "step_size")
        _check_directory_exists("--json", self.json)
        _check_directory_exists("--plot", self.plot)
        is_png = self.plot is None or self.plot.suffix.lower() == ".png"
        check(is_png, f"--plot {self.plot}", "a name that ends in .png")

    @property
    def height(self) -> int:
        return self.size[1] if self.size else (COHERENCE_QUICK if self.quick else COHERENCE_USUAL)[0]

    @property
    def width(self) -> int | None:
        """Pixels; None keeps the aspect ratio."""
        return self.size[0] if self.size else None

    @property
    def count(self) -> int:
        """Frames of each clip."""
        return self.frames or (COHERENCE_QUICK if self.quick else COHERENCE_USUAL)[1]

    @property
    def methods(self) -> tuple[CoherenceMethod, ...]:
        return tuple(name for name in COHERENCE_METHODS if name in self.only) if self.only else COHERENCE_METHODS


@dataclass(frozen=True, slots=True)
class LiveBenchSettings:
    """What is measured, and for how long."""

    seconds: float = option(60.0, "length of the measurement", type=float, metavar="S")
    size: tuple[int, int] = option((640, 480), "size of the camera's frames", type=parse_camera_size, metavar="WxH")
    fps: float = option(30.0, "frame rate of the camera", type=float, metavar="N")
    window: bool = option(False, "show the dream in a window, and measure that too", action="store_true")
    json: Path | None = option(None, "write all results to this file", type=Path, metavar="FILE")

    def __post_init__(self) -> None:
        check_fields(self)
        _check_positive(self, "seconds", "fps")
        _check_directory_exists("--json", self.json)


@dataclass(frozen=True, slots=True)
class ScalingSettings:
    """What is measured, and with how many workers."""

    workers: int = option(2, "workers, compared with one; each has --threads (1) cores", type=int, metavar="N")
    shots: int = option(12, "shots of the synthetic clip", type=int, metavar="N")
    frames: int = option(60, "frames of each shot", type=int, metavar="N")
    size: tuple[int, int] = option((320, 180), "frame size of the clip", type=parse_camera_size, metavar="WxH")
    rounds: int = option(2, "how often one worker and several take turns", type=int, metavar="N")
    machines: int = option(1, "pretend to be N machines, that is, nodes of Ray", type=int, metavar="N", most=100)
    films: int | None = option(
        None,
        "instead of one clip N films of --frames, compared with as many processes that take a part of them each",
        type=int,
        metavar="N",
        most=1_000_000,
    )
    simulate: bool = option(
        False, "measure nothing: simulate 1 to 1,000 workers from earlier measurements", action="store_true"
    )

    def __post_init__(self) -> None:
        check_fields(self)
        _check_at_least(self, workers=2, shots=2, frames=2, rounds=1, machines=1)
        check(
            self.films is None or self.films >= self.workers, f"--films {self.films}", "at least as many as --workers"
        )
        check(
            self.workers % self.machines == 0, f"--machines {self.machines}", f"a divisor of --workers {self.workers}"
        )


GpuPartName = Literal["versions", "tests", "kernels", "graphs", "leak", "fp16", "carried", "files", "lanes", "live"]
GPU_PARTS: Final[tuple[GpuPartName, ...]] = get_args(GpuPartName)  # cheapest and most decisive first


@dataclass(frozen=True, slots=True)
class GpuCheckSettings:
    """What is measured on a GPU, and where the results go."""

    out: Path = option(Path("gpu-check"), "folder of the results; what it holds is replaced", type=Path, metavar="DIR")
    only: tuple[GpuPartName, ...] = option((), "run this part only, repeatable", action="append")
    minutes: float = option(9.0, "end after this time; parts that do not fit are left out", type=float, metavar="M")
    device: str = option(
        "auto", "auto, cuda or cuda:N; cpu rehearses with small sizes", kind="machine", metavar="DEVICE"
    )
    model: str = option("auto", "network that dreams", metavar="NAME")

    def __post_init__(self) -> None:
        check_fields(self)
        check_device(self.device)
        check(self.device != "mps", "--device mps", "cuda, or cpu for a rehearsal")
        _check_positive(self, "minutes")

    @property
    def parts(self) -> tuple[GpuPartName, ...]:
        return tuple(name for name in GPU_PARTS if name in self.only) if self.only else GPU_PARTS


BenchSectionName = Literal["peak", "check", "cold", "video", "gradient", "lanes", "stages", "live", "memory"]
BENCH_SECTIONS: Final[tuple[BenchSectionName, ...]] = get_args(BenchSectionName)

# (width, height), rounds and frame count where nothing is set, without and with --quick.
BENCH_USUAL: Final = ((640, 360), 3, 12)
BENCH_QUICK: Final = ((384, 216), 1, 4)

# gordicaleksa's step of 0.09 deviations on the scale of 0 to 1 (times 0.225, times the mean absolute value of a normal
# number): objectives are compared after the same number of steps of the same size.
BENCH_STEP_SIZE: Final = 0.016


@dataclass(frozen=True, slots=True)
class BenchSettings:
    """What is measured, and for how long."""

    quick: bool = option(False, "about a minute: small images, one round", action="store_true")
    only: tuple[BenchSectionName, ...] = option((), "run this section only, repeatable", action="append")
    rounds: int | None = option(
        None, "how often each measurement is repeated (default: 3; 1 with --quick)", type=int, metavar="N"
    )
    minutes: float = option(7.5, "start no section and no further round after this time", type=float, metavar="M")
    json: Path | None = option(None, "write all results to this file", type=Path, metavar="FILE")
    device: str = option("auto", "auto, cpu, mps, cuda or cuda:N", kind="machine", metavar="DEVICE")
    threads: int | None = option(
        None, "CPU threads (default: all cores)", kind="machine", type=int, metavar="N", most=1024
    )
    model: str = option(
        "googlenet", "network of the comparison: a classifier of torchvision or dreamnet", metavar="NAME"
    )
    layer: str | None = option(None, "its layer to maximize (default: depends on the network)", metavar="NAME")
    weights: str | None = option(
        None, "its weights, .safetensors or .pth (default: random)", kind="file", metavar="FILE"
    )
    video_model: str = option(DEFAULT_NETWORK, "network of the sections video and stages", metavar="NAME")
    size: tuple[int | None, int] | None = option(
        None, "image size (default: 640x360; 384x216 with --quick)", type=parse_size, metavar="WxH|HEIGHT"
    )
    octaves: int = option(4, "sizes of the image pyramid", type=int, metavar="N", most=64)
    octave_scale: float = option(1.8, "size ratio of neighboring octaves", type=float, metavar="X", most=100)
    iterations: int = option(10, "ascent steps per octave", type=int, metavar="N", most=MOST_STEPS)
    step_size: float = option(
        BENCH_STEP_SIZE,
        "mean absolute change of our steps, in image units; baselines have their own",
        type=float,
        metavar="X",
        most=10,
    )
    clip: Path | None = option(
        None, "a video to dream (default: a synthetic clip)", kind="file", type=Path, metavar="FILE"
    )
    frames: int | None = option(
        None, "frames of video that are timed (default: 12; 4 with --quick)", type=int, metavar="N"
    )

    def __post_init__(self) -> None:
        check_fields(self)
        check_device(self.device)
        _check_at_least(self, rounds=1, threads=1, octaves=1, iterations=1, frames=1)
        check(self.octave_scale > 1, f"--octave-scale {self.octave_scale}", "more than 1")
        _check_positive(self, "step_size", "minutes")
        _check_directory_exists("--json", self.json)
