"""What a job is: version, settings and the content of its files; two that agree make the same film."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from dreamvideo._version import __version__
from dreamvideo.errors import SourceError
from dreamvideo.settings.option import option_kind

SAMPLE: Final = 1 << 20  # bytes from the beginning, middle and end of a file that are looked at
LEAST: Final = 1 << 12  # of each of many


def fingerprint(sources: Sequence[Path], *settings: Any) -> dict[str, Any]:
    """The job of dreaming `sources` with some settings dataclasses, as JSON holds it; where it runs does not count."""
    job: dict[str, Any] = {"version": __version__, "input": identity(*sources)}
    for some in settings:
        for field in fields(some):
            value = getattr(some, field.name)
            if option_kind(field) == "machine":
                continue
            is_file = option_kind(field) == "file" and value is not None
            job[field.name] = identity(Path(value)) if is_file else value
    return dict(json.loads(json.dumps(job, default=str)))


def identity(*paths: Path) -> str:
    """Size and a hash of samples of the content of a file, or of all files in a folder, or of several.

    Raises:
        SourceError: one cannot be read.
    """
    path = paths[0]
    digest, size = hashlib.sha256(), 0
    try:
        files = sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else paths
        sample = max(LEAST, SAMPLE // len(files)) if files else SAMPLE
        for each in files:
            length = each.stat().st_size
            size += length
            if len(files) > 1:
                digest.update(f"{each.name} {length} ".encode(errors="surrogateescape"))
            with each.open("rb") as file:
                for start in sorted({0, max(0, (length - sample) // 2), max(0, length - sample)}):
                    file.seek(start)
                    digest.update(file.read(sample))
    except OSError as error:
        raise SourceError(f"{error.filename or path} cannot be read: {error.strerror}") from None
    name = path.name if len(paths) == 1 else f"{len(paths)} files"
    return f"{name}, {size} bytes, {digest.hexdigest()[:16]}"


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What is not the same in two jobs, each in a few words."""
    names = [*before, *(name for name in now if name not in before)]
    return [
        f"{name.replace('_', '-')} was {_told(before.get(name))}, is {_told(now.get(name))}"
        for name in names
        if before.get(name) != now.get(name)
    ]


def _told(value: Any) -> str:
    return "not there" if value is None else value if isinstance(value, str) else json.dumps(value)
