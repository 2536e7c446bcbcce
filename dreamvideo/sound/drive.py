"""A drive: an option of a dream follows what is heard, as `step-size=audio:bass*1.5,release=300ms` says.

The steps to a curve, once for a job:

    drives = [parse_drive(text) for text in texts]
    features = analyze_file(film, {drive.feature for drive in drives})
    factor = drive_curve(drives[0], features)  # a function of time, as the curves of schedules
    value = base(time) * factor(time)

A curve is data, an array of 400 bytes a second: it is pickled for workers, who need neither the sound nor librosa.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Final

import numpy as np

from dreamvideo.errors import SettingsError
from dreamvideo.settings.field_types import shortened
from dreamvideo.sound.bands import BEATS, ONSETS, check_feature
from dreamvideo.sound.envelope import follow_level
from dreamvideo.sound.features import Curve, SoundFeatures
from dreamvideo.sound.windows import CURVE_RATE

_shown: Final = partial(shortened, quoted=True)

_NUMBER: Final = r"[0-9]{1,6}(?:\.[0-9]{0,6})?|\.[0-9]{1,6}"
_FORM: Final = re.compile(rf"(?P<feature>[\w-]*?)(?:\*(?P<gain>-?(?:{_NUMBER})))?(?P<offset>[+-](?:{_NUMBER}))?", re.A)
_TIME: Final = re.compile(rf"(?P<count>{_NUMBER})(?P<unit>ms|s)")
_ATTACK: Final = 0.0  # seconds: a beat is seen in the first frame after it
_RELEASE: Final = 0.2  # seconds; chosen by eye, so that two beats a second are told apart
_LONGEST: Final = 60.0  # seconds of an attack or a release
_MOST: Final = 100.0  # of gain and offset
_SPANS: Final = 4000  # of time, in each of which the extremes of a curve are looked for


@dataclass(frozen=True, slots=True)
class Drive:
    """What drives an option, and how: the option is multiplied by 1 + gain * feature + offset."""

    option: str  # its name without dashes in front, such as `step-size`
    feature: str  # one of `bands.FEATURES`, or a range in Hz
    gain: float = 1.0
    offset: float = 0.0
    attack: float = _ATTACK  # seconds
    release: float = _RELEASE  # seconds


@dataclass(frozen=True, slots=True, eq=False)
class DriveCurve:
    """The factor of an option over the time of a film."""

    factors: Curve  # `CURVE_RATE` a second, from second 0 on
    rest: float  # before and after them

    def __call__(self, time: Fraction | float) -> float:
        """Return what the value of the option is multiplied by, at least 0.

        Args:
            time: seconds since the beginning of the film.
        """
        place = float(time) * CURVE_RATE
        index = math.floor(place)
        if not 0 <= place <= len(self.factors) - 1:
            return self.rest
        before, after = self.factors[index], self.factors[min(index + 1, len(self.factors) - 1)]
        return float(before + (after - before) * (place - index))

    @property
    def length(self) -> Fraction:
        """Seconds after which it no longer changes."""
        return Fraction(len(self.factors), CURVE_RATE)

    def places(self, end: Fraction) -> tuple[Fraction, ...]:
        """Return times at which extremes of the curve are found: the highest and the lowest of each short span.

        Args:
            end: seconds, the last time that matters.
        """
        heard = self.factors[: int(end * CURVE_RATE) + 1]
        found = {Fraction(0), end}
        for part in np.array_split(np.arange(len(heard)), min(_SPANS, max(1, len(heard)))):
            if len(part):
                values = heard[part]
                found |= {Fraction(int(part[at]), CURVE_RATE) for at in (values.argmin(), values.argmax())}
        return tuple(sorted(found))


def drive_curve(drive: Drive, features: SoundFeatures) -> DriveCurve:
    """Make the curve of a drive.

    Args:
        drive: as `parse_drive` returns it.
        features: of the sound, `drive.feature` among them.

    Returns:
        A function of the time in the film. If nothing is heard in the sound it is 1 throughout.
    """
    if features.is_silent:
        return DriveCurve(np.empty(0, np.float32), 1.0)
    # Behind the end of the sound the last level is released.
    tail = np.zeros(math.ceil(8 * (drive.attack + drive.release) * CURVE_RATE), np.float32)
    level = follow_level(np.concatenate([feature_curve(drive.feature, features), tail]), drive.attack, drive.release)
    factors = np.maximum(0, 1 + drive.offset + drive.gain * level).astype(np.float32)
    return DriveCurve(factors, max(0.0, 1 + drive.offset))


def feature_curve(name: str, features: SoundFeatures) -> Curve:
    """Return a feature as a curve.

    Args:
        name: of the feature; it was asked for in the analysis.
        features: of the sound.

    Returns:
        (n,) in 0..1, `CURVE_RATE` a second. Beats are 1 at the nearest value and 0 elsewhere, and onsets as high as
        they are strong.
    """
    if name not in (ONSETS, BEATS):
        return features.levels[name]
    times = features.onsets if name == ONSETS else features.beats
    assert times is not None
    curve = np.zeros(len(features.lowest), np.float32)
    index = np.minimum(np.rint(times * CURVE_RATE).astype(int), len(curve) - 1)
    curve[index] = features.onset_strengths if name == ONSETS else 1
    return curve


def parse_drive(text: str, where: str = "--drive") -> Drive:
    """Parse a drive.

    Args:
        text: `OPTION=audio:FEATURE[*GAIN][+OFFSET][,attack=TIME][,release=TIME]`; a TIME is `30ms` or `0.5s`.
        where: the option that has it, for messages.

    Returns:
        The drive. Whether the option exists and can change over time is not checked here.

    Raises:
        SettingsError: the text has another form; the message names the place.
    """
    option, equals, rest = text.strip().partition("=")
    source, *settings = rest.split(",")
    if not equals or not re.fullmatch(r"[a-z][a-z-]*", option):
        raise SettingsError(
            f"invalid {where} {_shown(text)}: expected OPTION=audio:FEATURE, such as step-size=audio:bass*1.5"
        )
    place = f"{where} {option}"
    kind, colon, formula = source.strip().partition(":")
    if kind != "audio" or not colon:
        raise SettingsError(f"{place}: unknown source {_shown(source)}: expected audio:FEATURE, such as audio:bass*1.5")
    feature, gain, offset = _parse_formula(re.sub(r"\s+", "", formula), place)
    attack, release = _parse_times(settings, place)
    return Drive(option, feature, gain, offset, attack, release)


def _parse_formula(formula: str, place: str) -> tuple[str, float, float]:
    """(feature, gain, offset)."""
    # A range has a minus sign of its own: in 60-120-0.5 the second one is that of the offset.
    span = re.match(r"[0-9]+-[0-9]+(?![0-9.])", formula)
    begin = span.end() if span else 0
    match = _FORM.fullmatch(formula[begin:])
    if match is None or (span and match["feature"]):
        raise SettingsError(
            f"{place}: {_shown(formula)}: expected FEATURE, FEATURE*GAIN or FEATURE*GAIN+OFFSET, such as bass*1.5"
        )
    feature = span[0] if span else match["feature"]
    try:
        check_feature(feature)
    except SettingsError as error:
        raise SettingsError(f"{place}: {error}") from None
    gain, offset = float(match["gain"] or 1), float(match["offset"] or 0)
    for name, value in (("gain", gain), ("offset", offset)):
        if abs(value) > _MOST:
            raise SettingsError(f"{place}: {name} {value:g}: expected {-_MOST:g} to {_MOST:g}")
    return feature, gain, offset


def _parse_times(settings: Sequence[str], place: str) -> tuple[float, float]:
    """(attack, release) in seconds."""
    times = {"attack": _ATTACK, "release": _RELEASE}
    given = set()
    for setting in settings:
        name, _, value = (part.strip() for part in setting.partition("="))
        if name not in times or name in given:
            why = "given twice" if name in given else "unknown"
            raise SettingsError(f"{place}: {_shown(setting.strip())} is {why}: expected attack=30ms or release=0.2s")
        given.add(name)
        match = _TIME.fullmatch(value)
        seconds = float(match["count"]) / (1000 if match["unit"] == "ms" else 1) if match else math.inf
        if seconds > _LONGEST:
            raise SettingsError(
                f"{place}: {name} {_shown(value)}: expected a time of at most {_LONGEST:g} s, such as 30ms or 0.5s"
            )
        times[name] = seconds
    return times["attack"], times["release"]
