"""What flows: a `Frame` is a picture and its time; a stream of them is a generator that its consumer closes."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Still:
    """The picture file that a frame was read from, and what an 8-bit RGB array cannot hold of it."""

    path: Path
    number: int  # its place among the pictures asked for
    stored: NDArray[Any] | None = None  # (H, W, 3 or 4) RGB(A) of more bits, or with alpha; None: the frame has it all
    gray: bool = False  # it has one channel


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture and when it is shown."""

    image: NDArray[np.uint8]  # (H, W, 3) RGB, contiguous
    time: Fraction  # presentation time in seconds, exact
    duration: Fraction | None = None  # seconds on screen, exact; None: until the next frame
    mask: NDArray[np.uint8] | None = None  # (H, W) 255 = dream here, 0 = leave alone; None: dream everywhere
    still: Still | None = None  # None: it comes from a video or camera

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        stored = None if self.still is None else self.still.stored
        return self.image.nbytes + (0 if stored is None else stored.nbytes)


Frames = Generator[Frame, None, None]  # whoever consumes it closes it


@dataclass(frozen=True, slots=True)
class Color:
    """Tags of a standard-range video, as numbers of ITU-T H.273; it is always written with limited range."""

    matrix: int
    transfer: int
    primaries: int


BT601 = Color(6, 6, 6)
BT709 = Color(1, 1, 1)


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What is known of a stream before its first frame is read; the defaults suit pictures that come from no file."""

    width: int  # pixels of a Frame, rotation applied
    height: int
    frame_rate: Fraction | None = None  # average frames per second; None: unknown. For display and rate control only
    frame_count: int | None = None  # as promised by the file, which may promise wrongly; None: unknown, or a camera
    time_base: Fraction | None = None  # seconds; every Frame.time is a multiple of it. None: no such unit
    pixel_aspect: Fraction = Fraction(1)  # width : height of one pixel as displayed
    color: Color = BT709  # how YUV is made from the RGB of a Frame when it is written
    path: Path | None = None  # file whose sound, subtitles, chapters and tags go with these frames; None: there is none
    stream: int | None = None  # index in `path` of the video stream that was read
    origin: Fraction = Fraction(0)  # the instant of `path`, in seconds, that is Frame.time 0
    end: Fraction | None = None  # Frame.time at which sound and picture stop; None: at their own ends
    frame_limit: int | None = None  # with this many frames written, the sound stops where the last one ends


@dataclass(slots=True)
class Source:
    """An open input. `frames` is closed by its consumer, the file when the `with` block of `open_source` ends."""

    info: StreamInfo
    frames: Frames
    lost: int = 0  # packets or frames so far that could not be decoded, or only in part
