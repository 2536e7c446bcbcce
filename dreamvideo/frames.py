"""Frames and streams: a `Frame` is an image with a time, and everything that flows is a generator of them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from dreamvideo.errors import SettingsError

T = TypeVar("T")

CUT_SIDE = 160  # pixels of the longer side of the pictures in which cuts are found
NOISE_ROWS = 8  # of as many rows one is read where noise is measured

# (H, W, 3) uint8 RGB, contiguous: an array, or a tensor on any device where a caller has asked for tensors. It is not a
# union, as all others read arrays; and what reads and writes files runs without torch.
Image: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Still:
    """The image file that a frame was read from, and what an 8-bit RGB array cannot hold of it."""

    path: Path
    number: int  # index among the images that were asked for
    stored: NDArray[Any] | None = None  # (H, W, 3 or 4) RGB(A) of more bits, or with alpha; None: the frame has it all
    gray: bool = False  # the file has one channel
    profile: bytes | None = None  # ICC, that the colors are of; None: sRGB
    exif: bytes | None = None  # for the output, which is upright; None: none


@dataclass(frozen=True, slots=True)
class HostCopy:
    """What the processor reads of an image: the image where it lies in memory, a small copy of one on a device."""

    image: NDArray[np.uint8]  # (h, w, 3) RGB
    noise: float | None = None  # of the whole image, see `motion.picture`; None: `image` is all of it


@dataclass(frozen=True, slots=True)
class Frame:
    """One image and when it is shown.

    `segment` and `carry` are for writers that can be resumed. `dream_video` sets them; a writer numbers the segments of
    frames that come from elsewhere itself.
    """

    image: Image
    time: Fraction  # presentation time in seconds, exact
    duration: Fraction | None = None  # seconds on screen, exact; None: until the next frame
    mask: NDArray[np.uint8] | None = None  # (H, W) 255 = dream here, 0 = leave alone; None: dream everywhere
    still: Still | None = None  # None: the frame comes from a video or camera
    segment: int | None = None  # number of the segment, a restartable run of frames, that it belongs to; None: any
    carry: Callable[[], bytes] | None = None  # waits for what the next frame needs, to be stored; None: nothing
    host: HostCopy | None = None  # of an image on a device, while it is dreamed; None: see `motion.host_copy`
    small: HostCopy | None = None  # in which cuts are found, where a reader has made it; None: that of `host_copy`
    late: Callable[[], Image] | None = None  # makes the image, where `image` is blank; None: `image` is whole

    @property
    def nbytes(self) -> int:
        """Bytes of its image, and of the stored one if there is one."""
        stored = None if self.still is None else self.still.stored
        return int(self.image.nbytes) + (0 if stored is None else stored.nbytes)

    def whole(self) -> Frame:
        """Return the frame with its image, which is made now if a reader has left that for later."""
        return self if self.late is None else replace(self, image=self.late(), late=None)


Frames = Generator[Frame, None, None]  # its consumer closes it


def as_generator(items: Iterable[T]) -> Generator[T, None, None]:
    """Return an iterable as a generator, which can be closed.

    Args:
        items: closed with the generator returned, if it can be.
    """
    if isinstance(items, Generator):
        return items
    return _closing_generator(items)


def _closing_generator(items: Iterable[T]) -> Generator[T, None, None]:
    try:
        yield from items
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()


def checked_frames(frames: Iterable[Frame]) -> Frames:
    """Check and copy frames that a program has made itself.

    Args:
        frames: may all have the same image, which is filled again for each, as a camera's buffer is.

    Yields:
        Each frame with an image and a mask of its own.

    Raises:
        SettingsError: an image is not (H, W, 3) uint8, or its mask not (H, W).
    """
    source = as_generator(frames)
    try:
        for frame in source:
            if not isinstance(frame, Frame):
                raise SettingsError(f"got a frame as {type(frame).__name__}, expected Frame(image, time)")
            yield replace(frame, image=_own_image(frame), mask=_own_mask(frame))
    finally:
        source.close()


def _own_image(frame: Frame) -> Image:
    image = frame.image
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3:
        return np.array(image, order="C")
    if _is_tensor(image) and str(image.dtype) == "torch.uint8" and image.ndim == 3 and image.shape[2] == 3:
        return image.detach().clone().contiguous()
    raise SettingsError(f"frame at {float(frame.time):.3f} s: got {_kind(image)}, expected uint8 (H, W, 3) RGB")


def _own_mask(frame: Frame) -> NDArray[np.uint8] | None:
    mask, size = frame.mask, tuple(frame.image.shape[:2])
    if mask is None:
        return None
    if isinstance(mask, np.ndarray) and mask.dtype in (np.uint8, np.bool_) and mask.shape == size:
        return np.array(mask, np.uint8, order="C") * (255 if mask.dtype == np.bool_ else 1)
    expected = f"uint8 or bool {size}"
    raise SettingsError(f"mask of the frame at {float(frame.time):.3f} s: got {_kind(mask)}, expected {expected}")


def _is_tensor(value: object) -> bool:
    return hasattr(value, "is_cuda")  # torch is not imported here


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray) or _is_tensor(value):
        return f"{value.dtype} {tuple(value.shape)}"
    return type(value).__name__


@dataclass(frozen=True, slots=True)
class Color:
    """Color tags of a standard-range video, as numbers of ITU-T H.273; videos are written with limited range."""

    matrix: int
    transfer: int
    primaries: int


BT601 = Color(6, 6, 6)
BT709 = Color(1, 1, 1)


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What is known of a stream before its first frame is read; the defaults suit images that come from no file."""

    width: int  # pixels of a Frame, rotation applied
    height: int
    frame_rate: Fraction | None = None  # average frames per second; None: unknown. For display and rate control only
    frame_count: int | None = None  # as the file says, which may be wrong; None: unknown, or a camera
    time_base: Fraction | None = None  # seconds; every Frame.time is a multiple of it. None: no such unit
    pixel_aspect: Fraction = Fraction(1)  # width : height of one pixel as displayed
    color: Color = BT709  # how the RGB of a Frame is converted to YUV when it is written
    path: Path | None = None  # file whose sound, subtitles, chapters and tags go with these frames; None: no file
    stream: int | None = None  # index in `path` of the video stream that was read
    music: Path | None = None  # file whose sound takes the place of that in `path`; it begins with the film
    origin: Fraction = Fraction(0)  # the instant of `path`, in seconds, that is Frame.time 0
    end: Fraction | None = None  # Frame.time at which sound and video stop; None: at their own ends
    film_start: Fraction = Fraction(0)  # seconds from the beginning of the film to Frame.time 0
    film_length: Fraction | None = None  # seconds of the whole film, as the file says; None: unknown
    frame_limit: int | None = None  # after this many frames the sound stops where the last one ends; None: no limit


@dataclass(slots=True)
class Source:
    """An open input; the consumer closes `frames`, leaving the `with` block of `open_video` closes the file."""

    info: StreamInfo
    frames: Frames
    lost: int = 0  # packets or frames so far that could not be decoded, or only in part
