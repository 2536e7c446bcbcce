"""What flows: a `Frame` is a picture and its time; a stream of them is a generator that its consumer closes."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture and when it is shown."""

    image: NDArray[np.uint8]  # (H, W, 3) RGB, contiguous
    time: Fraction  # presentation time in seconds, exact
    duration: Fraction | None = None  # seconds on screen, exact; None: until the next frame


Frames = Generator[Frame, None, None]  # whoever consumes it closes it


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What is known of a stream before its first frame is read."""

    width: int  # pixels of a Frame, rotation applied
    height: int
    frame_rate: Fraction | None  # average frames per second; None: unknown. For display and rate control only
    frame_count: int | None  # None: unknown, or a camera
