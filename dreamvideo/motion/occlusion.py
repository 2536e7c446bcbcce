"""Motion between two frames: the backward flow, where it can be trusted, and a fast warp on the CPU.

Occlusion is the forward-backward check of Sundaram, Brox, Keutzer 2010, as Ruder, Dosovitskiy, Brox 2016 use it for
video style transfer. Two things are added: pixels that have not changed have not moved, and a flow is also trusted
where the warped image looks like the current one.

OpenCV and NumPy compute here, not torch: motion is estimated in a thread beside the dream, and torch's threads would
wait for those of the dream and of OpenCV at every turn. All of this and the flow would take half as long again.
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
    """The motion from the previous frame to the current one."""

    backward: Tensor  # (1, 2, H, W) float32 px (dx, dy): current(x) is found at previous(x + backward(x))
    occluded: Tensor  # (1, 1, H, W) bool: True = do not trust
    trust: Tensor  # (1, 1, H, W) float32 in [0, 1]: the same with soft edges, 0 = do not trust
    unseen: float  # share of `occluded` that is True, 0..1


def no_motion(height: int, width: int) -> Motion:
    """Return the motion of a frame in which everything stays where it is.

    Args:
        height: of the frame, px.
        width: of the frame, px.
    """
    nowhere = torch.zeros(1, 1, height, width, dtype=torch.bool)
    return Motion(torch.zeros(1, 2, height, width), nowhere, torch.ones(1, 1, height, width), 0.0)


def estimate_motion(current: Tensor, previous: Tensor, estimate: FlowEstimator) -> Motion:
    """Estimate the motion between two frames, and where it cannot be trusted.

    Args:
        current, previous: (1, 3, H, W) uint8 RGB on the CPU.
        estimate: flow estimator; called twice, for the backward and the forward flow.
    """
    backward = estimate(current, previous)
    occluded = occlusion_mask(backward, estimate(previous, current)).numpy()
    # On flat ground a flow is a guess and seldom leads back; what has not changed has not moved.
    still = occluded & unchanged_mask(current, previous).numpy()
    backward.numpy()[:, :, still[0, 0]] = 0
    # Where the warped image looks like the current one the flow is good enough, wherever the forward flow leads.
    source = torch.from_numpy(np.ascontiguousarray(previous.numpy(), np.float32))
    warped = torch.from_numpy(np.rint(remap(source, backward).numpy()).astype(np.uint8))
    alike = unchanged_mask(current, warped, 2 * NOISE).numpy() & ~outside_mask(backward).numpy()
    occluded &= ~(still | alike)
    # Soft at its edges, which are those of the estimator's patches: a dream cut along them shows steps.
    trust = cv2.blur((~occluded[0, 0]).astype(np.float32), (EDGE, EDGE), borderType=cv2.BORDER_REPLICATE)
    return Motion(backward, torch.from_numpy(occluded), torch.from_numpy(trust)[None, None], float(occluded.mean()))


def remap(image: Tensor, flow: Tensor, mode: str = "bilinear") -> Tensor:
    """Warp `image` along a backward flow on the CPU: out(x) = image(x + flow(x)), edges repeated outwards.

    As `warp.warp`, five times as fast. OpenCV rounds x + flow(x) to 1/32 of a pixel; no flow is as exact as that.

    Args:
        image: (B, C, H, W) float32 on the CPU.
        flow: (B, 2, H, W) float32 px on the CPU, channel 0 = dx (right), channel 1 = dy (down).
        mode: "bilinear", or "bicubic", which does not blur what is warped over and over.

    Returns:
        (B, C, H, W) float32.

    Raises:
        ValueError: batch or spatial sizes differ.
    """
    b, _, h, w = image.shape
    if flow.shape != (b, 2, h, w):
        raise ValueError(f"got a flow of shape {tuple(flow.shape)}, expected {(b, 2, h, w)}")
    warped = torch.empty(image.shape)
    for planes, plane_flow, out_planes in zip(image, flow, warped, strict=True):
        x, y = _sample_positions(plane_flow.numpy())
        for plane, out in zip(planes, out_planes, strict=True):
            cv2.remap(plane.numpy(), x, y, MODES[mode], dst=out.numpy(), borderMode=cv2.BORDER_REPLICATE)
    return warped


def occlusion_mask(backward: Tensor, forward: Tensor) -> Tensor:
    """Return where the backward flow must not be trusted: the forward flow does not lead back, or it leads outside.

    Occluded where |w + w'|^2 > 0.01 (|w|^2 + |w'|^2) + 0.5, with w the backward flow and w' the forward flow sampled at
    its end (Sundaram, Brox, Keutzer 2010, as used by Ruder et al. 2016).

    Args:
        backward: (B, 2, H, W) float32 px (dx, dy), current to previous.
        forward: (B, 2, H, W) float32 px (dx, dy), previous to current.

    Returns:
        (B, 1, H, W) bool, True = do not trust.
    """
    (bx, by), (fx, fy) = (np.moveaxis(flow.numpy(), 1, 0) for flow in (backward, remap(forward, backward)))
    gap = (bx + fx) ** 2 + (by + fy) ** 2
    length = bx**2 + by**2 + fx**2 + fy**2
    return torch.from_numpy(gap > 0.01 * length + 0.5)[:, None] | outside_mask(backward)


def outside_mask(flow: Tensor) -> Tensor:
    """Return where x + flow(x) lies outside the image by more than half a pixel.

    Args:
        flow: (B, 2, H, W) float32 px (dx, dy) on the CPU.

    Returns:
        (B, 1, H, W) bool, True = outside.
    """
    h, w = flow.shape[2:]
    x, y = _sample_positions(np.moveaxis(flow.numpy(), 1, 0))
    return torch.from_numpy((x < -0.5) | (x > w - 0.5) | (y < -0.5) | (y > h - 0.5))[:, None]


def unchanged_mask(current: Tensor, previous: Tensor, noise: float = NOISE) -> Tensor:
    """Return where two images are the same but for the camera's noise.

    Args:
        current, previous: (B, 3, H, W) uint8 RGB on the CPU.
        noise: gray levels of 255, averaged over 5 x 5 pixels, below which a change is noise.

    Returns:
        (B, 1, H, W) bool, True = unchanged.
    """
    masks = []
    for now, before in zip(current, previous, strict=True):
        red, green, blue = (cv2.absdiff(*pair) for pair in zip(_planes(now), _planes(before), strict=True))
        change = cv2.max(cv2.max(red, green), blue)  # (H, W)
        masks.append(cv2.blur(change.astype(np.float32), (5, 5)) < noise)
    return torch.from_numpy(np.stack(masks))[:, None]


def _planes(image: Tensor) -> Sequence[cv2.typing.MatLike]:
    return cv2.split(np.ascontiguousarray(image.permute(1, 2, 0).numpy()))


def _sample_positions(flow: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """x + flow(x) of a (2, ..., H, W) flow, as (..., H, W) columns and rows, px."""
    h, w = flow.shape[-2:]
    return flow[0] + np.arange(w, dtype=np.float32), flow[1] + np.arange(h, dtype=np.float32)[:, None]
