"""Splits a video into work units: segments from one cut to another, which can be dreamed independently.

The segments are those that a single machine would make, so the output does not depend on which worker makes them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction

from dreamvideo.video.lanes import LaneStep

# Seconds of a split shot that a work unit dreams before its first output frame, so that the dream has grown by then.
# Chosen by eye: the strength is the same before and after, see docs/cluster.md.
WARMUP_SECONDS = Fraction(1)


@dataclass(frozen=True, slots=True)
class SegmentRange:
    """The frames of a segment that is to be made."""

    number: int
    before: int  # frames of the video before it
    frames: int
    start: Fraction  # time of its first frame, in seconds


@dataclass(frozen=True, slots=True)
class WorkUnit:
    """Consecutive segments that depend on no segment before them."""

    segments: tuple[SegmentRange, ...]
    start: Fraction  # time of the first frame to read, in seconds
    warmup: int  # leading frames that are dreamed but not output; they belong to the unit before
    end: Fraction | None  # time of the first frame after it, in seconds; None: the video ends

    @property
    def frames(self) -> int:
        """Frames to output."""
        return sum(segment.frames for segment in self.segments)

    def without(self, count: int) -> WorkUnit | None:
        """Return the unit without its first segments, which are finished; None: nothing is left.

        Args:
            count: of segments.
        """
        segments = self.segments[count:]
        if not count or not segments:
            return self if segments else None
        return replace(self, segments=segments, start=segments[0].start, warmup=0)


def split_into_units(
    steps: Generator[LaneStep, None, None], split_after: Fraction | None = None
) -> Generator[WorkUnit, None, None]:
    """Group the frames of one video into work units, each of which begins at a cut.

    Args:
        steps: all frames with their segments, from `shots.split_shots`.
        split_after: seconds after which a shot is split, at the end of a segment; the next unit then has warmup frames.
            Default: shots are not split.
    """
    segments: list[SegmentRange] = []
    start, warmup = Fraction(0), 0
    recent: deque[Fraction] = deque()  # times of the frames of this shot that would be the warmup of a unit from here
    count = 0
    with closing(steps):
        for step in steps:
            time = step.frame.time
            if step.previous is None:
                recent.clear()
            assert step.segment is not None
            if not segments or step.segment != segments[-1].number:
                is_long = split_after is not None and segments and time - segments[0].start >= split_after
                if segments and (step.previous is None or is_long):
                    yield WorkUnit(tuple(segments), start, warmup, time)
                    segments = []
                if not segments:
                    start, warmup = (recent[0], len(recent)) if recent else (time, 0)
                segments.append(SegmentRange(step.segment, count, 0, time))
            segments[-1] = replace(segments[-1], frames=segments[-1].frames + 1)
            count += 1
            recent.append(time)
            while recent and (split_after is None or time - recent[0] >= WARMUP_SECONDS):
                recent.popleft()
    if segments:
        yield WorkUnit(tuple(segments), start, warmup, None)
