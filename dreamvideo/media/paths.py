"""Expands inputs as they are typed, files, folders and patterns such as '*.mp4', into files in natural order."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dreamvideo.errors import SourceError
from dreamvideo.media.numbered_names import name_keys, natural_key
from dreamvideo.media.remote_path import RemotePath

WRITTEN_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")  # of images
IMAGE_SUFFIXES: Final = (*WRITTEN_SUFFIXES, ".avif", ".heic", ".heif")
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

_DREAM: Final = "_dream"  # ends the name of an output that is named after its input

Accepts = Callable[[Path], bool]


@dataclass(frozen=True, slots=True)
class ExpandedPaths:
    """The files that were asked for, and the files beside them that were skipped."""

    paths: tuple[Path, ...]
    skipped: tuple[Path, ...] = ()


def is_image(path: Path) -> bool:
    """Tell whether a file name is that of an image.

    Args:
        path: any path; the file is not looked at.

    Returns:
        Whether it ends in one of `IMAGE_SUFFIXES`, in any case. A GIF counts as a video.
    """
    return path.suffix.lower() in IMAGE_SUFFIXES


def is_video(path: Path) -> bool:
    """Tell whether a file name is that of a video.

    Args:
        path: any path; the file is not looked at.

    Returns:
        Whether it ends in one of `VIDEO_SUFFIXES`, in any case.
    """
    return path.suffix.lower() in VIDEO_SUFFIXES


def check_readable(path: Path) -> None:
    """Check that a file is there, not empty, and may be read.

    Args:
        path: of the file.

    Raises:
        SourceError: it is not.
    """
    if os.path.isdir(path):
        raise SourceError(f"{path} is a folder: expected a video or image file")
    try:
        if path.stat().st_size == 0:
            raise SourceError(f"{path} is empty")
        with path.open("rb"):
            pass
    except SourceError:
        raise
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file") from None
    except OSError as error:  # no permission, or a name that is too long
        raise SourceError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from None


def expand_paths(words: Sequence[Path], accepts: Accepts, kind: str) -> ExpandedPaths:
    """Expand folders and patterns into files.

    A folder or pattern stands for its files that `accepts` takes, in natural order, without hidden files and without
    outputs of other files among them. A word that exists, or has no wildcard, stands for itself, even if it is missing
    or of another kind: its reader raises the error.

    Args:
        words: paths as typed: files, folders, or patterns such as `*.mp4`.
        accepts: whether a file is of the kind asked for.
        kind: that kind in the plural, for messages.

    Returns:
        The files in the order of the words, and the visible files that were not accepted.

    Raises:
        SourceError: a folder or pattern has no file that is accepted, or a folder cannot be read, or is elsewhere.
    """
    paths: list[Path] = []
    skipped: list[Path] = []
    for word in words:
        if isinstance(word, RemotePath):
            if not word.suffix or "*" in word.name:
                raise SourceError(f"{word}: folders and patterns are searched here only, name each file")
            expanded = ExpandedPaths((word,))
        elif os.path.isdir(word):
            expanded = _accepted(_files_in(word), accepts)
            if not expanded.paths:
                raise SourceError(f"{word} is a folder with no {kind} in it")
        elif not os.path.exists(word) and glob.has_magic(str(word)):
            expanded = _accepted(natural_order(_matches(word)), accepts)
            if not expanded.paths:
                raise SourceError(f"{word} matches no {kind}")
        else:
            expanded = ExpandedPaths((word,))
        paths += expanded.paths
        skipped += expanded.skipped
    return ExpandedPaths(tuple(paths), tuple(skipped))


def describe_skipped(skipped: Sequence[Path], kind: str) -> str:
    """Name skipped files in one line.

    Args:
        skipped: at least one file; the first three are named.
        kind: what was expected, in the plural.

    Returns:
        The line.
    """
    more = f" and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    return f"skipped, not {kind}: {', '.join(map(str, skipped[:3]))}{more}"


def natural_order(paths: Iterable[Path]) -> list[Path]:
    """Sort paths by name, with numbers by value: frame2 comes before frame10, frame-2 before frame1.

    Args:
        paths: in any order.

    Returns:
        The same paths; their order does not depend on the order of the input.
    """
    paths = list(paths)
    keys = name_keys(path.name for path in paths)
    folders = {folder: [natural_key(part) for part in folder.parts] for folder in {path.parent for path in paths}}
    return sorted(paths, key=lambda path: ([*folders[path.parent], keys[path.name]], str(path)))


def _matches(pattern: Path) -> Iterable[Path]:
    # The part of the pattern that exists is taken literally: a folder may be called "shots [day 1]".
    folder = next((parent for parent in pattern.parents if os.path.exists(parent)), Path())
    rest = pattern.relative_to(folder)
    return map(Path, glob.glob(os.path.join(glob.escape(str(folder)), str(rest)), recursive=True))


def _files_in(folder: Path) -> list[Path]:
    try:
        return natural_order(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise SourceError(f"{folder} cannot be read: {(error.strerror or str(error)).lower()}") from None


def _accepted(paths: Sequence[Path], accepts: Accepts) -> ExpandedPaths:
    files = [path for path in paths if os.path.isfile(path)]  # folders among them are not searched
    stems = {(path.parent, path.stem) for path in files}
    outputs = {path for path in files if _source_of(path) in stems}
    accepted = tuple(path for path in files if accepts(path) and path not in outputs)
    return ExpandedPaths(accepted, tuple(path for path in files if not accepts(path)))


def _source_of(path: Path) -> tuple[Path, str] | None:
    source = path.stem.removesuffix(_DREAM)
    return None if source == path.stem else (path.parent, source)
