"""Motion between two frames in torch, where the dream is: `occlusion.estimate_motion` without its waits for a device.

The CPU estimates small flows at most, and fits the camera's motion to a grid of them. Whatever has a value for each
pixel is computed on the device, from images that are there anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.motion.camera_motion import (
    AGAINST,
    DEEP,
    HALO,
    MOVING_SHARE,
    camera_displacement,
    camera_places,
    disc,
    enlarged_matrix,
    fit_camera,
    moving_places,
    speed_against,
)
from dreamvideo.motion.flow import BOX_MARGIN, GRAY, boxes_around, estimate_part, part_weight
from dreamvideo.motion.flow_pair import FlowEstimator, FlowPair
from dreamvideo.motion.frame_motion import Motion, shrink_motion, small_size
from dreamvideo.motion.occlusion import (
    EDGE,
    EDGE_CONTRAST,
    EXPLAINED,
    FAST,
    LIGHT_FACTOR,
    LIGHT_GRID,
    LIGHT_LEVEL,
    MISMATCH_RADIUS,
    MOST,
    NOISE,
    UNEXPLAINED,
)
from dreamvideo.motion.warp import warp
from dreamvideo.tensors import fetch, place, upload


@dataclass(frozen=True, slots=True)
class FlowEstimate:
    """What is computed of the motion between two frames before their images are on the device."""

    pair: FlowPair  # of the whole images, on the CPU or on the device
    parts: tuple[tuple[slice, slice, FlowPair, Tensor], ...]  # rows and columns of the images, flow, `part_weight`
    camera: NDArray[np.float64] | None  # (3, 3) `camera_matrix` at full size; None: it is not known


def estimate_flows(
    current: Tensor,
    previous: Tensor,
    estimate: FlowEstimator,
    part_estimator: FlowEstimator | None = None,
    size: tuple[int, int] | None = None,
) -> FlowEstimate:
    """Estimate the flow between two frames, at the estimator's size, and the camera's motion.

    Args:
        current, previous: (1, 3, H, W) uint8 RGB on the CPU, or on the device of an estimator that computes there.
        estimate: flow estimator; it may leave the flow on a device. On CUDA, call this on the stream that it uses.
        part_estimator: the same for parts of the image that move against the camera, which are estimated again; None:
            they are not. Only for flows on the CPU.
        size: (height, width) px of the images that the motion is computed for, where those are copies of another size;
            None: these.
    """
    pair = estimate(current, previous)
    height, width = pair.backward.shape[2:]
    full_height, full_width = size or current.shape[2:]
    scale = full_width / width, full_height / height
    read_scale = current.shape[3] / width, current.shape[2] / height
    # On the stream that computed the flow, it waits for nothing else; after it the flow is there for every stream.
    stream = torch.cuda.current_stream(pair.backward.device) if pair.backward.is_cuda else None
    places = fetch(camera_places(pair.backward[0]), stream)().numpy()
    camera = fit_camera(places, (height, width), max(scale))
    parts = []
    if part_estimator is not None and camera is not None:
        flow = pair.backward.numpy()[0]
        moving = moving_places(speed_against(flow, camera), FAST / max(scale), (height, width))
        margin = max(1, round(BOX_MARGIN / max(scale)))
        for rows, columns in boxes_around(moving, margin):
            read = _enlarged(rows, read_scale[1]), _enlarged(columns, read_scale[0])
            part = estimate_part(current, previous, *read, part_estimator)
            weight = part_weight(moving[rows, columns], margin)
            parts.append((_enlarged(rows, scale[1]), _enlarged(columns, scale[0]), part, weight))
    return FlowEstimate(pair, tuple(parts), None if camera is None else enlarged_matrix(camera, scale))


def _enlarged(part: slice, scale: float) -> slice:
    return slice(round(part.start * scale), round(part.stop * scale))


def motion_on_device(
    flows: FlowEstimate, current: Tensor, previous: Tensor, copies: tuple[int, int] | None = None
) -> Callable[[], Motion]:
    """Compute the motion between two frames on the device that holds them.

    Args:
        flows: of `estimate_flows`.
        current, previous: (1, 3, H, W) uint8 RGB.
        copies: (height, width) px of the small copies that fades are found in; None: those of images of this size.

    Returns:
        A function that waits for the numbers in it, not for its planes, which stay on the device.
    """
    now, before = current.float(), previous.float()
    h, w = now.shape[2:]
    backward, forward = _full_size(flows, (h, w), now.device)
    occluded = _leads_elsewhere(backward, forward)
    held = _held_still(occluded, _is_noise(_largest_change(now, before), NOISE))
    backward, still = backward * (1 - held), held > 0.5
    warped = warp(before, backward).round()
    change = _largest_change(now, warped)
    lost = occluded & ~(still | (_is_noise(change, 2 * NOISE) & ~_is_outside(backward)))
    trust = _soft_trust(lost, now)
    near, inside = _near_movers(backward, lost, flows.camera)
    mismatch = _mismatch(_change_without_light(now, warped, change), lost)
    small = shrink_motion(backward, trust, copies or small_size(h, w))
    shares = torch.stack([lost.float().mean(), mismatch.mean(), near.any().float()])
    fetched = fetch(torch.cat([shares, small.flatten()]))

    def motion() -> Motion:
        numbers = fetched()
        unseen, mismatch_share, any_near = numbers[:3].tolist()
        return Motion(
            backward,
            lost,
            trust,
            unseen,
            near,
            any_near > 0,
            inside,
            mismatch,
            mismatch_share,
            flows.camera,
            numbers[3:].view(small.shape),
        )

    return motion


def _full_size(flows: FlowEstimate, size: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Both flows, (1, 2, H, W) px of that size."""
    both = _resized(flows.pair, size, device)
    for rows, columns, part, weight in flows.parts:
        view = both[:, :, rows, columns]
        part_size = view.shape[2], view.shape[3]
        share = F.interpolate(upload(weight, device), part_size, mode="bilinear", align_corners=False)
        view.lerp_(_resized(part, part_size, device), share)
    return both[:1], both[1:]


