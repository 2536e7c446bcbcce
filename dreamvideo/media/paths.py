"""Inputs as they are typed: a file, a folder of files, or a pattern such as '*.mp4', become files in natural order."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dreamvideo.errors import SourceError

IMAGE_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
VIDEO_SUFFIXES: Final = (
    ".mp4",
    ".m4v",
    ".mov",
    ".mkv",
    ".webm",
    ".avi",
    ".gif",
    ".mpg",
    ".mpeg",
    ".ts",
    ".mts",
    ".m2ts",
    ".mxf",
    ".wmv",
    ".flv",
    ".3gp",
    ".ogv",
    ".vob",
    ".apng",
)

_DREAM: Final = "_dream"  # ends the name of what was made of another file

Accepts = Callable[[Path], bool]


@dataclass(frozen=True, slots=True)
class ExpandedPaths:
    """The files that were meant, and those beside them that were not."""

    paths: tuple[Path, ...]
    passed_over: tuple[Path, ...] = ()


def is_image(path: Path) -> bool:
    """Whether `path` is named like a picture; a GIF counts as a video."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def is_video(path: Path) -> bool:
    """Whether `path` is named like a video."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def check_readable(path: Path) -> None:
    """Raise SourceError unless `path` is a file with something in it that may be read."""
    if path.is_dir():
        raise SourceError(f"{path} is a folder: expected a video or picture file")
    try:
        if path.stat().st_size == 0:
            raise SourceError(f"{path} is empty")
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file") from None
    except PermissionError:
        raise SourceError(f"{path} cannot be read: permission denied") from None


def expand_paths(words: Sequence[Path], fits: Accepts, kind: str) -> ExpandedPaths:
    """The files meant by `words`, in their order: what is there is taken as it is called, else it may be a pattern.

    Of a folder, and of what a pattern matches, all files that `fits` accepts are taken, by number, but none that is
    hidden, or was dreamed from another of them. A file that is named is taken whatever it is, also if it is missing:
    its reader says what is wrong with it.

    Args:
        kind: what is expected, in the plural, for messages.

    Raises:
        SourceError: there is nothing that fits in a folder, or a pattern matches nothing.
    """
    paths: list[Path] = []
    others: list[Path] = []
    for word in words:
        if word.is_dir():
            found = _fitting(_inside(word), fits)
            if not found.paths:
                raise SourceError(f"{word} is a folder with no {kind} in it")
        elif not word.exists() and glob.has_magic(str(word)):
            found = _fitting(natural_order(_matches(word)), fits)
            if not found.paths:
                raise SourceError(f"{word} matches no {kind}")
        else:
            found = ExpandedPaths((word,))
        paths += found.paths
        others += found.passed_over
    return ExpandedPaths(tuple(paths), tuple(others))


def describe_skipped(passed_over: Sequence[Path], kind: str) -> str:
    """What was passed over, in one line."""
    more = f" and {len(passed_over) - 3} more" if len(passed_over) > 3 else ""
    return f"passed over, no {kind}: {', '.join(map(str, passed_over[:3]))}{more}"


def natural_order(paths: Iterable[Path]) -> list[Path]:
    """`paths` sorted by their names, numbers in them by value: frame2 comes before frame10."""
    return sorted(paths, key=lambda path: ([_key(part) for part in path.parts], str(path)))


def _key(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _matches(pattern: Path) -> Iterable[Path]:
    # As much of it as is there is no pattern, whatever its name.
    there = next((parent for parent in pattern.parents if parent.exists()), Path())
    rest = pattern.relative_to(there)
    return map(Path, glob.glob(os.path.join(glob.escape(str(there)), str(rest)), recursive=True))


def _inside(folder: Path) -> list[Path]:
    try:
        return natural_order(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise SourceError(f"{folder} cannot be read: {(error.strerror or str(error)).lower()}") from None


def _fitting(paths: Sequence[Path], fits: Accepts) -> ExpandedPaths:
    files = [path for path in paths if path.is_file()]  # folders among them are not opened
    stems = {(path.parent, path.stem) for path in files}
    ours = {path for path in files if _source_of(path) in stems}
    fitting = tuple(path for path in files if fits(path) and path not in ours)
    return ExpandedPaths(fitting, tuple(path for path in files if not fits(path)))


def _source_of(path: Path) -> tuple[Path, str] | None:
    source = path.stem.removesuffix(_DREAM)
    return None if source == path.stem else (path.parent, source)
