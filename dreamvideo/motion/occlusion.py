"""Warping on the CPU, and what of a flow can be trusted, by OpenCV and NumPy.

Motion is watched in a thread beside the dream. Were it torch that computes here, its threads would wait for those of
the dream and of OpenCV at every turn: all of this and the flow would take half as long again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.motion.flow import FlowEstimator

NOISE = 4.0  # gray levels of 255, averaged over 5 x 5 pixels; a webcam at night stays below. Chosen by measurement

EDGE = 9  # pixels over which trust goes from 0 to 1; chosen by eye

MODES = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}


@dataclass(frozen=True, slots=True)
class Motion:
    """How the previous frame became this one."""

    backward: Tensor  # (1, 2, H, W) float32 pixels: where each pixel of this frame lies in the previous one
    occluded: Tensor  # (1, 1, H, W) bool: True = do not trust
    trust: Tensor  # (1, 1, H, W) float32 in [0, 1]: the same with soft edges, 0 = do not
    hidden: float  # share of `occluded` that is True


def no_motion(height: int, width: int) -> Motion:
    """Everything stays where it is."""
    nowhere = torch.zeros(1, 1, height, width, dtype=torch.bool)
    return Motion(torch.zeros(1, 2, height, width), nowhere, torch.ones(1, 1, height, width), 0.0)


def estimate_motion(current: Tensor, previous: Tensor, estimate: FlowEstimator) -> Motion:
    """The motion from one (1, 3, H, W) uint8 picture to the next, and where it cannot be trusted."""
    backward = estimate(current, previous)
    occluded = occlusion_mask(backward, estimate(previous, current)).numpy()
    # On flat ground a flow is a guess and seldom leads back; what has not changed has not moved.
    still = occluded & unchanged_mask(current, previous).numpy()
    backward.numpy()[:, :, still[0, 0]] = 0
    # And where the moved picture looks like this one, the flow is good enough, wherever the other one leads.
    before = torch.from_numpy(np.ascontiguousarray(previous.numpy(), np.float32))
    moved = torch.from_numpy(np.rint(remap(before, backward).numpy()).astype(np.uint8))
    seen = unchanged_mask(current, moved, 2 * NOISE).numpy() & ~outside_mask(backward).numpy()
    occluded &= ~(still | seen)
    # Soft at its edges, which are those of the estimator's patches: a dream cut along them shows steps.
    trust = cv2.blur((~occluded[0, 0]).astype(np.float32), (EDGE, EDGE), borderType=cv2.BORDER_REPLICATE)
    return Motion(backward, torch.from_numpy(occluded), torch.from_numpy(trust)[None, None], float(occluded.mean()))


def remap(image: Tensor, flow: Tensor, mode: str = "bilinear") -> Tensor:
    """Pull `image` along a backward flow: out(x) = image(x + flow(x)), border repeated.

    What `warp` does, five times as fast. OpenCV rounds the place that a pixel is taken from to 1/32 of a pixel; no flow
    is as exact as that.

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
    for planes, way, into in zip(image, flow, made, strict=True):
        columns, rows = _places(way.numpy())
        for plane, out in zip(planes, into, strict=True):
            cv2.remap(plane.numpy(), columns, rows, MODES[mode], dst=out.numpy(), borderMode=cv2.BORDER_REPLICATE)
    return made


def occlusion_mask(backward: Tensor, forward: Tensor) -> Tensor:
    """Where the backward flow must not be trusted: the forward flow does not lead back, or the sample lies outside.

    Occluded where |w + w'|^2 > 0.01 (|w|^2 + |w'|^2) + 0.5, with w the backward flow and w' the forward flow sampled at
    its end (Sundaram, Brox, Keutzer 2010, as used by Ruder et al. 2016).

    Args:
        backward: (B, 2, H, W) float32 current to previous, pixels.
        forward: (B, 2, H, W) float32 previous to current, pixels.

    Returns:
        (B, 1, H, W) bool, True = do not trust.
    """
    (bx, by), (fx, fy) = (np.moveaxis(flow.numpy(), 1, 0) for flow in (backward, remap(forward, backward)))
    gap = (bx + fx) ** 2 + (by + fy) ** 2
    length = bx**2 + by**2 + fx**2 + fy**2
    return torch.from_numpy(gap > 0.01 * length + 0.5)[:, None] | outside_mask(backward)


def outside_mask(flow: Tensor) -> Tensor:
    """(B, 1, H, W) bool: True where x + flow(x) lies outside the picture, by more than half a pixel."""
    h, w = flow.shape[2:]
    x, y = _places(np.moveaxis(flow.numpy(), 1, 0))
    return torch.from_numpy((x < -0.5) | (x > w - 0.5) | (y < -0.5) | (y > h - 0.5))[:, None]


def unchanged_mask(current: Tensor, previous: Tensor, noise: float = NOISE) -> Tensor:
    """(B, 1, H, W) bool: True where a (B, 3, H, W) uint8 picture has stayed as it was, but for the camera's noise."""
    same = []
    for now, before in zip(current, previous, strict=True):
        red, green, blue = (cv2.absdiff(*pair) for pair in zip(_planes(now), _planes(before), strict=True))
        change = cv2.max(cv2.max(red, green), blue)  # (H, W)
        same.append(cv2.blur(change.astype(np.float32), (5, 5)) < noise)
    return torch.from_numpy(np.stack(same))[:, None]


def _planes(image: Tensor) -> Sequence[cv2.typing.MatLike]:
    return cv2.split(np.ascontiguousarray(image.permute(1, 2, 0).numpy()))


def _places(flow: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """x + flow(x) of a (2, ..., H, W) flow, as (..., H, W) columns and rows, in pixels."""
    h, w = flow.shape[-2:]
    return flow[0] + np.arange(w, dtype=np.float32), flow[1] + np.arange(h, dtype=np.float32)[:, None]
