"""Decodes image files with Pillow, and a PNG of 16 bits with libav, since Pillow rounds it to 8."""

from __future__ import annotations

import io
import struct
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray
from PIL import AvifImagePlugin, Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from dreamvideo.errors import SourceError, first_line
from dreamvideo.media.color_profile import rgb_profile
from dreamvideo.media.eight_bit import DEEP_PIXEL_BYTES, PIXEL_BYTES, eight_bit_pixels
from dreamvideo.media.exif import exif_in, exif_matrix, kept_exif
from dreamvideo.media.free_memory import check_fits
from dreamvideo.media.paths import IMAGE_SUFFIXES, check_readable
from dreamvideo.media.rotation import rotate_upright
from dreamvideo.media.tiff_file import count_pages, tiff_bits, tiff_directories, tiff_pixels, tiff_size

# How the files of each kind begin. Not `Image.open`: it takes formats of other plugins, too.
_CLASSES: Final = {
    b"\x89PNG\r\n\x1a\n": PngImageFile,
    b"\xff\xd8": JpegImageFile,
    b"BM": BmpImageFile,
    b"GIF8": GifImageFile,
}
_TIFF: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HEIF_BRANDS: Final = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

_limit_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded image file."""

    pixels: NDArray[Any]  # (H, W), (H, W, 3) RGB or (H, W, 4) with straight alpha, upright; uint8, uint16 or float32
    profile: bytes | None  # ICC, of RGB, that the colors are of; None: sRGB
    exif: bytes | None  # as `kept_exif` returns it
    frames: int  # or pages in the file; the first one is decoded


def decode_picture(path: Path) -> Picture:
    """Decode an image file.

    Args:
        path: a PNG, JPEG, WebP, BMP, TIFF, GIF or AVIF, or with pillow-heif a HEIC.

    Raises:
        SourceError: the file is missing, not an image, damaged, or larger than memory.
    """
    with _content(path) as raw:
        return _decode_tiff(path, raw) if raw.startswith(_TIFF) else _decode(path, raw)


def count_pictures(path: Path) -> int:
    """Return how many frames or pages an image file holds, without decoding them.

    Args:
        path: as for `decode_picture`.

    Raises:
        SourceError: as `decode_picture`.
    """
    with _content(path) as raw:
        if raw.startswith(_TIFF):
            return count_pages(tiff_directories(raw))
        with _image_class(path, raw)(io.BytesIO(raw)) as image:
            return getattr(image, "n_frames", 1)


def picture_size(path: Path) -> tuple[int, int]:
    """Return (width, height) of an image file as stored, from its header.

    Args:
        path: as for `decode_picture`.

    Raises:
        SourceError: as `decode_picture`.
    """
    with _content(path) as raw:
        if raw.startswith(_TIFF):
            return tiff_size(tiff_directories(raw)[0])
        with _image_class(path, raw)(io.BytesIO(raw)) as image:
            width, height = image.size
            return width, height


@contextmanager
def _content(path: Path) -> Generator[bytes, None, None]:
    """The bytes of a file; what Pillow raises about them inside the block becomes a `SourceError`."""
    check_readable(path)
    raw = path.read_bytes()
    with _errors_of_pillow(path), _any_size():
        yield raw


def _decode(path: Path, raw: bytes) -> Picture:
    image_class = _image_class(path, raw)
    try:
        image_class(io.BytesIO(raw)).close()
    except SyntaxError:
        raw = _critical_chunks(raw)  # the damage may be in other chunks alone
    with image_class(io.BytesIO(raw)) as image:
        frames: int = getattr(image, "n_frames", 1)
        deep = isinstance(image, PngImageFile) and raw[24:25] == b"\x10"
        width, height = image.size
        check_fits(path, width, height, DEEP_PIXEL_BYTES if deep else PIXEL_BYTES)
        image.load()  # checks all of the file
        profile = image.info.get("icc_profile") or None
        pixels, profile = (_decode_deep_png(raw), profile) if deep else eight_bit_pixels(image, profile)
        exif = exif_in(image)
        matrix, kept = exif_matrix(exif), kept_exif(exif)
    if pixels.ndim == 2:
        return Picture(rotate_upright(pixels[..., None], matrix)[..., 0], None, kept, frames)
    return Picture(rotate_upright(pixels, matrix), rgb_profile(profile), kept, frames)


def _decode_tiff(path: Path, raw: bytes) -> Picture:
    directories = tiff_directories(raw)
    first = directories[0]
    check_fits(path, *tiff_size(first), DEEP_PIXEL_BYTES if tiff_bits(first) > 8 else PIXEL_BYTES)
    exif = Image.Exif()
    exif.load_from_fp(io.BytesIO(raw))
    pixels, profile = tiff_pixels(path, raw, first)
    return Picture(
        pixels, None if pixels.ndim == 2 else rgb_profile(profile), kept_exif(exif), count_pages(directories)
    )


@contextmanager
def _errors_of_pillow(path: Path) -> Generator[None, None, None]:
    try:
        yield
    except (SourceError, MemoryError):
        raise
    except Exception as error:  # for damaged files Pillow raises errors of many kinds
        raise SourceError(f"{path} is damaged: {first_line(error)}") from None


def _image_class(path: Path, raw: bytes) -> Any:
    """The class of Pillow that reads a file, other than a TIFF."""
    for begin, image_class in _CLASSES.items():
        if raw.startswith(begin):
            return image_class
    if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP":
        return WebPImageFile
    brands = [raw[at : at + 4] for at in range(8, min(64, len(raw)), 4)] if raw[4:8] == b"ftyp" else []
    if any(brand in (b"avif", b"avis") for brand in brands):
        if not AvifImagePlugin.SUPPORTED:
            raise SourceError(f"{path} is an AVIF, which this build of Pillow does not read")
        return AvifImagePlugin.AvifImageFile
    if any(brand in _HEIF_BRANDS for brand in brands):
        try:
            return import_module("pillow_heif").HeifImageFile
        except ImportError:
            raise SourceError(
                f"{path} is a HEIC: reading it needs pillow-heif, pip install 'dreamvideo[photos]'"
            ) from None
    raise SourceError(f"{path} cannot be read as an image: expected one of {', '.join(IMAGE_SUFFIXES)}")


@contextmanager
def _any_size() -> Generator[None, None, None]:
    """Let Pillow read images of any size inside the block: here it is free memory that limits them."""
    with _limit_lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _critical_chunks(raw: bytes) -> bytes:
    """A PNG without the chunks that a reader may skip, up to the first that is not whole; other files as they are."""
    if not raw.startswith(b"\x89PNG"):
        return raw
    kept, at = [raw[:8]], 8
    while at + 8 <= len(raw):
        length, name = struct.unpack_from(">I4s", raw, at)
        if name[0] < ord("a") or name == b"tRNS":
            kept.append(raw[at : at + 12 + length])
        at += 12 + length
    return b"".join(kept)


def _decode_deep_png(raw: bytes) -> NDArray[np.uint16]:
    with av.open(io.BytesIO(raw), "r") as container:
        frame = next(container.decode(video=0))
    if frame.format.name == "ya16be":
        return np.asarray(frame.to_ndarray(format="rgba64le"), np.uint16)
    return np.asarray(frame.to_ndarray(), np.uint16)
