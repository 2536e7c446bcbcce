"""Reads the EXIF orientation of image files with Pillow."""

from __future__ import annotations

import io
import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

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
# What Pillow raises for another format or a damaged file, by 20,000 mutated JPEG, PNG and WebP files.
_UNREADABLE: Final = (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError)


def exif_matrix(encoded: bytes) -> NDArray[np.int32] | None:
    """Read the EXIF orientation of an encoded JPEG, PNG or WebP.

    TIFF files are not looked at: OpenCV turns them while it decodes, whatever its flags.

    Args:
        encoded: content of the file.

    Returns:
        [[a, b], [c, d]] as `rotation.rotate_upright` takes it; None: upright, no orientation, or another format.
    """
    # `Image.open` would find the format by itself, but refuses large images, even if only their header is read.
    for image_class in (JpegImageFile, PngImageFile, WebPImageFile):
        try:
            with image_class(io.BytesIO(encoded)) as image:
                if image_class is PngImageFile and "exif" not in image.info and b"eXIf" in encoded:
                    image.load()  # the chunk comes after the pixels
                exif = Image.Exif()
                exif.load(image.info.get("exif", b""))
                matrix = _MATRICES.get(exif.get(ExifTags.Base.Orientation, 1))
        except _UNREADABLE:
            continue
        return None if matrix is None else np.array(matrix, np.int32)
    return None
