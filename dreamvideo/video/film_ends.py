"""Makes the ends of a film meet: what it ends with is a dream that leads to its first frame.

The last frames are dreamed a second time, backwards: the first frame, from it the last one, from that the one before.
So from the last frame to the first the dream changes as it does from any frame to the next. Its frames are counted
back, so that the octaves take turns as if the film went on from its end to its beginning: counted on, the finest would
step right before the first frame and right after it. What is shown goes over from the dream of the film to that one,
see `dissolve`. It is dreamed with the look of the first frame.

Where the last frame does not show what the first one shows, the film itself jumps there, and its end stays as it is.
Only the last shot, or what is left of it after an earlier run, is dreamed twice: all that is needed of the frames
before is the first one. Shares depend on times alone.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Final, TypeAlias

from dreamvideo.frames import Frame, Frames
from dreamvideo.video.dissolve import dissolve
from dreamvideo.video.judged_frames import judge_frames
from dreamvideo.video.lanes import LaneStep
from dreamvideo.video.progress import Progress

# Seconds over which what is shown goes over, at most half of the film: a dream changes as fast where a camera moves.
LEAD_SECONDS: Final = Fraction(1)

FirstFrame: TypeAlias = Callable[[], Frame]  # reads the first frame of a film

log = logging.getLogger(__name__)


def lead_to_first(
    steps: Generator[LaneStep, None, None], first_frame: FirstFrame | None, for_flow: bool
) -> Generator[LaneStep, None, None]:
    """Add the second dream of the last frames of a film, each a second later than it comes.

    Args:
        steps: to the end of the film; closed at the end.
        first_frame: reads the first frame of the film; None: the first of `steps` is it.
        for_flow: whether a flow is estimated on the CPU.

    Yields:
        The steps in order, then those of the second dream, a shot of its own: `leads` is True.
    """
    last: deque[LaneStep] = deque()  # those of the last second
    with closing(steps):
        for step in steps:
            if first_frame is None:
                first_frame = partial(_same, step.frame)
            last.append(step)
            while last[0].frame.time <= step.frame.time - LEAD_SECONDS:
                yield last.popleft()
    if first_frame is None or not last:
        return
    first = first_frame()
    end = last[-1].frame.time
    seconds = min(LEAD_SECONDS, (end - first.time) / 2)
    while last and last[0].frame.time <= end - seconds:
        yield last.popleft()
    leading = _second_dream(first, last, for_flow)
    led = {step.index for step in leading}
    for step in last:
        yield replace(step, meets=float((step.frame.time - end) / seconds + 1)) if step.index in led else step
    yield from leading


def _second_dream(first: Frame, last: Sequence[LaneStep], for_flow: bool) -> list[LaneStep]:
    """The steps from the first frame of a film back into its end, as far as that is of one shot."""
    if not last:
        return []
    # All of it is dreamed at the time of the first frame, as what is dreamed may be another at each time.
    images = [replace(step.frame, time=first.time, carry=None) for step in reversed(last)]
    begin, follows = judge_frames(_both(first, images[0]), Fraction(1), False, for_flow)
    if follows.previous is None:
        if begin.presence and follows.presence:
            log.warning("the last frame does not go over into the first: the film jumps there, whatever is dreamed")
        return []
    second = partial(replace, shot=-1 - last[-1].input, stores_carry=False, carry=None, leads=True)
    previous = begin.frame
    leading = [second(last[-1], frame=previous, previous=None, presence=begin.presence, held=False)]
    for step, frame in zip(reversed(last), images, strict=True):
        if step.hidden:
            break
        leading.append(second(step, frame=frame, previous=previous, meets=1.0))
        previous = previous if step.held else frame
        if step.previous is None:
            break
    return leading


def counted_back(step: LaneStep, progress: Progress, last: Progress | None = None) -> Progress:
    """Return the progress of a frame, which of the second dream has a number that counts back.

    What a frame of that dream steps is seen, played forwards, on the way to the frame after it, as which it is counted:
    the last frame of the film as its first one.

    Args:
        step: of either dream.
        progress: of its frame.
        last: of the frame before it in its dream; None: it begins that.
    """
    if not step.leads:
        return progress
    return replace(progress, frame_index=1 if last is None else last.frame_index - 1)


def leading_to(steps: Iterator[LaneStep], index: int) -> Generator[LaneStep, None, None]:
    """Yield the second dream of a film whose last frames are output by somebody else; of those it is not shown.

    Args:
        steps: of `lead_to_first`, which has read all of the film.
        index: of the last frame that is output here.
    """
    for step in steps:
        if step.leads:
            yield step if step.index <= index and step.meets else replace(step, index=index, meets=None)


def _both(first: Frame, last: Frame) -> Frames:
    yield first
    yield last


def _same(frame: Frame) -> Frame:
    return frame


def meet_first(dreams: Iterator[tuple[LaneStep, Frame]]) -> Generator[tuple[LaneStep, Frame], None, None]:
    """Make one frame of the two dreams of each frame at the end of a film; all others pass through.

    Args:
        dreams: in any order; those of one frame have the same index.
    """
    waiting: dict[int, tuple[LaneStep, Frame]] = {}
    for pair in dreams:
        step = pair[0]
        if step.meets is None:
            if not step.leads:  # the first frame, dreamed again
                yield pair
        elif step.index not in waiting:
            waiting[step.index] = pair
        else:
            both = sorted([waiting.pop(step.index), pair], key=lambda each: each[0].leads)
            (shown, dream), (_, leading) = both
            image = dissolve(shown.frame.image, dream.image, leading.image, shown.meets or 0.0)
            yield shown, replace(dream, image=image)
