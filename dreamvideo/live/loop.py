"""The main thread of a live dream: the camera's newest picture in, a dreamed one out."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dreamvideo.frames import Frame
from dreamvideo.live.dreaming.ascent_thread import AscentThread
from dreamvideo.live.dreaming.size_control import FIRST_SIDE, SizeChoice
from dreamvideo.live.dreaming.state import advance, apply_result, begin_live, make_task
from dreamvideo.live.dreaming.stats import LiveStats
from dreamvideo.live.dreaming.tracking import compose_image
from dreamvideo.live.shared_state import LiveState
from dreamvideo.motion.cuts import cut_detector
from dreamvideo.motion.flow import FlowEstimator
from dreamvideo.threads import Latest

EARLY_MARGIN = (
    0.75  # of the time between two pictures that are wanted: what comes sooner after the last one is left out
)


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """A dreamed picture, and what it was made of."""

    frame: Frame  # its time is when the camera's picture came, or the present where there was no new one
    camera: NDArray[np.uint8]  # (H, W, 3) RGB, undreamed
    fresh: bool  # there was


def dream_live(
    pictures: Generator[Latest[Frame], None, None],
    ascent: AscentThread,
    desk: LiveState,
    estimate: FlowEstimator,
    fps: float | None = None,
    side: int | None = None,
) -> Generator[ShownFrame, None, None]:
    """The camera's pictures, dreamed, as they come; where there is no new one the last, as far as its dream has grown.

    Args:
        pictures: as of `buffers.latest`, timed by `time.monotonic`.
        fps: pictures a second to hold, and not to exceed; None: the camera's.
        side: pixels of the shorter side to dream at; None: as many as there is time for.

    Raises:
        DreamVideoError: of the camera or the network.
    """
    is_cut = cut_detector()
    watch = LiveStats(SizeChoice(side or FIRST_SIDE), side is not None, fps)
    stand = None
    with closing(pictures):
        for latest in pictures:
            controls, frame = desk.controls, latest.item
            watch.arrived(frame is not None, latest.dropped)
            if not controls.running:
                return
            results, working = ascent.results()
            watch.climbed(results)
            if stand is None:
                if frame is None:  # the camera is still opening
                    continue
                stand = begin_live(frame, controls, watch.pace)
            else:
                if frame and fps and frame.time - stand.frame.time < EARLY_MARGIN / fps:
                    continue
                wanted = None if controls.frozen else frame
                stand = advance(apply_result(stand, results), wanted, controls, watch.pace, working, estimate, is_cut)
            ascent.offer(make_task(stand, watch.pace.steps))
            fresh = frame is not None and not controls.frozen
            when = stand.frame.time if fresh else Fraction(time.monotonic())
            yield ShownFrame(Frame(compose_image(stand.scene, stand.camera), when), stand.camera, fresh)
            watch.shown(stand, fresh)
            desk.numbers = watch.numbers(stand, ascent.look, desk.menu.own, desk.message or ascent.message)
