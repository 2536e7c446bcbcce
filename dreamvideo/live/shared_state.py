"""What the threads of a live dream share: the controls, the numbers, and the newest picture, each replaced whole."""

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

SAID: Final = 5.0  # seconds for which a message stands


@dataclass(frozen=True, slots=True)
class LiveNumbers:
    """How it goes, over about the last second."""

    camera_fps: float = 0.0
    shown_fps: float = 0.0
    steps_per_second: float = 0.0  # of the ascent
    latency_ms: float = 0.0  # from the camera's picture to its being shown, median
    drops: int = 0  # pictures of the camera that were never shown, since the beginning
    camera_size: tuple[int, int] = (0, 0)  # (height, width)
    working_size: tuple[int, int] = (0, 0)  # (height, width) at which it dreams
    device: str = ""
    look: str = ""
    message: str = ""  # what there is to say of the camera, the recording or the last key


class LiveState:
    """Where keys and buttons arrive, and where every thread looks what is wanted."""

    def __init__(self, controls: Controls, menu: Menu) -> None:
        self.menu = menu
        self.controls = controls  # read it once and keep what was read: any thread may replace it
        self.numbers = LiveNumbers()
        self._said: tuple[float, str] = (0.0, "")  # when, and what
        self._changed = Condition()
        self._picture: tuple[int, NDArray[np.uint8]] | None = None

    def press(self, key: str) -> None:
        """A key of `controls.KEYS`."""
        with self._changed:
            self.controls = press(self.controls, key, self.menu)

    def set_strength(self, strength: float) -> None:
        """The strength of the dream, over that of the look."""
        with self._changed:
            self.controls = set_strength(self.controls, strength)

    def stop_recording(self) -> None:
        """It has ended by itself."""
        with self._changed:
            self.controls = replace(self.controls, recording=False)

    def say(self, text: str) -> None:
        """Put `text` before whoever looks, and into the log."""
        log.info("%s", text)
        self._said = (time.monotonic(), text)

    @property
    def message(self) -> str:
        """What was said in the last seconds."""
        when, text = self._said
        return text if time.monotonic() - when < SAID else ""

    def show(self, picture: NDArray[np.uint8]) -> None:
        """`picture`, (H, W, 3) RGB, is the newest; nobody may change it any more."""
        with self._changed:
            self._picture = (self._picture[0] + 1 if self._picture else 1, picture)
            self._changed.notify_all()

    def newest(self, after: int = 0, timeout: float = 1.0) -> tuple[int, NDArray[np.uint8]] | None:
        """(number, picture) of the newest that was shown, once its number is above `after`; None: not in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._picture is not None and self._picture[0] > after, timeout)
            return self._picture if self._picture and self._picture[0] > after else None


class Meter:
    """How often something happens, over the last second."""

    def __init__(self, span: float = 1.0) -> None:
        self._span = span
        self._times: deque[float] = deque()

    def tick(self, now: float, count: int = 1) -> None:
        """It happened `count` times at `now`, in seconds."""
        self._times.extend([now] * count)
        self._forget(now)

    def rate(self, now: float) -> float:
        """Times per second."""
        self._forget(now)
        return len(self._times) / self._span

    def _forget(self, now: float) -> None:
        while self._times and self._times[0] <= now - self._span:
            self._times.popleft()
