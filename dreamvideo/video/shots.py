"""Shots: which of them each frame belongs to, which segment, and which frames show no picture.

A plain frame is not dreamed and ends the shot; so is one under a black mask. A flash, a few frames after which the
picture before it returns, is looked over: the motion goes on from the frame before it.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction

from dreamvideo.frames import Frames
from dreamvideo.media.checkpoint import ResumePoint
from dreamvideo.media.segments import PARTS, SegmentCounter, cell_of
from dreamvideo.settings.timeline import Schedule
from dreamvideo.video.film_ends import FirstFrame, lead_to_first
from dreamvideo.video.judged_frames import judge_frames
from dreamvideo.video.lanes import LaneStep


@dataclass(frozen=True, slots=True)
class DreamInput:
    """Frames to be dreamed: of a whole film, of the rest of it after an earlier run, or of a window of it.

    Frames before the first that is dreamed may come with them; they tell how that one is judged, see `judged_frames`.
    """

    frames: Frames  # closed when they are dreamed
    resume: ResumePoint | None = None  # where they go on: the frame at its time was dreamed and is not output again
    grid: Fraction | None = None  # seconds from one grid point to the next, see `media.segments`; None: of videos
    schedule: Schedule | None = None  # what is dreamed when; None: that of all inputs
    cut: Fraction | None = None  # time of the cut that they are dreamed from; None: from the first or the resumed frame
    end: int | None = None  # the first cut at or after this grid point ends them; None: all are dreamed
    first: FirstFrame | None = None  # reads the first frame of the film, for `film_ends`; None: they begin with it


def single_input(
    frames: Frames, resume: ResumePoint | None = None, first: FirstFrame | None = None
) -> Generator[DreamInput, None, None]:
    """Yield one `DreamInput`.

    Args:
        frames, resume, first: its fields.
    """
    yield DreamInput(frames, resume, first=first)


def split_shots(
    inputs: Generator[DreamInput, None, None], alone: bool, for_flow: bool = False, seamless: bool = False
) -> Generator[LaneStep, None, None]:
    """Find the shot and the segment of each frame, and fetch what the processor reads of it.

    Args:
        inputs: closed at the end, as is each one's `frames`.
        alone: every frame is a shot of its own, and a picture.
        for_flow: whether a flow is estimated on the CPU.
        seamless: the end of each film is to lead to its first frame.
    """
    index, shot = 0, 0
    with closing(inputs):
        for number, source in enumerate(inputs):
            steps = _split_input(number, source, index, shot, alone, for_flow)
            if seamless and not alone:
                steps = lead_to_first(steps, source.first, for_flow)
            with closing(steps):
                for step in _up_to(steps, source.end):
                    yield step
                    index, shot = max(index, step.index + 1), max(shot, step.shot + 1)


def _split_input(
    number: int, source: DreamInput, index: int, shot: int, alone: bool, for_flow: bool
) -> Generator[LaneStep, None, None]:
    """The steps of one input, the first of which has that index, and the first shot that number."""
    resume, since, carry = source.resume, source.cut, None
    segments = SegmentCounter(source.grid)
    if resume is not None:
        segments, since, carry = SegmentCounter(source.grid, resume.segment, ended=True), resume.time, resume.carry
    elif since is not None:
        segments = SegmentCounter(source.grid, since // segments.grid * PARTS)
    with closing(judge_frames(source.frames, segments.grid, alone, for_flow, since)) as frames:
        for each in frames:
            time = each.frame.time
            if since is not None and (time < since if resume is None else time <= since):
                continue
            shot += each.is_cut
            segments.advance(time, each.is_cut, each.held)
            previous, carry = each.previous, None if each.previous is None else carry
            place = (index, number, shot, each.frame, previous, segments.number, segments.is_full and not alone, carry)
            yield LaneStep(*place, each.presence, each.held, source.schedule)
            index, carry = index + 1, None


def _up_to(steps: Generator[LaneStep, None, None], end: int | None) -> Generator[LaneStep, None, None]:
    """Steps up to the first segment of a grid point at or after `end`; the last frame is shown until then."""
    if end is None:
        yield from steps
        return
    waiting: LaneStep | None = None
    for step in steps:
        if waiting is not None:
            if cell_of(step.segment) >= end:
                duration = step.frame.time - waiting.frame.time
                yield replace(waiting, frame=replace(waiting.frame, duration=duration))
                return
            yield waiting
        waiting = step
    if waiting is not None:
        yield waiting
