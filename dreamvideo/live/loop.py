"""The main thread of a live dream: frames of the camera in, dreamed frames out."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dreamvideo.frames import Frame
from dreamvideo.live.dreaming.ascent_thread import AscentThread
from dreamvideo.live.dreaming.size_control import FIRST_SIDE, SizeController, Workload
from dreamvideo.live.dreaming.state import apply_results, make_task, next_state, start_dream
from dreamvideo.live.dreaming.stats import LiveStats
from dreamvideo.live.dreaming.tracking import compose_image
from dreamvideo.live.shared_state import SharedState
from dreamvideo.motion.cuts import frame_comparer
from dreamvideo.motion.flow_pair import FlowEstimator
from dreamvideo.threads import Latest

EARLY_MARGIN: Final = 0.75  # of the interval asked for; frames that come sooner than that are skipped


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """A dreamed frame, and the image it was made from."""

    frame: Frame  # its time is when the camera's frame came, or the present if there was no new one
    camera: NDArray[np.uint8]  # (H, W, 3) RGB, undreamed
    fresh: bool  # whether the camera gave a new frame


def dream_live(
    frames: Generator[Latest[Frame], None, None],
    ascent: AscentThread,
    shared: SharedState,
    estimate: FlowEstimator,
    fps: float | None = None,
    side: int | None = None,
) -> Generator[ShownFrame, None, None]:
    """Dream the frames of a camera as they come. Where there is no new one, the last is shown as its dream grows.

    Args:
        frames: from `threads.latest`, with times of `time.monotonic`.
        ascent: the thread that dreams.
        shared: where the controls are read, and the numbers are put.
        estimate: the optical flow.
        fps: frames per second to hold, and not to exceed; None: those of the camera.
        side: pixels of the shorter side that is dreamed; None: as many as there is time for.

    Yields:
        Each frame that is to be shown; the next one is pulled when that has been done.

    Raises:
        DreamVideoError: of the camera or the network.
    """
    compare = frame_comparer()
    stats = LiveStats()
    sizes = SizeController(Workload(side or FIRST_SIDE), time.monotonic(), fixed=side is not None)
    state = None
    with closing(frames):
        for latest in frames:
            controls, frame = shared.controls, latest.item
            start = time.monotonic()
            if frame is not None:
                stats.frame_arrived(start, latest.dropped)
            if not controls.running:
                return
            results, working_on = ascent.results()
            stats.ascents_ended(start, results)
            sizes.add_ascents(start, [result.seconds for result in results if not result.one_off])
            if state is None:
                if frame is None:  # the camera is still opening
                    continue
                state = start_dream(frame, controls, sizes.workload)
            else:
                if frame and fps and frame.time - state.frame.time < EARLY_MARGIN / fps:
                    continue
                state = apply_results(state, results)
                new_frame = None if controls.frozen else frame
                state = next_state(state, new_frame, controls, sizes.workload, working_on, estimate, compare)
            if state.presence:
                ascent.offer(make_task(state, sizes.workload.steps))
            fresh = frame is not None and not controls.frozen
            at = state.frame.time if fresh else Fraction(time.monotonic())
            yield ShownFrame(Frame(compose_image(state.dream, state.camera), at), state.camera, fresh)
            now = time.monotonic()
            stats.frame_shown(now, now - float(state.frame.time) if fresh else None)
            if fresh:
                sizes.add_frame(now, now - start)
            sizes.update(now, 1 / (fps or max(stats.camera_rate(now), 1.0)), state.camera.shape[:2])
            shared.numbers = stats.numbers(state, ascent.look, shared.menu.own, shared.message or ascent.message)
