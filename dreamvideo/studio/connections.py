"""Connections to the studio: slow or guessing strangers make room for whoever comes next, as on the page of `live`.

uvicorn waits for a request for as long as it takes, and refuses everybody once it has its limit of connections.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from dreamvideo.live.web.places import Places, network_of

HEAD_SECONDS: Final = 10.0  # for the head of a request to arrive


class Connections:
    """The open connections, by the address of the other end."""

    def __init__(self) -> None:
        self._places = Places()
        self._sockets: dict[tuple[str, int], Any] = {}

    def enter(self, client: tuple[str, int], socket: Any) -> None:
        """Count a new connection; the oldest newcomer is disconnected if there are too many."""
        self._sockets[client] = socket
        self._places.enter(socket, network_of(client[0]))

    def admit(self, client: tuple[str, int]) -> bool:
        """Keep a place for a connection whose request was accepted; return whether there was one."""
        socket = self._sockets.get(client)
        return socket is not None and self._places.admit(socket)

    def leave(self, client: tuple[str, int]) -> None:
        """Forget a connection."""
        if (socket := self._sockets.pop(client, None)) is not None:
            self._places.leave(socket)


def guarded_protocol(connections: Connections) -> type[H11Protocol]:
    """Return uvicorn's protocol with places for connections and a deadline for the head of each request.

    Args:
        connections: told of every connection.
    """

    class GuardedProtocol(H11Protocol):
        _deadline: asyncio.TimerHandle | None = None
        _address: tuple[str, int] | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._await_head()
            if self.client is not None:
                self._address = self.client
                connections.enter(self.client, transport.get_extra_info("socket"))

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.conn.their_state is h11.IDLE:
                self._await_head()
            elif self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def connection_lost(self, exc: Exception | None) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
            if self._address is not None:
                connections.leave(self._address)
            super().connection_lost(exc)

        def _await_head(self) -> None:
            if self._deadline is None:
                self._deadline = self.loop.call_later(HEAD_SECONDS, self._give_up)

        def _give_up(self) -> None:
            if not self.transport.is_closing():
                self.transport.abort()

    return GuardedProtocol
