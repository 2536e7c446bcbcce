"""TODO"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from dreamvideo.settings.option import (
    MIN_TILE,
    check,
    option,
    parse_preview,
    parse_rate,
    parse_seconds,
    parse_size,
    parse_tile,
)


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
        check(self.frames is None or self.frames > 0, f"--frames {self.frames}", "at least 1")
        check(self.duration is None or self.duration > 0, f"--duration {self.duration}", "more than 0")


@dataclass(frozen=True, slots=True)
class SequenceSettings:
    """What pictures are to each other, and what they become."""

    independent: bool = option(
        False, "unrelated pictures, each dreamed alone, several at once on a GPU", action="store_true"
    )
    fps: Fraction = option(
        Fraction(25),
        "pictures a second of a video made of them; 29.97 means 30000/1001",
        type=parse_rate,
        metavar="RATE",
    )
    format: str | None = option(
        None,
        "of the pictures written (default: each input's own; of a video png)",
        choices=("png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff"),
    )


@dataclass(frozen=True, slots=True)
class PreviewSettings:
    """A look before the long run."""

    preview: int | None = option(
        None,
        "instead of a video write NAME_preview.png: N frames (9) from all over it, dreamed, each with its time",
        type=parse_preview,
        nargs="?",
        const=9,
        metavar="N",
    )


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
        check(len(chosen) < 2, " with ".join(chosen), "one of them")
        check(self.count is None or self.count > 0, f"--count {self.count}", "at least 1")
        check(self.tile >= 32, f"--tile {self.tile}", "at least 32")
        check(self.columns is None or self.columns > 0, f"--columns {self.columns}", "at least 1")


@dataclass(frozen=True, slots=True)
class InfoSettings:
    """What is told."""

    time: bool = option(
        True, "do not dream some frames to tell how long it takes", flag="--no-time", action="store_false"
    )
    json: bool = option(False, "one JSON object, as dreamvideo/info/report.py says", action="store_true")


@dataclass(frozen=True, slots=True)
class TileSettings:
    """How much memory a large picture may take."""

    tile_side: int | None = option(
        None,
        "show pictures to the network in tiles of at most N pixels a side: the same dream in less memory and more time "
        "(default: auto, when memory is short)",
        type=parse_tile,
        flag="--tile",
        metavar="auto|N",
    )

    def __post_init__(self) -> None:
        tile = self.tile_side
        check(tile is None or tile >= MIN_TILE, f"--tile {tile}", f"at least {MIN_TILE}, or auto")


@dataclass(frozen=True, slots=True)
class EncodeSettings:
    """How a video is written."""

    codec: str | None = option(None, "video encoder (default: what suits the container)", metavar="NAME")
    crf: int = option(16, "quality of the encoder, 0 best", type=int, metavar="N")
    audio: bool = option(True, "leave the sound out", flag="--no-audio", action="store_false")

    def __post_init__(self) -> None:
        check(0 <= self.crf <= 63, f"--crf {self.crf}", "0 to 63")


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
class ClusterSettings:
    """Which machines dream. A job goes to Ray, an extra, shot by shot."""

    cluster: str | None = option(
        None,
        "dream on all GPUs, or CPUs, of this machine at once, or of the Ray cluster at ADDRESS: auto, or ray://HOST:PORT",
        nargs="?",
        const="local",
        metavar="ADDRESS",
    )
    workers: int | None = option(
        None,
        "at most N workers (default: one for each GPU, or for each --threads of the CPUs, 1)",
        type=int,
        metavar="N",
    )
    ship: bool = option(False, "send files to workers that cannot reach them under the same path", action="store_true")
    split_shots: Fraction | None = option(
        None,
        "split shots that are longer than this, each part with a second of the one before as its run-up: a jump "
        "remains where they meet",
        type=parse_seconds,
        metavar="TIME",
    )

    def __post_init__(self) -> None:
        check(self.workers is None or self.workers > 0, f"--workers {self.workers}", "at least 1")
        check(self.split_shots is None or self.split_shots > 0, f"--split-shots {self.split_shots}", "more than 0")
        check(
            self.cluster is not None or not (self.ship or self.workers or self.split_shots),
            "--workers, --ship or --split-shots without --cluster",
            "--cluster",
        )
