"""Reads image files, upright, and writes them in the format of their name."""

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
from dreamvideo.media.color import composite
from dreamvideo.media.exif import exif_matrix
from dreamvideo.media.metadata import image_with_settings
from dreamvideo.media.paths import IMAGE_SUFFIXES, check_readable, is_image
from dreamvideo.media.rotation import rotate_upright
from dreamvideo.settings.parsers import MIN_SIDE

log = logging.getLogger(__name__)

# libjpeg's default of 75 shows blocks in the fine texture of a dream. Only known flags: OpenCV warns of others.
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
    """Check that a file name ends in the suffix of an image format.

    Args:
        output: name to check.

    Raises:
        OutputError: it does not.
    """
    if not is_image(output):
        raise OutputError(f"{output}: expected a name ending in {', '.join(IMAGE_SUFFIXES)}")


def check_large_enough(path: Path, width: int, height: int) -> None:
    """Check that an input is large enough to dream on.

    Args:
        path: the input, for the message.
        width: of its frames, in pixels.
        height: of its frames, in pixels.

    Raises:
        SourceError: a side is shorter than `MIN_SIDE`.
    """
    if min(width, height) < MIN_SIDE:
        raise SourceError(
            f"{path} is {width}x{height}: expected at least {MIN_SIDE} pixels a side to dream on; a video can be "
            f"enlarged with --size"
        )


