"""A zoom film from one photo, and the tunnel of a live dream: how they move. Frozen settings that check themselves."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeVar

from dreamvideo.errors import SettingsError
from dreamvideo.schedule.curve import share_between
from dreamvideo.schedule.film_clock import FilmClock
from dreamvideo.schedule.keys import ScheduleKey, resolve_times, split_keys
from dreamvideo.settings.field_types import shortened
from dreamvideo.settings.option import MOST_PIXELS, check, check_fields, option
from dreamvideo.settings.parsers import parse_rate, parse_seconds, parse_size

T = TypeVar("T")
N = TypeVar("N", float, complex)

MOST_ZOOM: Final = 2.0  # of one frame: beyond it nothing of a picture is left to be followed
MOST_TURN: Final = 45.0  # degrees of one frame

_NUMBER: Final = r"([-+]?(?:[0-9]{1,9}(?:\.[0-9]{0,12})?|\.[0-9]{1,12}))"
_PER: Final = r"(?:/\s*(s|min|frame))?"
_DEGREES: Final = {"deg": 1.0, "°": 1.0, "rad": math.degrees(1), "turn": 360.0}


@dataclass(frozen=True, slots=True)
class Speed:
    """A change per second, minute or frame."""

    change: float
    per: str = "s"  # "s", "min" or "frame"

    def per_second(self, fps: float) -> float:
        """Return the change per second at a frame rate."""
        return self.change * {"s": 1.0, "min": 1 / 60, "frame": fps}[self.per]


def parse_zoom_rate(text: str, where: str = "--rate") -> Speed:
    """Parse the rate of a zoom.

    Args:
        text: `1.5/s`: 1.5 times as large after a second. `-1.5/s` or `0.667/s`: so much smaller. Also per `/min` or
            `/frame`; without a unit per second.
        where: the option, for messages.

    Returns:
        The natural logarithm of the zoom; above 0 the picture grows.

    Raises:
        SettingsError: the text has none of these forms.
    """
    match = re.fullmatch(_NUMBER + r"x?\s*" + _PER, text.strip())
    factor = float(match[1]) if match else 0.0
    if match is None or factor == 0:
        raise SettingsError(
            f"{where} {shortened(text)}: expected a factor such as 1.5/s, 1.01/frame, or -1.5/s to zoom out"
        )
    return Speed(math.copysign(1, factor) * math.log(abs(factor)), match[2] or "s")


def parse_turn_rate(text: str, where: str = "--rotate") -> Speed:
    """Parse the speed of a turn.

    Args:
        text: `5deg/s`, clockwise; `-5deg/s`, the other way; also `rad` or `turn`, per `/min` or `/frame`. Without units
            degrees per second.
        where: the option, for messages.

    Returns:
        Degrees.

    Raises:
        SettingsError: the text has none of these forms.
    """
    match = re.fullmatch(_NUMBER + r"\s*(deg|°|rad|turn)?s?\s*" + _PER, text.strip())
    if match is None:
        raise SettingsError(f"{where} {shortened(text)}: expected a turn such as 5deg/s, -0.2deg/frame or 1turn/min")
    return Speed(float(match[1]) * _DEGREES[match[2] or "deg"], match[3] or "s")


def parse_center(text: str, where: str = "--center") -> complex:
    """Parse a place in a picture.

    Args:
        text: `x,y` in shares of the width and height, from the left and the top: `0.5,0.4` or `50%,40%`.
        where: the option, for messages.

    Returns:
        x + iy.

    Raises:
        SettingsError: the text has another form, or the place is outside.
    """
    number = r"\s*([0-9]{1,9}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})(%?)\s*"
    match = re.fullmatch(f"{number},{number}", text)
    if match:
        x, y = (float(match[i]) / (100 if match[i + 1] else 1) for i in (1, 3))
        if x <= 1 and y <= 1:
            return complex(x, y)
    raise SettingsError(f"{where} {shortened(text)}: expected x,y as shares of the picture, such as 0.5,0.4 or 50%,40%")


def parse_keys(text: str, parse: Callable[[str, str], T], where: str) -> list[tuple[ScheduleKey, T, str]]:
    """Parse the values of a schedule of a zoom film.

    Args:
        text: one value, or a schedule.
        parse: parses one value, given what to call it in messages.
        where: the option, for messages.

    Returns:
        For each key the key, its value, and what to call it in messages.

    Raises:
        SettingsError: it is neither.
    """
    keys = split_keys(text, where, pairs=True)
    places = [f"{where} at {key.time.text}:" if ":" in text else where for key in keys]
    return [(key, parse(key.value, place), place) for key, place in zip(keys, places, strict=True)]


def parse_zoom_curve(text: str, parse: Callable[[str, str], N], clock: FilmClock, where: str) -> Callable[[float], N]:
    """Parse a number that may change over time.

    Args:
        text, parse, where: as for `parse_keys`.
        clock: of the film.

    Returns:
        The number as a function of seconds.

    Raises:
        SettingsError: it is none, or does not fit the film.
    """
    keys = parse_keys(text, parse, where)
    times = resolve_times(tuple(key for key, *_ in keys), clock, where)

    def value(seconds: float) -> N:
        place = bisect_right(times, seconds) - 1
        before = keys[max(0, place)][1]
        if not 0 <= place < len(times) - 1:
            return before
        key, after, _ = keys[place + 1]
        share = share_between(times[place], times[place + 1], Fraction(seconds), key.transition or "linear")
        return before + share * (after - before)

    return value


@dataclass(frozen=True, slots=True)
class Feedback:
    """How a frame of a live tunnel shows the one before it."""

    zoom: float = 1.0  # of one frame
    rotate: float = 0.0  # degrees of one frame, clockwise


def parse_feedback(text: str) -> Feedback:
    """Parse the motion of a live tunnel.

    Args:
        text: `zoom=1.01,rotate=0.2`, either of them or both: factor and degrees of one frame.

    Raises:
        SettingsError: the text has another form, or a frame could not be followed to the next.
    """
    pairs = [part.strip().partition("=") for part in text.split(",")]
    values = {name: value for name, _, value in pairs if re.fullmatch(_NUMBER, value)}
    known = len(values) == len(pairs) and values.keys() <= {"zoom", "rotate"}
    feedback = Feedback(float(values.get("zoom", 1)), float(values.get("rotate", 0))) if known else Feedback(0.0)
    if not 1 / MOST_ZOOM <= feedback.zoom <= MOST_ZOOM or abs(feedback.rotate) > MOST_TURN:
        raise SettingsError(
            f"--feedback {shortened(text)}: expected zoom=1.01,rotate=0.2, or one of them: a factor of "
            f"{1 / MOST_ZOOM:g} to {MOST_ZOOM:g} and at most {MOST_TURN:g} degrees a frame"
        )
    return feedback


@dataclass(frozen=True, slots=True)
class ZoomSettings:
    """How a zoom film moves."""

    rate: str = option(
        "1.5/s",
        "zoom: 1.5/s is 1.5 times as large after a second, -1.5/s zooms out; also per /min and /frame; or a schedule, "
        "such as '0:1.2/s, 5s:2/s ease'",
        metavar="FACTOR/s",
    )
    rotate: str = option(
        "0deg/s", "turn, clockwise: such as 5deg/s, -0.2deg/frame or 1turn/min; or a schedule", metavar="ANGLE/s"
    )
    center: str = option(
        "0.5,0.5",
        "the point that stays where it is, as shares of width and height; or a schedule, such as '0:0.5,0.5, "
        "5s:0.3,0.6 ease'",
        metavar="X,Y",
    )
    seamless: bool = option(False, "let the end lead into the beginning, to be played in a loop", action="store_true")

    def __post_init__(self) -> None:
        check_fields(self)
        parse_keys(self.rate, parse_zoom_rate, "--rate")
        parse_keys(self.rotate, parse_turn_rate, "--rotate")
        parse_keys(self.center, parse_center, "--center")

    def check_film(self, clock: FilmClock) -> None:
        """Check that one frame can be followed to the next.

        Args:
            clock: of the film; its frame rate is known.

        Raises:
            SettingsError: it zooms or turns too far, or a schedule does not fit the film.
        """
        assert clock.frame_rate is not None
        fps = float(clock.frame_rate)
        rates = parse_keys(self.rate, parse_zoom_rate, "--rate")
        turns = parse_keys(self.rotate, parse_turn_rate, "--rotate")
        for key, speed, place in rates:
            zoom = math.exp(min(abs(speed.per_second(fps)) / fps, 50.0))
            check(
                zoom <= MOST_ZOOM, f"{place} {key.value} at {fps:g} fps", f"at most a factor of {MOST_ZOOM:g} a frame"
            )
        for key, speed, place in turns:
            turn = abs(speed.per_second(fps)) / fps
            check(turn <= MOST_TURN, f"{place} {key.value} at {fps:g} fps", f"at most {MOST_TURN:g} degrees a frame")
        centers = parse_keys(self.center, parse_center, "--center")
        for where, keys in (("--rate", rates), ("--rotate", turns), ("--center", centers)):
            resolve_times(tuple(key for key, *_ in keys), clock, where)


@dataclass(frozen=True, slots=True)
class FilmSettings:
    """Length and size of a zoom film."""

    seconds: Fraction = option(Fraction(20), "length of the film", type=parse_seconds, metavar="TIME", most=10**6)
    frame_rate: Fraction = option(
        Fraction(30), "frames per second", flag="--fps", type=parse_rate, metavar="RATE", most=1000
    )
    size: tuple[int | None, int] | None = option(
        None,
        "size of the film in pixels (default: that of the photo, at most 1280 a side)",
        type=parse_size,
        metavar="WxH|HEIGHT",
        most=MOST_PIXELS,
    )

    def __post_init__(self) -> None:
        check_fields(self)
        check(self.frame_rate > 0, f"--fps {self.frame_rate}", "more than 0")
        check(
            self.count >= 2, f"--seconds {float(self.seconds):g} at {float(self.frame_rate):g} fps", "2 frames or more"
        )

    @property
    def clock(self) -> FilmClock:
        """The time of the film."""
        return FilmClock(self.seconds, self.frame_rate)

    @property
    def count(self) -> int:
        """Frames of the film."""
        return round(self.seconds * self.frame_rate)
