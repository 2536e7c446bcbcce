"""Splits a video into work units: segments from one cut to another, which can be dreamed independently.

The segments are those that a single machine would make, so the output does not depend on which worker makes them.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction

from dreamvideo.video.lanes import LaneStep


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
    shot_start: Fraction | None = None  # of the shot that it begins in the middle of, in seconds; None: at a cut

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
        return replace(self, segments=segments, start=segments[0].start, warmup=0, shot_start=None)


def split_into_units(steps: Generator[LaneStep, None, None]) -> Generator[WorkUnit, None, None]:
    """Group the frames of one video into work units, each of which begins at a cut, or in a part after a seam.

    Args:
        steps: all frames with their segments, from `shots.split_shots` or `seams.split_long_shots`.
    """
    segments: list[SegmentRange] = []
    unit = begun = _Beginning(-1, Fraction(0))
    count = 0
    with closing(steps):
        for step in steps:
            time = step.frame.time
            if step.previous is None:
                begun = _Beginning(step.index, time, step.shot_start)
            if step.index < count:
                continue  # the second dream of a frame
            assert step.segment is not None
            if not segments or step.segment != segments[-1].number:
                # Where a frame is dreamed twice the later part has not taken over yet.
                if segments and (step.previous is None or (step.share is None and begun != unit and begun.at_seam)):
                    yield unit.unit(segments, time)
                    segments = []
                if not segments:
                    unit = begun
                segments.append(SegmentRange(step.segment, count, 0, time))
            segments[-1] = replace(segments[-1], frames=segments[-1].frames + 1)
            count += 1
    if segments:
        yield unit.unit(segments, None)


@dataclass(frozen=True, slots=True)
class _Beginning:
    """The first frame of a shot, or of a part of it."""

    before: int  # frames of the video before it
    time: Fraction
    shot_start: Fraction | None = None

    @property
    def at_seam(self) -> bool:
        """Whether it is that of a part after a seam."""
        return self.shot_start is not None and self.shot_start != self.time

    def unit(self, segments: Sequence[SegmentRange], end: Fraction | None) -> WorkUnit:
        """Return a work unit that is dreamed from here."""
        shot_start = self.shot_start if self.at_seam else None
        return WorkUnit(tuple(segments), self.time, segments[0].before - self.before, end, shot_start)