def _resized(pair: FlowPair, size: tuple[int, int], device: torch.device) -> Tensor:
    """(2, 2, *size) px of that size: backward, forward; from the CPU they come as exact as 11 bits are."""
    both = torch.cat(pair)
    if not both.is_cuda:
        both = upload(both.half(), device).float()
    h, w = both.shape[2:]
    if (h, w) != size:
        both = F.interpolate(both, size, mode="bilinear", align_corners=False)
        both[:, 0].mul_(size[1] / w)
        both[:, 1].mul_(size[0] / h)
    return both


def _leads_elsewhere(backward: Tensor, forward: Tensor) -> Tensor:
    """(1, 1, H, W) bool, see `occlusion.occlusion_mask`."""
    back = warp(forward, backward)
    gap = (backward + back).square().sum(1, keepdim=True)
    length = (backward.square() + back.square()).sum(1, keepdim=True)
    return (gap > 0.01 * length + 0.5) | _is_outside(backward)


def _held_still(occluded: Tensor, unchanged: Tensor) -> Tensor:
    """(1, 1, H, W) in [0, 1], see `occlusion.held_still`."""
    h, w = occluded.shape[2:]
    masks = torch.cat([occluded & unchanged, unchanged], 1).float()
    halves = F.interpolate(masks, (-(-h // 2), -(-w // 2)), mode="area")
    of_both, of_unchanged = _box_mean(halves, EDGE // 2 + 1).split(1, 1)
    share = (of_both / (MOST * of_unchanged).clamp(min=1 / 255)).clamp(max=1)
    return F.interpolate(share, (h, w), mode="bilinear", align_corners=False) * unchanged


def _is_outside(flow: Tensor) -> Tensor:
    h, w = flow.shape[2:]
    x = flow[:, :1] + torch.arange(w, device=flow.device)
    y = flow[:, 1:] + torch.arange(h, device=flow.device)[:, None]
    return (x < -0.5) | (x > w - 0.5) | (y < -0.5) | (y > h - 0.5)


def _largest_change(now: Tensor, before: Tensor) -> Tensor:
    """(1, 1, H, W) difference in gray levels, of the channel that differs most."""
    return (now - before).abs().amax(1, keepdim=True)


def _is_noise(change: Tensor, noise: float) -> Tensor:
    return _box_mean(change, 5) < noise


def _change_without_light(now: Tensor, warped: Tensor, change: Tensor) -> Tensor:
    """`change` but for that of light, see `occlusion.flow_mismatch`."""
    one, other = (image[:, :, ::LIGHT_GRID, ::LIGHT_GRID] for image in (warped, now))
    mean = one.mean()
    factor = ((one * other).mean() - mean * other.mean() + 1) / (one.var(correction=0) + 1)
    level = other.mean() - factor * mean
    same_light = ((factor - 1).abs() < LIGHT_FACTOR) & (level.abs() < LIGHT_LEVEL)
    as_now = (warped * factor + level).clamp(0, 255).floor()
    return torch.where(same_light, change, _largest_change(now, as_now))


def _mismatch(change: Tensor, lost: Tensor) -> Tensor:
    """(1, 1, H, W) in [0, 1], see `occlusion.flow_mismatch`."""
    h, w = lost.shape[2:]
    cells = F.interpolate(change.masked_fill(lost, 4 * UNEXPLAINED), (max(1, h // 4), max(1, w // 4)), mode="area")
    mean = _box_mean(cells, 2 * round(MISMATCH_RADIUS * min(h, w) / 4) + 1)
    mismatch = ((mean - EXPLAINED) / (UNEXPLAINED - EXPLAINED)).clamp(0, 1)
    return F.interpolate(mismatch, (h, w), mode="bilinear", align_corners=False)


def _soft_trust(lost: Tensor, now: Tensor) -> Tensor:
    """(1, 1, H, W) in [0, 1], see `occlusion.soft_trust`."""
    h, w = lost.shape[2:]
    gray = sum(weight * now[:, i : i + 1] for i, weight in enumerate(GRAY))
    planes = torch.cat([gray, (~lost).float()], 1)  # type: ignore[list-item]
    guide, trust = F.interpolate(planes, (-(-h // 2), -(-w // 2)), mode="area").split(1, 1)
    side = EDGE // 2 + 1
    means = _box_mean(torch.cat([guide, trust, guide * trust, guide * guide], 1), side)
    mean_guide, mean_trust, mean_product, mean_square = means.split(1, 1)
    slope = (mean_product - mean_guide * mean_trust) / (mean_square - mean_guide**2 + EDGE_CONTRAST**2)
    mean_slope, mean_rest = _box_mean(torch.cat([slope, mean_trust - slope * mean_guide], 1), side).split(1, 1)
    soft = (mean_slope * guide + mean_rest).clamp(0, 1)
    soft = F.interpolate(soft, (h, w), mode="bilinear", align_corners=False)
    return torch.where(lost.any(), soft, 1.0)


def _near_movers(backward: Tensor, lost: Tensor, camera: NDArray[np.float64] | None) -> tuple[Tensor, Tensor]:
    """Two (1, 1, H, W) bool masks, see `camera_motion.near_movers`."""
    if camera is None:
        everywhere = torch.ones_like(lost)
        return everywhere, everywhere
    h, w = lost.shape[2:]
    x, y = (torch.arange(0, length, 2, dtype=torch.float32, device=lost.device) for length in (w, h))
    against = backward[:, :, ::2, ::2] - camera_displacement(camera, x, y[:, None])
    moving = (against.square().sum(1, keepdim=True) > AGAINST**2) | lost[:, :, ::2, ::2]
    size = max(1, h // 4), max(1, w // 4)
    cells = (F.interpolate(moving.float(), size, mode="area") > MOVING_SHARE).float()
    radius = HALO * min(h, w) / 4
    wide = _any_within(cells, radius)
    deep = ~_any_within(1 - cells, DEEP * radius) & cells.any()  # what is beyond the edges counts as moving
    near, inside = F.interpolate(torch.cat([wide, deep], 1).float(), (h, w)).split(1, 1)
    return near > 0, inside > 0


def _any_within(cells: Tensor, radius: float) -> Tensor:
    """(1, 1, h, w) bool: whether a cell within that many of each is 1."""
    element = _disc_on(round(radius), cells.device)
    return F.conv2d(cells, element, padding=element.shape[2] // 2) > 0.5


@cache
def _disc_on(radius: int, device: torch.device) -> Tensor:
    return place(torch.from_numpy(disc(radius)).float()[None, None], device)


def _box_mean(planes: Tensor, side: int) -> Tensor:
    """The mean of (1, C, h, w) over `side` x `side` pixels, edges repeated outwards."""
    return F.avg_pool2d(F.pad(planes, (side // 2,) * 4, mode="replicate"), side, 1)
