"""Converts RGB to planes of YUV on any device, as `media.video_encoder` does it on the CPU by swscale."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.media.color import LUMA_WEIGHTS
from dreamvideo.yuv.plane_layouts import PlaneLayout


def rgb_to_yuv(rgb: Tensor, layout: PlaneLayout, matrix: int, full_range: bool = False) -> list[Tensor]:
    """Convert an image to the planes that an encoder takes.

    A sample of chroma is the mean of its pixels, each rounded before, as on the CPU; so `yuv_to_rgb` inverts it.

    Args:
        rgb: (1, 3, H, W) RGB, uint8, or float in [0, 1]. Edges are repeated where a sample of chroma lies across them.
        layout: of the planes.
        matrix: number of H.273.
        full_range: whether all code values are used; so they are also where the layout says it.

    Returns:
        Luma (H, W), then chroma (h, w) twice or (h, w, 2); contiguous, uint8, or uint16 of more than 8 bits.
    """
    scale = (1 if rgb.dtype == torch.uint8 else 255) * (1 << (layout.bits - 8))  # to code values of full range
    red, green, blue = rgb[0].float() * scale
    red_weight, blue_weight = LUMA_WEIGHTS[matrix]
    luma = red_weight * red + (1 - red_weight - blue_weight) * green + blue_weight * blue
    to_blue, to_red = (blue - luma) / (2 - 2 * blue_weight), (red - luma) / (2 - 2 * red_weight)
    if not (full_range or layout.full_range):
        luma = luma * (219 / 255) + (16 << (layout.bits - 8))
        to_blue, to_red = to_blue * (224 / 255), to_red * (224 / 255)
    planes = [_samples(luma, layout)]
    if layout.gray:
        return planes
    chroma = _halved(_rounded(torch.stack([to_blue, to_red]) + layout.zero, layout), layout)
    if layout.interleaved:
        return [*planes, _samples(chroma.permute(1, 2, 0), layout)]
    return [*planes, *(_samples(plane, layout) for plane in chroma)]


def _rounded(values: Tensor, layout: PlaneLayout) -> Tensor:
    return (values + 0.5).floor().clamp(0, (1 << layout.bits) - 1)


def _halved(chroma: Tensor, layout: PlaneLayout) -> Tensor:
    """(2, h, w) means of blocks of (2, H, W)."""
    height, width = chroma.shape[1:]
    rows, columns = layout.chroma_size(height, width)
    below, right = rows * layout.rows - height, columns * layout.columns - width
    if below or right:
        chroma = F.pad(chroma[None], (0, right, 0, below), mode="replicate")[0]
    return F.avg_pool2d(chroma[None], (layout.rows, layout.columns))[0]


def _samples(values: Tensor, layout: PlaneLayout) -> Tensor:
    whole = _rounded(values, layout)
    if layout.bits == 8:
        return whole.to(torch.uint8).contiguous()
    return (whole.int() << layout.shift).to(torch.uint16).contiguous()
