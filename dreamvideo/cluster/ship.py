"""Files on their way to workers that cannot reach them: in ranges, through the store that all share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dreamvideo.errors import SettingsError
from dreamvideo.jobs import Wishes

RANGE = 1 << 26  # bytes


@dataclass(frozen=True, slots=True)
class Parcel:
    """A file in the store."""

    name: str
    ranges: tuple[Any, ...]  # what each range is got by


def packed(path: Path, put: Callable[[bytes], Any]) -> Parcel:
    """Bring a file into the store, of which one range at a time is in memory here."""
    if path.is_dir():
        raise SettingsError(f"--ship with {path}: expected a file, not a folder")
    with path.open("rb") as file:
        return Parcel(path.name, tuple(put(part) for part in iter(lambda: file.read(RANGE), b"")))


def unpacked(parcel: Parcel, folder: Path, get: Callable[[Any], bytes]) -> Path:
    """The file of a parcel, in `folder`."""
    path = folder / parcel.name
    with path.open("wb") as file:
        for part in parcel.ranges:
            file.write(get(part))
    return path


def with_files(wishes: Wishes, change: Callable[[Path], Any]) -> Wishes:
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
