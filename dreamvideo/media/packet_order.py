"""Keeps the times of audio packets ascending in the units of an output."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av

if TYPE_CHECKING:
    from dreamvideo.media.video_encoder import Packet

# Seconds by which a packet of sound may be early; one that is earlier has a senseless time.
MAX_DELAY = 1
_TS_NONSTRICT = 0x20000  # libav's flag of formats that hold packets of equal times


class PacketOrder:
    """Moves audio packets of an output that are too early.

    Args:
        output: its header is written before the first packet is put in order.
    """

    def __init__(self, output: av.container.OutputContainer) -> None:
        self._tick = 0 if output.format.flags & _TS_NONSTRICT else 1  # least from one time to the next
        self._earliest: dict[int, int] = {}  # index of a stream -> time of its next packet, in units of the stream

    def put_in_order(self, packet: Packet) -> bool:
        """Move a packet later by as much as it needs to come after the one before it; return False if that is far.

        Times may be equal in the input, or in the units of the output; muxers refuse such packets.
        """
        stream = packet.stream
        if packet.dts is None or stream.type != "audio":
            return True
        base = Fraction(stream.time_base or packet.time_base)
        ratio = Fraction(packet.time_base) / base
        dts = round(packet.dts * ratio)
        pts = dts if packet.pts is None else round(packet.pts * ratio)
        earliest = self._earliest.get(stream.index, dts)
        if (earliest - dts) * base > MAX_DELAY:
            return False
        packet.duration = round((packet.duration or 0) * ratio)
        packet.time_base, packet.dts = base, max(dts, earliest)
        packet.pts = max(packet.dts, pts)
        self._earliest[stream.index] = packet.dts + self._tick
        return True
