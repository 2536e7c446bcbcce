"""Planned frames: what is known of a frame before it is dreamed, and of its dream while that is on its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from dreamvideo.frames import Frame, Image
from dreamvideo.motion.frame_motion import Motion
from dreamvideo.settings.timeline import Moment
from dreamvideo.video.flow_stage import WaitingFrame
from dreamvideo.video.frame_steps import FrameSteps
from dreamvideo.video.lanes import BatchKind, LaneStep
from dreamvideo.video.progress import Progress, ResidualMove


@dataclass(frozen=True, slots=True)
class Continuation:
    """How a frame continues its shot."""

    progress: Progress  # moved to this frame
    move: ResidualMove
    octaves: tuple[int, ...]  # steps of the whole image at each octave
    decide: Callable[[], FrameSteps]  # waits for what grows


@dataclass(frozen=True, slots=True)
class PlannedFrame:
    """A frame of which is known what it takes."""

    waiting: WaitingFrame
    moment: Moment  # what is dreamed
    changes: bool  # whether it is another from frame to frame
    source: Tensor | None = None  # (1, 3, H, W) float32 in [0, 1]; None: nothing is dreamed
    mask: Tensor | None = None  # (1, 1, H, W) in [0, 1]
    motion: Motion | None = None
    continuation: Continuation | None = None  # None: it begins a shot

    @property
    def step(self) -> LaneStep:
        """The frame and its place."""
        return self.waiting.step

    @property
    def kind(self) -> BatchKind:
        """What it has in common with others of its batch."""
        if self.source is None:
            return BatchKind((), steps=False)
        moment = self.moment if self.changes else None
        if self.continuation is None:
            return BatchKind(self.source.shape, None, self.mask is not None, moment=moment)
        octaves = self.continuation.octaves
        steps = any(octaves) or self.continuation.progress.grows
        return BatchKind(self.source.shape, octaves, self.mask is not None, steps, moment)


@dataclass(frozen=True, slots=True)
class DecidedFrame:
    """A frame whose steps are known."""

    planned: PlannedFrame
    steps: FrameSteps | None  # None: it begins a shot
    after: Progress
    learned: Tensor | None  # see `progress.learn`


@dataclass(frozen=True, slots=True)
class Pending:
    """A step whose dream is on its way."""

    step: LaneStep
    image: Callable[[], Image]  # waits for it
    carry: Callable[[], bytes] | None = None  # waits for the carry after it; None: it is not stored

    def frame(self) -> Frame:
        """Wait for the dream; of the source nothing is read after that."""
        return replace(self.step.frame, image=self.image(), segment=self.step.segment, carry=self.carry, host=None)
