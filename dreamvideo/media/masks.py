"""Reads masks for frames: white is dreamed on, black is left as it is."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dreamvideo.errors import SettingsError, SourceError
from dreamvideo.frames import Frames
from dreamvideo.media.images import read_image
from dreamvideo.media.paths import IMAGE_SUFFIXES, is_image, natural_order
from dreamvideo.media.video_reader import open_video
from dreamvideo.settings.job import ReadSettings

Mask = NDArray[np.uint8]  # (H, W): 255 = dream here, 0 = leave alone

log = logging.getLogger(__name__)


def with_masks(frames: Frames, path: Path, settings: ReadSettings, before: int = 0) -> Frames:
    """Give each frame its mask.

    An image is the mask of all frames. Of a folder or video, mask n belongs to frame n, and the last one to all frames
    after it.

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
    with closing(frames), closing(_repeat_last(path, settings)) as masks:
        mask = resized = np.empty((0, 0), np.uint8)
        consumed = 0
        for position, frame in enumerate(frames, before):
            number = position if frame.still is None else frame.still.number  # unreadable images have one too
            for _ in range(number + 1 - consumed):
                following = next(masks)
            consumed = number + 1
            if following is not mask or resized.shape != frame.image.shape[:2]:
                mask, resized = following, resize_mask(following, *frame.image.shape[:2])
            yield replace(frame, mask=resized)


def _repeat_last(path: Path, settings: ReadSettings) -> Generator[Mask, None, None]:
    count = 0
    with closing(read_masks(path, settings)) as masks:
        for mask in masks:
            yield mask
            count += 1
    if not is_image(path):
        log.warning("%s ends before the frames do: mask %d, its last, is used for all others", path, count)
    while True:
        yield mask


def read_masks(path: Path, settings: ReadSettings = ReadSettings()) -> Generator[Mask, None, None]:  # noqa: B008
    """The masks in an image, a folder of images, or the part of a video that `settings` select, at their own size.

    Raises:
        SourceError: the file is missing, or there is no image in it.
    """
    if os.path.isdir(path):
        images = natural_order(filter(is_image, path.iterdir()))
        if not images:
            raise SourceError(f"{path} holds no images: expected masks as an image, a folder of images, or a video")
        for image in images:
            yield to_gray(read_image(image))
    elif is_image(path):
        yield to_gray(read_image(path))
    else:
        with open_video(path, replace(settings, size=None)) as source, closing(source.frames) as frames:
            for frame in frames:
                yield to_gray(frame.image)


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
    return to_gray(read_image(path))


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
