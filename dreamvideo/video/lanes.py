"""Shots side by side: a stream of frames becomes rounds, each with the next frame of several shots.

A frame waits for the frame before it, a shot for nothing: so shots are what a batch is made of. To find the next shots
the stream is read ahead, as long as the pictures from the oldest one that is not done take at most `room` bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

from dreamvideo.frames import Frame

T = TypeVar("T")

READ_AHEAD_FRAMES = (
    32  # frames read in search of more shots before the next round goes out, so that nobody waits for a whole film
)

# Pixels of all lanes together that keep a GPU busy, and the most lanes; an estimate, to be measured.
BUSY_PIXELS = 4_000_000
MAX_LANES = 16


@dataclass(frozen=True, slots=True)
class LaneStep:
    """A frame and its place in the stream."""

    index: int  # of all frames
    stream: int  # which of several videos it belongs to
    shot: int
    frame: Frame
    previous: Frame | None  # of the same shot; None: this one begins it
    piece: int | None = 0  # of its stream; None: of none, it is not to be given
    holds: bool = False  # the piece ends with it, but not the shot: what it leaves is kept
    left: bytes | None = None  # what the frame before it left, where that was dreamed in an earlier run


def lanes_for(pixels: int) -> int:
    """How many pictures of so many pixels are enough to keep a GPU busy."""
    return max(1, min(MAX_LANES, BUSY_PIXELS // pixels))


def in_lockstep(
    steps: Generator[LaneStep, None, None], width: Callable[[Frame], int], room: int
) -> Generator[list[LaneStep], None, None]:
    """Rounds of a few steps, each the next of its shot; every step once, the oldest shots first.

    `width` says by the first frame how many lanes there are, the most steps of a round.

    With one lane nothing is read ahead. A round is smaller than `lanes` where there are no more shots in sight.
    """
    shots: deque[deque[LaneStep]] = deque()  # the steps that wait, shot by shot
    held: deque[tuple[int, int]] = deque()  # (index, bytes) of the steps since the oldest that is not done
    taken = 0  # bytes of those
    lanes = 1
    ended = False
    with closing(steps):
        while True:
            read = 0
            while not ended and len(shots) < lanes and (not shots or (taken < room and read < READ_AHEAD_FRAMES)):
                read += 1
                step = next(steps, None)
                if step is None:
                    ended = True
                    break
                if step.index == 0:
                    lanes = width(step.frame)
                held.append((step.index, step.frame.nbytes))
                taken += step.frame.nbytes
                if shots and shots[-1][-1].shot == step.shot:
                    shots[-1].append(step)
                else:
                    shots.append(deque([step]))
            if not shots:
                return
            working = [shots[i] for i in range(min(lanes, len(shots)))]
            yield [waiting.popleft() for waiting in working]
            # The newest shot may have more to come; with nothing waiting it goes, and is found again by its number.
            shots = deque(waiting for waiting in shots if waiting)
            while held and (not shots or held[0][0] < shots[0][0].index):
                taken -= held.popleft()[1]


def in_order(items: Iterable[tuple[int, T]]) -> Generator[T, None, None]:
    """The items of (index, item) pairs by index from 0 on, each as soon as those before it have come."""
    early: dict[int, T] = {}
    following = 0
    for index, item in items:
        early[index] = item
        while following in early:
            yield early.pop(following)
            following += 1
