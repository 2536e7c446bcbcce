"""Parsers of option values: text as typed on the command line or in a TOML file -> the value of a settings field."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Final

from dreamvideo.errors import SettingsError
from dreamvideo.schedule.key_times import parse_key_time
from dreamvideo.settings.field_types import shortened

_shown: Final = partial(shortened, quoted=True)  # of what was typed, in messages

MIN_SIDE: Final = 16  # pixels; the embedded network halves an image four times


def parse_seconds(text: str) -> Fraction:
    """Parse a time.

    Args:
        text: seconds (`12.5`), `mm:ss(.x)`, `hh:mm:ss(.x)`, or with units as the times of schedules have (`1m30s`).

    Returns:
        Seconds, exact.

    Raises:
        SettingsError: the text has none of these forms.
    """
    with_units = parse_key_time(text)
    if with_units is not None and with_units.unit == "seconds":
        return with_units.amount
    if not re.fullmatch(r"([0-9]{1,9}:){0,2}([0-9]{1,9}(\.[0-9]{0,12})?|\.[0-9]{1,12})", text):
        raise SettingsError(
            f"invalid time {_shown(text)}: expected seconds, mm:ss or hh:mm:ss, such as 12.5, 1m30s or 1:02:03.5"
        )
    total = Fraction(0)
    for part in text.split(":"):
        total = total * 60 + Fraction(part if not part.startswith(".") else "0" + part)
    return total


def parse_rate(text: str) -> Fraction:
    """Parse a frame rate.

    Args:
        text: frames per second as `25` or `30000/1001`, or as `29.97`, which means `30000/1001`.

    Returns:
        Frames per second, exact.

    Raises:
        SettingsError: the text has none of these forms.
    """
    match = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)(?:/([1-9][0-9]{0,11}))?", text)
    rate = Fraction(match[1]) / int(match[2] or 1) if match else Fraction(0)
    if not Fraction(1, 3600) <= rate <= 1000:
        raise SettingsError(f"invalid rate {_shown(text)}: expected frames per second, such as 24, 29.97 or 30000/1001")
    ntsc = Fraction(round(rate * 1001 / 1000) * 1000, 1001)  # 23.976, 29.97 and 59.94 are rounded NTSC rates
    if max(rate.numerator, rate.denominator) >= 1 << 31:  # libav holds both in 32 bits
        rate = rate.limit_denominator(10**6)
    return ntsc if "." in text and rate.denominator > 1 and abs(ntsc - rate) < Fraction(1, 200) else rate


def parse_size(text: str) -> tuple[int | None, int]:
    """Parse the size of a video.

    Args:
        text: `WxH` or `HEIGHT`, in pixels.

    Returns:
        (width, height); the width is None if the aspect ratio of the source is to be kept.

    Raises:
        SettingsError: the text has neither form, or a side is shorter than `MIN_SIDE`.
    """
    match = re.fullmatch(r"(?:([0-9]{1,9})x)?([0-9]{1,9})", text)
    if not match or int(match[2]) < MIN_SIDE or (match[1] and int(match[1]) < MIN_SIDE):
        raise SettingsError(
            f"invalid size {_shown(text)}: expected WxH or HEIGHT of at least {MIN_SIDE} pixels, such as 640x360 or 360"
        )
    return (int(match[1]) if match[1] else None), int(match[2])


def parse_camera_size(text: str) -> tuple[int, int]:
    """Parse a size that needs both sides, such as a camera's.

    Args:
        text: `WxH`, in pixels.

    Returns:
        (width, height).

    Raises:
        SettingsError: the text has another form.
    """
    width, height = parse_size(text)
    if width is None:
        raise SettingsError(f"incomplete size {_shown(text)}: expected both sides, such as 1280x720")
    return width, height


def parse_weighted(text: str) -> tuple[str, float]:
    """Parse a layer or class with an optional weight.

    Args:
        text: `NAME` or `NAME:WEIGHT`.

    Returns:
        (name, weight); the weight is 1 if the text has none.

    Raises:
        SettingsError: the weight is not a number.
    """
    name, colon, weight = text.rpartition(":")
    if not colon:
        return text, 1.0
    try:
        return name, float(weight)
    except ValueError:
        raise SettingsError(f"{_shown(text)}: expected NAME or NAME:WEIGHT, such as s8b:0.5") from None


def parse_channel(text: str) -> tuple[str, int, float]:
    """Parse a channel of a layer with an optional weight.

    Args:
        text: `LAYER:NUMBER` or `LAYER:NUMBER:WEIGHT`.

    Returns:
        (layer, channel number, weight); the weight is 1 if the text has none.

    Raises:
        SettingsError: the text has neither form.
    """
    match = re.fullmatch(r"(.+?):([0-9]{1,9})(?::([-+.0-9eE]+))?", text)
    try:
        if match:
            return match[1], int(match[2]), float(match[3] or 1)
    except ValueError:
        pass
    raise SettingsError(f"{_shown(text)}: expected LAYER:NUMBER or LAYER:NUMBER:WEIGHT, such as s8b:17 or s8b:17:-0.5")


def parse_preview(text: str) -> int:
    """Parse the number of frames of a preview.

    Args:
        text: a number of at least 1. `--preview` takes an optional value, so an input after it may end up here.

    Raises:
        SettingsError: the text is not such a number.
    """
    if not re.fullmatch("[0-9]{1,9}", text) or not int(text):
        raise SettingsError(
            f"invalid number of frames {_shown(text)}: expected one such as 9, or --preview after the inputs"
        )
    return int(text)


def parse_auto(text: str) -> int | None:
    """Parse the number of lanes.

    Args:
        text: a number, or `auto`.

    Returns:
        The number; None for `auto`.

    Raises:
        SettingsError: the text is neither.
    """
    return _auto_or_number("--lanes", text, 4)


def parse_tile(text: str) -> int | None:
    """Parse the side of a tile.

    Args:
        text: a number of pixels, or `auto`.

    Returns:
        The number; None for `auto`.

    Raises:
        SettingsError: the text is neither.
    """
    return _auto_or_number("--tile", text, 1024)


def _auto_or_number(flag: str, text: str, example: int) -> int | None:
    if text != "auto" and not re.fullmatch("[0-9]{1,9}", text):
        raise SettingsError(f"{flag} {shortened(text)}: expected auto or a number, such as {example}")
    return None if text == "auto" else int(text)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the page of a live dream is served; `str` gives the form that is typed."""

    host: str  # an IPv6 address without its brackets
    port: int  # 0: any free port

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Parse the address of a server.

    Args:
        text: `PORT` or `HOST:PORT`; without a host the server is reachable from this machine only.

    Raises:
        SettingsError: the text has neither form.
    """
    match = re.fullmatch(r"(?:(?:\[([^][/@\s]+)]|([^][:/@\s]+)):)?([0-9]{1,5})", text)
    if not match or int(match[3]) > 65535:
        raise SettingsError(
            f"invalid address {_shown(text)}: expected PORT or HOST:PORT, such as 8000, 127.0.0.1:8000 or [::1]:8000"
        )
    return Address(match[1] or match[2] or "127.0.0.1", int(match[3]))
