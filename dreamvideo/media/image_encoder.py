"""Encodes images in the format of a file name, with their color profile, EXIF and the settings of the dream."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from dreamvideo.errors import OutputError, first_line
from dreamvideo.media.exif import PREFIX, exif_of
from dreamvideo.media.metadata import image_with_settings, png_with_chunk
from dreamvideo.media.tiff_file import tiff_directories

# Formats that can hold a color profile and EXIF.
METADATA_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")

_QUALITY: Final = 95  # libjpeg's default of 75 shows blocks in the fine texture of a dream
_BY_PILLOW: Final = {".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}

_STRIP_OFFSETS, _EXTRA_SAMPLES, _PROFILE = 273, 338, 34675  # tags of a TIFF
_TIFF_HEADER: Final = 8  # bytes
_LZW: Final = 5  # of TIFF's compressions; by itself OpenCV 4.9 takes one for floats that is not exact
_STRAIGHT_ALPHA: Final = 2


def encode_image(
    image: NDArray[Any],
    output: Path,
    signature: str | None = None,
    profile: bytes | None = None,
    exif: bytes | None = None,
) -> bytes:
    """Encode an image in the format of a file name.

    Args:
        image: (H, W), (H, W, 3) RGB or (H, W, 4) RGBA, of a depth that the format holds.
        output: name that ends in the suffix of the format; not written.
        signature: a line for the comment, where the format has one.
        profile: ICC profile of the colors; only for a format in `METADATA_SUFFIXES`.
        exif: a block, as `kept_exif` returns it; likewise.

    Returns:
        Content of the file.

    Raises:
        OutputError: it cannot be encoded in that format.
    """
    suffix = output.suffix.lower()
    try:
        content = _by_pillow(image, suffix, profile, exif) if suffix in _BY_PILLOW else _by_opencv(image, suffix)
    except (cv2.error, OSError, ValueError) as error:
        size = f"{image.shape[1]}x{image.shape[0]}"
        raise OutputError(f"{output}: {size} cannot be written as {suffix}: {first_line(error)}") from None
    if suffix == ".png":
        if exif is not None:
            content = png_with_chunk(content, b"eXIf", exif.removeprefix(PREFIX))
        if profile is not None:
            content = png_with_chunk(content, b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))
    if suffix in (".tif", ".tiff"):
        alpha = image.ndim == 3 and image.shape[2] == 4
        content = _with_tiff_tags(content, alpha, profile, exif)
    return content if signature is None else image_with_settings(content, signature)


def _by_pillow(image: NDArray[Any], suffix: str, profile: bytes | None, exif: bytes | None) -> bytes:
    file = io.BytesIO()
    metadata = {"icc_profile": profile, "exif": exif}
    kept = {name: value for name, value in metadata.items() if value is not None}
    Image.fromarray(np.ascontiguousarray(image)).save(file, _BY_PILLOW[suffix], quality=_QUALITY, **kept)
    return file.getvalue()


def _by_opencv(image: NDArray[Any], suffix: str) -> bytes:
    if image.ndim == 3:
        image = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGBA2BGRA if image.shape[2] == 4 else cv2.COLOR_RGB2BGR))
    lossless = [cv2.IMWRITE_TIFF_COMPRESSION, _LZW] if suffix in (".tif", ".tiff") else []
    succeeded, encoded = cv2.imencode(suffix, image, lossless)
    if not succeeded:
        raise ValueError(f"{image.dtype} of shape {image.shape}")
    return bytes(encoded.tobytes())


def _with_tiff_tags(content: bytes, alpha: bool, profile: bytes | None, exif: bytes | None) -> bytes:
    """A TIFF with a new directory before its pixels: the tags that it has, and those that OpenCV cannot write."""
    if not alpha and profile is None and exif is None:
        return content
    old, tags = tiff_directories(content)[0], ImageFileDirectory_v2(content[:_TIFF_HEADER])
    for tag, value in old.items():
        tags.tagtype[tag] = old.tagtype[tag]
        tags[tag] = value
    if alpha:  # else readers take it for premultiplied, or for a channel that is no alpha
        tags[_EXTRA_SAMPLES] = _STRAIGHT_ALPHA
    if profile is not None:
        tags[_PROFILE] = profile
    if exif is not None:
        block = exif_of(exif)
        for tag, value in block.items():
            tags[tag] = block.get_ifd(tag) if isinstance(value, int) and block.get_ifd(tag) else value
    # Pillow takes the pixels to follow the directory, and moves the offsets of the strips by its length.
    tags[_STRIP_OFFSETS] = tuple(offset - _TIFF_HEADER for offset in tags[_STRIP_OFFSETS])
    order: Literal["little", "big"] = "little" if content.startswith(b"II") else "big"
    begin = content[:4] + _TIFF_HEADER.to_bytes(4, order)
    return begin + tags.tobytes(_TIFF_HEADER) + content[_TIFF_HEADER:]
