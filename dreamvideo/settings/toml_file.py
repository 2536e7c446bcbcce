"""Settings from a TOML file: flat, or in tables of any name; keys are options without their dashes."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from dreamvideo.errors import SettingsError, did_you_mean


def read_toml(path: Path, *kinds: type[Any]) -> Mapping[str, Any]:
    """Values for fields of the settings `kinds`.

    A value is what TOML makes of it, or a text as on the command line; an option that can be repeated is a list.

    Raises:
        SettingsError: the file cannot be read, or holds what is no setting.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"--config {path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # not UTF-8, or no TOML
        raise SettingsError(f"--config {path} is no TOML: {error}") from None
    known = {_option(field): field for kind in kinds for field in fields(kind)}
    values: dict[str, Any] = {}
    for key, value in _flat(content):
        name = key.replace("_", "-")
        if name not in known:
            raise SettingsError(f"{path}: no setting {key!r}{did_you_mean(name, known)}; see: dreamvideo video --help")
        values[known[name].name] = _value(known[name], value, f"{path}: {key}")
    return values


def _option(field: Field[Any]) -> str:
    flag: str = field.metadata.get("flag", "--" + field.name.replace("_", "-"))
    return flag.removeprefix("--").removeprefix("no-")


def _flat(content: Mapping[str, Any]) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, value in content.items():
        pairs += _flat(value) if isinstance(value, Mapping) else [(key, value)]
    return pairs


def _value(field: Field[Any], value: Any, where: str) -> Any:
    if field.metadata.get("action") == "append":
        return tuple(_one(field, each, where) for each in (value if isinstance(value, list) else [value]))
    if field.metadata.get("action") in ("store_true", "store_false"):
        if not isinstance(value, bool):
            raise SettingsError(f"{where} = {value!r}: expected true or false")
        return value
    return _one(field, value, where)


def _one(field: Field[Any], value: Any, where: str) -> Any:
    parse = field.metadata.get("type", str)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise SettingsError(f"{where} = {value!r}: expected {field.metadata.get('metavar', 'a text')}")
    try:
        made = parse(str(value))
    except SettingsError:
        raise
    except ValueError:
        raise SettingsError(f"{where} = {value!r}: expected {field.metadata.get('metavar', 'another value')}") from None
    choices = field.metadata.get("choices")
    if choices and made not in choices:
        raise SettingsError(
            f"{where} = {value!r}{did_you_mean(str(made), choices)}; expected one of: {', '.join(choices)}"
        )
    return made
