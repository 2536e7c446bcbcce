"""Converts planes of YUV to RGB on any device, as `media.color.RgbConverter` does it on the CPU by swscale."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.media.color import LUMA_WEIGHTS, SourceColor, bt709_table
from dreamvideo.yuv.bicubic_axis import resample
from dreamvideo.yuv.hdr_tensors import tone_map_tensor
from dreamvideo.yuv.plane_layouts import PlaneLayout


def yuv_to_rgb(
    planes: Sequence[Tensor],
    layout: PlaneLayout,
    color: SourceColor,
    size: tuple[int, int] | None = None,
    siting: tuple[float, float] = (0.0, 0.0),
) -> Tensor:
    """Convert the planes of a frame.

    Args:
        planes: as many as `layout` has, uint8 or uint16: luma (H, W), then chroma (h, w) twice or (h, w, 2); rows may
            be further apart than they are long.
        layout: of the planes.
        color: how their samples are to be understood.
        size: (height, width) of the result, in pixels; None: that of the luma. The planes are resized before they are
            converted, bicubically.
        siting: where chroma samples lie, see `resample`; used where chroma is interpolated.

    Returns:
        (1, 3, height, width) float32 RGB in [0, 1]; the 8-bit image is its rounding.
    """
    source = planes[0].shape[-2], planes[0].shape[-1]
    size = size or source
    luma = resample(_code_values(planes[0], layout)[None], size, top=256)[0]
    full_range = color.full_range or layout.full_range
    if not full_range:
        luma = (luma - 16) * (255 / 219)
    if layout.gray:
        rgb = luma.expand(3, *size)
    else:
        rgb = _with_chroma(luma, _chroma(planes[1:], layout, size, size == source, siting), color.matrix, full_range)
    if color.is_hdr:  # of 16 bits, where swscale's white is 255 * 256
        return tone_map_tensor(rgb * 256, color.transfer, color.wide)[None]
    if color.wide:
        rgb = _of_bt709(rgb * (256 / 65535), color.transfer) * (65535 / 256)
    return (rgb.clamp(0, 255) / 255)[None]


def _code_values(plane: Tensor, layout: PlaneLayout) -> Tensor:
    """Samples on the scale of 8 bits; white of full range is 255 in any depth, which is how swscale takes it."""
    return plane.float() * (1 / (1 << (layout.bits + layout.shift - 8)))


def _chroma(
    planes: Sequence[Tensor],
    layout: PlaneLayout,
    size: tuple[int, int],
    unscaled: bool,
    siting: tuple[float, float],
) -> Tensor:
    """(2, height, width) of chroma, 0 where there is no color."""
    values = [_code_values(plane, layout) for plane in planes]
    chroma = (values[0].permute(2, 0, 1) if layout.interleaved else torch.stack(values)) - 128
    if not (unscaled and layout.repeats_chroma):
        return resample(chroma, size, siting, 128)
    whole = chroma.repeat_interleave(layout.rows, 1).repeat_interleave(layout.columns, 2)
    return whole[:, : size[0], : size[1]]


def _with_chroma(luma: Tensor, chroma: Tensor, matrix: int, full_range: bool) -> Tensor:
    """(3, H, W) RGB, 0 to 255 and beyond, from luma (H, W), 0 to 255, and chroma (2, H, W)."""
    red_weight, blue_weight = LUMA_WEIGHTS[matrix]
    green_weight = 1 - red_weight - blue_weight
    scale = 2 if full_range else 2 * 255 / 224
    to_blue, to_red = scale * (1 - blue_weight), scale * (1 - red_weight)
    blue, red = chroma
    return torch.stack(
        [
            torch.add(luma, red, alpha=to_red),
            luma - (to_red * red_weight * red + to_blue * blue_weight * blue) / green_weight,
            torch.add(luma, blue, alpha=to_blue),
        ]
    )


def _of_bt709(rgb: Tensor, transfer: int) -> Tensor:
    """(3, H, W) in [0, 1] with the primaries of BT.709, from those of BT.2020."""
    places = rgb.flip(0).permute(1, 2, 0)[None, None] * 2 - 1  # grid_sample takes (x, y, z): blue varies fastest
    table = _table(transfer, rgb.device)
    return F.grid_sample(table, places, padding_mode="border", align_corners=True)[0, :, 0]


@cache
def _table(transfer: int, device: torch.device) -> Tensor:
    return torch.from_numpy(bt709_table(transfer)).to(device).permute(3, 0, 1, 2)[None]
