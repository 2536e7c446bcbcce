"""Lanes: a stream of frames becomes batches, each with the next frame of several shots.

Frames of a shot depend on each other, shots do not; a batch takes one frame from each of several shots that step at the
same octaves. As those change from frame to frame, twice as many shots are in flight as a batch has images: there are
almost always enough of a kind. To find the next shots the stream is read ahead, as long as the images since the oldest
frame that is not done take at most `read_ahead` bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, Protocol, TypeVar

from dreamvideo.frames import Frame
from dreamvideo.settings.timeline import Moment, Schedule

T = TypeVar("T")

# Frames for each lane, read in search of more shots before the next batch goes out, so that nobody waits for a whole
# film. By eye.
READ_AHEAD_FRAMES = 32

# Shots in flight for each lane of several. By simulation of 16 lanes and shots of 24 to 120 frames: batches are full to
# 0.74 with one, 0.89 with one and a half, 0.95 with two.
SHOTS_PER_LANE = 2

# Pixels of all lanes together that keep a GPU busy, and the most lanes; an estimate, not measured.
BUSY_PIXELS = 4_000_000
MAX_LANES = 16


@dataclass(frozen=True, slots=True)
class PartPlace:
    """Where a frame is among the parts of its shot."""

    shot_start: Fraction  # seconds, time of the first frame of the shot that was seen
    both: bool  # the later part has begun, and the earlier one has not ended
    share: float  # of the later part
    begins: bool  # the later part begins with this frame
    takes_over: Fraction | None  # of the first frame of the later part alone: since when, in seconds


@dataclass(frozen=True, slots=True)
class LaneStep:
    """A frame and its place in the stream."""

    index: int  # of all frames
    input: int  # which of several inputs it belongs to
    shot: int
    frame: Frame
    previous: Frame | None  # of the same shot; None: this one begins the shot
    segment: int = 0  # of its input
    stores_carry: bool = False  # the segment ends with it, but not the shot: the carry after it is stored
    carry: bytes | None = None  # the carry before it, where the frame before was dreamed in an earlier run
    presence: float = 1.0  # how much of a picture it shows, 0..1; 0: it is not dreamed
    held: bool = False  # a flash: it is shown with the dream of `previous`, which goes on after it
    schedule: Schedule | None = None  # of its input; None: that of all
    share: float | None = None  # of its dream in the frame, where that is dreamed twice, see `seams`; None: it is once
    place: PartPlace | None = None  # where shots are split; None: they are not
    hidden: bool = False  # it is dreamed, as what comes after it needs that, but not output
    meets: float | None = (
        None  # share of a second dream that leads to the first frame, see `film_ends`; None: it has none
    )
    leads: bool = False  # it is of that second dream


def lanes_for(pixels: int) -> int:
    """Return how many images keep a GPU busy.

    Args:
        pixels: of one image.
    """
    return max(1, min(MAX_LANES, BUSY_PIXELS // pixels))


@dataclass(frozen=True, slots=True)
class BatchKind:
    """What frames have in common that can be a batch."""

    shape: tuple[int, ...]  # of the images; (): nothing is dreamed
    octaves: tuple[int, ...] | None = None  # steps of the whole image at each octave; None: it begins a shot
    masked: bool = False
    steps: bool = True  # whether anything steps: else there is nothing to wait for
    moment: Moment | None = None  # what is dreamed; None: the same throughout


class Waiting(Protocol):
    """What waits in a queue."""

    @property
    def step(self) -> LaneStep: ...


W = TypeVar("W", bound=Waiting)


class LaneQueue(Generic[W]):
    """The frames that wait to be dreamed, shot by shot; with one lane no more than `ahead` asks for."""

    def __init__(self, items: Iterator[W], lanes_of: Callable[[Frame], int], read_ahead: int, ahead: int = 1) -> None:
        """
        Args:
            items: in order.
            lanes_of: the number of lanes, the most images of a batch, given the first frame.
            read_ahead: bytes of images that may wait.
            ahead: frames that wait at least, at least 1.
        """
        self.lanes = 1
        self._items, self._lanes_of, self._read_ahead, self._ahead = items, lanes_of, read_ahead, ahead
        self._shots: deque[deque[W]] = deque()
        self._held: deque[tuple[int, int]] = deque()  # (index, bytes) of the frames since the oldest that is not done
        self._held_bytes = 0
        self._open: set[int] = set()  # shots that may have more to come
        self._ended = False

    def refill(self) -> None:
        """Read on until enough shots wait, as far as there is room."""
        count = 0
        while not self._ended and self._reads_on(count):
            count += 1
            item = next(self._items, None)
            if item is None:
                self._ended = True
                return
            step = item.step
            if step.index == 0:
                self.lanes = self._lanes_of(step.frame)
            self._held.append((step.index, step.frame.nbytes))
            self._held_bytes += step.frame.nbytes
            for waiting in reversed(self._shots):
                if waiting[-1].step.shot == step.shot:
                    waiting.append(item)
                    break
            else:
                self._shots.append(deque([item]))
            self._open = {step.shot} if step.share is None else {*self._open, step.shot}

    def in_flight(self, place: int = 0) -> list[W]:
        """Return the next frame of each shot in flight, the earliest first; with `place` 1 the one after it."""
        shots = sorted(self._shots, key=lambda waiting: (waiting[0].step.index, waiting[0].step.shot))
        return [waiting[place] for waiting in shots[: self._most_shots] if len(waiting) > place]

    def take(self, item: W) -> None:
        """Remove the next frame of a shot."""
        for waiting in self._shots:
            if waiting[0] is item:
                waiting.popleft()
                break
        # An open shot has more to come; if nothing of it waits it goes, and is found again by its number.
        self._shots = deque(waiting for waiting in self._shots if waiting)
        oldest = min((waiting[0].step.index for waiting in self._shots), default=None)
        while self._held and (oldest is None or self._held[0][0] < oldest):
            self._held_bytes -= self._held.popleft()[1]

    def is_over(self, shot: int) -> bool:
        """Return whether nothing more of a shot will come."""
        return shot not in self._open and all(waiting[0].step.shot != shot for waiting in self._shots)

    @property
    def _most_shots(self) -> int:
        return self.lanes if self.lanes == 1 else SHOTS_PER_LANE * self.lanes

    def _reads_on(self, count: int) -> bool:
        if sum(map(len, self._shots)) < self._ahead:
            return True
        has_room = self._held_bytes < self._read_ahead and count < READ_AHEAD_FRAMES * self.lanes
        return len(self._shots) < self._most_shots and has_room


def choose_batch(kinds: Sequence[BatchKind], lanes: int) -> list[int]:
    """Choose what is dreamed next: what takes no step, else at best a full batch, the oldest first.

    Args:
        kinds: of each frame, oldest shots first.
        lanes: the most images of a batch.

    Returns:
        The places of its frames.
    """
    groups: dict[BatchKind, list[int]] = {}
    for place, kind in enumerate(kinds):
        groups.setdefault(kind, []).append(place)
    full = min(lanes, len(kinds))
    ready = [group for kind, group in groups.items() if not kind.steps or len(group) >= full]
    chosen = ready[0] if ready else max(groups.values(), key=len)
    return chosen[:lanes]


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
