"""The main thread of a live dream: the camera's newest picture in, a dreamed one out."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dreamvideo.buffers import Latest
from dreamvideo.flow import FlowEstimator
from dreamvideo.frames import Frame
from dreamvideo.live.ascent import Ascent
from dreamvideo.live.desk import Desk
from dreamvideo.live.following import picture
from dreamvideo.live.pacing import FIRST_SIDE, Pace
from dreamvideo.live.standing import advanced, begun, enriched, task_of
from dreamvideo.live.watch import Watch
from dreamvideo.shots import cut_detector

EARLY = 0.75  # of the time between two pictures that are wanted: what comes sooner after the last one is left out


@dataclass(frozen=True, slots=True)
class Shown:
    """A dreamed picture, and what it was made of."""

    frame: Frame  # its time is when the camera's picture came, or the present where there was no new one
    camera: NDArray[np.uint8]  # (H, W, 3) RGB, undreamed
    fresh: bool  # there was


def dream_live(
    pictures: Generator[Latest[Frame], None, None],
    ascent: Ascent,
    desk: Desk,
    estimate: FlowEstimator,
    fps: float | None = None,
    side: int | None = None,
) -> Generator[Shown, None, None]:
    """The camera's pictures, dreamed, as they come; where there is no new one the last, as far as its dream has grown.

    Args:
        pictures: as of `buffers.latest`, timed by `time.monotonic`.
        fps: pictures a second to hold, and not to exceed; None: the camera's.
        side: pixels of the shorter side to dream at; None: as many as there is time for.

    Raises:
        DreamVideoError: of the camera or the network.
    """
    is_cut = cut_detector()
    watch = Watch(Pace(side or FIRST_SIDE), side is not None, fps)
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
                stand = begun(frame, controls, watch.pace)
            else:
                if frame and fps and frame.time - stand.frame.time < EARLY / fps:
                    continue
                wanted = None if controls.frozen else frame
                stand = advanced(enriched(stand, results), wanted, controls, watch.pace, working, estimate, is_cut)
            ascent.offer(task_of(stand, watch.pace.steps))
            fresh = frame is not None and not controls.frozen
            when = stand.frame.time if fresh else Fraction(time.monotonic())
            yield Shown(Frame(picture(stand.scene, stand.camera), when), stand.camera, fresh)
            watch.shown(stand, fresh)
            desk.numbers = watch.numbers(stand, ascent.look, desk.menu.own, desk.message or ascent.message)
