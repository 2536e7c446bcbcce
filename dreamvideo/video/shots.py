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
from dreamvideo.video.film_ends import FirstFrame, lead_to_first, leading_to
from dreamvideo.video.judged_frames import JudgedFrame, judge_frames
from dreamvideo.video.lanes import LaneStep, PartPlace
from dreamvideo.video.seams import SeamTracker


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
    takes_over: Fraction | None = None  # in place of `cut`: since when a part of a long shot is shown alone
    ends_at_seams: bool = False  # segments end there, too: then frames from `SeamGrid.lead` on come before


def single_input(
    frames: Frames, resume: ResumePoint | None = None, first: FirstFrame | None = None
) -> Generator[DreamInput, None, None]:
    """Yield one `DreamInput`.

    Args:
        frames, resume, first: its fields.
    """
    yield DreamInput(frames, resume, first=first)


def split_shots(
    inputs: Generator[DreamInput, None, None],
    alone: bool,
    for_flow: bool = False,
    seamless: bool = False,
    every: Fraction | None = None,
) -> Generator[LaneStep, None, None]:
    """Find the shot and the segment of each frame, and fetch what the processor reads of it.

    Args:
        inputs: closed at the end, as is each one's `frames`.
        alone: every frame is a shot of its own, and a picture.
        for_flow: whether a flow is estimated on the CPU.
        seamless: the end of each film is to lead to its first frame.
        every: seconds from one seam of a long shot to the next; None: shots stay whole.
    """
    index, shot, every = 0, 0, None if alone else every
    with closing(inputs):
        for number, source in enumerate(inputs):
            seams = None if every is None else _tracker(every, source)
            steps = _split_input(number, source, index, shot, alone, for_flow, seams)
            if seamless and not alone:
                steps = lead_to_first(steps, source.first, for_flow)
            with closing(steps):
                for step in _up_to(steps, source.end):
                    yield step
                    index, shot = max(index, step.index + 1), max(shot, step.shot + 1)


def _tracker(every: Fraction, source: DreamInput) -> SeamTracker:
    if source.resume is None:
        return SeamTracker(every)
    return SeamTracker(every, source.resume.time, source.resume.carry)


def place_of(judged: JudgedFrame, seams: SeamTracker) -> PartPlace:
    """Return where the next frame is among the parts of its shot.

    Args:
        judged: the frame.
        seams: has followed the frames before it.
    """
    goes_on = judged.previous is not None and not judged.held
    return seams.advance(judged.frame.time, judged.is_cut, goes_on)


def part_takes_over(seams: SeamTracker | None, judged: JudgedFrame) -> Fraction | None:
    """Return since when a part of a long shot is shown alone, of the first frame since then; None: of all others.

    Args:
        seams: has followed the frames before this one; None: shots are not split.
        judged: the frame.
    """
    return None if seams is None else place_of(judged, seams).takes_over


def _hidden_from(source: DreamInput, seams: SeamTracker) -> Fraction | None:
    """Since when frames are dreamed but not output: those of a part that takes over with the first that is; or None."""
    if source.takes_over is not None:
        return seams.grid.warmup(seams.grid.seam_of(source.takes_over))
    resume = source.resume
    if resume is None or resume.carry is not None or not (source.ends_at_seams and seams.grid.crosses(resume.time)):
        return None
    return seams.grid.warmup(seams.grid.next_seam(resume.time))


def _split_input(
    number: int,
    source: DreamInput,
    index: int,
    shot: int,
    alone: bool,
    for_flow: bool,
    seams: SeamTracker | None,
) -> Generator[LaneStep, None, None]:
    """The steps of one input, the first of which has that index, and the first shot that number."""
    resume, since, carry = source.resume, source.cut, None
    segments = SegmentCounter(source.grid)
    hidden = None if seams is None else _hidden_from(source, seams)
    if resume is not None:
        segments, since, carry = SegmentCounter(source.grid, resume.segment, ended=True), resume.time, resume.carry
    elif (since := source.takes_over if since is None else since) is not None:
        segments = SegmentCounter(source.grid, since // segments.grid * PARTS)
    with closing(
        judge_frames(source.frames, segments.grid, alone, for_flow, since if hidden is None else None)
    ) as frames:
        for each in frames:
            time = each.frame.time
            early = since is not None and (time < since if resume is None else time <= since)
            if early and hidden is None:
                continue
            place = None if seams is None else place_of(each, seams)
            shot += each.is_cut
            if not early:
                seam = place.takes_over if place is not None and source.ends_at_seams else None
                segments.advance(time if seam is None else seam, each.is_cut or seam is not None, each.held)
            elif place is None or not place.both or (hidden is not None and time < hidden):
                continue
            previous, carry = each.previous, None if each.previous is None else carry
            stores = segments.is_full and not alone and not early
            where = (index, number, shot, each.frame, previous, segments.number, stores, carry)
            yield LaneStep(*where, each.presence, each.held, source.schedule, place=place, hidden=early)
            index, carry = index + 1, None


def _up_to(steps: Generator[LaneStep, None, None], end: int | None) -> Generator[LaneStep, None, None]:
    """Steps up to the first segment of a grid point at or after `end`; the last frame is shown until then.

    Where that is in the last second of a seamless film, its second dream leads there from the first frame.
    """
    if end is None:
        yield from steps
        return
    waiting: LaneStep | None = None
    for step in steps:
        if waiting is not None:
            if cell_of(step.segment) >= end:
                duration = step.frame.time - waiting.frame.time
                yield replace(waiting, frame=replace(waiting.frame, duration=duration))
                if waiting.meets is not None:
                    yield from leading_to(steps, waiting.index)
                return
            yield waiting
        waiting = step
    if waiting is not None:
        yield waiting
