"""Shots: which of them each frame belongs to, which segment, and which frames show no picture.

A plain frame is not dreamed and ends the shot; so is one under a black mask. A flash, a few frames after which the
picture before it returns, is looked over: the motion goes on from the frame before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

from dreamvideo.frames import Frame, Frames
from dreamvideo.media.checkpoint import ResumePoint
from dreamvideo.media.segments import SegmentCounter
from dreamvideo.motion.cuts import CompareCopies, copy_comparer
from dreamvideo.motion.host_copy import host_copy, with_host_copy
from dreamvideo.motion.picture import contrast_of, presence
from dreamvideo.settings.timeline import Schedule
from dreamvideo.video.lanes import LaneStep

FLASH_FRAMES = 3  # the longest flash; strobes and cameras' flashes last one or two


@dataclass(frozen=True, slots=True)
class DreamInput:
    """Frames to be dreamed, or the rest of those of which some were dreamed in an earlier run."""

    frames: Frames  # closed when they are dreamed
    resume: ResumePoint | None = None  # where they go on: the first frame was dreamed and is not output again
    warmup: int = 0  # leading frames that are dreamed but not output, to warm up the carry
    min_segment_frames: int | None = None  # of a segment that a cut may end; None: the default for videos
    schedule: Schedule | None = None  # what is dreamed when; None: that of all inputs
    shot_start: Fraction | None = None  # of the shot that they begin in the middle of, in seconds; None: at its start


def single_input(
    frames: Frames, resume: ResumePoint | None = None, min_segment_frames: int | None = None
) -> Generator[DreamInput, None, None]:
    """Yield one `DreamInput`.

    Args:
        frames, resume, min_segment_frames: its fields.
    """
    yield DreamInput(frames, resume, min_segment_frames=min_segment_frames)


def split_shots(
    inputs: Generator[DreamInput, None, None], alone: bool, for_flow: bool = False
) -> Generator[LaneStep, None, None]:
    """Find the shot and the segment of each frame, and fetch what the processor reads of it.

    Args:
        inputs: closed at the end, as is each one's `frames`.
        alone: every frame is a shot of its own, and a picture.
        for_flow: whether a flow is estimated on the CPU.
    """
    compare = copy_comparer()
    index, shot = 0, -1
    with closing(inputs):
        for number, source in enumerate(inputs):
            segments, previous, carry, was_plain = SegmentCounter(source.min_segment_frames), None, None, False
            shot += 1
            with closing(source.frames):
                frames = (with_host_copy(frame, for_flow) for frame in source.frames)
                if source.resume is not None:
                    finished, carry = next(frames, None), source.resume.carry
                    previous = None if carry is None else finished
                for count, (frame, ahead) in enumerate(_with_frames_ahead(frames)):
                    copy = host_copy(frame)
                    visible = 1.0 if alone else presence(contrast_of(copy.image, copy.noise))
                    follows = "cut" if previous is None or alone else compare(copy, host_copy(previous))
                    looked_over = follows != "alike" or visible == 0
                    held = previous is not None and not alone and looked_over and _is_flash(previous, ahead, compare)
                    plain = not held and (visible == 0 or (frame.mask is not None and not frame.mask.any()))
                    begins = not held and (plain or follows == "cut")
                    if begins:
                        shot, previous, carry = shot + (not (plain and was_plain)), None, None
                    is_output = count >= source.warmup
                    if is_output:
                        segments.advance(begins and not (plain and was_plain), held)
                    segment = segments.number if is_output else None
                    stores_carry = segments.is_full and not alone
                    place = (index, number, shot, frame, previous, segment, stores_carry, carry)
                    shot_start = None if count else source.shot_start
                    yield LaneStep(*place, 0.0 if plain else visible, held, source.schedule, shot_start=shot_start)
                    index, carry, was_plain = index + 1, None, plain
                    if not held:
                        previous = None if plain else frame


def _is_flash(previous: Frame, ahead: Iterable[Frame], compare: CompareCopies) -> bool:
    """Whether the picture before a frame that shows something else returns soon after it."""
    before = host_copy(previous)
    return any(compare(host_copy(later), before) == "alike" for later in islice(ahead, FLASH_FRAMES))


def _with_frames_ahead(frames: Iterator[Frame]) -> Generator[tuple[Frame, Iterable[Frame]], None, None]:
    """Each frame, and the frames after it, which are read only as far as they are looked at."""
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
        yield frame, ahead()
