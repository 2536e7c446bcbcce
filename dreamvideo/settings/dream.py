"""What is dreamed by which network, and how: frozen settings that check themselves.

Every default stands here once. A field made by `option` is also a command-line option, a key of a TOML file and, if
it differs from its default, part of the settings stored in each output.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from dreamvideo.settings.option import MOST_PIXELS, MOST_STEPS, check, check_fields, option
from dreamvideo.settings.parsers import parse_auto, parse_channel, parse_seconds, parse_weighted

SHORTEST_PART: Final = 4  # seconds of a split shot: around each seam two and a half are dreamed twice


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Network, device and precision. Where a network runs does not change what it dreams of."""

    model: str = option(
        "auto",
        "network that dreams, see models, or package.module:factory; auto: what the environment variable "
        "DREAMVIDEO_MODEL names, else efficientnet_lite2 if its weights are installed, else dreamnet",
        metavar="NAME",
    )
    weights: str | None = option(None, "weights in a local .safetensors or .pth file", kind="file", metavar="FILE")
    scaling: Literal["imagenet", "half", "none"] = option(
        "imagenet",
        "input range that the network expects: imagenet (normalized by mean and deviation), half (-1 to 1), none "
        "(0 to 1); dreamnet and efficientnet_lite know their own",
    )
    device: str = option("auto", "auto, cpu, mps, cuda or cuda:N", kind="machine", metavar="DEVICE")
    precision: Literal["auto", "fp32", "tf32", "bf16", "fp16"] = option(
        "auto", "arithmetic of the network; auto is bf16 where the hardware has it", kind="machine"
    )
    threads: int | None = option(
        None, "CPU threads (default: all cores)", kind="machine", type=int, metavar="N", most=1024
    )

    def __post_init__(self) -> None:
        check_fields(self)
        check_device(self.device)
        check(self.threads is None or self.threads > 0, f"--threads {self.threads}", "at least 1")


def check_device(device: str) -> None:
    """Check the name of a device, not that it exists.

    Args:
        device: auto, cpu, mps, cuda or cuda:N.

    Raises:
        SettingsError: it is none of these.
    """
    valid = re.fullmatch(r"auto|cpu|mps|cuda(:[0-9]{1,2})?", device) is not None
    check(valid, f"--device {device}", "auto, cpu, mps, cuda or cuda:N")


