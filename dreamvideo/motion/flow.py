"""Optical flow estimators: for each pixel of an image, where it lies in another one.

DIS: Kroeger, Timofte, Dai, Van Gool 2016 (Fast Optical Flow using Dense Inverse Search), as in OpenCV, on shrunken
images and one scale finer than its preset; or in torch, see `inverse_search`. RAFT: see `raft`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import cast

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.motion.flow_graphs import replayed_flow
from dreamvideo.motion.flow_pair import FlowEstimator, FlowPair
from dreamvideo.motion.inverse_search import inverse_search_flow, search_constants
from dreamvideo.motion.raft import raft

# Pixels of the shorter side above which flow is estimated on a shrunken image: twice the size costs five times the
# time, and a dream is smoother than the last pixel of its flow.
LARGEST_SIDE = 270

# The same for the flow in torch: at twice the size it takes 13 % more kernels, and four times as long on a CPU. On
# rendered shots of 540 rows the error is 0.68 of that of OpenCV's flow, on those of 270 rows 0.93 of it.
LARGEST_TORCH_SIDE = 540

# The finest scale at which flow is estimated, in halvings of the image. At 2, as the preset has it, motion is a third
# less exact and a dream up to twice as unsteady; at 0 it takes four times as long for little (on rendered shots).
FINEST_SCALE = 1


# Lines of an image that its parts are estimated at, at most: at 1080 they take four times as long for little.
PART_LINES = 540

GRAY = 0.299, 0.587, 0.114  # weights of red, green and blue, as OpenCV has them

# Boxes of what moves are at most this share of an image; a flow of more is estimated at the common scale alone.
LARGEST_BOXES = 0.35
BOX_MARGIN = 16  # pixels around what moves


def dis(finest_scale: int = FINEST_SCALE) -> FlowEstimator:
    """Return an estimator of DIS flow on the CPU: OpenCV's preset `fast`, with another finest scale.

    Args:
        finest_scale: in halvings of the image.
    """
    return functools.partial(_dis, finest_scale)


def estimate_part(current: Tensor, previous: Tensor, rows: slice, columns: slice, estimate: FlowEstimator) -> FlowPair:
    """Estimate the flow in a part of an image, where an estimator of limited size sees more.

    Args:
        current, previous: (1, 3, H, W) uint8 RGB on the CPU.
        rows, columns: of the part.
        estimate: flow estimator.
    """
    scale = min(1.0, PART_LINES / min(current.shape[2:]))
    images = []
    for image in (current, previous):
        part = image[0].permute(1, 2, 0).numpy()[rows, columns]
        if scale < 1:
            part = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        images.append(torch.from_numpy(np.ascontiguousarray(part)).permute(2, 0, 1)[None])
    return estimate(images[0], images[1])


def boxes_around(moving: NDArray[np.bool_], margin: int = BOX_MARGIN) -> list[tuple[slice, slice]]:
    """Return (rows, columns) around connected parts of a mask.

    Args:
        moving: (H, W) of what moves.
        margin: px around it.

    Returns:
        Nothing if all boxes together are more than `LARGEST_BOXES` of the image.
    """
    h, w = moving.shape
    count, _, stats, _ = cv2.connectedComponentsWithStats(moving.astype(np.uint8))
    boxes = []
    area = 0
    for left, top, width, height, _ in stats[1:count].tolist():
        rows = slice(max(0, top - margin), min(h, top + height + margin))
        columns = slice(max(0, left - margin), min(w, left + width + margin))
        area += (rows.stop - rows.start) * (columns.stop - columns.start)
        boxes.append((rows, columns))
    return boxes if area <= LARGEST_BOXES * h * w else []


def part_weight(moving: NDArray[np.bool_], margin: int = BOX_MARGIN) -> Tensor:
    """Return how much of the flow of a part is taken in place of that of the whole image.

    On plain ground beside what moves, a flow of small patches drags the whole margin along, and would end with the box.

    Args:
        moving: (h, w) of what moves in the part.
        margin: px around it.

    Returns:
        (1, 1, h, w) float32: 1 within half of the margin, from there down to 0.
    """
    distance = cv2.distanceTransform((~moving).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # The last bit of OpenCV's distance changes with the place in memory. It is the root of a whole number.
    distance = np.sqrt(np.rint(distance**2))
    return torch.from_numpy(np.clip(2 - 2 * distance / margin, 0, 1, dtype=np.float32))[None, None]


def _dis(finest_scale: int, current: Tensor, previous: Tensor) -> FlowPair:
    height, width = dis_size(*current.shape[2:])
    pair = FlowPair(*(torch.empty(len(current), 2, height, width) for _ in range(2)))
    for row, (now, before) in enumerate(zip(current, previous, strict=True)):
        images = [_gray(image, (height, width)) for image in (now, before)]
        for flow, ends in ((pair.backward[row], images), (pair.forward[row], images[::-1])):
            _dis_direction(finest_scale, flow, ends)
    return pair


def _dis_direction(finest_scale: int, flow: Tensor, ends: Sequence[NDArray[np.uint8]]) -> None:
    """Estimate a flow of one direction between two gray images, into (2, h, w)."""
    # A new estimator for each: OpenCV's keeps state, and would give another flow for the same pair later.
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    estimator.setFinestScale(finest_scale)
    estimated = torch.from_numpy(estimator.calc(*ends, None))  # type: ignore[call-overload]
    flow.copy_(estimated[: flow.shape[1], : flow.shape[2]].permute(2, 0, 1))


def dis_size(height: int, width: int, largest_side: int = LARGEST_SIDE) -> tuple[int, int]:
    """Return the (height, width) px at which the flow of an image of that size is estimated."""
    scale = min(1.0, largest_side / min(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _gray(image: Tensor, size: tuple[int, int]) -> NDArray[np.uint8]:
    gray = cv2.cvtColor(image.permute(1, 2, 0).numpy(), cv2.COLOR_RGB2GRAY)
    if gray.shape != size:
        gray = cv2.resize(gray, size[::-1], interpolation=cv2.INTER_AREA)
    # OpenCV's estimator crashes on images that are flatter than its patches at their coarsest.
    h, w = gray.shape
    least = max(16, w // 3, h // 3)
    if min(h, w) < least:
        bottom, right = max(0, least - h), max(0, least - w)
        gray = cv2.copyMakeBorder(gray, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    return cast("NDArray[np.uint8]", gray)


def torch_dis(device: torch.device, largest_side: int = LARGEST_TORCH_SIDE) -> FlowEstimator:
    """Return an estimator of DIS flow in torch, see `inverse_search`, whose flow stays where it is computed.

    It takes images on the CPU or on that device. On CUDA, call it from one thread at a time.

    Args:
        device: where that is; the CPU in place of one that is not CUDA, see `raft.raft`.
        largest_side: px of the shorter side above which images are shrunk.
    """
    flow_device = device if device.type == "cuda" else torch.device("cpu")

    def estimate(current: Tensor, previous: Tensor) -> FlowPair:
        size = dis_size(current.shape[2], current.shape[3], largest_side)
        return inverse_search_flow(_gray_levels(current, size), _gray_levels(previous, size))

    def constants(height: int, width: int) -> object:
        return search_constants(*dis_size(height, width, largest_side), flow_device)

    return replayed_flow(estimate, constants, flow_device)


def _gray_levels(image: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, 1, *size) float32, 0 to 255, on the device of a (B, 3, H, W) uint8 RGB image."""
    red, green, blue = image.float().split(1, 1)
    gray: Tensor = (red * GRAY[0]).add_(green, alpha=GRAY[1]).add_(blue, alpha=GRAY[2])
    if gray.shape[2:] != size:
        gray = F.interpolate(gray, size, mode="bilinear", align_corners=False, antialias=True)
    return gray


