"""Motion between two frames: the backward flow, where it can be trusted, and a fast warp on the CPU.

Occlusion is the forward-backward check of Sundaram, Brox, Keutzer 2010, as Ruder, Dosovitskiy, Brox 2016 use it for
video style transfer. Two things are added: pixels that have not changed have not moved, and a flow is also trusted
where the warped image looks like the current one.

OpenCV and NumPy compute here, not torch: motion is estimated in a thread beside the dream, and torch's threads would
wait for those of the dream and of OpenCV at every turn. All of this and the flow would take half as long again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.motion.camera_motion import camera_matrix, moving_places, near_movers, speed_against
from dreamvideo.motion.flow import boxes_around, estimate_part, part_weight
from dreamvideo.motion.flow_pair import FlowEstimator, FlowPair, enlarge_flow
from dreamvideo.motion.frame_motion import Motion

NOISE = 4.0  # gray levels of 255, averaged over 5 x 5 pixels; a webcam at night stays below. Chosen by measurement

EDGE = 9  # pixels over which trust and motion go from 0 to 1 where the image has no edge; chosen by eye
MOST = 0.9  # share that does not lead back from which a flow is none at all; else plain ground creeps
EDGE_CONTRAST = 8.0  # gray levels of 255 from which an edge of the image is one of trust; chosen by eye

# Gray levels of 255 by which a warped image differs where its flow explains it, and where it does not; averaged over a
# radius that is a share of the shorter side. By measurement: a bus stays below, a running dog above.
EXPLAINED, UNEXPLAINED = 6.0, 12.0
MISMATCH_RADIUS = 0.025

FAST = 2.0  # pixels per frame, from which what moves is worth a flow of its own

# Pixels between those at which light is measured, and the factor and gray levels by which it changes at least.
LIGHT_GRID = 8
LIGHT_FACTOR, LIGHT_LEVEL = 0.02, 2.0

MODES = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}


def estimate_motion(
    current: Tensor, previous: Tensor, estimate: FlowEstimator, part_estimator: FlowEstimator | None = None
) -> Motion:
    """Estimate the motion between two frames, and where it cannot be trusted.

    Args:
        current, previous: (1, 3, H, W) uint8 RGB on the CPU.
        estimate: flow estimator.
        part_estimator: the same for parts of the image that move against the camera, which are estimated again; None:
            they are not.
    """
    h, w = current.shape[2:]
    pair = FlowPair(*(enlarge_flow(flow, h, w) for flow in estimate(current, previous)))
    backward = pair.backward
    camera = camera_matrix(backward.numpy()[0])
    if part_estimator is not None and camera is not None:
        moving = moving_places(speed_against(backward.numpy()[0], camera), FAST, (h, w))
        for rows, columns in boxes_around(moving):
            part = estimate_part(current, previous, rows, columns, part_estimator)
            weight = part_weight(moving[rows, columns])
            for flow, part_flow in zip(pair, part, strict=True):
                view = flow[:, :, rows, columns]
                view.lerp_(enlarge_flow(part_flow, view.shape[2], view.shape[3]), weight)
    occluded = occlusion_mask(*pair).numpy()
    # On flat ground a flow is a guess and seldom leads back; what has not changed has not moved.
    held = held_still(occluded[0, 0], unchanged_mask(current, previous).numpy()[0, 0])
    backward *= torch.from_numpy(1 - held)
    still = held > 0.5
    # Where the warped image looks like the current one the flow is good enough, wherever the forward flow leads.
    source = torch.from_numpy(np.ascontiguousarray(previous.numpy(), np.float32))
    warped = torch.from_numpy(np.rint(remap(source, backward).numpy()).astype(np.uint8))
    change = _largest_change(current[0], warped[0])
    alike = _is_noise(change, 2 * NOISE) & ~outside_mask(backward).numpy()[0, 0]
    occluded &= ~(still | alike)
    flow, lost = backward.numpy()[0], occluded[0, 0]
    everywhere = np.ones_like(lost)
    near, inside = (everywhere,) * 2 if camera is None else near_movers(speed_against(flow, camera), lost)
    mismatch = flow_mismatch(_change_of_picture(current[0], warped[0], change), lost)
    return Motion(
        backward,
        torch.from_numpy(occluded),
        torch.from_numpy(soft_trust(lost, current))[None, None],
        float(lost.mean()),
        torch.from_numpy(near)[None, None],
        bool(near.any()),
        torch.from_numpy(inside)[None, None],
        torch.from_numpy(mismatch)[None, None],
        float(mismatch.mean()),
        camera,
    )


def held_still(occluded: NDArray[np.bool_], unchanged: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return how far a flow is taken for none: where the image has not changed, the share that does not lead back.

    Pixel by pixel the check is ragged, and tears a dream of which one pixel moves and the next does not. By measurement
    half as many edges are torn into plain ground. If all is held where a third does not lead back, so is a bus. From a
    share of `MOST` on all is.

    Args:
        occluded: (H, W) of `occlusion_mask`.
        unchanged: (H, W) of `unchanged_mask`.

    Returns:
        (H, W) in [0, 1], smooth where the image has not changed, 0 where it has.
    """
    both = occluded & unchanged
    if not both.any():
        return np.zeros(both.shape, np.float32)
    h, w = both.shape
    size, side = (-(-w // 2), -(-h // 2)), EDGE // 2 + 1  # half of it: what follows is a blur
    halves = (cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) for mask in (both, unchanged))
    of_both, of_unchanged = (cv2.blur(half, (side, side), borderType=cv2.BORDER_REPLICATE) for half in halves)
    share = np.minimum(of_both / np.maximum(MOST * of_unchanged, 1 / 255), 1)
    return cast("NDArray[np.float32]", cv2.resize(share, (w, h), interpolation=cv2.INTER_LINEAR) * unchanged)


def flow_mismatch(change: NDArray[np.uint8], lost: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return how little a flow explains an image.

    What deforms outruns its dream, whatever its flow; what moves as a whole keeps it.

    Args:
        change: (H, W) gray levels of 255 by which the image differs from the one before, warped.
        lost: (H, W) where the flow is not trusted.

    Returns:
        (H, W) in [0, 1], smooth.
    """
    h, w = lost.shape
    size = (max(1, w // 4), max(1, h // 4))
    cells = cv2.resize(np.where(lost, np.uint8(4 * UNEXPLAINED), change), size, interpolation=cv2.INTER_AREA)
    side = 2 * round(MISMATCH_RADIUS * min(h, w) / 4) + 1
    mean = cv2.blur(cells.astype(np.float32), (side, side), borderType=cv2.BORDER_REPLICATE)
    mismatch = np.clip((mean - EXPLAINED) / (UNEXPLAINED - EXPLAINED), 0, 1)
    return cast("NDArray[np.float32]", cv2.resize(mismatch, (w, h), interpolation=cv2.INTER_LINEAR))


def soft_trust(lost: NDArray[np.bool_], current: Tensor) -> NDArray[np.float32]:
    """Return trust with soft edges that follow those of the image, by a guided filter (He, Sun, Tang 2010).

    The edges of `lost` are those of the estimator's patches: a dream that is cut along them shows steps.

    Args:
        lost: (H, W) True = do not trust.
        current: (1, 3, H, W) uint8 RGB.

    Returns:
        (H, W) in [0, 1].
    """
    if not lost.any():
        return np.ones(lost.shape, np.float32)
    h, w = lost.shape
    size = (-(-w // 2), -(-h // 2))  # half of it: the filter is a blur
    gray = cv2.cvtColor(current[0].permute(1, 2, 0).numpy(), cv2.COLOR_RGB2GRAY)
    guide, trust = (
        cv2.resize(plane, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        for plane in (gray, np.where(lost, np.uint8(0), np.uint8(255)))
    )
    trust /= 255

    def mean(plane: cv2.typing.MatLike) -> NDArray[np.float32]:
        side = EDGE // 2 + 1
        return cast("NDArray[np.float32]", cv2.blur(plane, (side, side), borderType=cv2.BORDER_REPLICATE))

    mean_guide, mean_trust = mean(guide), mean(trust)
    slope = (mean(guide * trust) - mean_guide * mean_trust) / (mean(guide * guide) - mean_guide**2 + EDGE_CONTRAST**2)
    soft = np.clip(mean(slope) * guide + mean(mean_trust - slope * mean_guide), 0, 1)
    return cast("NDArray[np.float32]", cv2.resize(soft, (w, h), interpolation=cv2.INTER_LINEAR))


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
    masks = [_is_noise(_largest_change(now, before), noise) for now, before in zip(current, previous, strict=True)]
    return torch.from_numpy(np.stack(masks))[:, None]


def _largest_change(now: Tensor, before: Tensor) -> NDArray[np.uint8]:
    """(H, W) difference of two (3, H, W) uint8 images, of the channel that differs most."""
    red, green, blue = (cv2.absdiff(*pair) for pair in zip(_planes(now), _planes(before), strict=True))
    return cast("NDArray[np.uint8]", cv2.max(cv2.max(red, green), blue))


def _change_of_picture(now: Tensor, before: Tensor, change: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`_largest_change` but for that of light: in a fade, or under another lamp, everything becomes darker at once."""
    one, other = (image[:, ::LIGHT_GRID, ::LIGHT_GRID].numpy().astype(np.float32).ravel() for image in (before, now))
    factor = (np.mean(one * other) - one.mean() * other.mean() + 1) / (one.var() + 1)
    level = other.mean() - factor * one.mean()
    if abs(factor - 1) < LIGHT_FACTOR and abs(level) < LIGHT_LEVEL:
        return change
    as_now = (before.float() * float(factor) + float(level)).clamp_(0, 255).byte()
    return _largest_change(now, as_now)


def _is_noise(change: NDArray[np.uint8], noise: float) -> NDArray[np.bool_]:
    return cv2.blur(change.astype(np.float32), (5, 5), borderType=cv2.BORDER_REPLICATE) < noise


def _planes(image: Tensor) -> Sequence[cv2.typing.MatLike]:
    return cv2.split(np.ascontiguousarray(image.permute(1, 2, 0).numpy()))


def _sample_positions(flow: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """x + flow(x) of a (2, ..., H, W) flow, as (..., H, W) columns and rows, px."""
    h, w = flow.shape[-2:]
    return flow[0] + np.arange(w, dtype=np.float32), flow[1] + np.arange(h, dtype=np.float32)[:, None]