@dataclass(frozen=True, slots=True)
class ObjectiveSettings:
    """What is dreamed: which activations of the network are maximized. All empty: the default of the network."""

    layers: tuple[tuple[str, float], ...] = option(
        (),
        "layer to maximize, repeatable (default: depends on the network)",
        type=parse_weighted,
        metavar="NAME[:WEIGHT]",
        flag="--layer",
        action="append",
        most=1e6,
    )
    channels: tuple[tuple[str, int, float], ...] = option(
        (),
        "channel to maximize, repeatable",
        type=parse_channel,
        metavar="LAYER:NUMBER[:WEIGHT]",
        flag="--channel",
        action="append",
        most=1e6,
    )
    neurons: tuple[tuple[str, int, float], ...] = option(
        (),
        "channel to maximize at the center of the image only, repeatable",
        type=parse_channel,
        metavar="LAYER:NUMBER[:WEIGHT]",
        flag="--neuron",
        action="append",
        most=1e6,
    )
    classes: tuple[tuple[str, float], ...] = option(
        (),
        "class to dream of, by name or number, a group such as birds, or a word of class names, repeatable: each "
        "location takes the one it is most like",
        type=parse_weighted,
        metavar="NAME[:WEIGHT]",
        flag="--class",
        action="append",
        most=1e6,
    )
    guide: str | None = option(
        None,
        "image to dream of: each location is pulled towards the features of the guide that it is most like",
        kind="file",
        metavar="FILE",
    )
    objective: Literal["auto", "log", "l2", "l4", "mean", "sum", "mix"] = option(
        "auto",
        "what is maximized of a layer: log (log of the local energy), l2 (mean square), l4 (mean fourth power: "
        "fewer and larger shapes), mean, sum, mix (other channels at each location), auto (depends on the network)",
    )

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class DreamSettings:
    """How an image is dreamed. Steps and colors are in image units, 0 to 1."""

    octaves: int | None = option(
        None,
        "sizes of the image pyramid (default: down to a shorter side of about 130 pixels)",
        type=int,
        metavar="N",
        most=64,
    )
    octave_scale: float = option(1.4, "size ratio of neighboring octaves", type=float, metavar="X", most=100)
    iterations: int = option(
        10, "ascent steps per octave; 0 passes frames through undreamed", type=int, metavar="N", most=MOST_STEPS
    )
    step_size: float = option(
        0.009, "mean absolute change of one step, in image units of 0 to 1", type=float, metavar="X", most=10
    )
    jitter: int = option(16, "largest random shift before a step, in pixels", type=int, metavar="N", most=MOST_PIXELS)
    border: Literal["reflect", "wrap"] = option(
        "reflect", "what the shift moves into the image at its edges: reflect (mirrored), wrap (from the other side)"
    )
    noise: float = option(
        0.0,
        "deviation of noise on what the network sees, in image units: 0.05 to 0.12 makes shapes larger; 0 = off",
        type=float,
        metavar="X",
    )
    smooth: float = option(
        0.7,
        "Gaussian smoothing of the gradient: sigma in pixels at the first step, twice that at the last; 0 = none",
        type=float,
        metavar="X",
        most=100,
    )
    color: float = option(
        0.65,
        "spread of color relative to that of lightness in each step; negative: as the gradient has it",
        type=float,
        metavar="X",
        most=100,
    )
    headroom: float = option(
        0.2, "distance from black and white within which steps towards them shrink; 0 = off", type=float, metavar="X"
    )
    anchor: float = option(
        0.05, "pull of large areas towards the source's brightness and color at each step", type=float, metavar="X"
    )
    keep_colors: bool = option(False, "dream the lightness only and keep the source's colors", action="store_true")
    dream_bars: bool = option(
        False,
        "dream on black bars too, and as strongly in the dark as elsewhere, which brightens it",
        action="store_true",
    )
    decorrelate: bool = option(
        False, "correlate the colors of the gradient as in photographs, instead of --color", action="store_true"
    )
    tv: float = option(
        0.0,
        "smoothing by total variation: its share of each step, relative to the gradient's; 0 = off",
        type=float,
        metavar="X",
        most=100,
    )
    detail: bool = option(
        True,
        "enlarge the dreamed image itself from octave to octave, which blurs it, instead of adding the dream to the "
        "sharp source",
        flag="--no-detail",
        action="store_false",
    )
    normalize: Literal["mean", "std", "none"] = option(
        "mean",
        "what each gradient is divided by: mean (absolute value), std (deviation, after subtracting the mean), none",
    )
    smoothing: Literal["growing", "fixed"] = option(
        "growing",
        "growing: as --smooth describes; fixed: --smooth at every step, 9x9 pixels, reflected at the edges",
    )
    space: Literal["image", "imagenet"] = option(
        "image",
        "color space of the steps: image (0 to 1, clamped after each step), imagenet (normalized as for ImageNet "
        "networks, clamped at the end only)",
    )
    seed: int = option(0, "random seed of the jitter", type=int, metavar="N", most=1 << 63)

    def __post_init__(self) -> None:
        check_fields(self)
        check(self.octaves is None or self.octaves > 0, f"--octaves {self.octaves}", "at least 1")
        check(self.octave_scale > 1, f"--octave-scale {self.octave_scale}", "more than 1")
        check(self.iterations >= 0, f"--iterations {self.iterations}", "at least 0")
        check(self.step_size >= 0, f"--step-size {self.step_size}", "at least 0")
        check(self.jitter >= 0, f"--jitter {self.jitter}", "at least 0")
        check(0 <= self.noise <= 1, f"--noise {self.noise}", "0 to 1")
        check(self.smooth >= 0, f"--smooth {self.smooth}", "at least 0")
        check(0 <= self.headroom < 0.5, f"--headroom {self.headroom}", "0 to 0.5")
        check(0 <= self.anchor <= 1, f"--anchor {self.anchor}", "0 to 1")
        check(self.tv >= 0, f"--tv {self.tv}", "at least 0")
        check(not (self.keep_colors and self.decorrelate), "--keep-colors with --decorrelate", "one of the two")
        check(
            self.normalize != "none" or self.color < 0 or self.keep_colors or self.decorrelate,
            f"--normalize none with --color {self.color}, which divides by the gradient's spread",
            "--color -1",
        )


