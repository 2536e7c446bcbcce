"""What each frame is to its shot: a cut, a plain frame, a flash that is looked over.

Each frame is judged by the one before it, or before a flash that is looked over, and by a few after it. At each
point of the grid of `media.segments` what came before is forgotten, but for the last `LEAD`: so who begins with the
frame that is shown `LEAD` before a grid point judges all frames after that point as one who began with the film.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import Final, TypeAlias

from dreamvideo.frames import Frame, Frames, HostCopy
from dreamvideo.motion.cuts import CompareCopies, copy_comparer
from dreamvideo.motion.host_copy import host_copy, with_host_copy
from dreamvideo.motion.picture import contrast_of, presence

FLASH_FRAMES: Final = 3  # the longest flash; strobes and cameras' flashes last one or two
LEAD: Final = Fraction(1, 4)  # seconds; some frames more than a flash has

Ahead: TypeAlias = Callable[[], Iterable[Frame]]


@dataclass(frozen=True, slots=True, eq=False)
class _Past:
    """What is known of the frames before one."""

    previous: Frame | None = None  # of the same shot; None: the next picture begins one
    was_plain: bool = False


@dataclass(frozen=True, slots=True)
class JudgedFrame:
    """A frame and what it is to its shot."""

    frame: Frame
    previous: Frame | None  # of the same shot; None: this one begins the shot, or is plain
    presence: float  # how much of a picture it shows, 0..1; 0: it is not dreamed
    held: bool  # a flash: the next one goes on from `previous`
    is_cut: bool  # it begins a shot, or plain frames


def lead_start(time: Fraction, grid: Fraction) -> Fraction:
    """Return the time, in seconds, of the first frame that is needed to judge those after a cut as in a longer run.

    Args:
        time: of the cut, or of the last frame of a segment, in seconds.
        grid: seconds from one grid point to the next.
    """
    return min(time, lead_of(time // grid + 1, grid))


def lead_of(cell: int, grid: Fraction) -> Fraction:
    """Return the time, in seconds, of the first frame that is needed to judge those after a grid point.

    Args:
        cell: number of the grid point.
        grid: seconds from one grid point to the next.
    """
    return cell * grid - min(LEAD, grid)


def judge_frames(
    frames: Frames, grid: Fraction, alone: bool, for_flow: bool = False, since: Fraction | None = None
) -> Generator[JudgedFrame, None, None]:
    """Judge frames, and fetch what the processor reads of them.

    Args:
        frames: from the first of the film on, or from the one that is shown at the lead of a grid point; closed at the
            end.
        grid: seconds from one grid point to the next.
        alone: every frame is a shot of its own, and a picture.
        for_flow: whether a flow is estimated on the CPU.
        since: the first frame at or after this time, in seconds, is a cut, whatever was before.
    """
    compare = copy_comparer()
    past = scout = fresh = _Past()  # of this stream, of one that began at the next lead, of one that begins here
    last: Fraction | None = None
    with closing(frames):
        copied = (with_host_copy(frame, for_flow) for frame in frames)
        for frame, ahead in _with_frames_ahead(copied):
            cell = frame.time // grid
            if last is not None and last // grid < cell:
                past, scout = (fresh if last <= lead_of(cell, grid) else scout), fresh
            if since is not None and frame.time >= since:
                past, since = _Past(), None
            visible = 1.0 if alone else _presence_of(frame)
            judged, after = _judge(frame, ahead, past, visible, None if alone else compare)
            fresh = _begun(frame, visible) if judged.held else after
            if alone or frame.time <= lead_of(cell + 1, grid):
                scout = fresh
            elif _same(scout, past):
                scout = after
            else:
                scout = _judge(frame, ahead, scout, visible, compare)[1]
            past, last = after, frame.time
            yield judged


def _same(one: _Past, other: _Past) -> bool:
    return one is other or (one.previous is other.previous and one.was_plain == other.was_plain)


def _presence_of(frame: Frame) -> float:
    copy = _copy_of(frame)
    return presence(contrast_of(copy.image, copy.noise))


def _copy_of(frame: Frame) -> HostCopy:
    return frame.small or host_copy(frame)


def _is_plain(frame: Frame, visible: float) -> bool:
    return visible == 0 or (frame.mask is not None and not frame.mask.any())


def _begun(frame: Frame, visible: float) -> _Past:
    """What is known after the first frame of a stream."""
    plain = _is_plain(frame, visible)
    return _Past(None if plain else frame, plain)


def _judge(
    frame: Frame, ahead: Ahead, past: _Past, visible: float, compare: CompareCopies | None
) -> tuple[JudgedFrame, _Past]:
    """A frame as it is judged after `past`, and what is known after it; without `compare` it stands alone."""
    previous, held = past.previous, False
    follows = "cut" if previous is None or compare is None else compare(_copy_of(frame), _copy_of(previous))
    if previous is not None and compare is not None and (follows != "alike" or visible == 0):
        held = _is_flash(previous, ahead(), compare)
    if held:
        return JudgedFrame(frame, previous, visible, True, False), _Past(previous)
    plain = _is_plain(frame, visible)
    begins = plain or follows == "cut"
    judged = JudgedFrame(
        frame, None if begins else previous, 0.0 if plain else visible, False, begins and not (plain and past.was_plain)
    )
    return judged, _begun(frame, visible)


def _is_flash(previous: Frame, ahead: Iterable[Frame], compare: CompareCopies) -> bool:
    """Whether the picture before a frame that shows something else returns soon after it."""
    before = _copy_of(previous)
    return any(compare(_copy_of(later), before) == "alike" for later in islice(ahead, FLASH_FRAMES))


def _with_frames_ahead(frames: Iterator[Frame]) -> Generator[tuple[Frame, Ahead], None, None]:
    """Each frame, and what yields the frames after it, which are read only as far as they are looked at."""
    read: deque[Frame] = deque()

    def ahead() -> Generator[Frame, None, None]:
        for place in range(FLASH_FRAMES):
            if place == len(read):
                frame = next(frames, None)
                if frame is None:
                    return
                read.append(frame)
            yield read[place]

    while True:
        frame = read.popleft() if read else next(frames, None)
        if frame is None:
            return
        yield frame, ahead
