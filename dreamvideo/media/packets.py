"""A log of what an encoder made of the frames of a piece, record by record: a line of JSON, and bytes.

Of a video these are its packets: no container is needed for what is joined later, and none would do, for each rounds
times in its own way or refuses some encoder. Of pictures they are whole files. Of a log that was cut short all whole
records can be read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import av

if TYPE_CHECKING:
    from dreamvideo.media.video_encoder import Packet

PacketRecord = tuple[Mapping[str, Any], bytes]  # what it is, and it

NUMBERS = ("pts", "dts", "duration", "is_keyframe")


def write_records(records: Iterable[PacketRecord], file: IO[bytes]) -> None:
    """Append `records` to `file`."""
    for head, content in records:
        file.write(json.dumps({**head, "size": len(content)}).encode() + b"\n" + content)


def read_records(path: Path) -> Iterator[PacketRecord]:
    """The records in `path`; the file ends where one is not whole."""
    with path.open("rb") as file:
        while line := file.readline():
            if not line.endswith(b"\n"):
                return
            head = json.loads(line)
            size = head.pop("size")
            content = file.read(size)
            if len(content) < size:
                return
            yield head, content


def record_of(packet: Packet) -> PacketRecord:
    """A packet of a video as a record."""
    return {name: getattr(packet, name) for name in NUMBERS}, bytes(packet)


def read_packets(path: Path, unit: Fraction) -> Iterator[Packet]:
    """The packets of a video in `path`, their times in `unit`."""
    for head, content in read_records(path):
        packet = av.Packet(content)
        packet.time_base = unit
        for name, value in head.items():
            setattr(packet, name, value)
        yield packet
