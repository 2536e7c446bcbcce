"""Pixels of images that Pillow has opened, of 8 bits a channel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from dreamvideo.media.color_profile import convert_to_srgb

# Bytes a pixel at the peak of reading, measured as the growth of the resident set: 14 for RGB, 24 for RGBA that is
# composited; 32 to 40 for 16-bit RGBA, 48 for RGB of floats.
PIXEL_BYTES, DEEP_PIXEL_BYTES = 24, 48


def eight_bit_pixels(image: ImageFile.ImageFile, profile: bytes | None) -> tuple[NDArray[np.uint8], bytes | None]:
    """Decode an image that has 8 bits a channel, or is rounded to them.

    Args:
        image: an open file.
        profile: the ICC profile in it.

    Returns:
        (pixels, profile): (H, W), (H, W, 3) RGB or (H, W, 4) RGBA as stored; the profile, or None where the colors had
        to be converted to sRGB by it, as those of gray and CMYK.
    """
    image.load()
    if image.has_transparency_data:
        return np.array(image.convert("RGBA")), profile
    if image.mode in ("1", "L"):
        gray = np.array(image.convert("L"))
        return gray if profile is None else gray_to_srgb(gray, profile), None
    if image.mode == "CMYK" and profile is not None:
        converted = convert_to_srgb(image, profile)
        if converted is not None:
            return np.array(converted), None
    return np.array(image.convert("RGB")), profile


def gray_to_srgb(gray: NDArray[np.uint8], profile: bytes) -> NDArray[np.uint8]:
    """(H, W) gray as sRGB has it from gray of an ICC profile; itself where the profile cannot be used."""
    converted = convert_to_srgb(Image.fromarray(gray), profile)
    return gray if converted is None else np.array(converted.getchannel("G"))
