"""Messages of OSC packets. python-osc (an extra) parses each; bundles are taken apart here.

What python-osc does not know in a message it would log, a line each, and go on with the rest of the message; such a
message is malformed here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from dreamvideo.errors import OutputError

_BUNDLE: Final = b"#bundle\0"
_HEAD: Final = 16  # bytes of a bundle before its first element: its name, and a time
_DEPTH: Final = 8  # bundles in bundles
_KNOWN_TYPES: Final = frozenset(",ihfdsbrmtTFN[]")


class MalformedPacket(Exception):
    """It is no OSC."""


@dataclass(frozen=True, slots=True)
class OscCall:
    """A message."""

    address: str
    values: tuple[Any, ...]


def require_osc() -> None:
    """Check that python-osc is installed.

    Raises:
        OutputError: it is not.
    """
    try:
        import pythonosc  # noqa: F401
    except ModuleNotFoundError:
        raise OutputError('--osc needs python-osc: pip install "dreamvideo[osc]"') from None


def read_packet(packet: bytes) -> tuple[OscCall, ...]:
    """Read the messages of a packet. The times of bundles are not waited for.

    Args:
        packet: a UDP datagram.

    Raises:
        MalformedPacket: it, or any message in it, is no OSC.
    """
    return tuple(_read_message(message) for message in _messages(packet, _DEPTH))


def _messages(packet: bytes, depth: int) -> Iterator[bytes]:
    if packet.startswith(b"/"):
        yield packet
        return
    if not packet.startswith(_BUNDLE) or len(packet) < _HEAD or not depth:
        raise MalformedPacket
    place = _HEAD
    while place < len(packet):
        if len(packet) < place + 4:
            raise MalformedPacket
        (size,) = struct.unpack_from(">i", packet, place)
        place += 4 + size
        if size <= 0 or place > len(packet):
            raise MalformedPacket
        yield from _messages(packet[place - size : place], depth - 1)


def _read_message(message: bytes) -> OscCall:
    from pythonosc.osc_message import OscMessage
    from pythonosc.parsing.osc_types import get_string

    try:
        address, place = get_string(message, 0)
        if message[place:]:
            types, _ = get_string(message, place)
            if not _KNOWN_TYPES.issuperset(types):
                raise MalformedPacket
        return OscCall(address, tuple(OscMessage(message).params))
    except MalformedPacket:
        raise
    except Exception:  # whatever a damaged packet makes of the parser
        raise MalformedPacket from None
