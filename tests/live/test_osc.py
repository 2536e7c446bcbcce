"""Controls by OSC, with packets that go over this machine's network, whole and damaged."""

import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.udp_client import SimpleUDPClient

from dreamvideo.errors import OutputError
from dreamvideo.live.controls import Controls, Menu
from dreamvideo.live.remote.osc_packets import MalformedPacket, read_packet
from dreamvideo.live.remote.osc_server import OscCounts, serve_osc, take_packet
from dreamvideo.live.shared_state import SharedState
from dreamvideo.settings.parsers import Address

HANG = 60.0  # seconds after which a packet counts as lost
HERE = Address("127.0.0.1", 0)


def state() -> SharedState:
    return SharedState(Controls(), Menu(("sea", "night"), ("s8b",)))


def until(done: Callable[[], Any]) -> None:
    end = time.monotonic() + HANG
    while not done():
        assert time.monotonic() < end
        time.sleep(0.002)


@contextmanager
def served() -> Iterator[tuple[SharedState, OscCounts, SimpleUDPClient]]:
    shared = state()
    with serve_osc(shared, HERE) as (address, counts):
        yield shared, counts, SimpleUDPClient(address.host, address.port)


def message(address: str, *values: Any) -> Any:
    builder = OscMessageBuilder(address)
    for value in values:
        builder.add_arg(value)
    return builder.build()


def bundle(*contents: Any, when: Any = IMMEDIATELY) -> Any:
    builder = OscBundleBuilder(when)
    for content in contents:
        builder.add_content(content)
    return builder.build()


def test_packets_set_the_controls() -> None:
    with served() as (shared, counts, client):
        client.send_message("/dreamvideo/strength", 1.5)
        client.send_message("/dreamvideo/octaves", 4.2)
        client.send_message("/dreamvideo/preset", "night")
        client.send_message("/dreamvideo/black", True)
        client.send_message("/dreamvideo/snapshot", [])
        client.send_message("/dreamvideo/restart", 1)
        client.send_message("/dreamvideo/restart", 0)
        until(lambda: counts.messages == 7)
        expected = Controls(
            strength=1.5, numbers=(("octaves", 4.0),), preset="night", black=True, snapshots=1, resets=1
        )
        assert shared.controls == expected
        client.send_message("/dreamvideo/octaves", [])
        until(lambda: not shared.controls.numbers)
        assert (counts.malformed, counts.refused) == (0, 0)


def test_bundles_set_several_at_once_whatever_their_time() -> None:
    later = bundle(message("/dreamvideo/mirror", 1), when=time.time() + 3600)
    with served() as (shared, counts, client):
        client.send(bundle(message("/dreamvideo/amount", 0.5), later, message("/dreamvideo/split", True)))
        until(lambda: counts.messages == 3)
        assert shared.controls == Controls(numbers=(("amount", 0.5),), mirror=True, split=True)


def test_what_does_not_fit_is_refused_counted_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    wrong: list[tuple[str, Any]] = [
        ("/dreamvideo/strength", "much"),
        ("/dreamvideo/strength", float("nan")),
        ("/dreamvideo/strength", float("inf")),
        ("/dreamvideo/strength", 3.5),
        ("/dreamvideo/strength", [1.0, 2.0]),
        ("/dreamvideo/strength", b"blob"),
        ("/dreamvideo/black", 0.5),
        ("/dreamvideo/preset", "eyes"),
        ("/dreamvideo/nothing", 1),
        ("/strength", 1.0),
        ("/", 1.0),
    ]
    with caplog.at_level("INFO"), served() as (shared, counts, client):
        for _ in range(3):
            for address, value in wrong:
                client.send_message(address, value)
        until(lambda: counts.messages == 3 * len(wrong))
        assert counts.refused == 3 * len(wrong) and shared.controls == Controls()
        said = [record.getMessage() for record in caplog.records if record.getMessage().startswith("OSC: ")]
        assert len(said) == len({address for address, _ in wrong})
    assert "33 refused messages" in caplog.text


DAMAGED = [
    b"",
    b"noise",
    b"/dreamvideo/strength",  # no end
    b"/dreamvideo/strength\0\0\0\0x",
    b"/dreamvideo/strength\0\0\0\0f\0\0\0" + struct.pack(">f", 2),  # no comma
    b"/dreamvideo/strength\0\0\0\0,i\0\0",  # no value
    b"/dreamvideo/strength\0\0\0\0,q\0\0" + struct.pack(">f", 2),  # unknown type
    b"/dreamvideo/strength\0\0\0\0,[f\0" + struct.pack(">f", 2),
    b"/\xff\xfe\0,f\0\0" + struct.pack(">f", 2),
    b"#bundle\0",
    b"#bundle\0" + bytes(8) + b"\0\0",
    b"#bundle\0" + bytes(8) + struct.pack(">i", -4) + b"/a\0\0",
    b"#bundle\0" + bytes(8) + struct.pack(">i", 400) + b"/a\0\0",
    b"#bundle\0" + bytes(8) + struct.pack(">i", 0),
]


def test_malformed_packets_are_counted_and_do_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    with served() as (shared, counts, client), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for packet in DAMAGED:
            sender.sendto(packet, (client._address, client._port))
        until(lambda: counts.malformed == len(DAMAGED))
        assert shared.controls == Controls() and counts.messages == 0
        client.send_message("/dreamvideo/strength", 0.5)
        until(lambda: shared.controls.strength == 0.5)
    assert f"{len(DAMAGED)} malformed packets" in caplog.text
    assert not [record for record in caplog.records if record.name == "root"], "python-osc says a line for each"


@given(st.one_of(st.binary(max_size=80), st.binary(max_size=60).map(lambda rest: b"#bundle\0" + bytes(8) + rest)))
def test_any_packet_is_read_or_malformed(packet: bytes) -> None:
    counts = OscCounts()
    take_packet(packet, state(), counts, 0.0)
    try:
        assert len(read_packet(packet)) == counts.messages
    except MalformedPacket:
        assert (counts.messages, counts.malformed) == (0, 1)


def test_bundles_nested_without_end_are_malformed() -> None:
    packet = b"/a\0\0"
    for _ in range(2000):
        packet = b"#bundle\0" + bytes(8) + struct.pack(">i", len(packet)) + packet
    with pytest.raises(MalformedPacket):
        read_packet(packet)


def test_of_many_values_the_latest_counts() -> None:
    with served() as (shared, counts, client):
        for number in range(1001):
            client.send_message("/dreamvideo/strength", number / 1000)
            time.sleep(0.0003)
        until(lambda: shared.controls.strength == 1.0)
        assert counts.messages > 900


def test_a_port_in_use_or_an_address_elsewhere_is_said_in_a_line() -> None:
    with serve_osc(state(), HERE) as (address, _):
        for wrong in (address, Address("192.0.2.1", 0), Address("no.such.host.invalid", 9000)):
            with pytest.raises(OutputError, match=r"^no OSC at [^\n]*: expected an address of this machine"):
                serve_osc(state(), wrong).__enter__()


def test_an_address_that_others_reach_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with serve_osc(state(), Address("0.0.0.0", 0)):
        assert "no password" in caplog.text
