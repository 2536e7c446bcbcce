"""Shots side by side: a stream of frames becomes rounds, each with the next frame of several shots.

A frame waits for the frame before it, a shot for nothing: so shots are what a batch is made of. To find the next shots
the stream is read ahead, as far as `look_ahead` frames beyond the oldest one that is not done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

from dreamvideo.frames import Frame

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step:
    """A frame and its place in the stream."""

    index: int
    shot: int
    frame: Frame
    previous: Frame | None  # of the same shot; None: this one begins it


def in_lockstep(steps: Generator[Step, None, None], lanes: int, look_ahead: int) -> Generator[list[Step], None, None]:
    """Rounds of at most `lanes` steps, each the next of its shot; every step once, the oldest shots first.

    With one lane nothing is read ahead. A round is smaller than `lanes` where there are no more shots in sight.
    """
    shots: deque[deque[Step]] = deque()  # the steps that wait, shot by shot
    newest = -1  # index of the last step read
    ended = False
    with closing(steps):
        while True:
            while not ended and len(shots) < lanes and (not shots or newest - shots[0][0].index < look_ahead - 1):
                step = next(steps, None)
                if step is None:
                    ended = True
                    break
                newest = step.index
                if shots and shots[-1][-1].shot == step.shot:
                    shots[-1].append(step)
                else:
                    shots.append(deque([step]))
            if not shots:
                return
            # The newest shot may have more to come; it goes on all the same, and is found again by its number.
            working = [shots[i] for i in range(min(lanes, len(shots)))]
            yield [waiting.popleft() for waiting in working]
            shots = deque(waiting for waiting in shots if waiting)


def in_order(items: Iterable[tuple[int, T]]) -> Generator[T, None, None]:
    """The items of (index, item) pairs by index from 0 on, each as soon as those before it have come."""
    early: dict[int, T] = {}
    following = 0
    for index, item in items:
        early[index] = item
        while following in early:
            yield early.pop(following)
            following += 1
