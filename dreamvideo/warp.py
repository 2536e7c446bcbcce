"""Warping along optical flow and what of it can be trusted: pure geometry, no networks.

Ruder, Dosovitskiy, Brox 2016: a dream starts from the previous one warped, except where a two-way check of the flow
fails. What differs: what is warped is the residual (dream - source), so that a source is never blurred.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

NOISE = 4.0  # grey levels of 255, averaged over 5 x 5 pixels; a webcam at night stays below. Chosen by measurement


def warp(image: Tensor, flow: Tensor, mode: str = "bilinear") -> Tensor:
    """Pull `image` along a backward flow: out(x) = image(x + flow(x)), border repeated.

    Args:
        image: (B, C, H, W) float.
        flow: (B, 2, H, W) pixels, channel 0 = dx (right), channel 1 = dy (down).
        mode: "bilinear", or "bicubic", which does not blur what is warped over and over.

    Returns:
        (B, C, H, W), dtype and device of `image`.

    Raises:
        ValueError: batch or spatial sizes differ.
    """
    b, _, h, w = image.shape
    if flow.shape != (b, 2, h, w):
        raise ValueError(f"got a flow of shape {tuple(flow.shape)}, expected {(b, 2, h, w)}")
    x, y = positions(flow)
    grid = torch.stack([x * (2 / max(w - 1, 1)) - 1, y * (2 / max(h - 1, 1)) - 1], 3)  # (B, H, W, 2) in [-1, 1]
    return F.grid_sample(image, grid.to(image.dtype), mode=mode, padding_mode="border", align_corners=True)


def occlusion_mask(backward: Tensor, forward: Tensor) -> Tensor:
    """Where the backward flow must not be trusted: the forward flow does not lead back, or the sample lies outside.

    Occluded where |w + w'|^2 > 0.01 (|w|^2 + |w'|^2) + 0.5, with w the backward flow and w' the forward flow sampled at
    its end (Sundaram, Brox, Keutzer 2010, as used by Ruder et al. 2016).

    Args:
        backward: (B, 2, H, W) current to previous, pixels.
        forward: (B, 2, H, W) previous to current, pixels.

    Returns:
        (B, 1, H, W) bool, True = do not trust.
    """
    there = warp(forward, backward)
    gap = (backward + there).square().sum(1, keepdim=True)
    length = backward.square().sum(1, keepdim=True) + there.square().sum(1, keepdim=True)
    return (gap > 0.01 * length + 0.5) | outside(backward)


def outside(flow: Tensor) -> Tensor:
    """(B, 1, H, W) bool: True where x + flow(x) lies outside the picture, by more than half a pixel."""
    h, w = flow.shape[2:]
    x, y = positions(flow)
    return ((x < -0.5) | (x > w - 0.5) | (y < -0.5) | (y > h - 0.5))[:, None]


def unchanged(current: Tensor, previous: Tensor) -> Tensor:
    """(B, 1, H, W) bool: True where a (B, 3, H, W) uint8 picture has stayed as it was, but for the camera's noise."""
    change = (torch.maximum(current, previous) - torch.minimum(current, previous)).amax(1, keepdim=True)  # in 8 bits
    return F.avg_pool2d(change.float(), 5, 1, 2, count_include_pad=False) < NOISE


def positions(flow: Tensor) -> tuple[Tensor, Tensor]:
    """x + flow(x) as (B, H, W) columns and rows, in pixels."""
    h, w = flow.shape[2:]
    columns = torch.arange(w, device=flow.device, dtype=flow.dtype)
    rows = torch.arange(h, device=flow.device, dtype=flow.dtype)[:, None]
    return flow[:, 0] + columns, flow[:, 1] + rows
