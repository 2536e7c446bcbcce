"""When to show the frames of a stream that comes in bursts, such as the pieces of HLS.

Frames of a camera that sends each as it is made are shown as they come. A stream in pieces would be a slideshow so: a
second of frames at once, of which only the last is seen, then nothing. Its frames are shown by the stream's own times
instead, late enough that the next piece has come when it is needed.
"""

from __future__ import annotations

from collections import deque
from typing import Final

BURST: Final = 0.3  # seconds of a pause beyond which what follows it counts as a burst; networks jitter by less
WINDOW: Final = 30.0  # seconds that are looked back; pieces are 2 to 10 s long
MARGIN: Final = 0.2  # seconds for frames to be decoded and to come unevenly
JUMP: Final = 10.0  # seconds; times that leap further, or back, belong to another clock


class BurstClock:
    """Follows when frames arrive, and decides when each is shown.

    Args:
        in_pieces: the stream is known to come in pieces; else that is found out by two bursts within `WINDOW`.
    """

    def __init__(self, in_pieces: bool) -> None:
        self._in_pieces = in_pieces
        self._last: tuple[float, float] | None = None  # arrival and time of the frame before
        self._delay = 0.0  # a frame is shown at its time plus this
        self._pauses: deque[tuple[float, float]] = deque()  # (arrival, seconds that the frame came later than the last)
        self._waits: deque[tuple[float, float]] = deque()  # (arrival, seconds from then until it is shown)

    def due(self, arrival: float, time: float) -> float:
        """Return when a frame is to be shown, in seconds of the clock of `arrival`.

        Args:
            arrival: when it came.
            time: its own time in the stream, in seconds.
        """
        lag = arrival - time
        if self._last is None or not -BURST < time - self._last[1] < JUMP:
            self._delay = lag
            self._waits.clear()
        else:
            later = lag - (self._last[0] - self._last[1])
            if later > BURST:
                self._pauses.append((arrival, later))
        self._last = arrival, time
        _forget(self._pauses, arrival)
        if not self._in_pieces and len(self._pauses) < 2:
            self._delay = lag
            return arrival
        if lag > self._delay:  # it has come too late: the next ones wait longer
            self._delay = lag + MARGIN * (lag > self._delay + MARGIN)
        self._waits.append((arrival, self._delay - lag))
        self._catch_up(arrival)
        return max(arrival, time + self._delay)

    def _catch_up(self, now: float) -> None:
        """Skip what is more than a piece, if for a whole window even the frame that waited least could have done so."""
        piece = max((later for _, later in self._pauses), default=0.0)
        seconds = now - self._waits[0][0]
        _forget(self._waits, now)
        least = min(wait for _, wait in self._waits)
        if seconds >= WINDOW / 2 and least > max(piece, BURST) + MARGIN:
            self._delay -= least - MARGIN
            self._waits.clear()


def _forget(events: deque[tuple[float, float]], now: float) -> None:
    while events and events[0][0] < now - WINDOW:
        events.popleft()
