"""What is measured while it dreams: numbers for whoever looks, and times from which the pace follows."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from statistics import fmean, median

from dreamvideo.devices import precision_name
from dreamvideo.live.controls import Controls
from dreamvideo.live.dreaming.ascent_thread import DreamUpdate, Look
from dreamvideo.live.dreaming.size_control import MeasuredTimes, SizeChoice, adjust_size
from dreamvideo.live.dreaming.state import LiveFrameState
from dreamvideo.live.shared_state import LiveNumbers, Meter

SETTLING = 0.3  # seconds after a change of pace that do not count
SPAN = 1.0  # seconds that count before the pace is looked at
FEWEST = 4  # pictures, and ascents, that must have been measured by then
PATIENCE = 10.0  # seconds after it had to become smaller before it may become larger: what changes size loses detail
STALLED = 1.0  # seconds without a picture after which that is said


def look_name(look: Look, controls: Controls, own: str | None) -> str:
    """What it dreams, in a few words; `own`: the name of the look that was asked for on the command line."""
    return f"{look.network.name} {controls.layer or controls.preset or own or ' + '.join(look.network.score.layers)}"


def dream_location(look: Look) -> str:
    """Where it dreams, in a few words."""
    network = look.network
    return f"{network.device} {precision_name(network.precision, network.device)}"


class LiveStats:
    """Told of everything that happens, when it happens."""

    def __init__(self, pace: SizeChoice, fixed: bool, fps: float | None) -> None:
        self.pace = pace
        self.drops = 0
        self.last_picture = self._began = self._since = time.monotonic()
        self._fixed = fixed
        self._shrank = -PATIENCE
        self._fps = fps
        self._camera, self._shown, self._steps = Meter(), Meter(), Meter()
        self._latencies: deque[float] = deque(maxlen=30)
        self._pictures: list[float] = []  # seconds that moving and showing took, at the present pace
        self._ascents: list[float] = []  # seconds that ascents took, likewise

    def arrived(self, fresh: bool, dropped: int) -> None:
        """The camera has given a picture, or nothing, if not `fresh`; `dropped` were not taken since the beginning."""
        self._began = time.monotonic()
        if fresh:
            self.last_picture = self._began
            self._camera.tick(self._began, 1 + dropped - self.drops)
            self.drops = dropped

    def climbed(self, results: Sequence[DreamUpdate]) -> None:
        """Ascents have ended."""
        for result in results:
            self._steps.tick(self._began, result.steps)
            if self._began - self._since > SETTLING:  # the first after a change were begun before it
                self._ascents.append(result.seconds)

    def shown(self, stand: LiveFrameState, fresh: bool) -> None:
        """The picture is to be seen."""
        now = time.monotonic()
        self._shown.tick(now)
        if fresh:
            self._latencies.append(now - float(stand.frame.time))
            if now - self._since > SETTLING:
                self._pictures.append(now - self._began)
        if not self._fixed and now - self._since > SETTLING + SPAN:
            self._look(stand, now)

    def numbers(self, stand: LiveFrameState, look: Look | None, own: str | None, message: str) -> LiveNumbers:
        """How it goes; where nothing is wrong, `message` is empty. For `own` see `name_of`."""
        now = time.monotonic()
        silent = now - self.last_picture
        return LiveNumbers(
            camera_fps=self._camera.rate(now),
            shown_fps=self._shown.rate(now),
            steps_per_second=self._steps.rate(now),
            latency_ms=1000 * median(self._latencies) if self._latencies else 0.0,
            drops=self.drops,
            camera_size=stand.camera.shape[:2],
            working_size=stand.scene.size,
            device=dream_location(look) if look else "",
            look=look_name(look, stand.controls, own) if look else "loading the network",
            message=f"no picture for {silent:.0f} s" if silent > STALLED else message,
        )

    def _look(self, stand: LiveFrameState, now: float) -> None:
        if len(self._pictures) < FEWEST or len(self._ascents) < FEWEST:
            return
        rate = self._fps or max(self._camera.rate(now), 1.0)
        times = MeasuredTimes(median(self._pictures), fmean(self._ascents))
        pace = adjust_size(self.pace, times, 1 / rate, stand.camera.shape[:2])
        if pace.side < self.pace.side:
            self._shrank = now
        elif now - self._shrank < PATIENCE:
            pace = self.pace
        self.pace, self._since = pace, now
        self._pictures, self._ascents = [], []
