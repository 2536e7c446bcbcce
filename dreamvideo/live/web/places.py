"""Who may be connected to the page: newcomers push out the oldest newcomer, never one who has been admitted.

A connection is a newcomer until its request has been accepted, which takes a browser milliseconds. A slow or guessing
stranger who holds all places of newcomers therefore loses the oldest to whoever comes next.
"""

from __future__ import annotations

import ipaddress
import socket
from collections import Counter
from contextlib import suppress
from threading import Lock
from typing import Final

MAX_NEWCOMERS: Final = 200  # connections, each a thread of about 50 kB
MAX_NEWCOMERS_OF_ADDRESS: Final = 100
MAX_ADMITTED: Final = 64  # 8 pages, with the few requests a browser makes beside a stream


class Places:
    """The open connections of a server; a connection that is pushed out is shut down, which ends its thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._newcomers: dict[socket.socket, str] = {}  # oldest first, with the network of each
        self._admitted: set[socket.socket] = set()

    def enter(self, connection: socket.socket, network: str) -> None:
        """Give a newcomer a place.

        Args:
            connection: the newcomer.
            network: where it comes from, see `network_of`.
        """
        with self._lock:
            counts = Counter(self._newcomers.values())
            if counts[network] >= MAX_NEWCOMERS_OF_ADDRESS:
                self._push_out(network)
            elif counts.total() >= MAX_NEWCOMERS:
                self._push_out(counts.most_common(1)[0][0])
            self._newcomers[connection] = network

    def admit(self, connection: socket.socket) -> bool:
        """Move a newcomer to the places that are kept for the admitted; return whether there was one."""
        with self._lock:
            if connection in self._newcomers and len(self._admitted) < MAX_ADMITTED:
                del self._newcomers[connection]
                self._admitted.add(connection)
            return connection in self._admitted

    def leave(self, connection: socket.socket) -> None:
        """Free the place of a connection, if it has one."""
        with self._lock:
            self._newcomers.pop(connection, None)
            self._admitted.discard(connection)

    def shut_down(self) -> None:
        """Shut all connections down."""
        with self._lock:
            for connection in (*self._newcomers, *self._admitted):
                _shut_down(connection)

    def _push_out(self, network: str) -> None:
        oldest = next(connection for connection, origin in self._newcomers.items() if origin == network)
        del self._newcomers[oldest]
        _shut_down(oldest)


def network_of(host: str) -> str:
    """Return the network that one owner has: an IPv4 address, or the first 64 bits of an IPv6 address.

    Args:
        host: a numeric address.
    """
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _shut_down(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
