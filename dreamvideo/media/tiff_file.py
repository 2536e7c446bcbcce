"""Decodes TIFFs with OpenCV, and with Pillow what OpenCV loses something of: CMYK, and gray with alpha.

Pillow cannot read floats or 16-bit colors; its libtiff prints what is wrong with a file.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from dreamvideo.errors import SourceError
from dreamvideo.media.eight_bit import eight_bit_pixels, gray_to_srgb

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLES = 254, 256, 257, 258, 262, 277
_EXTRA_SAMPLES, _FORMAT, _PROFILE = 338, 339, 34675
_REDUCED: Final = 1  # in the subfile type: a smaller copy of another page
_PREMULTIPLIED, _STRAIGHT = 1, 2  # kinds of an extra sample
_CMYK: Final = 5
_UNSIGNED, _FLOAT = 1, 3  # sample formats


def tiff_directories(raw: bytes) -> list[ImageFileDirectory_v2]:
    """Read the tags of all pages.

    Args:
        raw: content of the file.

    Returns:
        One directory a page, at least one.
    """
    is_big = 43 in raw[2:4]
    directories: list[ImageFileDirectory_v2] = []
    file = io.BytesIO(raw)
    at, seen = ImageFileDirectory_v2(raw[: 16 if is_big else 8]).next, set[int]()
    while at and at not in seen:
        seen.add(at)
        directory = ImageFileDirectory_v2(raw[: 16 if is_big else 8])
        file.seek(at)
        directory.load(file)
        if _WIDTH not in directory:
            break
        directories.append(directory)
        at = directory.next
    if not directories:
        raise ValueError("it has no page")
    return directories


def count_pages(directories: list[ImageFileDirectory_v2]) -> int:
    """Return how many of the pages are no smaller copies of others."""
    return max(1, sum(not int(each.get(_SUBFILE, 0)) & _REDUCED for each in directories))


def tiff_size(directory: ImageFileDirectory_v2) -> tuple[int, int]:
    """Return (width, height) of a page as stored."""
    return int(directory[_WIDTH]), int(directory[_HEIGHT])


def tiff_bits(directory: ImageFileDirectory_v2) -> int:
    """Return the bits of a channel of a page."""
    return int(max(directory.get(_BITS, (1,))))


def tiff_pixels(path: Path, raw: bytes, directory: ImageFileDirectory_v2) -> tuple[NDArray[Any], bytes | None]:
    """Decode the first page of a TIFF.

    Args:
        path: of the file, for messages.
        raw: its content.
        directory: the tags of the page.

    Returns:
        (pixels, profile): (H, W), (H, W, 3) RGB or (H, W, 4) RGBA with straight alpha, of uint8, uint16 or float32,
        upright; the ICC profile that they are of.

    Raises:
        SourceError: it is stored in a way that is not supported.
        Exception: Pillow's, of a damaged file.
    """
    profile = bytes(directory.get(_PROFILE, b"")) or None
    bits, form = tiff_bits(directory), max(directory.get(_FORMAT, (_UNSIGNED,)))
    if bits > 8 and (bits, form) not in ((16, _UNSIGNED), (32, _FLOAT)):
        stored = f"{bits}-bit {'float' if form == _FLOAT else 'unsigned' if form == _UNSIGNED else 'signed'}"
        raise SourceError(f"{path} is stored as {stored}: expected 8 or 16 bits a channel, or 32-bit float")
    if bits <= 8 and (directory.get(_PHOTOMETRIC) == _CMYK or directory.get(_SAMPLES, 1) == 2):
        with TiffImageFile(io.BytesIO(raw)) as image:
            return eight_bit_pixels(image, profile)
    extra = directory.get(_EXTRA_SAMPLES, ())
    if bits <= 8 and _STRAIGHT in extra:
        raw = _called_premultiplied(raw)
    try:
        pixels: Any = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise ValueError("its pixels cannot be decoded")
    if pixels.ndim == 2:
        return (pixels, profile) if bits > 8 or profile is None else (gray_to_srgb(pixels, profile), None)
    pixels = np.ascontiguousarray(pixels[..., [2, 1, 0, 3][: pixels.shape[2]]])
    return _straight(pixels) if pixels.shape[2] == 4 and _PREMULTIPLIED in extra else pixels, profile


def _called_premultiplied(raw: bytes) -> bytes:
    """A TIFF whose straight alpha is called premultiplied: else libtiff multiplies 8-bit colors by it."""
    order = "<" if raw.startswith(b"II") else ">"
    (at,) = struct.unpack_from(f"{order}I", raw, 4)
    (count,) = struct.unpack_from(f"{order}H", raw, at)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        if struct.unpack_from(f"{order}H", raw, entry) == (_EXTRA_SAMPLES,):
            return raw[: entry + 8] + struct.pack(f"{order}H", _PREMULTIPLIED) + raw[entry + 10 :]
    return raw


def _straight(premultiplied: NDArray[Any]) -> NDArray[Any]:
    """(H, W, 4) with straight alpha."""
    alpha = premultiplied[..., 3:]
    whole = 1.0 if alpha.dtype == np.float32 else float(np.iinfo(alpha.dtype).max)
    colors = premultiplied[..., :3] * (whole / np.where(alpha > 0, alpha, whole).astype(np.float64))
    if alpha.dtype != np.float32:
        colors = np.rint(np.clip(colors, 0, whole))
    return np.concatenate([colors.astype(alpha.dtype), alpha], 2)
