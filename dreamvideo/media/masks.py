"""Reads masks for frames: white is dreamed on, black or transparent parts are left as they are."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dreamvideo.errors import SettingsError, SourceError
from dreamvideo.frames import Frames
from dreamvideo.media.color import BLACK, composite
from dreamvideo.media.images import read_still, to_eight_bit
from dreamvideo.media.paths import IMAGE_SUFFIXES, is_image, natural_order
from dreamvideo.media.segments import with_durations
from dreamvideo.media.video_reader import open_video
from dreamvideo.settings.job import ReadSettings

Mask = NDArray[np.uint8]  # (H, W): 255 = dream here, 0 = leave alone

log = logging.getLogger(__name__)

_ROUNDING = Fraction(2, 1000)  # two files of one rate may round their times to milliseconds, each its own way
_LONG = Fraction(1)  # seconds that most masks of a video are on screen at most; for others all is read


@dataclass(frozen=True, slots=True)
class _PlacedMask:
    """A mask and the part of the frames that it is for, in seconds of a video, else in numbers of frames."""

    begin: Fraction
    end: Fraction
    mask: Mask


def with_masks(frames: Frames, path: Path, settings: ReadSettings, before: int = 0) -> Frames:
    """Give each frame its mask.

    An image is the mask of all frames. Of a folder, mask n belongs to frame n; of a video, a frame gets the mask that
    is shown at its time. The last mask is that of all frames after it.

    Args:
        frames: frames to add masks to; closed when the result is.
        path: an image, a folder of images in natural order, or a video.
        settings: the part of the video that is read; a video of masks is cut alike.
        before: number of frames that come before these.

    Yields:
        The frames with `mask` set, resized to the frame.

    Raises:
        SourceError: a mask cannot be read.
        Exception: whatever `frames` raises.
    """
    by_time = _is_film(path)
    with closing(frames), closing(_placed_masks(path, settings)) as masks:
        placed, following = next(masks), next(masks, None)
        count, warned = 1, is_image(path)
        mask = resized = np.empty((0, 0), np.uint8)
        for number, frame in enumerate(frames, before):
            number = number if frame.still is None else frame.still.number  # unreadable images have one too
            at = frame.time + _ROUNDING if by_time else Fraction(number)
            while following is not None and following.begin <= at:
                placed, following, count = following, next(masks, None), count + 1
            if following is None and at >= placed.end and not warned:
                warned = True
                log.warning("%s ends before the frames do: mask %d, its last, is used for all others", path, count)
            if placed.mask is not mask or resized.shape != frame.image.shape[:2]:
                mask, resized = placed.mask, resize_mask(placed.mask, *frame.image.shape[:2])
            yield replace(frame, mask=resized)


def _is_film(path: Path) -> bool:
    return not os.path.isdir(path) and not is_image(path)


def _placed_masks(path: Path, settings: ReadSettings) -> Generator[_PlacedMask, None, None]:
    """The masks in an image, a folder of images, or the part of a video that `settings` select, at their own size."""
    if os.path.isdir(path):
        images = natural_order(filter(is_image, path.iterdir()))
        if not images:
            raise SourceError(f"{path} holds no images: expected masks as an image, a folder of images, or a video")
        for number, image in enumerate(images):
            yield _PlacedMask(Fraction(number), Fraction(number + 1), _read_mask(image))
    elif is_image(path):
        yield _PlacedMask(Fraction(0), Fraction(1), _read_mask(path))
    else:
        part = replace(settings, size=None, frames=None)  # its rate may be another: N of its frames are another time
        with open_video(path, part, background=BLACK) as source, closing(source.frames) as frames:
            for frame in with_durations(frames):
                yield _PlacedMask(frame.time, frame.time + (frame.duration or 0), to_gray(frame.image))


def read_masks(path: Path, settings: ReadSettings = ReadSettings()) -> Generator[Mask, None, None]:  # noqa: B008
    """The masks in an image, a folder of images, or the part of a video that `settings` select, at their own size.

    Raises:
        SourceError: the file is missing, or there is no image in it.
    """
    with closing(_placed_masks(path, settings)) as masks:
        for placed in masks:
            yield placed.mask


def _read_mask(path: Path) -> Mask:
    """(H, W): the lightness of an image times its alpha."""
    image, still, _ = read_still(path, suffix=".png")
    if still.stored is not None and still.stored.shape[2] == 4:
        image = composite(to_eight_bit(still.stored), BLACK)
    return to_gray(image)


def mask_at(path: Path, time: Fraction) -> Mask:
    """Read the mask of one frame of a film, as `with_masks` would give it.

    Args:
        path: an image or a video.
        time: of the frame in its film, seconds.

    Raises:
        SourceError: the mask cannot be read.
    """
    if not _is_film(path):
        return _read_mask(path)
    with suppress(SourceError):  # the masks have ended by then
        begin, mask = _shown_at(path, max(Fraction(0), time - _LONG), time)
        if begin <= time + _ROUNDING:
            return mask
    return _shown_at(path, Fraction(0), time)[1]


def _shown_at(path: Path, start: Fraction, time: Fraction) -> tuple[Fraction, Mask]:
    """The mask that is on screen at a time, and since when; it is sought from `start` on."""
    settings = ReadSettings(start=start or None)
    with open_video(path, settings, background=BLACK) as source, closing(source.frames) as frames:
        shown = next(frames)
        for frame in frames:
            if source.info.film_start + frame.time > time + _ROUNDING:
                break
            shown = frame
        return source.info.film_start + shown.time, to_gray(shown.image)


def read_image_mask(path: Path) -> Mask:
    """Read the mask for the `image` command.

    Args:
        path: an image.

    Returns:
        (H, W) uint8 mask.

    Raises:
        SettingsError: it is a folder or a video.
        SourceError: the file is missing or cannot be read as an image.
    """
    if os.path.isdir(path) or not is_image(path):
        raise SettingsError(
            f"--mask {path}: expected an image, since the inputs are images: one of {', '.join(IMAGE_SUFFIXES)}"
        )
    return _read_mask(path)


def check_mask(path: Path) -> None:
    """Check that a first mask can be read.

    Args:
        path: an image, a folder of images, or a video.

    Raises:
        SourceError: it cannot.
    """
    with closing(read_masks(path)) as masks:
        next(masks)


def to_gray(image: NDArray[np.uint8]) -> Mask:
    """(H, W) lightness of (H, W, 3) RGB; black stays 0 and white 255."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def resize_mask(mask: Mask, height: int, width: int) -> Mask:
    """Resize a mask; black stays 0 and white 255.

    Args:
        mask: (H, W) uint8.
        height: of the result, in pixels.
        width: of the result, in pixels.

    Returns:
        (height, width) uint8; `mask` itself at its own size.
    """
    if mask.shape == (height, width):
        return mask
    shrinks = height * width < mask.size
    return np.asarray(
        cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), np.uint8
    )
