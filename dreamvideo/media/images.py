"""Single pictures: read upright as 8-bit RGB, written as what the file name means."""

from __future__ import annotations

import errno
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dreamvideo.errors import OutputError, SourceError
from dreamvideo.frames import Still
from dreamvideo.media.color import composite_on_white
from dreamvideo.media.metadata import image_with_settings
from dreamvideo.media.paths import IMAGE_SUFFIXES, check_readable, is_image
from dreamvideo.settings.parsers import MIN_SIDE

log = logging.getLogger(__name__)

# libjpeg's default of 75 shows blocks in the fine grain of a dream. OpenCV warns of what a format does not know.
_QUALITY = {
    ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".webp": [cv2.IMWRITE_WEBP_QUALITY, 95],
}


# What a format can hold besides 8-bit RGB.
_ALPHA = (".png", ".webp", ".tif", ".tiff")
_DEPTHS = {
    ".png": (np.uint8, np.uint16),
    ".tif": (np.uint8, np.uint16, np.float32),
    ".tiff": (np.uint8, np.uint16, np.float32),
}

_COMPOSITED = "is transparent in places: it is composited on white"
_ROUNDED = "has more than 8 bits a channel: it is rounded to 8"


def check_image_name(output: Path) -> None:
    """Raise OutputError unless a picture can be written under this name."""
    if not is_image(output):
        raise OutputError(f"{output}: expected a name ending in {', '.join(IMAGE_SUFFIXES)}")


def check_large_enough(path: Path, width: int, height: int) -> None:
    """Raise SourceError unless a picture of this size can be dreamed on."""
    if min(width, height) < MIN_SIDE:
        raise SourceError(
            f"{path} is {width}x{height}: expected at least {MIN_SIDE} pixels a side to dream on; a video can be "
            f"enlarged with --size"
        )


