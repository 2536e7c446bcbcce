"""Masks go along with frames: white is dreamed, black left alone."""

from __future__ import annotations

import logging
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
    """The frames, each with its mask: one picture for all; else the n-th for the n-th, and the last for all after it.

    Args:
        path: a picture, a folder of pictures in the order of their names, or a video.
        settings: the part of a video that is read; of a mask that is a video, too.
        before: how many frames come before these.

    Raises:
        SourceError: there is no mask in `path`.
        Whatever `frames` raises.
    """
    with closing(frames), closing(_without_end(path, settings)) as masks:
        mask = fitted = np.empty((0, 0), np.uint8)
        taken = 0
        for position, frame in enumerate(frames, before):
            number = position if frame.still is None else frame.still.number  # of pictures some may be unreadable
            for _ in range(number + 1 - taken):
                following = next(masks)
            taken = number + 1
            if following is not mask or fitted.shape != frame.image.shape[:2]:
                mask, fitted = following, resize_mask(following, *frame.image.shape[:2])
            yield replace(frame, mask=fitted)


def _without_end(path: Path, settings: ReadSettings) -> Generator[Mask, None, None]:
    count = 0
    with closing(read_masks(path, settings)) as masks:
        for mask in masks:
            yield mask
            count += 1
    if not is_image(path):
        log.warning("%s ends before the frames do: mask %d, its last, goes with all others", path, count)
    while True:
        yield mask


def read_masks(path: Path, settings: ReadSettings = ReadSettings()) -> Generator[Mask, None, None]:  # noqa: B008
    """The masks in a picture, a folder of pictures or a video.

    Raises:
        SourceError: no such file, or no picture in it.
    """
    if path.is_dir():
        pictures = natural_order(filter(is_image, path.iterdir()))
        if not pictures:
            raise SourceError(f"{path} holds no pictures: expected masks as a picture, a folder of them or a video")
        for picture in pictures:
            yield to_gray(read_image(picture))
    elif is_image(path):
        yield to_gray(read_image(path))
    else:
        with open_video(path, replace(settings, size=None)) as source, closing(source.frames) as frames:
            for frame in frames:
                yield to_gray(frame.image)


def read_image_mask(path: Path) -> Mask:
    """The mask in a picture, for pictures.

    Raises:
        SettingsError: it is a folder or a video.
        SourceError: no such file, or no picture in it.
    """
    if path.is_dir() or not is_image(path):
        raise SettingsError(f"--mask {path}: expected a picture for pictures, one of {', '.join(IMAGE_SUFFIXES)}")
    return to_gray(read_image(path))


def check_mask(path: Path) -> None:
    """Raise SourceError unless there is a mask in `path`."""
    with closing(read_masks(path)) as masks:
        next(masks)


def to_gray(image: NDArray[np.uint8]) -> Mask:
    """(H, W) lightness of (H, W, 3) RGB; black stays 0 and white 255."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def resize_mask(mask: Mask, height: int, width: int) -> Mask:
    """`mask` at another size."""
    if mask.shape == (height, width):
        return mask
    smaller = height * width < mask.size
    return np.asarray(
        cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR), np.uint8
    )
