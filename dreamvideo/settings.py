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


def option(default: Any, help: str, **argparse_keywords: Any) -> Any:
    """A dataclass field that is also a command-line option; `argparse_keywords` go to `add_argument`."""
    return field(default=default, metadata={"help": help, **argparse_keywords})


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


def parse_size(text: str) -> tuple[int | None, int]:
    """(width or None, height) in pixels from `WxH` or `HEIGHT`; None keeps the aspect ratio.

    Raises:
        SettingsError: the text is neither.
    """
    found = re.fullmatch(r"(?:(\d+)x)?(\d+)", text)
    if not found or int(found[2]) < 16 or (found[1] and int(found[1]) < 16):
        raise SettingsError(f"{text!r} is no size: expected WxH or HEIGHT of at least 16 pixels, such as 640x360 or 360")
    return (int(found[1]) if found[1] else None), int(found[2])


def parse_layer(text: str) -> tuple[str, float]:
    """(name, weight) from `NAME` or `NAME:WEIGHT`.

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
class ModelSettings:
    """Which network dreams, and where it runs."""

    model: str = option("dreamnet", "network that dreams", metavar="NAME")
    weights: str | None = option(None, "weights in a local .safetensors or .pth file", metavar="FILE")
    device: str = option("auto", "auto, cpu, mps, cuda or cuda:N", metavar="DEVICE")
    precision: str = option("auto", "arithmetic of the network", choices=("auto", "fp32", "bf16"))
    threads: int | None = option(None, "CPU threads (default: all cores)", type=int, metavar="N")

    def __post_init__(self) -> None:
        _check(
            re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", self.device) is not None,
            f"--device {self.device}",
            "auto, cpu, mps, cuda or cuda:N",
        )
        _check(self.threads is None or self.threads > 0, f"--threads {self.threads}", "at least 1")


@dataclass(frozen=True, slots=True)
class EncodeSettings:
    """How a video is written."""

    codec: str | None = option(None, "video encoder (default: what suits the container)", metavar="NAME")
    crf: int = option(16, "quality of the encoder, 0 best", type=int, metavar="N")
    audio: bool = option(True, "leave the sound out")

    def __post_init__(self) -> None:
        _check(0 <= self.crf <= 63, f"--crf {self.crf}", "0 to 63")
