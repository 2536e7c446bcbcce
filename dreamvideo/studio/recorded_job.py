"""The settings of a job that was begun elsewhere, such as on the command line, from the record in its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, fields
from fractions import Fraction
from typing import Any, Final

from dreamvideo.errors import SettingsError
from dreamvideo.jobs.job import JobSettings
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.drives import DriveSettings
from dreamvideo.settings.job import ClusterSettings, EncodeSettings, MaskSettings, ReadSettings, SequenceSettings
from dreamvideo.settings.option import option_kind
from dreamvideo.settings.schedules import TimelineSettings

_KINDS: Final[Mapping[str, type[Any]]] = {
    "read": ReadSettings,
    "model": ModelSettings,
    "objective": ObjectiveSettings,
    "dream": DreamSettings,
    "carry": CarrySettings,
    "mask": MaskSettings,
    "encode": EncodeSettings,
    "sequence": SequenceSettings,
    "cluster": ClusterSettings,
    "timeline": TimelineSettings,
    "drive": DriveSettings,
}
_KNOWN: Final = {"version", "input", "segments", *(field.name for kind in _KINDS.values() for field in fields(kind))}


def settings_of_record(record: Mapping[str, Any]) -> JobSettings:
    """Return the settings of a job.

    Args:
        record: of its checkpoint, see `JobSettings.record`.

    Raises:
        SettingsError: it names files by their content alone, or is of another command or version.
    """
    if unknown := sorted(record.keys() - _KNOWN):
        raise SettingsError(f"this was begun by another command ({unknown[0]}): resume it on the command line")
    if ":" in str(record.get("model")):
        raise SettingsError("this was begun with a network of your own: resume it on the command line")
    return JobSettings(**{name: _made(kind, record) for name, kind in _KINDS.items()})


def _made(kind: type[Any], record: Mapping[str, Any]) -> Any:
    values = {}
    for field in fields(kind):
        value = record.get(field.name)
        if option_kind(field) == "machine" or value is None or field.name == "codec":
            continue
        if field.name == "flow" and value in ("dis", "torch-dis"):
            continue  # what "auto" has chosen: it is taken from the record when the job is resumed
        if option_kind(field) == "file":
            raise SettingsError(f"this was begun with --{field.name} FILE: resume it on the command line")
        values[field.name] = _typed(field, value)
    return kind(**values)


def _typed(field: Field[Any], value: Any) -> Any:
    """A value as its field has it: JSON has neither fractions nor tuples."""
    if "Fraction" in str(field.type) and isinstance(value, str):
        try:
            return Fraction(value)
        except (ValueError, ZeroDivisionError):
            raise SettingsError(f"the checkpoint is damaged: {field.name} is {value[:40]!r}") from None
    return _as_tuple(value)


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value
