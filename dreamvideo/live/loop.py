"""The main thread of a live dream: frames of the camera in, dreamed frames out."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from dreamvideo.devices import runs_asynchronously
from dreamvideo.frames import Frame
from dreamvideo.live.controls import Controls
from dreamvideo.live.dreaming.ascent_thread import AscentResult, AscentThread
from dreamvideo.live.dreaming.camera_stream import CameraStream
from dreamvideo.live.dreaming.shown_image import compose_frame
from dreamvideo.live.dreaming.size_control import FIRST_SIDE, SizeController, Workload
from dreamvideo.live.dreaming.state import (
    LiveFrameState,
    apply_results,
    make_task,
    move_dream,
    see_frame,
    start_dream,
)
from dreamvideo.live.dreaming.stats import LiveStats
from dreamvideo.live.shared_state import SharedState
from dreamvideo.motion.cuts import Compare, frame_comparer
from dreamvideo.motion.flow_pair import FlowEstimator
from dreamvideo.threads import Latest

CPU: Final = torch.device("cpu")

Heard = Callable[[float, Controls], Mapping[str, float]]  # (seconds, controls) -> factors of options, by their fields

EARLY_MARGIN: Final = 0.75  # of the interval asked for; frames that come sooner than that are skipped


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """A dreamed frame, and the image it was made from."""

    frame: Frame  # its time is when the camera's frame came, or the present if there was no new one
    camera: NDArray[np.uint8]  # (H, W, 3) RGB, undreamed
    fresh: bool  # whether the camera gave a new frame


@dataclass(frozen=True, slots=True)
class MovedFrame:
    """A frame of the camera that the dream was moved to."""

    state: LiveFrameState
    image: Callable[[], NDArray[np.uint8]]  # see `compose_frame`
    ready: torch.cuda.Event | None  # happens when the dream is there, see `AscentTask`
    seconds: float  # that it took, as far as they depend on the size that is dreamed at

    def wait(self) -> tuple[NDArray[np.uint8], float]:
        """Return the (H, W, 3) dreamed image, and `seconds` with those that were waited for it."""
        start = time.monotonic()
        image = self.image()
        return image, self.seconds + time.monotonic() - start


@dataclass(frozen=True, slots=True)
class FrameMover:
    """Moves the dream from frame to frame."""

    estimate: FlowEstimator
    compare: Compare
    stream: CameraStream
    device: torch.device | None  # as for `start_dream`

    def move(
        self,
        state: LiveFrameState | None,
        frame: Frame | None,
        controls: Controls,
        workload: Workload,
        results: Sequence[AscentResult],
        working_on: int | None,
    ) -> MovedFrame:
        """Move the dream; done twice it is as if done once. Run it on the `stream`.

        Args:
            state: after the frame before; None: this is the first.
            frame: of the camera; None: no new one.
            controls, workload: in effect from now on.
            results, working_on: of `AscentThread.results`.
        """
        start = time.monotonic()
        looked = 0.0
        if state is None:
            assert frame is not None
            state = start_dream(frame, controls, workload, device=self.device)
        else:
            state = apply_results(state, results)
            looked -= time.monotonic()
            seen = see_frame(state, frame, controls, workload, self.estimate, self.compare)
            looked += time.monotonic()
            state = move_dream(seen, controls, workload, working_on, self.estimate)
        ready = self.stream.mark()
        image = compose_frame(state)
        return MovedFrame(state, image, ready, time.monotonic() - start - looked)


def dream_live(
    frames: Generator[Latest[Frame], None, None],
    ascent: AscentThread,
    shared: SharedState,
    estimate: FlowEstimator,
    fps: float | None = None,
    side: int | None = None,
    device: torch.device = CPU,
    heard: Heard = lambda now, controls: {},
) -> Generator[ShownFrame, None, None]:
    """Dream the frames of a camera as they come. Where there is no new one, the last is shown as its dream grows.

    Args:
        frames: from `threads.latest`, with times of `time.monotonic`.
        ascent: the thread that dreams.
        shared: where the controls are read, and the numbers are put.
        estimate: the optical flow.
        fps: frames per second to hold, and not to exceed; None: those of the camera.
        side: pixels of the shorter side that is dreamed; None: as many as there is time for.
        device: of the ascent. Where work is queued on it, the dream is kept and moved there, too.
        heard: what sound multiplies options by.

    Yields:
        Each frame that is to be shown; the next one is pulled when that has been done.

    Raises:
        DreamVideoError: of the camera or the network, or the device has no memory for a dream.
    """
    mover, stats = _mover(estimate, device), LiveStats()
    sizes = SizeController(Workload(side or FIRST_SIDE), time.monotonic(), fixed=side is not None)
    state = None
    with closing(frames):
        for latest in frames:
            frame, start = latest.item, time.monotonic()
            dials = ascent.read_dials(shared.controls, heard(start, shared.controls))
            if not (controls := dials.controls).running:
                return
            if frame is not None:
                stats.frame_arrived(start, latest.dropped)
            if _is_skipped(frame, state, fps):
                continue
            # Held until the image that they went into is here: their memory belongs to the stream of the ascent.
            results, working_on = ascent.results()
            stats.ascents_ended(start, results)
            sizes.add_ascents(start, [result.seconds for result in results if not result.one_off])
            new_frame = None if controls.frozen and state else frame
            moved = mover.stream.run(mover.move, state, new_frame, controls, sizes.workload, results, working_on)
            state = moved.state
            if state.presence:
                ascent.offer(make_task(state, sizes.workload.steps, dials.step_ratio, moved.ready))
            image, seconds = moved.wait()
            fresh = frame is not None and not controls.frozen
            at = state.frame.time if fresh else Fraction(time.monotonic())
            yield ShownFrame(Frame(image, at), state.camera, fresh)
            now = time.monotonic()
            stats.frame_shown(now, now - float(state.frame.time) if fresh else None)
            if fresh:
                sizes.add_frame(now, now - start, now - start - seconds)
            sizes.update(now, 1 / (fps or max(stats.camera_rate(now), 1.0)), state.camera.shape[:2])
            shared.numbers = stats.numbers(state, ascent, shared)


def _mover(estimate: FlowEstimator, device: torch.device) -> FrameMover:
    where = device if runs_asynchronously(device) else None
    return FrameMover(estimate, frame_comparer(), CameraStream(device), where)


def _is_skipped(frame: Frame | None, state: LiveFrameState | None, fps: float | None) -> bool:
    """Whether nothing is to be shown: the camera is still opening, or its frame comes too soon after the last one."""
    if frame is None or state is None:
        return state is None and frame is None
    return fps is not None and float(frame.time - state.frame.time) < EARLY_MARGIN / fps