def read_image(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) RGB of the picture in `path`, turned as its EXIF orientation says, transparent parts on white.

    16-bit pictures are rounded to 8 bits; gray ones get three equal channels.

    Raises:
        SourceError: no such file, or no picture in it.
    """
    image, _, losses = read_still(path)
    if _COMPOSITED in losses:
        log.warning("%s %s", path, _COMPOSITED)
    return image


def read_still(path: Path, number: int = 0, suffix: str = "") -> tuple[NDArray[np.uint8], Still, tuple[str, ...]]:
    """((H, W, 3) RGB to be dreamed, all of the picture, what is lost of it), upright.

    Args:
        number: of the `Still`.
        suffix: of the file that it will be written to: what that can hold is not lost. With alpha the colors are read
            as if there were none; without it transparent parts are laid on white.

    Raises:
        SourceError: no such file, or no picture in it.
    """
    check_readable(path)
    raw = np.fromfile(path, np.uint8)  # not cv2.imread: on Windows it cannot read every name
    try:
        color = cv2.imdecode(raw, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
        plain = cv2.imdecode(raw, cv2.IMREAD_UNCHANGED)
    except cv2.error:  # what its header promises
        raise SourceError(f"{path} is damaged, or larger than 2^20 pixels a side or 2^30 in all") from None
    if color is None:
        raise SourceError(f"{path} cannot be read as a picture: expected one of {', '.join(IMAGE_SUFFIXES)}")
    if color.dtype not in (np.uint8, np.uint16, np.float32):
        raise SourceError(f"{path} is stored as {color.dtype}: expected 8 or 16 bits a channel, or float32")
    full: NDArray[Any] = np.asarray(cv2.cvtColor(color, cv2.COLOR_BGR2RGB))
    image = to_eight_bit(full)
    gray = plain is not None and plain.ndim == 2
    losses = [] if full.dtype in _DEPTHS.get(suffix, (np.uint8,)) else [_ROUNDED]
    if losses:
        full = image
    if plain is not None and plain.ndim == 3 and plain.shape[2] == 4:
        rgba = _turned_like(
            np.asarray(cv2.cvtColor(color, cv2.COLOR_BGR2RGB)), cv2.cvtColor(plain, cv2.COLOR_BGRA2RGBA)
        )
        rgba = to_eight_bit(rgba) if losses else rgba
        if suffix in _ALPHA:
            full = rgba
        elif (alone := to_eight_bit(rgba))[..., 3].min() < 255:
            losses.append(_COMPOSITED)
            image = full = np.ascontiguousarray(composite_on_white(alone))
    held = full.dtype == np.uint8 and full.shape[2] == 3
    return image, Still(path, number, None if held else np.ascontiguousarray(full), gray), tuple(losses)


def restore_format(dreamed: NDArray[np.uint8], still: Still) -> NDArray[Any]:
    """What is written of a dreamed still: (H, W, 3 or 4) RGB(A), or (H, W) if it was gray and has remained so.

    More than 8 bits: the dream is one of 8, and what it changed is added to the source, which keeps its own fineness.
    """
    made: NDArray[Any] = dreamed
    if still.stored is not None:
        source = still.stored[..., :3]
        change = dreamed.astype(np.int32) - to_eight_bit(source)
        if source.dtype == np.uint16:
            made = np.clip(source + 257 * change, 0, 65535).astype(np.uint16)
        elif source.dtype != np.uint8:
            made = (source + change / 255).astype(source.dtype)
        made = np.concatenate([made, still.stored[..., 3:]], 2)
    is_gray = still.gray and (made == made[..., :1]).all()
    return np.ascontiguousarray(made[..., 0]) if is_gray else made


def to_eight_bit(image: NDArray[Any]) -> NDArray[np.uint8]:
    """`image` of 8 or 16 bits, or floating-point from 0 to 1, rounded to 8 bits."""
    if image.dtype == np.uint16:
        return ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if image.dtype != np.uint8:  # floating-point TIFF, 0 to 1
        image = np.rint(np.clip(np.nan_to_num(image), 0, 1) * 255)
    return image.astype(np.uint8, copy=False)


def _turned_like(upright: NDArray[Any], rgba: NDArray[Any]) -> NDArray[Any]:
    """`rgba` turned so that its colors are those of `upright`: OpenCV turns only a picture that it strips of alpha."""
    for turns in range(4):
        turned = np.rot90(rgba, turns)
        for candidate in (turned, turned[:, ::-1]):
            if np.array_equal(candidate[..., :3], upright):
                return np.asarray(candidate)
    return rgba


def write_image(image: NDArray[np.uint8], output: Path, signature: str | None = None) -> None:
    """Write (H, W, 3) RGB to `output` in the format of its suffix; the file appears only when it is complete.

    Args:
        signature: a line for the comment of a PNG or JPEG.

    Raises:
        OutputError: the suffix means no picture format, or the file cannot be written.
    """
    check_image_name(output)
    write_image_bytes(encode_image(image, output, signature), output)


def encode_image(image: NDArray[Any], output: Path, signature: str | None = None) -> bytes:
    """(H, W), (H, W, 3) RGB or (H, W, 4) RGBA in the format of the suffix of `output`, with a `signature` if it can be.

    Raises:
        OutputError: it cannot be written in that format.
    """
    suffix = output.suffix.lower()
    if image.ndim == 3:
        image = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGBA2BGRA if image.shape[2] == 4 else cv2.COLOR_RGB2BGR))
    done, content = cv2.imencode(suffix, image, _QUALITY.get(suffix, []))
    if not done:
        raise OutputError(f"{output}: a picture of {image.shape[1]}x{image.shape[0]} cannot be written as {suffix}")
    return content.tobytes() if signature is None else image_with_settings(content.tobytes(), signature)


def write_image_bytes(content: bytes, output: Path) -> None:
    """Write an encoded picture; the file appears only when it is complete.

    Raises:
        OutputError: the file cannot be written.
    """
    part = output.with_name(output.name + ".part")
    try:
        part.write_bytes(content)
        os.replace(part, output)
    except OSError as error:
        full = error.errno == errno.ENOSPC
        why = ": the disk is full" if full else f" cannot be written: {error.strerror}"
        raise OutputError(f"{output}{why}") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
