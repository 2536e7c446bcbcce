"""Where a stream is cut into pieces: runs of frames after which a job can go on, should it end too early.

A piece ends at a cut, where the next shot needs nothing of it, or after so many frames in the midst of a shot; then
what its last frame left is kept with it. Where it ends depends on the frames alone, so that a job that was interrupted
makes the pieces of one that was not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dreamvideo.frames import Frame

# Frames of a piece. Each costs a key picture and an encoder of its own, and is what a crash may cost at most.
MAX_FRAMES = 120
MIN_FRAMES = 40  # that a cut may end: shots can be as short as a frame
MIN_FRAMES_INDEPENDENT = (
    8  # of pictures that have nothing to do with each other: they cost nothing but a record, and are seen the sooner
)


@dataclass(frozen=True, slots=True)
class DreamedFrame:
    """A dreamed frame and its place."""

    stream: int  # which of several videos it belongs to
    piece: int | None  # of that video; None: of none, it is not to be given
    frame: Frame
    left: Callable[[], bytes] | None = None  # what the next piece starts from; None: nothing, or the piece goes on


class SegmentCounter:
    """Which piece each frame of a stream belongs to, frame by frame."""

    def __init__(self, piece: int = 0, shortest: int | None = None) -> None:
        self.piece = piece
        self._shortest = MIN_FRAMES if shortest is None else shortest
        self._count = 0

    def advance(self, is_cut: bool) -> None:
        """One frame more; `is_cut`: it begins a shot."""
        if self.is_full or (is_cut and self._count >= self._shortest):
            self.piece += 1
            self._count = 0
        self._count += 1

    @property
    def is_full(self) -> bool:
        """Whether the piece ends with this frame, wherever the shot ends."""
        return self._count == MAX_FRAMES
