"""Segments: runs of frames that are stored one by one, so that a job that ends early can be resumed after the last.

A segment ends at the first cut at or after each point of a fixed grid of times, where the next shot needs nothing of
it, or after a number of frames in the middle of a shot, and then the carry after its last frame is stored with it. So
a job that was interrupted, and workers that begin anywhere in the film, make the same segments as one run.

The number of a segment says where it is: that of the grid point before its first cut, times `PARTS`, and how many
segments have begun since that cut.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from dreamvideo.errors import Cancelled, DreamVideoError, OutputError
from dreamvideo.frames import Frame, Frames
from dreamvideo.media import checkpoint, segment_records
from dreamvideo.media.segment_records import Segment

log = logging.getLogger(__name__)

# Frames of a segment. Each costs a key frame and an encoder of its own, and is the most that a crash costs.
MAX_FRAMES = 120
GRID = Fraction(2)  # seconds from one grid point to the next: shots can be as short as one frame
INDEPENDENT_FRAMES = 8  # from one grid point to the next where each image is a shot: a segment costs only a record
PARTS = 10**6  # more segments than a shot has
RULE = 3  # of the ends of segments and their numbers; those of another rule are not gone on with


@dataclass(frozen=True, slots=True)
class SegmentContent:
    """What a writer has put into a segment."""

    packets: int  # of a video; of images 0
    content: str  # hash of its packets or images
    encoder: str = ""  # see `concat.describe_encoder`; of images empty


class SegmentWriter(Protocol):
    """Writes the frames of one segment; all methods raise OutputError where it cannot be written."""

    def add(self, frame: Frame) -> None:
        """Write a frame; its duration is known."""

    def finish(self) -> SegmentContent:
        """Write what is held back and bring all of it onto the disk; return what there is."""

    def close(self) -> None:
        """Close the files."""


# Opens the writer of a segment, given its number and how many frames come before it.
OpenSegment = Callable[[int, int], SegmentWriter]


def cell_of(number: int) -> int:
    """Return the grid point at or after which the first cut before a segment is the first.

    Args:
        number: of the segment.
    """
    return number // PARTS


class SegmentCounter:
    """Assigns each frame of a stream to a segment.

    Args:
        grid: seconds from one grid point to the next; None: `GRID`.
        first: number of the first segment.
        ended: that segment has ended before the first frame.
    """

    def __init__(self, grid: Fraction | None = None, first: int = 0, ended: bool = False) -> None:
        self.number = first
        self.grid = GRID if grid is None else grid
        self._count = MAX_FRAMES if ended else 0
        self._held = False

    def advance(self, time: Fraction, is_cut: bool, held: bool = False) -> None:
        """Count a frame, after which `number` is that of its segment.

        Args:
            time: of the frame, in seconds.
            is_cut: the frame begins a shot.
            held: it is looked over: the next one goes on from the frame before it, so that no segment ends here.
        """
        cell = time // self.grid
        if self._count and is_cut and cell > cell_of(self.number):
            self.number, self._count = cell * PARTS, 0
        elif self.is_full:
            self.number, self._count = self.number + 1, 0
        self._count += 1
        self._held = held

    @property
    def is_full(self) -> bool:
        """Whether the segment ends with this frame, wherever the shot ends."""
        return self._count >= MAX_FRAMES and not self._held


def never() -> bool:
    """Return False: a `should_stop` that never stops."""
    return False


def store_segments(
    frames: Frames,
    output: Path,
    open_segment: OpenSegment,
    *,
    run: str = "",
    done: int | None = None,
    publish: Callable[[int], None] = lambda number: None,
    leave_partial: Callable[[], bool],
    should_stop: Callable[[], bool] = never,
) -> None:
    """Write frames into the checkpoint of `output`, segment by segment, after those that it holds.

    Args:
        frames: those that come after the finished segments.
        output: has a checkpoint, see `create_checkpoint`, which this run holds.
        open_segment: opens what writes a segment.
        run: that holds the checkpoint, see `CheckpointLock`.
        done: how many frames are in the finished segments, which `frames` go on after; None: as many as there are.
        publish: gets the number of each segment that is written, before it is recorded as finished.
        leave_partial: makes something to look at of what there is when the frames end early, other than by an
            OutputError; returns whether the checkpoint must stay for it, even with no finished segment.
        should_stop: asked after each frame, whether to end with that one.

    Raises:
        OutputError: it cannot be written, the disk is full, the encoder cannot be used, or there is no frame at all.
        Cancelled: `should_stop` returned True.
        Whatever `frames` raises.
    """
    from dreamvideo.media.video_file import translate_errors  # only who writes needs PyAV

    folder = checkpoint.checkpoint_folder(output)
    needed = False
    try:
        with translate_errors(output):
            finished = segment_records.usable_segments(folder, segment_records.finished_segments(folder))
            first = finished[-1].number + 1 if finished else 0
            segment_records.forget_from(folder, first)
        before = finished[-1].through if finished else 0
        if done is not None and before != done:
            raise OutputError(f"{folder} holds {before} frames, and not {done} as before: continue with --resume")
        with closing(write_segments(frames, output, open_segment, first, before, should_stop)) as segments:
            for segment, carry in segments:
                publish(segment.number)
                with translate_errors(output):
                    segment_records.record_segment(folder, replace(segment, run=run), carry)
        if not segment_records.finished_segments(folder):
            raise OutputError(f"{output} was not written: there was no frame")
    except BaseException as error:
        if not isinstance(error, OutputError):
            try:
                needed = leave_partial()
            except DreamVideoError as second:
                log.debug("nothing is left to look at: %s", second)
        if not needed and not segment_records.finished_segments(folder):  # nothing to resume
            with suppress(OutputError):
                checkpoint.remove_checkpoint(folder)
        raise


def write_segments(
    frames: Frames,
    output: Path,
    open_segment: OpenSegment,
    first: int = 0,
    before: int = 0,
    should_stop: Callable[[], bool] = never,
) -> Generator[tuple[Segment, bytes | None], None, None]:
    """Write frames as segments; yield the record of each one that is on the disk, and the carry after it.

    Args:
        frames: closed at the end.
        output: what the segments are of, for messages.
        open_segment: opens what writes a segment.
        first: number of the first segment of frames that name none.
        before: how many frames come before these.
        should_stop: asked after each frame; the segment then under way is closed but not yielded.

    Raises:
        OutputError: a segment cannot be written, the disk is full, or the encoder cannot be used.
        Cancelled: `should_stop` returned True.
        Whatever `frames` raises.
    """
    with closing(frames):
        numbered = _numbered(with_durations(frames), first)
        for number, group in itertools.groupby(numbered, lambda pair: pair[0]):
            count, start = 0, Fraction(0)
            with closing(open_segment(number, before)) as writer:
                try:
                    for _, frame in group:
                        start = start if count else frame.time
                        writer.add(frame)
                        count += 1
                        if should_stop():
                            raise Cancelled(f"{output}: cancelled after frame {before + count}")
                except OutputError:
                    raise
                except BaseException:
                    writer.finish()  # what the encoder holds back can be looked at
                    raise
                made = writer.finish()
            end = frame.time + (frame.duration or 0)
            segment = Segment(number, before, count, made.packets, start, frame.time, end, made.content, made.encoder)
            yield segment, frame.carry() if frame.carry is not None else None
            before = segment.through


def with_durations(frames: Frames) -> Frames:
    """Set the duration of each frame: until the next one; the last keeps its own, or else gets that of the one before.

    Args:
        frames: times ascending; one is held back.
    """
    held: Frame | None = None
    interval: Fraction | None = None
    for frame in frames:
        if held is not None:
            interval = frame.time - held.time
            yield replace(held, duration=interval)
        held = frame
    if held is not None:
        yield held if held.duration else replace(held, duration=interval)


def _numbered(frames: Frames, number: int) -> Generator[tuple[int, Frame], None, None]:
    """Each frame and its segment: a new one where `Frame.segment` changes, or else after `MAX_FRAMES`.

    Its number is that of the frame, unless one before has that or a later one: a second dream begins at 0 again.
    """
    count, label, number = 0, None, number - 1
    for frame in frames:
        if not count or frame.segment != label or (label is None and count == MAX_FRAMES):
            number, count = max(number + 1, frame.segment or 0), 0
        label = frame.segment
        count += 1
        yield number, frame
