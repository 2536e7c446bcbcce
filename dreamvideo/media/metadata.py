"""Stores the settings of a dream in the file that it wrote, as one line of JSON in its comment, and reads them back.

A video holds the line in the comment tag of its container, a PNG in a tEXt chunk, a JPEG in a COM segment. Options of
the machine (device, threads, precision) are not stored; of a path only the file name is.
"""

from __future__ import annotations

import json
import logging
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path, PurePath
from typing import Any, Final, TypeAlias, get_args

import av

from dreamvideo._version import __version__
from dreamvideo.errors import SettingsError, SourceError, did_you_mean
from dreamvideo.media.local_files import open_local
from dreamvideo.settings.dream import CarrySettings, DreamSettings, ModelSettings, ObjectiveSettings
from dreamvideo.settings.drives import DriveSettings
from dreamvideo.settings.field_types import shortened
from dreamvideo.settings.network_looks import network_look
from dreamvideo.settings.option import option_kind
from dreamvideo.settings.schedules import TimelineSettings
from dreamvideo.settings.zoom import ZoomSettings

KEY: Final = "dreamvideo"  # holds the version, and marks the line as one of this program

_Stored: TypeAlias = (
    ModelSettings | ObjectiveSettings | DreamSettings | CarrySettings | TimelineSettings | DriveSettings | ZoomSettings
)
_STORED: Final = get_args(_Stored)

log = logging.getLogger(__name__)

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_JPEG: Final = b"\xff\xd8"


def settings_comment(*settings: _Stored) -> str:
    """Write settings as the line that `settings_in_file` reads.

    Args:
        settings: instances of the dataclasses; fields that have their default, or what suits the network, are left out.

    Returns:
        One line of JSON, in ASCII.
    """
    values: dict[str, Any] = {KEY: __version__}
    networks = [group.model for group in settings if isinstance(group, ModelSettings)]
    look = network_look(networks[0]) if networks else {}
    for group in settings:
        for field in fields(group):
            value = getattr(group, field.name)
            if value != look.get(field.name, field.default) and option_kind(field) != "machine":
                values[field.name] = PurePath(value).name if option_kind(field) == "file" else value
    return json.dumps(values, ensure_ascii=True, default=float)  # a time is a fraction


def comment_with_settings(line: str, comment: str = "") -> str:
    """Put the line of settings at the end of a comment, in place of an older one.

    Args:
        line: as `settings_comment` returns it.
        comment: the comment of the input; its other lines are kept.

    Returns:
        The comment of the output.
    """
    others = [each for each in comment.splitlines() if _parsed(each) is None]
    return "\n".join([*others, line])


def settings_in_file(path: Path) -> Mapping[str, Any]:
    """Read the settings stored in a dreamed file, for `--like`.

    Files that the dream used are named in a warning, not opened: a video must not choose which files are read. Settings
    that this version does not know are named in a warning too.

    Args:
        path: an output of dreamvideo.

    Returns:
        Field name -> value, for fields of `ModelSettings`, `ObjectiveSettings`, `DreamSettings`, `CarrySettings`,
        `TimelineSettings`, `DriveSettings` and `ZoomSettings`.

    Raises:
        SourceError: the file cannot be read.
        SettingsError: the file holds no settings.
    """
    for line in reversed(_comment(path).splitlines()):
        try:
            values = _parsed(line)
            if values is not None:
                return _known_settings(path, values)
        except RecursionError:
            raise SettingsError(f"{path}: its settings are nested too deeply: they are not of dreamvideo") from None
    raise SettingsError(f"{path} does not say how it was dreamed: --like expects an output of dreamvideo")


def _known_settings(path: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {field.name: option_kind(field) for settings in _STORED for field in fields(settings)}
    known: dict[str, Any] = {}
    for name, value in sorted(values.items()):
        option = f"--{shortened(name).replace('_', '-')} {shortened(value)}"
        if name == KEY:
            continue
        if name not in kinds:
            nearest = did_you_mean(name, kinds)
            log.warning(
                "%s: ignoring the unknown setting %s = %s%s",
                path,
                shortened(name),
                shortened(json.dumps(value)),
                nearest,
            )
        elif kinds[name] == "file":
            log.warning("%s was dreamed with %s: give this option too", path, option)
        elif name == "model" and ":" in str(value):
            log.warning("%s was dreamed with %s: give this option too, since it runs code", path, option)
        elif kinds[name] == "plain":
            known[name] = _tuples(value)
    return known


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        values = json.loads(line)
    except ValueError:
        return None
    return values if isinstance(values, dict) and KEY in values else None


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value


def _comment(path: Path) -> str:
    try:
        with path.open("rb") as file:
            start = file.read(8)
            if start == _PNG or start.startswith(_JPEG):
                content = start + file.read()
                return "\n".join(_png_comments(content) if start == _PNG else _jpeg_comments(content))
        with open_local(path) as container:
            return "\n".join(value for key, value in container.metadata.items() if key.lower() == "comment")
    except (OSError, av.error.FFmpegError) as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from None


def image_with_settings(encoded: bytes, line: str) -> bytes:
    """Put the line of settings into an encoded image.

    Args:
        encoded: content of an image file.
        line: as `settings_comment` returns it.

    Returns:
        The content with the line as its comment if it is a PNG or JPEG, else as it was.
    """
    text = line.encode("ascii")
    if encoded.startswith(_PNG):
        return png_with_chunk(encoded, b"tEXt", b"Comment\0" + text)
    if encoded.startswith(_JPEG) and len(text) < 65534:
        return _JPEG + b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text + encoded[2:]
    return encoded


def png_with_chunk(encoded: bytes, name: bytes, content: bytes) -> bytes:
    """Put a chunk into a PNG, after its header.

    Args:
        encoded: content of the file.
        name: of the chunk, 4 letters.
        content: of the chunk.
    """
    body = name + content
    chunk = struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
    after = len(_PNG) + 25  # after the header chunk: length, name, 13 bytes, checksum
    return encoded[:after] + chunk + encoded[after:]


def _png_comments(content: bytes) -> Iterator[str]:
    at = len(_PNG)
    while at + 8 <= len(content):
        length, name = struct.unpack(">I4s", content[at : at + 8])
        if name == b"tEXt":
            keyword, _, text = content[at + 8 : at + 8 + length].partition(b"\0")
            if keyword == b"Comment":
                yield text.decode("latin-1")
        at += 12 + length


def _jpeg_comments(content: bytes) -> Iterator[str]:
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF and content[at + 1] != 0xDA:  # start of scan
        (length,) = struct.unpack(">H", content[at + 2 : at + 4])
        if content[at + 1] == 0xFE:
            yield content[at + 4 : at + 2 + length].decode("utf-8", "replace")
        at += 2 + length
