"""Frozen, self-checking settings; every default of the program stands here, once.

A field made by `option` is also a command-line option: the command line takes name, default, help and choices
from here, so the two cannot disagree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from dreamvideo.errors import SettingsError

LEAST_TILE = 256  # pixels a side; below it a tile is mostly what it sees of its neighbours


def option(default: Any, help: str, **argparse_keywords: Any) -> Any:
    """A dataclass field that is also a command-line option; `argparse_keywords` go to `add_argument`."""
    return field(default=default, metadata={"help": help, **argparse_keywords})


LEAST_SIDE = 16  # pixels; the embedded network halves a picture four times


def _check(holds: bool, got: str, expected: str) -> None:
    if not holds:
        raise SettingsError(f"{got}: expected {expected}")


def parse_seconds(text: str) -> Fraction:
    """Seconds as an exact number from `12.5`, `mm:ss(.x)` or `hh:mm:ss(.x)`.

    Raises:
        SettingsError: the text is none of these.
    """
    if not re.fullmatch(r"(\d+:){0,2}\d+(\.\d*)?|(\d+:){0,2}\.\d+", text):
        raise SettingsError(f"{text!r} is no time: expected seconds, mm:ss or hh:mm:ss, such as 12.5 or 1:02:03.5")
    total = Fraction(0)
    for part in text.split(":"):
        total = total * 60 + Fraction(part if not part.startswith(".") else "0" + part)
    return total


def parse_rate(text: str) -> Fraction:
    """Pictures a second, exact, from `25`, `30000/1001`, or `29.97`, which means the same.

    Raises:
        SettingsError: the text is none of these.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(?:/([1-9]\d*))?", text)
    rate = Fraction(found[1]) / int(found[2] or 1) if found else Fraction(0)
    if not 0 < rate <= 1000:
        raise SettingsError(f"{text!r} is no rate: expected pictures a second, such as 24, 29.97 or 30000/1001")
    ntsc = Fraction(round(rate * 1001 / 1000) * 1000, 1001)  # 23.976, 29.97, 59.94 are these, rounded
    return ntsc if "." in text and rate.denominator > 1 and abs(ntsc - rate) < Fraction(1, 200) else rate


def parse_size(text: str) -> tuple[int | None, int]:
    """(width or None, height) in pixels from `WxH` or `HEIGHT`; None keeps the aspect ratio.

    Raises:
        SettingsError: the text is neither.
    """
    found = re.fullmatch(r"(?:(\d+)x)?(\d+)", text)
    if not found or int(found[2]) < LEAST_SIDE or (found[1] and int(found[1]) < LEAST_SIDE):
        raise SettingsError(
            f"{text!r} is no size: expected WxH or HEIGHT of at least {LEAST_SIDE} pixels, such as 640x360 or 360"
        )
    return (int(found[1]) if found[1] else None), int(found[2])


def parse_camera_size(text: str) -> tuple[int, int]:
    """(width, height) in pixels from `WxH`.

    Raises:
        SettingsError: the text is no such size.
    """
    width, height = parse_size(text)
    if width is None:
        raise SettingsError(f"{text!r} is half a size: a camera is asked for both, such as 1280x720")
    return width, height


def parse_weighted(text: str) -> tuple[str, float]:
    """(name, weight) of a layer or class from `NAME` or `NAME:WEIGHT`.

    Raises:
        SettingsError: the weight is no number.
    """
    name, colon, weight = text.rpartition(":")
    if not colon:
        return text, 1.0
    try:
        return name, float(weight)
    except ValueError:
        raise SettingsError(f"{text!r}: expected NAME or NAME:WEIGHT, such as s8b:0.5") from None


def parse_channel(text: str) -> tuple[str, int, float]:
    """(layer, number, weight) from `LAYER:NUMBER` or `LAYER:NUMBER:WEIGHT`.

    Raises:
        SettingsError: the text is neither.
    """
    found = re.fullmatch(r"(.+?):(\d+)(?::([-+.\deE]+))?", text)
    try:
        if found:
            return found[1], int(found[2]), float(found[3] or 1)
    except ValueError:
        pass
    raise SettingsError(f"{text!r}: expected LAYER:NUMBER or LAYER:NUMBER:WEIGHT, such as s8b:17 or s8b:17:-0.5")


def parse_preview(text: str) -> int:
    """How many frames.

    Raises:
        SettingsError: the text is no number of at least 1.
    """
    if not text.isdecimal() or not int(text):
        raise SettingsError(f"{text!r} is no number of frames: expected one such as 9, or --preview after the inputs")
    return int(text)


