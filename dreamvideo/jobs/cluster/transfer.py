"""Files on their way to workers that cannot reach them: in ranges, through the store that all share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dreamvideo.errors import SettingsError
from dreamvideo.jobs.job import JobSettings

PART_BYTES = 1 << 26  # bytes


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file in the store."""

    name: str
    ranges: tuple[Any, ...]  # what each range is got by


def pack_files(path: Path, put: Callable[[bytes], Any]) -> FilePart:
    """Bring a file into the store, of which one range at a time is in memory here."""
    if path.is_dir():
        raise SettingsError(f"--ship with {path}: expected a file, not a folder")
    with path.open("rb") as file:
        return FilePart(path.name, tuple(put(part) for part in iter(lambda: file.read(PART_BYTES), b"")))


def unpack_files(parcel: FilePart, folder: Path, get: Callable[[Any], bytes]) -> Path:
    """The file of a parcel, in `folder`."""
    path = folder / parcel.name
    with path.open("wb") as file:
        for part in parcel.ranges:
            file.write(get(part))
    return path


def with_local_files(wishes: JobSettings, change: Callable[[Path], Any]) -> JobSettings:
    """`wishes` with other names for the files that workers need."""

    def changed(some: Any, *names: str) -> Any:
        there = {name: getattr(some, name) for name in names if getattr(some, name) is not None}
        return replace(some, **{name: str(change(Path(path))) for name, path in there.items()})

    return replace(
        wishes,
        model=changed(wishes.model, "weights"),
        carry=changed(wishes.carry, "flow_weights"),
        mask=changed(wishes.mask, "mask"),
    )
