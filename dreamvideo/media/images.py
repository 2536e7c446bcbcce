"""Reads image files, upright, and writes them in the format of their name."""

from __future__ import annotations

import errno
import logging
import os
import shlex
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dreamvideo.errors import OutputError, SourceError
from dreamvideo.frames import Still
from dreamvideo.media.atomic_files import write_atomically
from dreamvideo.media.color import composite
from dreamvideo.media.color_profile import rgb_to_srgb
from dreamvideo.media.image_encoder import METADATA_SUFFIXES, encode_image
from dreamvideo.media.paths import WRITTEN_SUFFIXES
from dreamvideo.media.picture_file import count_pictures, decode_picture
from dreamvideo.media.remote_path import media_path
from dreamvideo.media.resize import output_size, resize_image
from dreamvideo.settings.parsers import MIN_SIDE

log = logging.getLogger(__name__)

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
    if output.suffix.lower() not in WRITTEN_SUFFIXES:
        raise OutputError(f"{output}: expected a name ending in {', '.join(WRITTEN_SUFFIXES)}")


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
            f"{path} is {width}x{height}: expected at least {MIN_SIDE} pixels a side to dream on, as with --size"
        )


def read_image(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read an image file.

    Args:
        path: a PNG, JPEG, WebP, BMP, TIFF, GIF or AVIF; with pillow-heif a HEIC.

    Returns:
        (H, W, 3) sRGB, turned by its EXIF orientation, transparent parts composited on white; more than 8 bits are
        rounded to 8, and gray becomes three equal channels. Of several frames or pages the first.

    Raises:
        SourceError: the file is missing, cannot be read as an image, or is larger than memory.
    """
    image, _, losses = read_still(media_path(path))
    for loss in losses:
        if loss != _ROUNDED:
            log.warning("%s %s", path, loss)
    return image


def read_still(path: Path, number: int = 0, suffix: str = "") -> tuple[NDArray[np.uint8], Still, tuple[str, ...]]:
    """Read an image file with all that the output's format can hold of it.

    Args:
        path: as for `read_image`.
        number: place of the image in its sequence, for the `Still`.
        suffix: of the file that the dream is written to, such as ".png". If it can hold alpha, the colors are read as
            if there were none; if not, transparent parts are composited on white. If it can hold a color profile, the
            colors stay as they are stored; if not, they are converted to sRGB.

    Returns:
        (image, still, losses): (H, W, 3) RGB to dream on, upright; what 8-bit RGB cannot hold of the file, upright;
        what the output cannot hold, each as the end of a sentence that begins with the path.

    Raises:
        SourceError: as `read_image`.
    """
    picture = decode_picture(path)
    losses = [] if picture.frames == 1 else [f"holds {picture.frames} frames or pages: the first is read"]
    gray = picture.pixels.ndim == 2
    full: NDArray[Any] = np.repeat(picture.pixels[..., None], 3, 2) if gray else picture.pixels
    profile, exif = (picture.profile, picture.exif) if suffix in METADATA_SUFFIXES else (None, None)
    if full.dtype not in _DEPTHS.get(suffix, (np.uint8,)) or (picture.profile is not None and profile is None):
        losses += [_ROUNDED] if full.dtype != np.uint8 else []
        full = to_eight_bit(full)
    if picture.profile is not None and profile is None:
        full = rgb_to_srgb(full, picture.profile)
    if full.shape[2] == 4 and suffix not in _ALPHA:
        eight_bit = to_eight_bit(full)
        if eight_bit[..., 3].min() < 255:
            losses.append(_COMPOSITED)
        full = composite(eight_bit)
    image = np.ascontiguousarray(to_eight_bit(full[..., :3]))
    is_rgb = full.dtype == np.uint8 and full.shape[2] == 3
    stored = None if is_rgb else np.ascontiguousarray(full)
    return image, Still(path, number, stored, gray, profile, exif), tuple(losses)


def read_picture(
    path: Path, output: Path, size: tuple[int | None, int] | None = None
) -> tuple[NDArray[np.uint8], Still]:
    """Read an image file that is to be dreamed alone; what the output cannot hold of it is logged.

    Args:
        path: as for `read_image`.
        output: the file that the dream is written to, for `encode_dream`.
        size: (width, height) to bring it to, see `output_size`; None: its own.

    Returns:
        (image, still), as `read_still` returns them.

    Raises:
        SourceError: as `read_image`; or it holds several frames or pages.
    """
    count = count_pictures(path)
    if count > 1:
        raise SourceError(f"{path} holds {count} {_what_to_type(path)}")
    image, still, losses = read_still(path, suffix=output.suffix.lower())
    for loss in losses:
        log.warning("%s %s", path, loss)
    return resize_still(image, still, size)


def _what_to_type(path: Path) -> str:
    suffix, typed = path.suffix.lower(), shlex.quote(str(path))
    if suffix in (".tif", ".tiff"):
        return "pages: expected one picture; save each page as a file (tiffsplit does), then: dreamvideo frames FOLDER"
    if suffix in (".gif", ".png", ".apng"):
        video = shlex.quote(str(path.with_name(f"{path.stem}_dream.gif")))
        return f"frames: expected one picture; to dream them all: dreamvideo video {typed} -o {video}"
    return "frames: expected one picture; save it as a GIF or a video, then: dreamvideo video FILE"


def resize_still(
    image: NDArray[np.uint8], still: Still, size: tuple[int | None, int] | None
) -> tuple[NDArray[np.uint8], Still]:
    """Bring an image, with all that is stored of it, to the size that `output_size` finds.

    Args:
        image: (H, W, 3) RGB.
        still: of the image.
        size: (width, height) in pixels, as for `output_size`.

    Returns:
        (image, still) of the new size.
    """
    width, height, _ = output_size(image.shape[1], image.shape[0], Fraction(1), size)
    if still.stored is None:
        return resize_image(image, height, width), still
    stored = resize_image(still.stored, height, width)
    return to_eight_bit(np.ascontiguousarray(stored[..., :3])), replace(still, stored=stored)


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


def encode_dream(
    dreamed: NDArray[np.uint8], still: Still, output: Path, signature: str | None = None, metadata: bool = True
) -> bytes:
    """Encode a dreamed image with all that the output's format can hold of the file that it was read from.

    Args:
        dreamed: (H, W, 3) RGB.
        still: the `Still` of its source, of the same size, as `read_still` returned it for the suffix of `output`.
        output: name that ends in the suffix of the format; not written.
        signature: a line for the comment, where the format has one.
        metadata: keep its EXIF and write `signature`; the color profile is always kept.

    Raises:
        OutputError: it cannot be encoded in that format.
    """
    exif, line = (still.exif, signature) if metadata else (None, None)
    return encode_image(restore_format(dreamed, still), output, line, still.profile, exif)


def to_eight_bit(image: NDArray[Any]) -> NDArray[np.uint8]:
    """uint8 from uint8, uint16 or floating-point (0 to 1, NaN is 0) of any shape, rounded."""
    if image.dtype == np.uint16:
        return ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if image.dtype != np.uint8:  # floating-point TIFF, 0 to 1
        image = np.rint(np.clip(np.nan_to_num(image), 0, 1) * 255)
    return image.astype(np.uint8, copy=False)


def write_image(
    image: NDArray[np.uint8],
    output: str | os.PathLike[str],
    signature: str | None = None,
    *,
    overwrite: bool = True,
) -> None:
    """Write an image file; it appears under its name only when it is complete.

    Args:
        image: (H, W, 3) RGB.
        output: file to write, in the format of its suffix.
        signature: a line for the comment of a PNG or JPEG.
        overwrite: replace an existing file.

    Raises:
        OutputError: the suffix is not that of an image format, or the file cannot be written, or it exists.
    """
    output = media_path(output)
    check_image_name(output)
    write_image_bytes(encode_image(image, output, signature), output, overwrite)


def write_image_bytes(content: bytes, output: Path, overwrite: bool = True) -> None:
    """Write an encoded image; it appears under its name only when it is complete.

    Args:
        content: the encoded image.
        output: file to write.
        overwrite: replace an existing one.

    Raises:
        OutputError: the disk is full, or the file cannot be written, or it exists.
    """
    try:
        write_atomically(output, content, overwrite)
    except FileExistsError:
        raise OutputError(f"{output} exists: use --overwrite (-y) to replace it, or choose another name") from None
    except OSError as error:
        full = error.errno == errno.ENOSPC
        reason = ": the disk is full" if full else f" cannot be written: {error.strerror}"
        raise OutputError(f"{output}{reason}") from None