def parse_lanes(text: str) -> int | None:
    """A number; None for `auto`.

    Raises:
        SettingsError: the text is neither.
    """
    return _auto_or_number("--lanes", text, 4)


def parse_tile(text: str) -> int | None:
    """A number of pixels; None for `auto`.

    Raises:
        SettingsError: the text is neither.
    """
    return _auto_or_number("--tile", text, 1024)


def _auto_or_number(flag: str, text: str, example: int) -> int | None:
    if text != "auto" and not text.isdecimal():
        raise SettingsError(f"{flag} {text}: expected auto or a number, such as {example}")
    return None if text == "auto" else int(text)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the page of a live dream is served; printed as it is typed."""

    host: str  # an IPv6 address without its brackets
    port: int  # 0: any free one

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """An address from `PORT` or `HOST:PORT`, of this machine alone unless there is a host.

    Raises:
        SettingsError: the text is neither.
    """
    found = re.fullmatch(r"(?:(?:\[([^][/@\s]+)]|([^][:/@\s]+)):)?([0-9]{1,5})", text)
    if not found or int(found[3]) > 65535:
        raise SettingsError(
            f"{text!r} is no address: expected PORT or HOST:PORT, such as 8000, 127.0.0.1:8000 or [::1]:8000"
        )
    return Address(found[1] or found[2] or "127.0.0.1", int(found[3]))


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """Which part of an input is read, and at what size."""

    start: Fraction | None = option(None, "skip to this time", type=parse_seconds, metavar="TIME")
    duration: Fraction | None = option(None, "read no more than this", type=parse_seconds, metavar="TIME")
    frames: int | None = option(None, "stop after N frames", type=int, metavar="N")
    size: tuple[int | None, int] | None = option(
        None, "dream and write at this size in pixels", type=parse_size, metavar="WxH|HEIGHT"
    )

    def __post_init__(self) -> None:
        _check(self.frames is None or self.frames > 0, f"--frames {self.frames}", "at least 1")
        _check(self.duration is None or self.duration > 0, f"--duration {self.duration}", "more than 0")


@dataclass(frozen=True, slots=True)
class SequenceSettings:
    """What pictures are to each other, and what they become."""

    independent: bool = option(
        False, "unrelated pictures, each dreamed alone, several at once on a GPU", action="store_true"
    )
    fps: Fraction = option(
        Fraction(25), "pictures a second of a video made of them; 29.97 means 30000/1001", type=parse_rate,
        metavar="RATE",
    )  # fmt: skip
    format: str | None = option(
        None, "of the pictures written (default: each input's own; of a video png)",
        choices=("png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff"),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class PreviewSettings:
    """A look before the long run."""

    preview: int | None = option(
        None,
        "instead of a video write NAME_preview.png: N frames (9) from all over it, dreamed, each with its time",
        type=parse_preview, nargs="?", const=9, metavar="N",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class AtlasSettings:
    """Which dreams an atlas shows. Unless told otherwise, one of each layer; or of all that --layer and such name."""

    channels_of: str | None = option(
        None, "the channels of this layer that are strongest in the picture", flag="--channels", metavar="LAYER"
    )
    all_classes: bool = option(False, "the classes of the network", flag="--classes", action="store_true")
    presets: bool = option(False, "the presets", action="store_true")
    count: int | None = option(
        None,
        "at most N channels or classes, the strongest (default: 24; up to 100 classes: all)",
        type=int,
        metavar="N",
    )
    tile: int = option(240, "larger side of each dream, in pixels", type=int, metavar="N")
    columns: int | None = option(None, "dreams side by side (default: what fits a screen)", type=int, metavar="N")
    start: Fraction | None = option(
        None, "of a video, take the frame at this time (default: its middle)", type=parse_seconds, metavar="TIME"
    )

    def __post_init__(self) -> None:
        chosen = ["--channels"] * (self.channels_of is not None) + ["--classes"] * self.all_classes
        chosen += ["--presets"] * self.presets
        _check(len(chosen) < 2, " with ".join(chosen), "one of them")
        _check(self.count is None or self.count > 0, f"--count {self.count}", "at least 1")
        _check(self.tile >= 32, f"--tile {self.tile}", "at least 32")
        _check(self.columns is None or self.columns > 0, f"--columns {self.columns}", "at least 1")


@dataclass(frozen=True, slots=True)
class InfoSettings:
    """What is told."""

    time: bool = option(
        True, "do not dream some frames to tell how long it takes", flag="--no-time", action="store_false"
    )
    json: bool = option(False, "one JSON object, as dreamvideo/info/report.py says", action="store_true")


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which network dreams, and where it runs."""

    model: str = option("dreamnet", "network that dreams, or package.module:factory", metavar="NAME")
    weights: str | None = option(None, "weights in a local .safetensors or .pth file", metavar="FILE")
    scaling: str = option(
        "imagenet",
        "colours that the network expects: as for ImageNet, half (-1 to 1), none (0 to 1); dreamnet knows its own",
        choices=("imagenet", "half", "none"),
    )
    device: str = option("auto", "auto, cpu, mps, cuda or cuda:N", metavar="DEVICE")
    precision: str = option(
        "auto",
        "arithmetic of the network; auto is bf16 where the hardware has it",
        choices=("auto", "fp32", "tf32", "bf16", "fp16"),
    )
    threads: int | None = option(None, "CPU threads (default: all cores)", type=int, metavar="N")

    def __post_init__(self) -> None:
        _check(
            re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", self.device) is not None,
            f"--device {self.device}",
            "auto, cpu, mps, cuda or cuda:N",
        )
        _check(self.threads is None or self.threads > 0, f"--threads {self.threads}", "at least 1")