def read_image(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read an image file.

    Args:
        path: a PNG, JPEG, WebP, BMP or TIFF.

    Returns:
        (H, W, 3) RGB, turned by its EXIF orientation, transparent parts composited on white; more than 8 bits are
        rounded to 8, and gray becomes three equal channels.

    Raises:
        SourceError: the file is missing or cannot be read as an image.
    """
    image, _, losses = read_still(Path(path))
    if _COMPOSITED in losses:
        log.warning("%s %s", path, _COMPOSITED)
    return image


def read_still(path: Path, number: int = 0, suffix: str = "") -> tuple[NDArray[np.uint8], Still, tuple[str, ...]]:
    """Read an image file with all that the output's format can hold of it.

    Args:
        path: a PNG, JPEG, WebP, BMP or TIFF.
        number: place of the image in its sequence, for the `Still`.
        suffix: of the file that the dream is written to, such as ".png". If it can hold alpha, the colors are read as
            if there were none; if not, transparent parts are composited on white.

    Returns:
        (image, still, losses): (H, W, 3) RGB to dream on, upright; what 8-bit RGB cannot hold of the file, upright;
        what the output cannot hold, each as the end of a sentence that begins with the path.

    Raises:
        SourceError: the file is missing or cannot be read as an image.
    """
    check_readable(path)
    raw = path.read_bytes()  # not cv2.imread: on Windows it cannot read every name
    color, stored = _decode(path, raw)
    matrix = exif_matrix(raw)
    full: NDArray[Any] = rotate_upright(np.asarray(cv2.cvtColor(color, cv2.COLOR_BGR2RGB)), matrix)
    image = to_eight_bit(full)
    losses = [] if full.dtype in _DEPTHS.get(suffix, (np.uint8,)) else [_ROUNDED]
    if losses:
        full = image
    if stored is not None and stored.ndim == 3 and stored.shape[2] == 4:
        upright = rotate_upright(np.asarray(cv2.cvtColor(stored, cv2.COLOR_BGRA2RGBA)), matrix)
        eight_bit = to_eight_bit(upright)
        if suffix in _ALPHA:
            full = eight_bit if losses else upright
        elif eight_bit[..., 3].min() < 255:
            losses.append(_COMPOSITED)
            image = full = np.ascontiguousarray(composite(eight_bit))
    is_rgb = full.dtype == np.uint8 and full.shape[2] == 3
    still = Still(
        path, number, None if is_rgb else np.ascontiguousarray(full), gray=stored is not None and stored.ndim == 2
    )
    return image, still, tuple(losses)


def _decode(path: Path, raw: bytes) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """((H, W, 3) BGR, the channels as stored, if OpenCV can), both before EXIF orientation is applied."""
    encoded = np.frombuffer(raw, np.uint8)
    try:
        color = cv2.imdecode(encoded, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION)
        stored = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)  # never turned by OpenCV
    except cv2.error:  # a header that promises too much
        raise SourceError(f"{path} is damaged, or larger than 2^20 pixels a side or 2^30 in all") from None
    if color is None:
        raise SourceError(f"{path} cannot be read as an image: expected one of {', '.join(IMAGE_SUFFIXES)}")
    if color.dtype not in (np.uint8, np.uint16, np.float32):
        raise SourceError(f"{path} is stored as {color.dtype}: expected 8 or 16 bits a channel, or float32")
    return color, stored


def restore_format(dreamed: NDArray[np.uint8], still: Still) -> NDArray[Any]:
    """Give a dreamed image the depth, alpha and single channel of the file that it was read from.

    With more than 8 bits, the change that the dream made is added to the source, which keeps its fine steps.

    Args:
        dreamed: (H, W, 3) RGB.
        still: the `Still` of its source, of the same size.

    Returns:
        (H, W, 3 or 4) RGB(A) of the source's dtype; (H, W) if the source was gray and the dream is too.
    """
    restored: NDArray[Any] = dreamed
    if still.stored is not None:
        source = still.stored[..., :3]
        change = dreamed.astype(np.int32) - to_eight_bit(source)
        if source.dtype == np.uint16:
            restored = np.clip(source + 257 * change, 0, 65535).astype(np.uint16)
        elif source.dtype != np.uint8:
            restored = (source + change / 255).astype(source.dtype)
        restored = np.concatenate([restored, still.stored[..., 3:]], 2)
    is_gray = still.gray and (restored == restored[..., :1]).all()
    return np.ascontiguousarray(restored[..., 0]) if is_gray else restored


def to_eight_bit(image: NDArray[Any]) -> NDArray[np.uint8]:
    """uint8 from uint8, uint16 or floating-point (0 to 1, NaN is 0) of any shape, rounded."""
    if image.dtype == np.uint16:
        return ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if image.dtype != np.uint8:  # floating-point TIFF, 0 to 1
        image = np.rint(np.clip(np.nan_to_num(image), 0, 1) * 255)
    return image.astype(np.uint8, copy=False)


def write_image(image: NDArray[np.uint8], output: str | os.PathLike[str], signature: str | None = None) -> None:
    """Write an image file; it appears under its name only when it is complete.

    Args:
        image: (H, W, 3) RGB.
        output: file to write, in the format of its suffix.
        signature: a line for the comment of a PNG or JPEG.

    Raises:
        OutputError: the suffix is not that of an image format, or the file cannot be written.
    """
    output = Path(output)
    check_image_name(output)
    write_image_bytes(encode_image(image, output, signature), output)


def encode_image(image: NDArray[Any], output: Path, signature: str | None = None) -> bytes:
    """Encode an image in the format of a file name.

    Args:
        image: (H, W), (H, W, 3) RGB or (H, W, 4) RGBA, of a depth that the format holds.
        output: name that ends in the suffix of the format; not written.
        signature: a line for the comment, where the format has one.

    Returns:
        Content of the file.

    Raises:
        OutputError: OpenCV cannot encode it in that format.
    """
    suffix = output.suffix.lower()
    if image.ndim == 3:
        image = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGBA2BGRA if image.shape[2] == 4 else cv2.COLOR_RGB2BGR))
    succeeded, encoded = cv2.imencode(suffix, image, _QUALITY.get(suffix, []))
    if not succeeded:
        raise OutputError(f"{output}: an image of {image.shape[1]}x{image.shape[0]} cannot be written as {suffix}")
    content = encoded.tobytes()
    return content if signature is None else image_with_settings(content, signature)


def write_image_bytes(content: bytes, output: Path) -> None:
    """Write an encoded image; it appears under its name only when it is complete.

    Args:
        content: the encoded image.
        output: file to write; an existing one is replaced.

    Raises:
        OutputError: the disk is full, or the file cannot be written.
    """
    part = output.with_name(output.name + ".part")
    try:
        part.write_bytes(content)
        os.replace(part, output)
    except OSError as error:
        full = error.errno == errno.ENOSPC
        reason = ": the disk is full" if full else f" cannot be written: {error.strerror}"
        raise OutputError(f"{output}{reason}") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
