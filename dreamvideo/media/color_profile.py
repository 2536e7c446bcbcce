"""ICC color profiles of image files, by LittleCMS: what kind of color they are of, and conversion to sRGB."""

from __future__ import annotations

import io
import logging
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

log = logging.getLogger(__name__)

_ERRORS = (ImageCms.PyCMSError, OSError, ValueError, TypeError)  # of profiles that are damaged


def rgb_profile(profile: bytes | None) -> bytes | None:
    """Return an ICC profile if it is one of RGB that can be read, else None."""
    if profile is None:
        return None
    try:
        space = str(ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space).strip()
    except _ERRORS as error:
        log.debug("an ICC profile cannot be read: %s", error)
        return None
    return profile if space == "RGB" else None


def convert_to_srgb(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Convert an image to sRGB.

    Args:
        image: of mode L, RGB or CMYK.
        profile: the ICC profile that its colors are of.

    Returns:
        Of mode RGB; None: the profile cannot be used for it.
    """
    try:
        return ImageCms.applyTransform(image, _transform(profile, image.mode))
    except _ERRORS as error:
        log.debug("an ICC profile cannot be used: %s", error)
        return None


def rgb_to_srgb(image: NDArray[np.uint8], profile: bytes) -> NDArray[np.uint8]:
    """(H, W, 3 or 4) sRGB(A) from RGB(A) of a profile; itself where the profile cannot be used."""
    converted = convert_to_srgb(Image.fromarray(np.ascontiguousarray(image[..., :3])), profile)
    if converted is None:
        return image
    return np.concatenate([np.asarray(converted), image[..., 3:]], 2)


@lru_cache(8)  # thousands of frames share a profile
def _transform(profile: bytes, mode: str) -> Any:
    source, target = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(
        source,
        target,
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
