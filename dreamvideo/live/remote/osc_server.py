"""OSC: every control of a live dream at the address `/dreamvideo/NAME`, over UDP.

A packet changes the controls when it comes; the dream reads them once per frame, so that of many values of a control
the latest counts. Packets are read in batches with a pause in between: whoever sends more than that loses some, and
takes no time from the dream.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any, Final

from dreamvideo.errors import DreamVideoError, OutputError
from dreamvideo.live.remote.osc_packets import MalformedPacket, OscCall, read_packet, require_osc
from dreamvideo.live.shared_state import SharedState
from dreamvideo.settings.field_types import shortened
from dreamvideo.settings.parsers import Address

log = logging.getLogger(__name__)

PREFIX: Final = "/dreamvideo/"

_LARGEST: Final = 65_536  # bytes of a packet
_BATCH: Final = 32  # packets
_PAUSE: Final = 0.004  # seconds after a batch: 5,000 packets a second were read on a busy machine
_WAIT: Final = 0.1  # seconds between looks whether to end
_MOST_SAID: Final = 20  # addresses whose mistakes are said, each once


@dataclass(slots=True)
class OscCounts:
    """What came in so far."""

    messages: int = 0
    malformed: int = 0  # packets that are no OSC
    refused: int = 0  # messages of an unknown address, or with a value that does not fit it
    said: set[str] = field(default_factory=set)


@contextmanager
def serve_osc(shared: SharedState, address: Address) -> Iterator[tuple[Address, OscCounts]]:
    """Let OSC packets set the controls until the `with` block ends.

    Args:
        shared: has the controls.
        address: of this machine; port 0 is any free port.

    Yields:
        The address with its port, and the counts, which change.

    Raises:
        OutputError: python-osc is missing, the address is in use, or it does not belong to this machine.
    """
    require_osc()
    try:
        family, kind, _, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
        )[0]
        receiver = socket.socket(family, kind)
    except (OSError, UnicodeError) as error:
        raise _no_osc(address, error) from None
    counts, ending = OscCounts(), Event()
    with receiver:
        try:
            receiver.bind(place)
        except (OSError, OverflowError) as error:
            raise _no_osc(address, error) from None
        receiver.settimeout(_WAIT)
        if not ipaddress.ip_address(place[0]).is_loopback:
            log.warning("OSC has no password: whoever reaches %s over the network controls the dream", address)
        thread = Thread(target=_receive, args=(receiver, shared, counts, ending), name="osc")
        thread.start()
        try:
            yield Address(address.host, receiver.getsockname()[1]), counts
        finally:
            ending.set()
            thread.join()
    if counts.malformed or counts.refused:
        log.warning("OSC: %d malformed packets, %d refused messages", counts.malformed, counts.refused)


def take_packet(packet: bytes, shared: SharedState, counts: OscCounts, now: float) -> None:
    """Set what a packet says.

    Args:
        packet: a UDP datagram of any content.
        shared: has the controls.
        counts: are changed.
        now: when it came, seconds as of `time.monotonic`.
    """
    try:
        calls = read_packet(packet)
    except MalformedPacket:
        counts.malformed += 1
        _say_once(shared, counts, "", "a packet that is no OSC")
        return
    for call in calls:
        counts.messages += 1
        try:
            shared.set(*_control_and_value(call), now)
        except DreamVideoError as error:
            counts.refused += 1
            _say_once(shared, counts, call.address, str(error))


def _control_and_value(call: OscCall) -> tuple[str, Any]:
    name = call.address.removeprefix(PREFIX)
    if name == call.address or len(call.values) > 1:
        what = f"{len(call.values)} values" if len(call.values) > 1 else "unknown address"
        raise OutputError(f"{shortened(call.address)}: {what}: expected {PREFIX}NAME and at most one value")
    return name, call.values[0] if call.values else None


def _receive(receiver: socket.socket, shared: SharedState, counts: OscCounts, ending: Event) -> None:
    while not ending.is_set():
        with suppress(OSError):  # nothing came in time; on Windows also that an earlier answer found nobody
            take_packet(receiver.recv(_LARGEST), shared, counts, time.monotonic())
            receiver.setblocking(False)
            for _ in range(_BATCH - 1):
                take_packet(receiver.recv(_LARGEST), shared, counts, time.monotonic())
        receiver.settimeout(_WAIT)
        ending.wait(_PAUSE)


def _say_once(shared: SharedState, counts: OscCounts, address: str, text: str) -> None:
    if address not in counts.said and len(counts.said) < _MOST_SAID:
        counts.said.add(address)
        shared.say(f"OSC: {text}")


def _no_osc(address: Address, error: Exception) -> OutputError:
    return OutputError(
        f"no OSC at {address}: {getattr(error, 'strerror', None) or error}: expected an address of this machine with a "
        "free UDP port, such as 9000, or 0 for any"
    )
