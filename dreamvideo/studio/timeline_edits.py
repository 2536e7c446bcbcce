"""Changes of keys: what a mouse or the keyboard does to a timeline on the page, in the grammar of schedules.

The page knows no grammar: it names a key by its number, and gets the schedules back as text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final

from dreamvideo.errors import SettingsError
from dreamvideo.schedule.film_clock import FilmClock
from dreamvideo.schedule.heard_sets import HEARD
from dreamvideo.schedule.keys import TRANSITIONS, split_keys
from dreamvideo.settings.field_types import shortened
from dreamvideo.settings.schedules import FLAGS, SCHEDULED_SETS
from dreamvideo.studio.chosen_look import MOST_VALUES, ChosenLook
from dreamvideo.studio.request_values import seconds_or_none

_FRAME: Final = Fraction(1, 25)  # seconds, of a film whose frame rate is not known


@dataclass(frozen=True, slots=True)
class EditedLook:
    """A look after a change of its timeline.

    Attributes:
        key: the field and the number of the key that was changed; None: none is left.
    """

    look: ChosenLook
    key: tuple[str, int] | None


@dataclass(frozen=True, slots=True)
class _Key:
    text: str  # the time as typed
    time: Fraction  # seconds
    value: str
    how: str | None

    @property
    def typed(self) -> str:
        return f"{self.text}:{self.value}" + (f" {self.how}" if self.how else "")


def edit_timeline(look: ChosenLook, edit: Mapping[str, Any], clock: FilmClock) -> EditedLook:
    """Change a key of the timeline of a look.

    Args:
        look: before the change.
        edit: `do`: "put", with `time` and `values`, field -> value: a key of each at a time, in the place of one that
            is at the same frame. "move", with `name`, `key` and `time`: to the frame of a time, or the next one in its
            direction that has no key. "change", with `name`, `key`, `value` and `how`. "remove", with `name` and `key`.
        clock: of the film.

    Returns:
        The look with its new schedules, which are not yet checked.

    Raises:
        SettingsError: there is no such key, or the edit makes no sense.
    """
    if edit.get("do") == "put":
        return _put(look, edit, clock)
    name = edit.get("name")
    schedules = dict(look.timeline)
    if not isinstance(name, str) or name not in schedules:
        raise SettingsError(f"no timeline of {shortened(name)}: it was removed")
    keys = _keys_of(name, schedules[name], clock)
    number = edit.get("key")
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < len(keys):
        raise SettingsError(f"{FLAGS[name]}: no key {shortened(number)}: it was removed")
    changes: dict[Any, Callable[[], EditedLook]] = {
        "move": lambda: _moved(look, name, keys, number, _seconds(edit), clock),
        "change": lambda: _changed(look, name, keys, number, edit),
        "remove": lambda: _removed(look, name, keys, number),
    }
    do = edit.get("do")
    if not isinstance(do, str) or do not in changes:
        raise SettingsError(f"got {shortened(do)}: expected put, move, change or remove")
    return changes[do]()


def _put(look: ChosenLook, edit: Mapping[str, Any], clock: FilmClock) -> EditedLook:
    values, time = edit.get("values"), _on_frame(_seconds(edit), clock)
    if not isinstance(values, dict) or not values:
        raise SettingsError("a key of nothing: choose a look, or set an option, which the key then holds")
    put: tuple[str, int] | None = None
    for name, value in values.items():
        if name not in FLAGS:
            raise SettingsError(f"{shortened(name)} takes no keys: {', '.join(FLAGS.values())} take them")
        keys = _keys_of(name, dict(look.timeline)[name], clock) if name in dict(look.timeline) else []
        same = next((each for each in keys if _on_frame(each.time, clock) == time), None)
        rest = [each for each in keys if each is not same]
        key = _Key(_typed_time(time), time, _typed_value(name, value), same.how if same else None)
        look, number = _with_keys(look, name, [*rest, key], key)
        put = name, number
    return EditedLook(look, put)


def _moved(
    look: ChosenLook, name: str, keys: Sequence[_Key], number: int, time: Fraction, clock: FilmClock
) -> EditedLook:
    old = keys[number]
    frame = 1 / clock.frame_rate if clock.frame_rate else _FRAME
    taken = {_on_frame(key.time, clock) for key in keys if key is not old}
    wanted = _on_frame(time, clock)
    step = frame if wanted >= old.time else -frame
    found = (_free_frame(wanted, each, taken, clock) for each in (step, -step))
    goal = next((each for each in found if each is not None), None)
    if goal is None or goal == _on_frame(old.time, clock):
        return EditedLook(look, (name, number))
    key = replace(old, text=_typed_time(goal), time=goal)
    look, number = _with_keys(look, name, [each if each is not old else key for each in keys], key)
    return EditedLook(look, (name, number))


def _free_frame(wanted: Fraction, step: Fraction, taken: Collection[Fraction], clock: FilmClock) -> Fraction | None:
    """The first frame from `wanted` on that has no key; None: there is none up to the end of the film."""
    while wanted in taken and wanted >= 0 and (clock.length is None or wanted <= clock.length):
        wanted += step
    return wanted if wanted >= 0 and (clock.length is None or wanted <= clock.length) else None


def _changed(look: ChosenLook, name: str, keys: Sequence[_Key], number: int, edit: Mapping[str, Any]) -> EditedLook:
    how = edit.get("how") or None
    if how is not None and how not in TRANSITIONS:
        raise SettingsError(f"got {shortened(how)}: expected {', '.join(TRANSITIONS)}, or nothing")
    key = replace(keys[number], value=_typed_value(name, edit.get("value")), how=how)
    look, number = _with_keys(look, name, [each if at != number else key for at, each in enumerate(keys)], key)
    return EditedLook(look, (name, number))


def _removed(look: ChosenLook, name: str, keys: Sequence[_Key], number: int) -> EditedLook:
    rest = [key for at, key in enumerate(keys) if at != number]
    if rest:
        look, place = _with_keys(look, name, rest, rest[min(number, len(rest) - 1)])
        return EditedLook(look, (name, place))
    return EditedLook(_held(look, name, keys[number].value), None)


def _held(look: ChosenLook, name: str, value: str) -> ChosenLook:
    """A look without the timeline of an option, which keeps the value of its last key."""
    timeline = tuple(pair for pair in look.timeline if pair[0] != name)
    if name == "preset":
        return replace(look, preset=value, timeline=timeline)
    kept: Any = tuple(value.split("+")) if name in SCHEDULED_SETS else value
    values = (*(pair for pair in look.values if pair[0] != name), (name, kept))
    return replace(look, values=values, timeline=timeline)


def _with_keys(look: ChosenLook, name: str, keys: Sequence[_Key], key: _Key) -> tuple[ChosenLook, int]:
    """A look with other keys of an option, and the number of one of them."""
    ordered = sorted(keys, key=lambda each: each.time)
    text = ", ".join(each.typed for each in ordered)
    read = [(each.time.text, each.value, each.transition) for each in split_keys(text, FLAGS[name])]
    if read != [(each.text, each.value, each.how) for each in ordered]:
        raise SettingsError(
            f"{FLAGS[name]}: got {shortened(key.value)}: expected one value, without a comma outside of ()"
        )
    schedules = {**dict(look.timeline), name: text}
    timeline = tuple((each, schedules[each]) for each in FLAGS if each in schedules)
    values = tuple(pair for pair in look.values if pair[0] != name)
    preset = None if name == "preset" else look.preset
    return replace(look, preset=preset, values=values, timeline=timeline), ordered.index(key)


def _keys_of(name: str, text: str, clock: FilmClock) -> list[_Key]:
    if ":" not in text or text.strip().startswith(HEARD):
        raise SettingsError(f"{FLAGS[name]} is {shortened(text)} throughout: remove it to set keys")
    keys = split_keys(text, FLAGS[name])
    return [_Key(key.time.text, key.time.resolve(clock, FLAGS[name]), key.value, key.transition) for key in keys]


def _seconds(edit: Mapping[str, Any]) -> Fraction:
    time = seconds_or_none(edit.get("time"))
    if time is None:
        raise SettingsError("time: expected seconds, such as 12.5")
    return Fraction(time).limit_denominator(100_000)


def _on_frame(time: Fraction, clock: FilmClock) -> Fraction:
    """The time of the frame that is nearest, within the film."""
    rate = clock.frame_rate or 1 / _FRAME
    frame = max(0, round(time * rate))
    if clock.length is not None:
        frame = min(frame, math.floor(clock.length * rate))
    return frame / rate


def _typed_time(time: Fraction) -> str:
    """Whole milliseconds, not after the frame, so that a step is seen in it."""
    seconds, rest = divmod(math.floor(time * 1000), 1000)
    return f"{seconds}.{rest:03}".rstrip("0").rstrip(".") + "s"


def _typed_value(name: str, value: Any) -> str:
    several = value if isinstance(value, list) else [value]
    plain = [each for each in several if isinstance(each, str | int | float) and not isinstance(each, bool)]
    texts = [str(each).strip() for each in plain]
    if len(texts) != len(several) or len(texts) > MOST_VALUES:
        raise SettingsError(f"{FLAGS[name]}: got {shortened(value)}: expected a value for the key")
    if not texts or not all(texts):
        raise SettingsError(f"{FLAGS[name]} has no value at this frame: set one, which the key then holds")
    return "+".join(texts)
