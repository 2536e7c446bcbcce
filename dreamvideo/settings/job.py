"""Which files a job reads, how it writes them, and on which machines it runs: frozen settings that check themselves."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from dreamvideo.settings.option import MOST_PIXELS, check, check_fields, option
from dreamvideo.settings.parsers import parse_preview, parse_rate, parse_seconds, parse_size, parse_tile

MIN_TILE: Final = 256  # pixels a side; below it a tile is mostly the margin that it shares with its neighbors


_SIZE: Final = option(
    None, "dream and write at this size in pixels", type=parse_size, metavar="WxH|HEIGHT", most=MOST_PIXELS
)
_METADATA: Final = option(
    True,
    "leave out what the input says of itself and the dream of its settings: place, camera, names, comments",
    flag="--no-metadata",
    action="store_false",
)


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """Which part of an input is read, at what size, and where videos are decoded."""

    start: Fraction | None = option(None, "skip to this time", type=parse_seconds, metavar="TIME")
    duration: Fraction | None = option(None, "read at most this long", type=parse_seconds, metavar="TIME")
    frames: int | None = option(None, "stop after N frames", type=int, metavar="N")
    size: tuple[int | None, int] | None = _SIZE
    hwaccel: Literal["auto", "none"] = option(
        "auto", "auto: a GPU that dreams decodes, too, what it can, and makes RGB; none: the CPU does", kind="machine"
    )

    def __post_init__(self) -> None:
        check_fields(self)
        check(self.frames is None or self.frames > 0, f"--frames {self.frames}", "at least 1")
        check(self.duration is None or self.duration > 0, f"--duration {self.duration}", "more than 0")


@dataclass(frozen=True, slots=True)
class PictureSettings:
    """How a still picture is read and written."""

    size: tuple[int | None, int] | None = _SIZE
    metadata: bool = _METADATA

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class SequenceSettings:
    """How the images of a folder relate to each other, and how they are written."""

    independent: bool = option(
        False, "dream unrelated images, each alone, several at once on a GPU", action="store_true"
    )
    fps: Fraction = option(
        Fraction(25),
        "frame rate of a video made of images; 29.97 means 30000/1001",
        type=parse_rate,
        metavar="RATE",
        most=1000,
    )
    format: Literal["png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff"] | None = option(
        None, "format of the images written (default: that of each input; png for a video)"
    )

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class PreviewSettings:
    """Preview before a long run."""

    preview: int | None = option(
        None,
        "instead of a video write NAME_preview.png: N frames (9) spread over the video, dreamed, each with its time",
        type=parse_preview,
        nargs="?",
        const=9,
        metavar="N",
        most=1000,
    )

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class AtlasSettings:
    """Which dreams an atlas shows. By default one per layer, or one for each --layer, --channel and --class."""

    channels_of: str | None = option(
        None, "the channels of this layer that are most active in the picture", flag="--channels", metavar="LAYER"
    )
    all_classes: bool = option(False, "the classes of the network", flag="--classes", action="store_true")
    presets: bool = option(False, "the presets", action="store_true")
    count: int | None = option(
        None,
        "at most N channels or classes, the most active first (default: 24; up to 100 classes: all)",
        type=int,
        metavar="N",
        most=100000,
    )
    tile: int = option(240, "longer side of each dream, in pixels", type=int, metavar="N", most=MOST_PIXELS)
    columns: int | None = option(None, "dreams per row (default: to fill a screen)", type=int, metavar="N", most=1000)
    start: Fraction | None = option(
        None, "take the frame of a video at this time (default: its middle)", type=parse_seconds, metavar="TIME"
    )

    def __post_init__(self) -> None:
        check_fields(self)
        chosen = ["--channels"] * (self.channels_of is not None) + ["--classes"] * self.all_classes
        chosen += ["--presets"] * self.presets
        check(len(chosen) < 2, " with ".join(chosen), "one of them")
        check(self.count is None or self.count > 0, f"--count {self.count}", "at least 1")
        check(self.tile >= 32, f"--tile {self.tile}", "at least 32")
        check(self.columns is None or self.columns > 0, f"--columns {self.columns}", "at least 1")


@dataclass(frozen=True, slots=True)
class InfoSettings:
    """What is reported, and in which form."""

    time: bool = option(
        True, "do not dream a few frames to estimate how long it takes", flag="--no-time", action="store_false"
    )
    json: bool = option(False, "print one JSON object instead of text", action="store_true")

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class TileSettings:
    """Memory that a large image may take."""

    tile_side: int | None = option(
        None,
        "show images to the network in tiles of at most N pixels a side: the same dream in less memory and more time "
        "(default: auto, when memory is short)",
        kind="machine",
        type=parse_tile,
        flag="--tile",
        metavar="auto|N",
        most=MOST_PIXELS,
    )

    def __post_init__(self) -> None:
        check_fields(self)
        tile = self.tile_side
        check(tile is None or tile >= MIN_TILE, f"--tile {tile}", f"at least {MIN_TILE}, or auto")


@dataclass(frozen=True, slots=True)
class EncodeSettings:
    """How a video is written."""

    codec: str | None = option(None, "video encoder (default: depends on the container)", metavar="NAME")
    crf: int = option(16, "quality of the encoder, 0 best", type=int, metavar="N")
    encoder_preset: str | None = option(
        None, "how much time the encoder takes for a small file, such as veryfast (default: its own)", metavar="NAME"
    )
    encoder_threads: int = option(
        4,
        "threads of the encoder, on which its output depends, so that it is the same on any machine",
        type=int,
        metavar="N",
    )
    audio: bool = option(True, "do not write sound", flag="--no-audio", action="store_false")
    metadata: bool = _METADATA

    def __post_init__(self) -> None:
        check_fields(self)
        check(0 <= self.crf <= 63, f"--crf {self.crf}", "0 to 63")
        check(1 <= self.encoder_threads <= 64, f"--encoder-threads {self.encoder_threads}", "1 to 64")


@dataclass(frozen=True, slots=True)
class MaskSettings:
    """Where the image is dreamed."""

    mask: str | None = option(
        None,
        "dream where the mask is white and leave alone what is black: an image, or for videos also a video or a folder "
        "of images, one per frame",
        kind="file",
        metavar="FILE",
    )

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """Several machines or GPUs. Ray, an extra, distributes the shots of a job."""

    cluster: str | None = option(
        None,
        "dream on all GPUs, or CPUs, of this machine at once, or of the Ray cluster at ADDRESS: auto, or ray://HOST:PORT",
        kind="machine",
        nargs="?",
        const="local",
        reach="runs code that others may send",
        metavar="ADDRESS",
    )
    workers: int | None = option(
        None,
        "at most N workers (default: one for each GPU, or for each --threads of the CPUs, 1)",
        kind="machine",
        type=int,
        metavar="N",
        most=100000,
    )
    ship: bool = option(
        False,
        "send files to workers that cannot read them under the same path",
        kind="machine",
        reach="sends files",
        action="store_true",
    )

    def __post_init__(self) -> None:
        check_fields(self)
        check(self.workers is None or self.workers > 0, f"--workers {self.workers}", "at least 1")
        check(
            self.cluster is not None or not (self.ship or self.workers),
            "--workers or --ship without --cluster",
            "--cluster",
        )
