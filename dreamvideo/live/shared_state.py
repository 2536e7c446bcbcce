"""What the threads of a live dream share: controls, numbers, and the newest image, each replaced as a whole."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from threading import Condition
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dreamvideo.live.controls import Controls, Menu, press
from dreamvideo.live.named_controls import CONTROLS, ControlValue, set_control, turn_control

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
    look_numbers: tuple[tuple[str, float], ...] = ()  # options of the look, by their fields


@dataclass(frozen=True, slots=True)
class MidiLearning:
    """What a MIDI device controls, and what it is to learn next."""

    device: str
    learned: Mapping[str, str] = field(default_factory=dict)  # knob or key, such as `knob 7` -> name of a control
    control: str | None = None  # the next knob that is turned will control this


class SharedState:
    """State of a live dream that several threads read and change."""

    def __init__(self, controls: Controls, menu: Menu, report: Callable[[str], object] = log.info) -> None:
        """
        Args:
            controls: that it starts with.
            menu: the presets, layers and classes to choose from.
            report: is called with each message that differs from the one before.
        """
        self.menu = menu
        self._report = report
        self.controls = controls  # read it once per frame and keep the copy: any thread may replace it
        self.numbers = LiveNumbers()
        self.learning: MidiLearning | None = None  # None: there is no MIDI
        self._message: tuple[float, str] = (0.0, "")  # (time, text)
        self._changed = Condition()
        self._image: tuple[int, NDArray[np.uint8]] | None = None

    def press(self, key: str, now: float | None = None) -> None:
        """Apply a key of `controls.KEYS`; `now`: when it was pressed, None: just now."""
        with self._changed:
            self.controls = press(self.controls, key, self.menu, time.monotonic() if now is None else now)

    def set(self, name: str, value: ControlValue, now: float | None = None) -> None:
        """Set a control by its name.

        Args:
            name, value: as for `named_controls.set_control`.
            now: when it was set, seconds as of `time.monotonic`; None: just now.

        Raises:
            DreamVideoError: there is no such control, or the value does not fit it; nothing has changed.
        """
        with self._changed:
            now = time.monotonic() if now is None else now
            self.controls = set_control(self.controls, self.menu, name, value, now)

    def turn(self, name: str, share: float, before: float, *, pad: bool = False) -> None:
        """Turn the knob of a control, as `named_controls.turn_control` does."""
        with self._changed:
            now = time.monotonic()
            self.controls = turn_control(self.controls, self.menu, name, share, before, now, pad=pad)

    def learn(self, control: str | None) -> None:
        """Have the next MIDI knob that is turned control `control`, of `named_controls.CONTROLS`; None: no longer."""
        with self._changed:
            if self.learning is not None and (control is None or control in CONTROLS):
                self.learning = replace(self.learning, control=control)

    def bind(self, knob: str) -> bool:
        """Have a MIDI knob control what is to be learned, and nothing else do so; return whether anything is."""
        with self._changed:
            if self.learning is None or self.learning.control is None:
                return False
            control = self.learning.control
            kept = {each: name for each, name in self.learning.learned.items() if each != knob and name != control}
            self.learning = replace(self.learning, learned={**kept, knob: control}, control=None)
            return True

    def forget(self, control: str) -> None:
        """Have no MIDI knob control `control`."""
        with self._changed:
            if self.learning is not None:
                kept = {knob: name for knob, name in self.learning.learned.items() if name != control}
                self.learning = replace(self.learning, learned=kept, control=None)

    def stop_recording(self) -> None:
        """Switch the recording control off, after a recording has ended by itself."""
        with self._changed:
            self.controls = replace(self.controls, recording=False)

    def say(self, text: str) -> None:
        """Show a message for some seconds, and report it."""
        if text != self._message[1]:  # a knob that is turned says the same again and again
            self._report(text)
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
