"""What is dreamed where no clip is given: noise of every size and sharp edges, drawn by code; and clips from files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import closing
from fractions import Fraction
from itertools import islice
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.errors import SourceError
from dreamvideo.frames import Frame, Frames, StreamInfo
from dreamvideo.media.video_reader import open_video
from dreamvideo.media.video_writer import write_video
from dreamvideo.settings.job import ReadSettings
from dreamvideo.tensors import to_image

RATE = 25  # frames per second of a drawn clip


def synthetic_image(height: int, width: int, seed: int = 0) -> Tensor:
    """(1, 3, height, width) in [0, 1]: noise whose strength grows with its size, as a photograph has it, and shapes."""
    draw = torch.Generator().manual_seed(seed)
    image = torch.zeros(1, 3, height, width)
    for cells in (3, 7, 17, 41, 97):
        noise = torch.rand(1, 3, min(cells, height), min(cells, width), generator=draw) - 0.5
        image += (3 / cells) ** 0.6 * F.interpolate(noise, (height, width), mode="bicubic", align_corners=False)
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    for _ in range(14):
        cx, cy, angle, size, stretch = torch.rand(5, generator=draw).tolist()
        u, v = x - 2 * cx + 1, y - 2 * cy + 1
        turned = (u * math.cos(6 * angle) + v * math.sin(6 * angle), v * math.cos(6 * angle) - u * math.sin(6 * angle))
        shape = torch.maximum(turned[0].abs(), turned[1].abs() * (1 + 4 * stretch)) < 0.1 + 0.25 * size
        image = torch.where(shape, 0.7 * torch.rand(1, 3, 1, 1, generator=draw) - 0.35 + 0.4 * image, image)
    return (image + 0.5).clamp(0, 1)


def synthetic_frames(height: int, width: int, count: int, seed: int = 0) -> list[Frame]:
    """A clip of one shot: the camera pans and turns slowly over a drawn ground, before which a disc flies."""
    ground = synthetic_image(height * 3 // 2, width * 3 // 2, seed)
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    frames = []
    for i in range(count):
        turn, shift = 0.002 * i, 0.3 * math.sin(0.02 * i)
        scene = torch.tensor(
            [
                [0.6 * math.cos(turn), -0.6 * math.sin(turn), shift],
                [0.6 * math.sin(turn), 0.6 * math.cos(turn), -shift / 2],
            ]
        )
        grid = F.affine_grid(scene[None], [1, 3, height, width], align_corners=False)
        image = F.grid_sample(ground, grid, align_corners=False)
        disc = (x - 0.7 * math.sin(0.05 * i)) ** 2 + (y - 0.3) ** 2 < 0.04
        image = torch.where(disc, torch.tensor([0.9, 0.5, 0.2]).view(1, 3, 1, 1) * (0.4 + image), image)
        frames.append(Frame(to_image(image.clamp(0, 1)), Fraction(i, RATE)))
    return frames


def read_clip(path: Path, height: int, width: int, count: int) -> list[Frame]:
    """The first `count` frames of a video, at the given size.

    Raises:
        SourceError: it cannot be read, or holds fewer.
    """
    with open_video(path, ReadSettings(frames=count, size=(width, height))) as source, closing(source.frames) as found:
        frames = list(islice(found, count))
    if len(frames) < count:
        raise SourceError(f"{path} holds {len(frames)} frames: expected {count}; take a longer clip, or fewer --frames")
    return frames


def write_clip(frames: Sequence[Frame], path: Path) -> None:
    """The frames as a video."""
    height, width = frames[0].image.shape[:2]
    write_video(frame_stream(frames), path, StreamInfo(width, height, Fraction(RATE), len(frames), Fraction(1, RATE)))


def frame_stream(frames: Sequence[Frame]) -> Frames:
    """The frames as a generator, which is what flows."""
    yield from frames