@dataclass(frozen=True, slots=True)
class CarrySettings:
    """How one frame's dream becomes the start of the next."""

    persistence: float = option(
        1.0, "weight of the dream carried from frame to frame; 0 = frames dream alone", type=float, metavar="X"
    )
    warm_iterations: int = option(
        1,
        "ascent steps on a frame that starts from a carried dream, at the octave whose turn it is",
        type=int,
        metavar="N",
        most=MOST_STEPS,
    )
    warm_step: float = option(
        0.5,
        "size of those steps relative to those of a first frame: larger is stronger and less steady",
        type=float,
        metavar="X",
        most=100,
    )
    local_steps: int | None = option(
        None,
        "ascent steps a frame in windows around what moves fast or becomes visible (default: auto, 1 on a CPU, 4 on a "
        "GPU); 0 = none",
        type=parse_auto,
        metavar="auto|N",
        most=MOST_STEPS,
    )
    lanes: int | None = option(
        None,
        "shots dreamed side by side as one batch, reading ahead (default: auto, 1 on a CPU, on a GPU by size)",
        kind="machine",
        type=parse_auto,
        metavar="auto|N",
        most=1024,
    )
    flow: Literal["auto", "dis", "torch-dis", "raft", "none"] = option(
        "auto",
        "optical flow that carries the dream: auto = torch-dis on CUDA, else dis; dis is computed on the CPU, "
        "torch-dis on CUDA, as raft is, a network whose weights are downloaded once; a resumed job keeps its flow",
    )
    flow_weights: str | None = option(
        None, "weights of the flow network in a local .safetensors or .pth file", kind="file", metavar="FILE"
    )
    # Not of kind "machine": where a shot is split shows in the dream.
    split_shots: Fraction | None = option(
        None,
        "split long shots at every multiple of this time in the film into parts that --lanes, or workers, dream side "
        "by side; each dissolves into the next",
        type=parse_seconds,
        metavar="TIME",
    )
    seamless: bool = option(
        False, "let the dream of a film's last second lead to that of its first frame, for a loop", action="store_true"
    )
    amount: float = option(
        1.0,
        "how much of what the dream added is shown, 0 to 2: 0 = the source, 2 = twice; what is carried stays as it is",
        type=float,
        metavar="X",
    )

    def __post_init__(self) -> None:
        check_fields(self)
        part = self.split_shots
        check(part is None or part >= SHORTEST_PART, f"--split-shots {part}", f"at least {SHORTEST_PART} seconds")
        check(0 <= self.amount <= 2, f"--amount {self.amount}", "0 to 2")
        check(0 <= self.persistence <= 1, f"--persistence {self.persistence}", "0 to 1")
        check(self.lanes is None or self.lanes >= 1, f"--lanes {self.lanes}", "at least 1")
        check(self.local_steps is None or self.local_steps >= 0, f"--local-steps {self.local_steps}", "at least 0")
        check(self.warm_step >= 0, f"--warm-step {self.warm_step}", "at least 0")
        check(self.warm_iterations >= 0, f"--warm-iterations {self.warm_iterations}", "at least 0")
        weights_fit = self.flow_weights is None or self.flow == "raft"
        check(weights_fit, f"--flow-weights {self.flow_weights} with --flow {self.flow}", "--flow raft")
