"""What the threads of a live dream share: controls, numbers, and the newest image, each replaced as a whole."""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass, replace
from threading import Condition
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dreamvideo.live.controls import Controls, Menu, press, set_strength

log = logging.getLogger(__name__)

MESSAGE_SECONDS: Final = 5.0  # for which a message is shown; chosen by use


@dataclass(frozen=True, slots=True)
class LiveNumbers:
    """Numbers to show, over about the last second."""

    camera_fps: float = 0.0
    shown_fps: float = 0.0
    steps_per_second: float = 0.0  # of the ascent
    latency_ms: float = 0.0  # median time from the arrival of a frame to its being shown
    drops: int = 0  # frames of the camera that were never shown, since the beginning
    camera_size: tuple[int, int] = (0, 0)  # (height, width)
    working_size: tuple[int, int] = (0, 0)  # (height, width) that is dreamed
    device: str = ""
    look: str = ""
    message: str = ""  # about the camera, a recording or the last key; empty: none


class SharedState:
    """State of a live dream that several threads read and change."""

    def __init__(self, controls: Controls, menu: Menu) -> None:
        self.menu = menu
        self.controls = controls  # read it once per frame and keep the copy: any thread may replace it
        self.numbers = LiveNumbers()
        self._message: tuple[float, str] = (0.0, "")  # (time, text)
        self._changed = Condition()
        self._image: tuple[int, NDArray[np.uint8]] | None = None

    def press(self, key: str) -> None:
        """Apply a key of `controls.KEYS`."""
        with self._changed:
            self.controls = press(self.controls, key, self.menu)

    def set_strength(self, strength: float) -> None:
        """Set the strength of the dream, relative to that of the look; limited to `controls.STRENGTHS`."""
        with self._changed:
            self.controls = set_strength(self.controls, strength)

    def stop_recording(self) -> None:
        """Switch the recording control off, after a recording has ended by itself."""
        with self._changed:
            self.controls = replace(self.controls, recording=False)

    def say(self, text: str) -> None:
        """Show a message for some seconds, and log it."""
        log.info("%s", text)
        self._message = (time.monotonic(), text)

    @property
    def message(self) -> str:
        """The last message, or "" if it is older than `MESSAGE_SECONDS`."""
        said_at, text = self._message
        return text if time.monotonic() - said_at < MESSAGE_SECONDS else ""

    def show(self, image: NDArray[np.uint8]) -> None:
        """Publish (H, W, 3) RGB `image` as the newest; it must not be changed afterwards."""
        with self._changed:
            self._image = (self._image[0] + 1 if self._image else 1, image)
            self._changed.notify_all()

    def newest(self, after: int = 0, timeout: float = 1.0) -> tuple[int, NDArray[np.uint8]] | None:
        """Wait for the newest image.

        Args:
            after: return only an image with a number above this.
            timeout: seconds to wait for one.

        Returns:
            (number, (H, W, 3) RGB image), or None if none came in time.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._image is not None and self._image[0] > after, timeout)
            return self._image if self._image and self._image[0] > after else None


class RateMeter:
    """Events per second, over the last `seconds`."""

    def __init__(self, seconds: float = 1.0) -> None:
        self._seconds = seconds
        self._times: deque[float] = deque()

    def add(self, now: float, count: int = 1) -> None:
        """Count `count` events at `now`, in seconds."""
        self._times.extend([now] * count)
        self._forget(now)

    def rate(self, now: float) -> float:
        """Events per second up to `now`."""
        self._forget(now)
        return len(self._times) / self._seconds

    def _forget(self, now: float) -> None:
        while self._times and self._times[0] <= now - self._seconds:
            self._times.popleft()
