"""The begin of a window: frames are passed over up to the first shot, or part of a long shot, that begins in it.

The reader, the judge and the seams that looked for it go on: nothing is read or judged twice. Images of frames that are
passed over are not made where the reader can make them later, see `media.upright.LateConverter`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from fractions import Fraction

from dreamvideo.frames import Frame
from dreamvideo.video.judged_frames import JudgedFrame, lead_of
from dreamvideo.video.lanes import PartPlace


@dataclass(frozen=True, slots=True)
class PlacedFrame:
    """A judged frame, its shot, and where it is among the parts of that."""

    judged: JudgedFrame
    cuts: int  # up to this frame
    place: PartPlace | None  # None: shots are not split
    hidden: bool = False  # it is dreamed, as what comes after it needs that, but not output

    @property
    def time(self) -> Fraction:
        """Of the frame, in seconds."""
        return self.judged.frame.time


def from_begin(
    frames: Generator[PlacedFrame, None, None],
    begin: int,
    end: int | None,
    grid: Fraction,
    ends_at_seams: bool,
    on_begin: Callable[[int], None],
) -> Generator[PlacedFrame, None, None]:
    """Pass over frames up to the first shot of a window.

    Args:
        frames: from the one that is shown at the lead of the grid point on, or from an earlier one.
        begin, end: the window's grid points; None: the film ends.
        grid: seconds from one grid point to the next.
        ends_at_seams: a part of a long shot may be the first, too: since when it is shown alone counts.
        on_begin: gets how many frames were passed over since the one at the lead, before the first is yielded.

    Yields:
        The frames from the first cut in the window on; of a part, those before it takes over come first, hidden.
        Nothing: neither begins in the window.
    """
    count, lead, held = 0, lead_of(begin, grid), list[PlacedFrame]()
    for number, each in enumerate(frames):
        place, time = each.place if ends_at_seams else None, each.time
        count += time > lead and number > 0
        takes_over = None if place is None else place.takes_over
        is_part = takes_over is not None and begin <= takes_over / grid and (end is None or takes_over / grid < end)
        if end is not None and time >= end * grid and not is_part:
            return
        if is_part or (each.judged.is_cut and time >= begin * grid):
            on_begin(count)
            yield from held if is_part else ()
            yield each
            break
        if place is None or not place.both or takes_over is not None:
            held.clear()
        if place is not None and place.both:
            held.append(replace(each, hidden=True))
    yield from frames


class WholeFrames:
    """Makes the images of frames that are dreamed; of a frame that is the previous one of the next not again."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Frame, Frame]] = {}  # id -> frame, and the same with its image

    def __call__(self, judged: JudgedFrame) -> tuple[Frame, Frame | None]:
        """Return a frame and the previous one of its shot with their images.

        Args:
            judged: the frame; those of a shot come in order.
        """
        frame, previous = judged.frame, judged.previous
        wanted = [frame] if previous is None else [frame, previous]
        self._known = {id(each): self._known.get(id(each)) or (each, each.whole()) for each in wanted}
        return self._known[id(frame)][1], None if previous is None else self._known[id(previous)][1]
