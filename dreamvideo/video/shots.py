"""Shots: which of them each frame belongs to, which segment, and which frames show no picture.

A plain frame is not dreamed and ends the shot; so is one under a black mask. A flash, a few frames after which the
picture before it returns, is looked over: the motion goes on from the frame before it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction

from dreamvideo.frames import Frames
from dreamvideo.media.checkpoint import ResumePoint
from dreamvideo.media.segments import PARTS, SegmentCounter, cell_of
from dreamvideo.settings.timeline import Schedule
from dreamvideo.video.film_ends import FirstFrame, lead_to_first, leading_to
from dreamvideo.video.judged_frames import JudgedFrame, judge_frames
from dreamvideo.video.lanes import LaneStep
from dreamvideo.video.seams import SeamTracker
from dreamvideo.video.window_begin import PlacedFrame, WholeFrames, from_begin


@dataclass(frozen=True, slots=True)
class DreamInput:
    """Frames to be dreamed: of a whole film, of the rest of it after an earlier run, or of a window of it.

    Frames before the first that is dreamed may come with them; they tell how that one is judged, see `judged_frames`.
    They may be blank, see `Frame.late`.
    """

    frames: Frames  # closed when they are dreamed
    resume: ResumePoint | None = None  # where they go on: the frame at its time was dreamed and is not output again
    grid: Fraction | None = None  # seconds from one grid point to the next, see `media.segments`; None: of videos
    schedule: Schedule | None = None  # what is dreamed when; None: that of all inputs
    begin: int | None = None  # dreamed from the first cut at or after this grid point; None: the first or resumed frame
    end: int | None = None  # the first cut at or after this grid point ends them; None: all are dreamed
    first: FirstFrame | None = None  # reads the first frame of the film, for `film_ends`; None: they begin with it
    ends_at_seams: bool = False  # segments begin and end there, too: then frames from `SeamGrid.lead` on come before
    on_begin: Callable[[int], None] = lambda count: None  # see `window_begin.from_begin`


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


def _hidden_from(source: DreamInput, seams: SeamTracker | None) -> Fraction | None:
    """Since when frames before the resumed one are dreamed, of a part that takes over after it; None: there is none."""
    resume = source.resume
    if seams is None or resume is None or resume.carry is not None or not source.ends_at_seams:
        return None
    return seams.grid.warmup(seams.grid.next_seam(resume.time)) if seams.grid.crosses(resume.time) else None


def _place(frames: Iterable[JudgedFrame], seams: SeamTracker | None) -> Generator[PlacedFrame, None, None]:
    """Frames, their shots, and their places among the parts of these."""
    cuts = 0
    for each in frames:
        cuts += each.is_cut
        goes_on = each.previous is not None and not each.held
        yield PlacedFrame(each, cuts, None if seams is None else seams.advance(each.frame.time, each.is_cut, goes_on))


def _after(
    frames: Iterable[PlacedFrame], resumed: Fraction, hidden: Fraction | None
) -> Generator[PlacedFrame, None, None]:
    """Frames after the resumed one; before them, hidden ones of the part that takes over, since `hidden`."""
    for each in frames:
        if each.time > resumed:
            yield each
        elif hidden is not None and each.time >= hidden and each.place is not None and each.place.both:
            yield replace(each, hidden=True)


def _dreamed_frames(
    source: DreamInput, grid: Fraction, alone: bool, for_flow: bool, seams: SeamTracker | None
) -> Generator[PlacedFrame, None, None]:
    """The frames of one input that are dreamed."""
    resume, hidden = source.resume, _hidden_from(source, seams)
    since = resume.time if resume is not None and hidden is None else None
    with closing(judge_frames(source.frames, grid, alone, for_flow, since)) as judged:
        if resume is not None:
            # Of those that are not dreamed a tracker that goes on from the resumed one needs to know nothing.
            known = (each for each in judged if hidden is not None or each.frame.time > resume.time)
            yield from _after(_place(known, seams), resume.time, hidden)
        elif source.begin is not None:
            placed = _place(judged, seams)
            yield from from_begin(placed, source.begin, source.end, grid, source.ends_at_seams, source.on_begin)
        else:
            yield from _place(judged, seams)


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
    resume, carry, whole = source.resume, None, WholeFrames()
    segments = SegmentCounter(source.grid)
    if resume is not None:
        segments, carry = SegmentCounter(source.grid, resume.segment, ended=True), resume.carry
    begins = source.begin is not None
    with closing(_dreamed_frames(source, segments.grid, alone, for_flow, seams)) as frames:
        for each in frames:
            judged, place = each.judged, each.place
            if not each.hidden:
                seam = place.takes_over if place is not None and source.ends_at_seams else None
                time = each.time if seam is None else seam
                if begins:
                    segments, begins = SegmentCounter(source.grid, time // segments.grid * PARTS), False
                segments.advance(time, judged.is_cut or seam is not None, judged.held)
            frame, previous = whole(judged)
            carry = None if previous is None else carry
            stores = segments.is_full and not alone and not each.hidden
            where = (index, number, shot + each.cuts, frame, previous, segments.number, stores, carry)
            yield LaneStep(*where, judged.presence, judged.held, source.schedule, place=place, hidden=each.hidden)
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
