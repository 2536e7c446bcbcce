"""Sends files to workers that cannot read them: in parts, through the object store that all workers share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from dreamvideo.errors import SettingsError
from dreamvideo.jobs.job import JobSettings
from dreamvideo.media.remote_path import media_path
from dreamvideo.settings.option import option_kind

PART_BYTES = 1 << 26  # of a part; one is in memory at a time here

Settings = TypeVar("Settings", bound=Any)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in the object store."""

    name: str
    parts: tuple[Any, ...]  # references to its parts, in order


def store_file(path: Path, put: Callable[[bytes], Any]) -> StoredFile:
    """Put a file into the object store.

    Args:
        path: of the file.
        put: stores bytes and returns a reference to them.

    Raises:
        SettingsError: the path is a folder.
        OSError: the file cannot be read.
    """
    if path.is_dir():
        raise SettingsError(f"--ship with {path}: expected a file, got a folder")
    with path.open("rb") as file:
        return StoredFile(path.name, tuple(put(part) for part in iter(lambda: file.read(PART_BYTES), b"")))


def fetch_file(stored: StoredFile, folder: Path, get: Callable[[Any], bytes]) -> Path:
    """Write a file from the object store.

    Args:
        stored: from `store_file`.
        folder: where to write it, under its own name.
        get: returns the bytes of a reference.

    Returns:
        The path of the file.
    """
    path = folder / stored.name
    with path.open("wb") as file:
        for part in stored.parts:
            file.write(get(part))
    return path


def replace_files(settings: JobSettings, change: Callable[[Path], Path]) -> JobSettings:
    """Replace the paths of all files that a worker needs besides its input: weights and masks.

    A guide image is sent to workers as a tensor, so its path stays as it is.

    Args:
        settings: of the jobs.
        change: returns the new path of a file.
    """

    def changed(part: Settings) -> Settings:
        paths = {field.name: getattr(part, field.name) for field in fields(part) if option_kind(field) == "file"}
        return replace(
            part, **{name: str(change(media_path(path))) for name, path in paths.items() if path is not None}
        )

    return replace(settings, model=changed(settings.model), carry=changed(settings.carry), mask=changed(settings.mask))
