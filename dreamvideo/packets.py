"""A file of packets as an encoder made them: a line of JSON and the bytes, packet for packet.

No container is needed for what is joined later, and none would do: each rounds times in its own way or refuses some
encoder. Times stay exact here, and of a file that was cut short all whole packets can be read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING

import av

if TYPE_CHECKING:
    from dreamvideo.encoders import Packet

NUMBERS = ("pts", "dts", "duration", "is_keyframe")


def write_packets(packets: Iterable[Packet], file: IO[bytes]) -> None:
    """Append `packets` to `file`."""
    for packet in packets:
        head = {name: getattr(packet, name) for name in NUMBERS} | {"size": packet.size}
        file.write(json.dumps(head).encode() + b"\n" + bytes(packet))


def read_packets(path: Path, unit: Fraction) -> Iterator[Packet]:
    """The packets in `path`, their times in `unit`; the file ends where one is not whole."""
    with path.open("rb") as file:
        while line := file.readline():
            if not line.endswith(b"\n"):
                return
            head = json.loads(line)
            size = head.pop("size")
            content = file.read(size)
            if len(content) < size:
                return
            packet = av.Packet(content)
            packet.time_base = unit
            for name, value in head.items():
                setattr(packet, name, value)
            yield packet
