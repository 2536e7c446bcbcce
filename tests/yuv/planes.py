"""Synthetic frames of any layout, whose samples are those of RGB, and their planes as tensors."""

import av
import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.media.color import FULL, LIMITED
from dreamvideo.yuv.plane_layouts import LAYOUTS
from dreamvideo.yuv.rgb_to_yuv import rgb_to_yuv


def colors(size: tuple[int, int], seed: int) -> NDArray[np.uint8]:
    """(H, W, 3) RGB: smooth areas of all colors, and some that are noisy."""
    height, width = size
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (height // 5 + 2, width // 5 + 2, 3), np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    noise = random.integers(0, 256, (height, width, 3), np.uint8)
    noisy = np.arange(width)[None, :, None] > 0.7 * width
    return np.where(noisy, smooth // 2 + noise // 2, smooth).astype(np.uint8)


def yuv_frame(
    name: str,
    size: tuple[int, int],
    seed: int,
    matrix: int = 6,
    full: bool = False,
    transfer: int = 2,
    primaries: int = 2,
) -> av.VideoFrame:
    """A frame in memory of a layout, (height, width) in size, with color tags of H.273."""
    frame = av.VideoFrame(size[1], size[0], name)
    image = torch.from_numpy(colors(size, seed)).permute(2, 0, 1)[None]
    known = matrix if matrix in (1, 4, 5, 6, 7, 9, 10) else 6
    for plane, samples in zip(frame.planes, rgb_to_yuv(image, LAYOUTS[name], known, full), strict=True):
        values = samples.numpy()
        rows = np.zeros((values.shape[0], plane.line_size // values.itemsize), values.dtype)
        rows[:, : values[0].size] = values.reshape(len(values), -1)
        plane.update(rows.tobytes())
    frame.colorspace, frame.color_range = matrix, FULL if full else LIMITED
    frame.color_trc, frame.color_primaries = transfer, primaries
    return frame


def planes_of(frame: av.VideoFrame) -> list[Tensor]:
    return [torch.from_dlpack(plane) for plane in frame.planes]  # type: ignore[attr-defined]
