"""Reads single files out of Debian packages and wheels, without installing them; also out of Qt's .rcc files in these.

A path that goes on behind `.rcc/`, such as `usr/share/app/rcc/fish.rcc/images/carp.jpg`, is that of a file in a
resource file.
"""

from __future__ import annotations

import io
import lzma
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dreamvideo.errors import SourceError

_AR_MAGIC: Final = b"!<arch>\n"  # a .deb is an archive of `ar`, which holds two of `tar`
_AR_HEADER: Final = 60  # bytes
_BROKEN: Final = (
    *(OSError, ValueError, KeyError, EOFError, RecursionError),
    *(struct.error, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile),
)
_RCC_MAGIC: Final = b"qres"
_RCC_FOLDER, _RCC_ZLIB, _RCC_ZSTD = 2, 1, 4  # flags of an entry


@dataclass(frozen=True, slots=True)
class PackageName:
    """What a package calls itself."""

    name: str
    version: str


def name_package(path: Path) -> PackageName:
    """Return the name and the version of a package.

    Args:
        path: a .deb or .whl file.

    Raises:
        SourceError: it is neither, or broken.
    """
    with _readable(path):
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
                text = wheel.read(metadata).decode()
        else:
            text = dict(_tar_members(_deb_part(path, "control"), {"control"}))["control"].decode()
        fields = dict(re.findall(r"^(Name|Package|Version): *(\S+)", text, re.M))
        return PackageName(fields.get("Name") or fields["Package"], fields["Version"])


def read_members(path: Path, names: Collection[str]) -> dict[str, bytes]:
    """Read files of a package.

    Args:
        path: a .deb or .whl file.
        names: paths in the package, see the top of this file.

    Returns:
        Path -> content, of those that it holds.

    Raises:
        SourceError: it is neither, or broken.
    """
    outer = {name: _split_resource(name)[0] for name in names}
    with _readable(path):
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                found = {name: wheel.read(name) for name in set(outer.values()) & set(wheel.namelist())}
        else:
            found = dict(_tar_members(_deb_part(path, "data"), set(outer.values())))
        contents = {}
        for file, content in found.items():
            wanted = {_split_resource(name)[1]: name for name in names if outer[name] == file}
            if "" in wanted:
                contents[wanted[""]] = content
            else:
                contents |= {wanted[inner]: data for inner, data in _resources(content) if inner in wanted}
        return contents


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what goes wrong with a file into a `SourceError`."""
    try:
        yield
    except _BROKEN as error:
        raise SourceError(f"{path}: cannot be read as a package ({error}); expected a .deb or .whl") from error


def _split_resource(name: str) -> tuple[str, str]:
    """A path, and the rest of it inside a resource file, if it goes on there."""
    file, found, inner = name.partition(".rcc/")
    return (file + ".rcc", inner) if found else (name, "")


def _deb_part(path: Path, name: str) -> bytes:
    """The content of the member `name`.tar.* of a Debian package."""
    raw = path.read_bytes()
    if not raw.startswith(_AR_MAGIC):
        raise ValueError("not a Debian package")
    at = len(_AR_MAGIC)
    while at + _AR_HEADER <= len(raw):
        member, size = raw[at : at + 16].decode().strip(" /"), int(raw[at + 48 : at + 58])
        at += _AR_HEADER
        if member.startswith(f"{name}.tar"):
            if member.endswith(".zst"):
                raise ValueError(f"{member}: compressed by zstd, which is not supported; unpack it and pack it with xz")
            return raw[at : at + size]
        at += size + size % 2
    raise ValueError(f"no {name}.tar")


def _tar_members(content: bytes, names: Collection[str]) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for member in tar:
            name = member.name.removeprefix("./")
            if name in names and (file := tar.extractfile(member)) is not None:
                yield name, file.read()


def _resources(content: bytes) -> Iterator[tuple[str, bytes]]:
    """The files of a resource file of Qt: path, content. Its format is that of `rcc --binary`."""
    if not content.startswith(_RCC_MAGIC):
        raise ValueError("not a resource file of Qt")
    version, tree, data, names = struct.unpack_from(">4I", content, 4)
    entry = 14 if version < 2 else 22  # bytes; later versions have a time

    def walk(number: int, folder: str) -> Iterator[tuple[str, bytes]]:
        name_at, flags = struct.unpack_from(">IH", content, tree + number * entry)
        (length,) = struct.unpack_from(">H", content, names + name_at)
        start = names + name_at + 6  # behind the length and a hash
        path = folder + content[start : start + 2 * length].decode("utf-16-be") if number else ""
        if flags & _RCC_FOLDER:
            children, first = struct.unpack_from(">II", content, tree + number * entry + 6)
            for child in range(first, first + children):
                yield from walk(child, f"{path}/" if path else "")
            return
        (data_at,) = struct.unpack_from(">I", content, tree + number * entry + 10)
        (size,) = struct.unpack_from(">I", content, data + data_at)
        stored = content[data + data_at + 4 : data + data_at + 4 + size]
        if not flags & _RCC_ZSTD:  # pictures are not compressed again
            yield path, zlib.decompress(stored[4:]) if flags & _RCC_ZLIB else stored

    yield from walk(0, "")
