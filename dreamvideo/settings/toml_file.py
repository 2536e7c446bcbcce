"""Settings from a TOML file, flat or in tables of any name; its keys are option names without their dashes."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, Final

from dreamvideo.errors import SettingsError, did_you_mean
from dreamvideo.settings.field_types import shortened
from dreamvideo.settings.option import check, option_choices, option_flag, option_reach

_MOST_BYTES: Final = 1 << 20  # no file of settings is as long; a device or a film is longer


def read_toml(path: Path, *kinds: type[Any], trusted: bool = False) -> Mapping[str, Any]:
    """Read settings from a TOML file.

    Args:
        path: the file. A value has its TOML type, or is a string as on the command line; an option that can be repeated
            may be an array.
        kinds: the settings dataclasses whose fields the file may set.
        trusted: the file may also set options that reach beyond the dream, see `option_reach`.

    Returns:
        Field name -> value, for the fields that the file sets.

    Raises:
        SettingsError: the file cannot be read, is not valid TOML, has a key that is not a setting, or an invalid value,
            or sets what only a trusted file may.
    """
    return typed_values(toml_pairs(path, "--config"), *kinds, origin=str(path), trusted=trusted)


def typed_values(
    pairs: Sequence[tuple[str, Any]], *kinds: type[Any], origin: str, trusted: bool = False
) -> Mapping[str, Any]:
    """Give settings that came as names and texts, or as values of TOML or JSON, the types of their fields.

    Args:
        pairs: names of options without their dashes, and their values as in `read_toml`.
        kinds: the settings dataclasses whose fields may be set.
        origin: where the pairs came from, for messages.
        trusted: they may also set options that reach beyond the dream, see `option_reach`.

    Returns:
        Field name -> value.

    Raises:
        SettingsError: as `read_toml`.
    """
    known = {_key(field): (field, kind) for kind in kinds for field in fields(kind)}
    values: dict[str, Any] = {}
    for key, value in pairs:
        name = key.replace("_", "-")
        if name not in known:
            unknown = f"{shortened(key, quoted=True)}{did_you_mean(name, known)}"
            raise SettingsError(f"{origin}: no setting {unknown}; see: dreamvideo video --help")
        field, kind = known[name]
        parsed = _parse_field(field, option_choices(kind).get(field.name), value, f"{origin}: {key}")
        if not trusted and (reach := option_reach(field, parsed)) and parsed != field.default:
            shown = shortened(value, quoted=True)
            raise SettingsError(
                f"{origin}: {key} = {shown} {reach}: expected {option_flag(field)} on the command line instead, or "
                "--trust-config if you know who wrote this file"
            )
        values[field.name] = parsed
    return values


def toml_pairs(path: Path, option: str) -> list[tuple[str, Any]]:
    """Read the keys and values of a TOML file, flat or in tables of any name.

    Args:
        path: the file.
        option: that names it, for messages, such as `--config`.

    Raises:
        SettingsError: the file cannot be read, or is not valid TOML.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{option} {path} cannot be read: {error.strerror}") from None
    return pairs_of_toml(content, f"{option} {path}")


def pairs_of_toml(content: bytes, where: str) -> list[tuple[str, Any]]:
    """Return the keys and values of a TOML document, flat or in tables of any name.

    Args:
        content: of the file.
        where: it came from, for messages.

    Raises:
        SettingsError: it is not valid TOML, or too long.
    """
    check(len(content) <= _MOST_BYTES, f"{where} is longer than {_MOST_BYTES} bytes", "a file of settings")
    try:
        return _flatten(tomllib.loads(content.decode()))
    except RecursionError:
        raise SettingsError(f"{where} is nested too deeply: expected keys, at most in tables") from None
    except ValueError as error:  # not UTF-8, or not TOML
        raise SettingsError(f"{where} is not valid TOML: {shortened(str(error))}") from None


def _key(field: Field[Any]) -> str:
    return option_flag(field).removeprefix("--").removeprefix("no-")


def _flatten(content: Mapping[str, Any]) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, value in content.items():
        pairs += _flatten(value) if isinstance(value, Mapping) else [(key, value)]
    return pairs


def _parse_field(field: Field[Any], choices: tuple[Any, ...] | None, value: Any, where: str) -> Any:
    if field.metadata.get("action") == "append":
        values = value if isinstance(value, list) else [value]
        return tuple(_parse_value(field, choices, each, where) for each in values)
    if field.metadata.get("action") in ("store_true", "store_false"):
        if not isinstance(value, bool):
            raise SettingsError(f"{where} = {shortened(value, quoted=True)}: expected true or false")
        return value
    return _parse_value(field, choices, value, where)


def _parse_value(field: Field[Any], choices: tuple[Any, ...] | None, value: Any, where: str) -> Any:
    parse, shown = field.metadata.get("type", str), shortened(value, quoted=True)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise SettingsError(f"{where} = {shown}: expected {field.metadata.get('metavar', 'a string')}")
    try:
        parsed = parse(str(value))
    except SettingsError:
        raise
    except ValueError:
        raise SettingsError(f"{where} = {shown}: expected {field.metadata.get('metavar', 'another value')}") from None
    if choices and parsed not in choices:
        nearest = did_you_mean(str(parsed), choices)
        raise SettingsError(f"{where} = {shown}{nearest}; expected one of: {', '.join(choices)}")
    return parsed
