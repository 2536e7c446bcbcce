"""Single pictures: read upright as 8-bit RGB, written as what the file name means."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dreamvideo.colour import on_white
from dreamvideo.errors import OutputError, SourceError
from dreamvideo.settings import LEAST_SIDE
from dreamvideo.signature import signed_picture

log = logging.getLogger(__name__)

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")

# libjpeg's default of 75 shows blocks in the fine grain of a dream. OpenCV warns of what a format does not know.
_QUALITY = {
    ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".webp": [cv2.IMWRITE_WEBP_QUALITY, 95],
}


def is_image(path: Path) -> bool:
    """Whether `path` is named like a picture; a GIF counts as a video."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def check_image_name(output: Path) -> None:
    """Raise OutputError unless a picture can be written under this name."""
    if not is_image(output):
        raise OutputError(f"{output}: expected a name ending in {', '.join(IMAGE_SUFFIXES)}")


def check_readable(path: Path) -> None:
    """Raise SourceError unless `path` is a file with something in it that may be read."""
    if path.is_dir():
        raise SourceError(f"{path} is a folder: expected a video or picture file")
    try:
        if path.stat().st_size == 0:
            raise SourceError(f"{path} is empty")
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file") from None
    except PermissionError:
        raise SourceError(f"{path} cannot be read: permission denied") from None


def check_large_enough(path: Path, width: int, height: int) -> None:
    """Raise SourceError unless a picture of this size can be dreamed on."""
    if min(width, height) < LEAST_SIDE:
        raise SourceError(
            f"{path} is {width}x{height}: expected at least {LEAST_SIDE} pixels a side to dream on; a video can be "
            f"enlarged with --size"
        )


def read_image(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) RGB of the picture in `path`, turned as its EXIF orientation says, transparent parts on white.

    16-bit pictures are rounded to 8 bits; grey ones get three equal channels.

    Raises:
        SourceError: no such file, or no picture in it.
    """
    check_readable(path)
    raw = np.fromfile(path, np.uint8)  # not cv2.imread: on Windows it cannot read every name
    colour = cv2.imdecode(raw, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if colour is None:
        raise SourceError(f"{path} cannot be read as a picture: expected one of {', '.join(IMAGE_SUFFIXES)}")
    image = np.asarray(cv2.cvtColor(_eight_bit(colour), cv2.COLOR_BGR2RGB), np.uint8)
    stored = cv2.imdecode(raw, cv2.IMREAD_UNCHANGED)
    if stored is not None and stored.ndim == 3 and stored.shape[2] == 4:
        rgba = np.asarray(cv2.cvtColor(_eight_bit(stored), cv2.COLOR_BGRA2RGBA), np.uint8)
        if rgba[..., 3].min() < 255:
            log.warning("%s is transparent in places: it is laid on white", path)
            return np.ascontiguousarray(on_white(_turned_like(image, rgba)))
    return image


def _eight_bit(image: NDArray[Any]) -> NDArray[np.uint8]:
    if image.dtype == np.uint16:
        return ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if image.dtype != np.uint8:  # floating-point TIFF, 0 to 1
        image = np.rint(np.clip(image, 0, 1) * 255)
    return image.astype(np.uint8, copy=False)


def _turned_like(upright: NDArray[np.uint8], rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`rgba` turned so that its colours are those of `upright`: OpenCV turns only a picture that it strips of alpha."""
    for turns in range(4):
        turned = np.rot90(rgba, turns)
        for candidate in (turned, turned[:, ::-1]):
            if np.array_equal(candidate[..., :3], upright):
                return np.asarray(candidate, np.uint8)
    return rgba


def write_image(image: NDArray[np.uint8], output: Path, signature: str | None = None) -> None:
    """Write (H, W, 3) RGB to `output` in the format of its suffix; the file appears only when it is complete.

    Args:
        signature: a line for the comment of a PNG or JPEG.

    Raises:
        OutputError: the suffix means no picture format, or the file cannot be written.
    """
    check_image_name(output)
    suffix = output.suffix.lower()
    done, encoded = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), _QUALITY.get(suffix, []))
    if not done:
        raise OutputError(f"{output}: a picture of {image.shape[1]}x{image.shape[0]} cannot be written as {suffix}")
    part = output.with_name(output.name + ".part")
    try:
        content: bytes = encoded.tobytes()
        part.write_bytes(content if signature is None else signed_picture(content, signature))
        os.replace(part, output)
    except OSError as error:
        raise OutputError(f"{output} cannot be written: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
