"""TODO"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from dreamvideo.errors import SettingsError

MIN_TILE = 256  # pixels a side; below it a tile is mostly what it sees of its neighbors


def option(default: Any, help: str, **argparse_keywords: Any) -> Any:
    """A dataclass field that is also a command-line option; `argparse_keywords` go to `add_argument`."""
    return field(default=default, metadata={"help": help, **argparse_keywords})


MIN_SIDE = 16  # pixels; the embedded network halves a picture four times


def check(holds: bool, got: str, expected: str) -> None:
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
    if not found or int(found[2]) < MIN_SIDE or (found[1] and int(found[1]) < MIN_SIDE):
        raise SettingsError(
            f"{text!r} is no size: expected WxH or HEIGHT of at least {MIN_SIDE} pixels, such as 640x360 or 360"
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
