"""The identity of a job: version, settings and content of its files; two jobs that agree make the same output."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from dreamvideo._version import __version__
from dreamvideo.errors import SourceError
from dreamvideo.media.remote_path import media_path
from dreamvideo.settings.option import option_kind

SAMPLE_BYTES: Final = 1 << 20  # read at the beginning, middle and end of a file, or of several together
MIN_SAMPLE_BYTES: Final = 1 << 12  # of each of several


def fingerprint(sources: Sequence[Path], *settings: Any) -> dict[str, Any]:
    """Return what identifies the job of dreaming files.

    Args:
        sources: the input files.
        settings: dataclasses; options of the kind "machine" do not count, files are named by their content.

    Returns:
        The values by name, as JSON holds them.

    Raises:
        SourceError: a file cannot be read.
    """
    job: dict[str, Any] = {"version": __version__, "input": identity(*sources)}
    for some in settings:
        for field in fields(some):
            value = getattr(some, field.name)
            if option_kind(field) == "machine":
                continue
            is_file = option_kind(field) == "file" and value is not None
            job[field.name] = identity(media_path(value)) if is_file else value
    return dict(json.loads(json.dumps(job, default=str)))


def identity(*paths: Path) -> str:
    """Return the name, the size and a hash of samples of the content of files.

    Args:
        paths: a file, a folder, all files of which count, or several files.

    Raises:
        SourceError: one cannot be read.
    """
    path = paths[0]
    digest, size = hashlib.sha256(), 0
    try:
        files = sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else paths
        sample = max(MIN_SAMPLE_BYTES, SAMPLE_BYTES // len(files)) if files else SAMPLE_BYTES
        for each in files:
            length = each.stat().st_size
            size += length
            if len(files) > 1:
                digest.update(f"{each.name} {length} ".encode(errors="surrogateescape"))
            with each.open("rb") as file:
                for start in sorted({0, max(0, (length - sample) // 2), max(0, length - sample)}):
                    file.seek(start)
                    digest.update(file.read(sample))
    except SourceError:
        raise
    except OSError as error:
        raise SourceError(f"{error.filename or path} cannot be read: {error.strerror}") from None
    name = path.name if len(paths) == 1 else f"{len(paths)} files"
    return f"{name}, {size} bytes, {digest.hexdigest()[:16]}"


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Describe how two jobs differ.

    Args:
        before: what `fingerprint` returned for one.
        now: the same for the other.

    Returns:
        A few words for each value that differs.
    """
    names = [*before, *(name for name in now if name not in before)]
    return [
        f"{name.replace('_', '-')} was {_describe(before.get(name))}, is {_describe(now.get(name))}"
        for name in names
        if before.get(name) != now.get(name)
    ]


def _describe(value: Any) -> str:
    return "not there" if value is None else value if isinstance(value, str) else json.dumps(value)