# Type of the dream's device -> the flow that "auto" stands for there; "dis" on all others. Where torch-dis would be
# computed on the CPU, as on Metal (see `raft.raft`), OpenCV's takes a tenth of the time.
AUTO_FLOWS = {"cuda": "torch-dis"}


def choose_flow(name: str, device_type: str) -> str:
    """Return the name of a flow in `FLOWS`, or "none".

    Args:
        name: of the settings; "auto" leaves the choice to the device.
        device_type: of the device of the dream, such as "cuda".
    """
    return AUTO_FLOWS.get(device_type, "dis") if name == "auto" else name


def live_flow(device: torch.device) -> FlowEstimator:
    """Return the estimator of a live dream, for images of at most `LARGEST_SIDE` lines: somebody waits for it.

    Args:
        device: where the dream is moved; the flow of torch is computed there, OpenCV's on the CPU.
    """
    return torch_dis(device, LARGEST_SIDE) if choose_flow("auto", device.type) == "torch-dis" else dis()


# Name -> (device of the dream, file of weights or None) -> estimator.
FLOWS: dict[str, Callable[[torch.device, str | None], FlowEstimator]] = {
    "dis": lambda device, weights: dis(),
    "torch-dis": lambda device, weights: torch_dis(device),
    "raft": raft,
}
