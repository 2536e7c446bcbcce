"""The camera of a browser: JPEGs that a page sends, of which the newest is decoded."""

from __future__ import annotations

import io
import time
from collections import OrderedDict
from collections.abc import Callable
from fractions import Fraction
from threading import Condition
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dreamvideo.errors import SourceError
from dreamvideo.frames import Frame
from dreamvideo.live.cameras.camera import CameraFrames

MOST_SIDE: Final = 1920  # pixels; a small JPEG may claim 65535, which would take gigabytes
SILENCE: Final = (
    10.0  # seconds without an image after which the browser is taken to be gone; a hidden page sends one a second
)
_STEP: Final = 0.1  # seconds after which a wait can be ended
_MOST_MARKS: Final = 256  # of frames on their way


class BrowserCamera:
    """Holds the newest image that a browser has sent.

    Args:
        clock: the present, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = Condition()
        self._newest: tuple[bytes, Fraction] | None = None
        self._marks: OrderedDict[Fraction, float] = OrderedDict()

    def give(self, jpeg: bytes, mark: float) -> None:
        """Take an image; one that nobody has pulled yet is forgotten.

        Args:
            jpeg: the image.
            mark: comes back with what is dreamed of it, so that the browser can tell how long that took.
        """
        with self._changed:
            time = Fraction(self._clock())
            self._newest = jpeg, time
            self._marks[time] = mark
            if len(self._marks) > _MOST_MARKS:
                self._marks.popitem(last=False)
            self._changed.notify_all()

    def mark(self, time: Fraction) -> float | None:
        """Return the mark of the frame of a time; None: no such frame is remembered."""
        with self._changed:
            return self._marks.get(time)

    def frames(self) -> CameraFrames:
        """Yield the newest image each time, with the time at which it came; None where there is nothing new.

        Raises:
            SourceError: nothing came for `SILENCE` seconds.
        """
        heard = self._clock()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None, _STEP)
                newest, self._newest = self._newest, None
            if newest is None and self._clock() - heard > SILENCE:
                raise SourceError(f"the browser's camera has sent no image for {SILENCE:g} s: is its page still open?")
            heard = self._clock() if newest is not None else heard
            image = None if newest is None else decode_frame(newest[0])
            yield None if newest is None or image is None else Frame(image, newest[1])


def decode_frame(jpeg: bytes) -> NDArray[np.uint8] | None:
    """Decode an image that a stranger may have made.

    Args:
        jpeg: its bytes.

    Returns:
        (H, W, 3) RGB; None: it is no JPEG, is damaged, or has a side of more than `MOST_SIDE` pixels.
    """
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as header:
            if max(header.size) > MOST_SIDE:
                return None
        image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, cv2.error):
        return None
    return None if image is None else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
