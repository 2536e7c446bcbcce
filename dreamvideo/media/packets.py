"""The packets of a segment in a file: for each one a line of JSON, then its bytes.

A container would be of use to players, but none holds what is needed. NUT, which keeps all times and bytes of most
encoders, refuses ProRes, DNxHD and QuickTime Animation, and loses the durations; others round times. A log takes every
encoder, and of one that was cut short, as by a kill, all whole packets can be read.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING

import av

if TYPE_CHECKING:
    from dreamvideo.media.video_encoder import Packet

FIELDS = ("pts", "dts", "duration", "is_keyframe")


def write_packets(packets: Iterable[Packet], file: IO[bytes]) -> int:
    """Append packets to a log.

    Args:
        packets: as an encoder returns them; their time base is not stored.
        file: open for writing.

    Returns:
        How many there were.
    """
    count = 0
    for packet in packets:
        content = bytes(packet)
        head = {name: getattr(packet, name) for name in FIELDS}
        file.write(json.dumps({**head, "size": len(content)}).encode() + b"\n" + content)
        count += 1
    return count


def read_packets(path: Path, time_base: Fraction) -> Generator[Packet, None, None]:
    """Yield the packets of a log, up to the first that is not whole.

    Args:
        path: of the log.
        time_base: seconds per unit of their times.
    """
    with path.open("rb") as file:
        while line := file.readline():
            if not line.endswith(b"\n"):
                return
            head = json.loads(line.decode())
            size = head.pop("size")
            content = file.read(size)
            if len(content) < size:
                return
            packet = av.Packet(content)
            packet.time_base = time_base
            for name, value in head.items():
                setattr(packet, name, value)
            yield packet
