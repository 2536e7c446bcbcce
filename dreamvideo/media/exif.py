"""EXIF of image files: which way up the image is, and the block that goes into the dream of it."""

from __future__ import annotations

import logging
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

log = logging.getLogger(__name__)

# EXIF orientation -> display matrix, as `rotation.display_matrix` returns it; 1 is upright.
_MATRICES: Final = {
    2: ((-1, 0), (0, 1)),
    3: ((-1, 0), (0, -1)),
    4: ((1, 0), (0, -1)),
    5: ((0, 1), (1, 0)),
    6: ((0, 1), (-1, 0)),
    7: ((0, -1), (-1, 0)),
    8: ((0, -1), (1, 0)),
}
PREFIX: Final = b"Exif\0\0"
_MAX_BYTES: Final = 65_533  # of a segment of a JPEG
_MAKER_NOTE: Final = 0x927C
_SIZES: Final = (0xA002, 0xA003)  # of the image; the dream may have another

# Tags of a TIFF that say how its pixels are stored, and those of other data that the dream does not keep: sizes,
# strips, tiles, palettes, pages, XMP, IPTC, Photoshop's resources, the color profile.
_STRUCTURE: Final = frozenset(
    [*range(254, 267), 273, *range(277, 282), 284, 285, *range(288, 293), *range(297, 302), *range(317, 348)]
    + [*range(512, 533), 700, 33723, 34377, 34675, 37724, 50255]
)


def exif_in(image: Image.Image) -> Image.Exif:
    """Return the EXIF of an open image, empty if it is damaged."""
    try:
        return image.getexif()
    except Exception as error:  # Pillow raises errors of many kinds for damaged tags
        log.debug("EXIF cannot be read: %s", error)
        return Image.Exif()


def exif_matrix(exif: Image.Exif) -> NDArray[np.int32] | None:
    """Return how a stored image is turned upright.

    Args:
        exif: of the image.

    Returns:
        [[a, b], [c, d]] as `rotation.rotate_upright` takes it; None: it is stored upright, or no orientation is known.
    """
    try:
        matrix = _MATRICES.get(exif.get(ExifTags.Base.Orientation, 1))
    except Exception as error:  # Pillow raises errors of many kinds for damaged tags
        log.debug("EXIF cannot be read: %s", error)
        return None
    return None if matrix is None else np.array(matrix, np.int32)


def kept_exif(exif: Image.Exif) -> bytes | None:
    """Return the EXIF of an image for its dream, which is stored upright.

    Camera, date, place and the like are kept. The size, the thumbnail, which shows the image before the dream, and tags
    of how a TIFF is stored are left out.

    Args:
        exif: of the image.

    Returns:
        The block with its prefix, orientation 1; None: there is nothing to keep, or it is damaged.
    """
    try:
        kept = _without_structure(exif)
        if not kept:
            return None
        kept[ExifTags.Base.Orientation] = 1
        block = kept.tobytes()
        details = kept.get_ifd(ExifTags.IFD.Exif)
        if len(block) > _MAX_BYTES and details.pop(_MAKER_NOTE, None) is not None:
            block = kept.tobytes()
        return block if len(block) <= _MAX_BYTES else None
    except Exception as error:  # Pillow raises errors of many kinds for damaged tags
        log.debug("EXIF cannot be kept: %s", error)
        return None


def _without_structure(exif: Image.Exif) -> Image.Exif:
    kept = Image.Exif()
    for tag, value in exif.items():
        if tag not in _STRUCTURE and tag not in (ExifTags.Base.Orientation, *ExifTags.IFD):
            kept[tag] = value
    for tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        tags: dict[int, Any] = {name: value for name, value in exif.get_ifd(tag).items() if name not in _SIZES}
        if tags:
            kept.get_ifd(tag).update(tags)
    return kept


def exif_of(block: bytes) -> Image.Exif:
    """Parse a block that `kept_exif` returned."""
    exif = Image.Exif()
    exif.load(block)
    return exif