@dataclass(frozen=True, slots=True)
class TileSettings:
    """How much memory a large picture may take."""

    tile_side: int | None = option(
        None,
        "show pictures to the network in tiles of at most N pixels a side: the same dream in less memory and more time "
        "(default: auto, when memory is short)",
        type=parse_tile, flag="--tile", metavar="auto|N",
    )  # fmt: skip

    def __post_init__(self) -> None:
        tile = self.tile_side
        _check(tile is None or tile >= LEAST_TILE, f"--tile {tile}", f"at least {LEAST_TILE}, or auto")


@dataclass(frozen=True, slots=True)
class EncodeSettings:
    """How a video is written."""

    codec: str | None = option(None, "video encoder (default: what suits the container)", metavar="NAME")
    crf: int = option(16, "quality of the encoder, 0 best", type=int, metavar="N")
    audio: bool = option(True, "leave the sound out", flag="--no-audio", action="store_false")

    def __post_init__(self) -> None:
        _check(0 <= self.crf <= 63, f"--crf {self.crf}", "0 to 63")


@dataclass(frozen=True, slots=True)
class DreamSettings:
    """How a picture is dreamed. Steps and colours are in image units, 0 to 1."""

    layers: tuple[tuple[str, float], ...] = option(
        (),
        "layer to excite, repeatable (default: what suits the network)",
        type=parse_weighted,
        metavar="NAME[:WEIGHT]",
        flag="--layer",
        action="append",
    )
    channels: tuple[tuple[str, int, float], ...] = option(
        (), "channel to excite, repeatable", type=parse_channel, metavar="LAYER:NUMBER[:WEIGHT]", flag="--channel",
        action="append",
    )  # fmt: skip
    neurons: tuple[tuple[str, int, float], ...] = option(
        (), "channel to excite in the middle of the picture only, repeatable", type=parse_channel,
        metavar="LAYER:NUMBER[:WEIGHT]", flag="--neuron", action="append",
    )  # fmt: skip
    classes: tuple[tuple[str, float], ...] = option(
        (), "class to dream of, by name or number, repeatable: each place chooses among them", type=parse_weighted,
        metavar="NAME[:WEIGHT]", flag="--class", action="append",
    )  # fmt: skip
    guide: str | None = option(
        None, "picture to dream of: every place is drawn to what it is most like there", metavar="FILE"
    )
    objective: str = option(
        "auto",
        "what is raised of a layer: log (log of the local energy), l2 (mean square), mean, sum, mix (other channels at "
        "every place), auto (what suits the network)",
        choices=("auto", "log", "l2", "mean", "sum", "mix"),
    )
    octaves: int | None = option(
        None, "sizes of the pyramid (default: down to a shorter side of about 130 pixels)", type=int, metavar="N"
    )
    octave_scale: float = option(1.4, "size ratio of neighbouring octaves", type=float, metavar="X")
    iterations: int = option(10, "ascent steps per octave; 0 passes pictures through undreamed", type=int, metavar="N")
    step_size: float = option(
        0.009, "mean absolute change of one step, in image units of 0 to 1", type=float, metavar="X"
    )
    jitter: int = option(16, "largest random shift before a step, in pixels", type=int, metavar="N")
    smooth: float = option(
        0.7,
        "Gaussian smoothing of the gradient: sigma in pixels at the first step, twice that at the last; 0 = none",
        type=float,
        metavar="X",
    )
    colour: float = option(
        0.65,
        "spread of colour against that of lightness in each step; negative: the gradient's own colours",
        type=float,
        metavar="X",
    )
    headroom: float = option(
        0.2, "distance from black and white within which steps towards them shrink; 0 = off", type=float, metavar="X"
    )
    anchor: float = option(
        0.05, "pull of large areas towards the source's brightness and colour at each step", type=float, metavar="X"
    )
    keep_colours: bool = option(False, "dream the lightness alone: the colours stay the source's", action="store_true")
    decorrelate: bool = option(
        False, "mix the gradient as colours are in photographs, instead of --colour", action="store_true"
    )
    tv: float = option(
        0.0, "smoothing by total variation: its part of each step, against the gradient's; 0 = off", type=float,
        metavar="X",
    )  # fmt: skip
    detail: bool = option(
        True,
        "enlarge the dreamed picture itself from octave to octave, which blurs it, instead of adding the dream to the "
        "sharp source",
        flag="--no-detail",
        action="store_false",
    )
    normalise: str = option(
        "mean",
        "what each gradient is divided by: mean (absolute value), std (deviation, freed of its mean), none",
        choices=("mean", "std", "none"),
    )
    smoothing: str = option(
        "growing",
        "growing: as --smooth says; fixed: --smooth at every step, of 9x9 pixels, mirrored at the edges",
        choices=("growing", "fixed"),
    )
    space: str = option(
        "image",
        "colours in which steps are taken: image (0 to 1, held to it), imagenet (as its networks see them; held to 0 "
        "to 1 at the end only)",
        choices=("image", "imagenet"),
    )
    seed: int = option(0, "random seed of the jitter", type=int, metavar="N")

    def __post_init__(self) -> None:
        _check(self.octaves is None or self.octaves > 0, f"--octaves {self.octaves}", "at least 1")
        _check(self.octave_scale > 1, f"--octave-scale {self.octave_scale}", "more than 1")
        _check(self.iterations >= 0, f"--iterations {self.iterations}", "at least 0")
        _check(self.step_size >= 0, f"--step-size {self.step_size}", "at least 0")
        _check(self.jitter >= 0, f"--jitter {self.jitter}", "at least 0")
        _check(self.smooth >= 0, f"--smooth {self.smooth}", "at least 0")
        _check(0 <= self.headroom < 0.5, f"--headroom {self.headroom}", "0 to 0.5")
        _check(0 <= self.anchor <= 1, f"--anchor {self.anchor}", "0 to 1")
        _check(self.tv >= 0, f"--tv {self.tv}", "at least 0")
        _check(not (self.keep_colours and self.decorrelate), "--keep-colours with --decorrelate", "one of the two")
        _check(
            self.normalise != "none" or self.colour < 0 or self.keep_colours or self.decorrelate,
            f"--normalise none with --colour {self.colour}, which divides by the gradient's spread",
            "--colour -1",
        )


