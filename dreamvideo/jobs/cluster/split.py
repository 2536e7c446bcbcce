"""What of a film can be dreamed apart from the rest: pieces from one cut to another, found before any is dreamed.

The pieces are those that one machine would make, so that it makes no difference where they are made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction

from dreamvideo.video.lanes import LaneStep

# Seconds of a split shot that are dreamed before what is kept of it, so that the dream has grown when that begins.
WARMUP_FRAMES = Fraction(1)


@dataclass(frozen=True, slots=True)
class SegmentRange:
    """A piece that is to be made."""

    number: int
    before: int  # frames of the film before it
    frames: int
    start: Fraction  # time of its first frame


@dataclass(frozen=True, slots=True)
class WorkUnit:
    """Pieces that follow each other, and need nothing of those before."""

    spans: tuple[SegmentRange, ...]
    opening: Fraction  # time of the first frame to be read
    runup: int  # frames from there that are dreamed but belong to an earlier run
    end: Fraction | None  # time of the first frame after it; None: the film ends

    @property
    def frames(self) -> int:
        return sum(span.frames for span in self.spans)

    def after(self, count: int) -> WorkUnit | None:
        """What is left when the first `count` of its pieces are there; None: nothing."""
        spans = self.spans[count:]
        if not count or not spans:
            return self if spans else None
        return replace(self, spans=spans, opening=spans[0].start, runup=0)


def split_source(
    steps: Generator[LaneStep, None, None], split: Fraction | None = None
) -> Generator[WorkUnit, None, None]:
    """The runs of one film, of its frames as `pipeline.shots_of` gives them; a run begins at a cut.

    Args:
        split: seconds after which a shot is split all the same, at the end of a piece; None: never.
    """
    spans: list[SegmentRange] = []
    opening, runup = Fraction(0), 0
    recent: deque[Fraction] = deque()  # times of the frames of this shot that a run-up would take
    count = 0
    with closing(steps):
        for step in steps:
            time = step.frame.time
            if step.previous is None:
                recent.clear()
            assert step.piece is not None
            if not spans or step.piece != spans[-1].number:
                long = split is not None and spans and time - spans[0].start >= split
                if spans and (step.previous is None or long):
                    yield WorkUnit(tuple(spans), opening, runup, time)
                    spans = []
                if not spans:
                    opening, runup = (recent[0], len(recent)) if recent else (time, 0)
                spans.append(SegmentRange(step.piece, count, 0, time))
            spans[-1] = replace(spans[-1], frames=spans[-1].frames + 1)
            count += 1
            recent.append(time)
            while recent and (split is None or time - recent[0] >= WARMUP_FRAMES):
                recent.popleft()
    if spans:
        yield WorkUnit(tuple(spans), opening, runup, None)
