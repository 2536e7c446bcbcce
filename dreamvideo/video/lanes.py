"""Lanes: a stream of frames becomes rounds, each with the next frame of several shots.

Frames of a shot depend on each other, shots do not; a batch takes one frame from each of several shots. To find the
next shots the stream is read ahead, as long as the images since the oldest frame that is not done take at most
`read_ahead` bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

from dreamvideo.frames import Frame

T = TypeVar("T")

# Frames read in search of more shots before the next round goes out, so that nobody waits for a whole film. By eye.
READ_AHEAD_FRAMES = 32

# Pixels of all lanes together that keep a GPU busy, and the most lanes; an estimate, not measured.
BUSY_PIXELS = 4_000_000
MAX_LANES = 16


@dataclass(frozen=True, slots=True)
class LaneStep:
    """A frame and its place in the stream."""

    index: int  # of all frames
    input: int  # which of several inputs it belongs to
    shot: int
    frame: Frame
    previous: Frame | None  # of the same shot; None: this one begins the shot
    segment: int | None = 0  # of its input; None: a warmup frame, which is not output
    stores_carry: bool = False  # the segment ends with it, but not the shot: the carry after it is stored
    carry: bytes | None = None  # the carry before it, where the frame before was dreamed in an earlier run
    presence: float = 1.0  # how much of a picture it shows, 0..1; 0: it is not dreamed
    held: bool = False  # a flash: it is shown with the dream of `previous`, which goes on after it


def lanes_for(pixels: int) -> int:
    """Return how many images keep a GPU busy.

    Args:
        pixels: of one image.
    """
    return max(1, min(MAX_LANES, BUSY_PIXELS // pixels))


def in_lockstep(
    steps: Generator[LaneStep, None, None], lanes_of: Callable[[Frame], int], read_ahead: int
) -> Generator[list[LaneStep], None, None]:
    """Arrange steps in rounds, each with the next step of several shots; every step once, the oldest shots first.

    With one lane nothing is read ahead. A round has fewer steps than lanes where no more shots are in sight.

    Args:
        steps: in order; closed at the end.
        lanes_of: the number of lanes, the most steps of a round, given the first frame.
        read_ahead: bytes of images that may wait.
    """
    shots: deque[deque[LaneStep]] = deque()  # the steps that wait, shot by shot
    held: deque[tuple[int, int]] = deque()  # (index, bytes) of the steps since the oldest that is not done
    held_bytes = 0
    lanes = 1
    ended = False
    with closing(steps):
        while True:
            count = 0
            while not ended and len(shots) < lanes and (not shots or _may_read(held_bytes, read_ahead, count)):
                count += 1
                step = next(steps, None)
                if step is None:
                    ended = True
                    break
                if step.index == 0:
                    lanes = lanes_of(step.frame)
                held.append((step.index, step.frame.nbytes))
                held_bytes += step.frame.nbytes
                if shots and shots[-1][-1].shot == step.shot:
                    shots[-1].append(step)
                else:
                    shots.append(deque([step]))
            if not shots:
                return
            round_shots = [shots[i] for i in range(min(lanes, len(shots)))]
            yield [waiting.popleft() for waiting in round_shots]
            # The newest shot may have more to come; if nothing of it waits it goes, and is found again by its number.
            shots = deque(waiting for waiting in shots if waiting)
            while held and (not shots or held[0][0] < shots[0][0].index):
                held_bytes -= held.popleft()[1]


def _may_read(held_bytes: int, read_ahead: int, count: int) -> bool:
    return held_bytes < read_ahead and count < READ_AHEAD_FRAMES


def in_order(items: Iterable[tuple[int, T]]) -> Generator[T, None, None]:
    """Sort items, each yielded as soon as those before it have come.

    Args:
        items: (index, item) pairs, each index from 0 on once.
    """
    early: dict[int, T] = {}
    due = 0
    for index, item in items:
        early[index] = item
        while due in early:
            yield early.pop(due)
            due += 1
