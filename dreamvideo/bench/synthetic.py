"""Synthetic images and clips to dream on, made of noise at every scale and sharp edges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.frames import Frame, Frames
from dreamvideo.tensors import to_image

RATE = 25  # frames per second of a synthetic clip


def synthetic_image(height: int, width: int, seed: int = 0) -> Tensor:
    """Draw noise whose amplitude grows with its scale, as in photographs, and shapes with sharp edges.

    Args:
        height, width: in pixels.
        seed: of the noise and the shapes.

    Returns:
        (1, 3, height, width) float32 in [0, 1].
    """
    generator = torch.Generator().manual_seed(seed)
    image = torch.zeros(1, 3, height, width)
    for cells in (3, 7, 17, 41, 97):
        noise = torch.rand(1, 3, min(cells, height), min(cells, width), generator=generator) - 0.5
        image += (3 / cells) ** 0.6 * F.interpolate(noise, (height, width), mode="bicubic", align_corners=False)
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    for _ in range(14):
        cx, cy, angle, size, elongation = torch.rand(5, generator=generator).tolist()
        u, v = x - 2 * cx + 1, y - 2 * cy + 1
        rotated = (u * math.cos(6 * angle) + v * math.sin(6 * angle), v * math.cos(6 * angle) - u * math.sin(6 * angle))
        shape = torch.maximum(rotated[0].abs(), rotated[1].abs() * (1 + 4 * elongation)) < 0.1 + 0.25 * size
        image = torch.where(shape, 0.7 * torch.rand(1, 3, 1, 1, generator=generator) - 0.35 + 0.4 * image, image)
    return (image + 0.5).clamp(0, 1)


def synthetic_frames(height: int, width: int, count: int, seed: int = 0) -> list[Frame]:
    """Draw a clip of one shot: the camera pans and rotates slowly over a background; a disc moves in front.

    Args:
        height, width: in pixels.
        count: number of frames, at `RATE` frames per second.
        seed: of the background.
    """
    background = synthetic_image(height * 3 // 2, width * 3 // 2, seed)
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    frames = []
    for i in range(count):
        angle, shift = 0.002 * i, 0.3 * math.sin(0.02 * i)
        scene = torch.tensor(
            [
                [0.6 * math.cos(angle), -0.6 * math.sin(angle), shift],
                [0.6 * math.sin(angle), 0.6 * math.cos(angle), -shift / 2],
            ]
        )
        grid = F.affine_grid(scene[None], [1, 3, height, width], align_corners=False)
        image = F.grid_sample(background, grid, align_corners=False)
        disc = (x - 0.7 * math.sin(0.05 * i)) ** 2 + (y - 0.3) ** 2 < 0.04
        image = torch.where(disc, torch.tensor([0.9, 0.5, 0.2]).view(1, 3, 1, 1) * (0.4 + image), image)
        frames.append(Frame(to_image(image.clamp(0, 1)), Fraction(i, RATE)))
    return frames


def frame_stream(frames: Sequence[Frame]) -> Frames:
    """Return the frames as a generator, as the pipeline expects them."""
    yield from frames
