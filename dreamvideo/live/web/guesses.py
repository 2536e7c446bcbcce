"""Limits how fast passwords can be guessed, for each network on its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Final

GUESSES_PER_SECOND: Final = 20  # of a network
# Guesses that a network may be ahead of that rate. More than the connections an attacker is likely to hold, because
# whoever shares his network, such as the owner behind the same router, is refused with him beyond it.
MAX_AHEAD: Final = 100
MAX_NETWORKS: Final = 4096  # that are remembered, about 1 MB


class GuessLimit:
    """When the next wrong password of each network is due.

    A right password passes at once. A wrong one is answered when it is due, which holds the connection; dropping the
    connection before does not help, for the guess has been counted.

    Args:
        clock: the present, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._due: dict[str, float] = {}  # network -> when its last guess is to be answered, in seconds of the clock

    def allows(self, network: str) -> bool:
        """Whether a password from `network` may be looked at."""
        with self._lock:
            return self._due.get(network, 0.0) - self._clock() < MAX_AHEAD / GUESSES_PER_SECOND

    def add(self, network: str) -> float:
        """Count a wrong password from `network`; return the seconds after which it is to be answered."""
        with self._lock:
            now = self._clock()
            due = max(now, self._due.pop(network, now)) + 1 / GUESSES_PER_SECOND
            if len(self._due) >= MAX_NETWORKS:
                del self._due[next(iter(self._due))]
            self._due[network] = due  # the last, so that the first is the one that has guessed least recently
            return due - now