@dataclass(frozen=True, slots=True)
class MaskSettings:
    """Where is dreamed, and where not."""

    mask: str | None = option(
        None,
        "dream where this is white, leave alone what is black: a picture, or for videos a video or folder of pictures "
        "that go along with the frames",
        metavar="FILE",
    )


@dataclass(frozen=True, slots=True)
class CarrySettings:
    """How one frame's dream becomes the start of the next."""

    persistence: float = option(
        1.0, "weight of the dream carried from frame to frame; 0 = frames dream alone", type=float, metavar="X"
    )
    warm_iterations: int = option(
        1,
        "ascent steps on a frame that starts from a carried dream, at the size whose turn it is",
        type=int,
        metavar="N",
    )
    warm_step: float = option(
        0.5, "size of those steps, over that of a first frame's: larger is stronger, and less steady",
        type=float, metavar="X",
    )  # fmt: skip
    lanes: int | None = option(
        None,
        "shots dreamed side by side as one batch, reading ahead (default: auto, 1 on a CPU, on a GPU by size)",
        type=parse_lanes, metavar="auto|N",
    )  # fmt: skip
    flow: str = option(
        "dis",
        "optical flow that carries the dream; raft is a network, for a GPU: its weights are downloaded once",
        choices=("dis", "raft", "none"),
    )
    flow_weights: str | None = option(
        None, "weights of the flow network in a local .safetensors or .pth file", metavar="FILE"
    )

    def __post_init__(self) -> None:
        _check(0 <= self.persistence <= 1, f"--persistence {self.persistence}", "0 to 1")
        _check(self.lanes is None or self.lanes >= 1, f"--lanes {self.lanes}", "at least 1")
        _check(self.warm_step >= 0, f"--warm-step {self.warm_step}", "at least 0")
        _check(self.warm_iterations >= 0, f"--warm-iterations {self.warm_iterations}", "at least 0")
        _check(
            self.flow_weights is None or self.flow == "raft",
            f"--flow-weights {self.flow_weights} with --flow {self.flow}",
            "--flow raft",
        )


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """Which machines dream. A job goes to Ray, an extra, shot by shot."""

    cluster: str | None = option(
        None,
        "dream on all GPUs, or CPUs, of this machine at once, or of the Ray cluster at ADDRESS: auto, or ray://HOST:PORT",
        nargs="?", const="local", metavar="ADDRESS",
    )  # fmt: skip
    workers: int | None = option(
        None, "at most N workers (default: one for each GPU, or for each --threads of the CPUs, 1)", type=int,
        metavar="N",
    )  # fmt: skip
    ship: bool = option(False, "send files to workers that cannot reach them under the same path", action="store_true")
    split_shots: Fraction | None = option(
        None,
        "split shots that are longer than this, each part with a second of the one before as its run-up: a jump "
        "remains where they meet",
        type=parse_seconds, metavar="TIME",
    )  # fmt: skip

    def __post_init__(self) -> None:
        _check(self.workers is None or self.workers > 0, f"--workers {self.workers}", "at least 1")
        _check(self.split_shots is None or self.split_shots > 0, f"--split-shots {self.split_shots}", "more than 0")
        _check(
            self.cluster is not None or not (self.ship or self.workers or self.split_shots),
            "--workers, --ship or --split-shots without --cluster",
            "--cluster",
        )


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """What is asked of the camera."""

    size: tuple[int, int] | None = option(
        None, "size asked of the camera in pixels; it may give another. A video file is brought to it",
        type=parse_camera_size, metavar="WxH",
    )  # fmt: skip
    camera_fps: float | None = option(None, "pictures a second asked of the camera", type=float, metavar="N")
    loop: bool = option(False, "begin a video file again when it ends", action="store_true")
    reconnect: float = option(
        10.0, "how long to wait for a camera that has gone; 0 = not at all", type=float, metavar="SECONDS"
    )

    def __post_init__(self) -> None:
        _check(self.camera_fps is None or self.camera_fps > 0, f"--camera-fps {self.camera_fps}", "more than 0")
        _check(self.reconnect >= 0, f"--reconnect {self.reconnect}", "at least 0")


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """What is shown while it dreams live, and where."""

    fps: float | None = option(
        None,
        "pictures a second to hold: it dreams smaller when time is short, larger when there is some (default: the "
        "camera's)",
        type=float, metavar="N",
    )  # fmt: skip
    dream_size: int | None = option(
        None, "always dream at this shorter side in pixels, whatever the time it takes", type=int, metavar="N"
    )
    strength: float = option(1.0, "of the dream, over that of the look (keys + and -)", type=float, metavar="X")
    mirror: bool = option(False, "as in a mirror (key m)", action="store_true")
    split: bool = option(False, "the source on the left, the dream on the right (key d)", action="store_true")
    full_screen: bool = option(False, "fill the screen (key f)", action="store_true")
    overlay: bool = option(True, "no numbers over the picture (key o)", flag="--no-overlay", action="store_false")
    duration: Fraction | None = option(None, "end after this time", type=parse_seconds, metavar="TIME")
    record: str | None = option(
        None, "record into this .mkv or .mp4 from the beginning (key r: begin and end)", metavar="FILE"
    )
    codec: str | None = option(None, "video encoder of recordings", metavar="NAME")
    folder: str = option(".", "where snapshots (key s) and recordings without a name go", metavar="FOLDER")
    virtual_camera: bool = option(
        False, "be a camera for other programs, by pyvirtualcam (an extra)", action="store_true"
    )
    serve: Address | None = option(
        None,
        "a page with picture and controls in place of the window, for this machine alone unless a host is given",
        type=parse_address, metavar="[HOST:]PORT",
    )  # fmt: skip
    password: str | None = option(None, "for the page; needed where others can reach it", metavar="WORD")
    window: bool = option(True, "neither window nor page", flag="--no-window", action="store_false")

    def __post_init__(self) -> None:
        _check(self.fps is None or self.fps > 0, f"--fps {self.fps}", "more than 0")
        _check(self.dream_size is None or self.dream_size >= 32, f"--dream-size {self.dream_size}", "at least 32")
        _check(0 <= self.strength <= 3, f"--strength {self.strength}", "0 to 3")
        _check(self.duration is None or self.duration > 0, f"--duration {self.duration}", "more than 0")
