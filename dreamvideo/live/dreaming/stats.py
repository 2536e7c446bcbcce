"""Statistics of a live dream: rates, latency, drops."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final

from dreamvideo.live.controls import Controls
from dreamvideo.live.dreaming.ascent_task import Look
from dreamvideo.live.dreaming.ascent_thread import AscentResult, AscentThread
from dreamvideo.live.dreaming.dials import shown_numbers
from dreamvideo.live.dreaming.state import LiveFrameState
from dreamvideo.live.shared_state import LiveNumbers, RateMeter, SharedState

STALLED: Final = 1.0  # seconds without a frame before the numbers say so


def look_name(look: Look, controls: Controls, own: str | None) -> str:
    """What is dreamed, in a few words; `own`: the preset of the command line, if any."""
    base = controls.layer or controls.preset or own
    network = (look.end or look).network
    if base is None and controls.classes is None:
        base = " + ".join(network.score.layers)
    return " ".join(word for word in (network.name, base, controls.classes) if word)


def dream_location(look: Look) -> str:
    """Device and precision, such as "cuda:0 bf16"."""
    network = look.network
    return f"{network.device} {network.precision_name}"


class LiveStats:
    """Counts what happens in a live dream, over about the last second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._drops = 0
        self._last_frame = clock()
        self._camera, self._shown, self._steps = RateMeter(), RateMeter(), RateMeter()
        self._latencies: deque[float] = deque(maxlen=30)

    def camera_rate(self, now: float) -> float:
        """Frames per second that the camera gives."""
        return self._camera.rate(now)

    def frame_arrived(self, now: float, dropped: int) -> None:
        """Count a new frame of the camera; `dropped`: how many were never taken, since the beginning."""
        self._last_frame = now
        self._camera.add(now, 1 + dropped - self._drops)
        self._drops = dropped

    def ascents_ended(self, now: float, results: Sequence[AscentResult]) -> None:
        """Count the steps of ascents that have ended."""
        for result in results:
            self._steps.add(now, result.steps)

    def frame_shown(self, now: float, latency: float | None) -> None:
        """Count a frame that was shown; `latency`: seconds since the camera gave it, None: it is not a new one."""
        self._shown.add(now)
        if latency is not None:
            self._latencies.append(latency)

    def numbers(self, state: LiveFrameState, ascent: AscentThread, shared: SharedState) -> LiveNumbers:
        """The numbers to show.

        Args:
            state: after the frame that was just shown.
            ascent: that dreams.
            shared: whose message is shown unless the camera has stalled.
        """
        now, look = self._clock(), ascent.look
        silent = now - self._last_frame
        return LiveNumbers(
            camera_fps=self._camera.rate(now),
            shown_fps=self._shown.rate(now),
            steps_per_second=self._steps.rate(now),
            latency_ms=1000 * median(self._latencies) if self._latencies else 0.0,
            drops=self._drops,
            camera_size=state.camera.shape[:2],
            working_size=state.dream.size,
            device=dream_location(look) if look else "",
            look=look_name(look, state.controls, shared.menu.own) if look else "loading the network",
            look_numbers=shown_numbers(look.settings, ascent.carry) if look else (),
            message=f"no image for {silent:.0f} s" if silent > STALLED else shared.message or ascent.message,
        )
