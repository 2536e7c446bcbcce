"""Images that the ascents of distillation begin with: squares of photographs and renders, and smooth colors."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.errors import SourceError
from dreamvideo.media.contact_sheet import shrink_to_side
from dreamvideo.media.images import read_image
from dreamvideo.media.paths import is_image
from dreamvideo.training.distill_recipe import CropRecipe

SMALLEST_PHOTO = 100  # pixels of the shorter side; smaller ones are icons
COLOR_SPOT = 16  # pixels a spot of smooth random colors


@dataclass(frozen=True, slots=True)
class Pictures:
    """What is cut from.

    Args:
        photos: (H, W, 3) uint8 RGB each, of any size.
        renders: (N, H, W, 3) uint8 RGB.
    """

    photos: Sequence[NDArray[np.uint8]]
    renders: NDArray[np.uint8]


def load_photos(folder: Path, recipe: CropRecipe) -> list[NDArray[np.uint8]]:
    """Load all photographs in a folder, in the order of their names.

    Args:
        folder: searched with its subfolders; other files and pictures below `SMALLEST_PHOTO` are left out.
        recipe: gives the size.

    Raises:
        SourceError: there is none, or a file is broken.
    """
    paths = sorted(path for path in folder.rglob("*") if is_image(path))
    photos = [shrink_to_side(read_image(path), recipe.longest_side) for path in paths]
    photos = [photo for photo in photos if min(photo.shape[:2]) > SMALLEST_PHOTO]
    if not photos:
        raise SourceError(f"{folder}: no photographs; extract them: python -m dreamvideo.training.photographs --help")
    return photos


def random_crop(
    pictures: Pictures, side: int, recipe: CropRecipe, rng: random.Random, generator: torch.Generator
) -> Tensor:
    """Cut a square out of a random picture, and change its colors.

    Args:
        pictures: what is cut from.
        side: of the result, pixels.
        recipe: sizes and colors.
        rng: of all choices.
        generator: of smooth colors, on the CPU.

    Returns:
        (3, side, side) float32 RGB in [0, 1].
    """
    if rng.random() < recipe.smooth_share:
        return _smooth_colors(side, rng, generator)
    is_photo = rng.random() < recipe.photo_share
    picture = rng.choice(pictures.photos) if is_photo else pictures.renders[rng.randrange(len(pictures.renders))]
    square = _random_square(picture, side, recipe, rng)
    resized = cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA if len(square) > side else cv2.INTER_CUBIC)
    crop = torch.from_numpy(resized).permute(2, 0, 1).float() / 255
    if rng.random() < 0.5:
        crop = crop.flip(2)
    crop = (crop - 0.5) * rng.uniform(*recipe.contrast) + 0.5 + rng.uniform(*recipe.brightness)
    if rng.random() < recipe.tinted_share:
        crop = crop * torch.tensor([rng.uniform(*recipe.tint) for _ in range(3)])[:, None, None]
    return crop.clamp(0, 1)


def _random_square(picture: NDArray[np.uint8], side: int, recipe: CropRecipe, rng: random.Random) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    wanted = side * math.exp(rng.uniform(*map(math.log, recipe.scale)))
    cut = min(height, width, max(recipe.smallest_side, int(wanted)))
    y, x = rng.randint(0, height - cut), rng.randint(0, width - cut)
    return np.ascontiguousarray(picture[y : y + cut, x : x + cut])


def _smooth_colors(side: int, rng: random.Random, generator: torch.Generator) -> Tensor:
    spots = torch.rand(1, 3, *[max(2, side // COLOR_SPOT)] * 2, generator=generator) * rng.uniform(0.3, 1) + 0.1
    return F.interpolate(spots, (side, side), mode="bicubic", align_corners=False)[0].clamp(0, 1)
