"""What the processor reads of a frame: an image in memory itself, of one on a device a small copy, fetched once.

Cuts and fades are found in at most `CUT_SIDE` pixels a side, so is how much of a picture there is. A flow that OpenCV
estimates reads more of the image, one that is estimated on the device none of the copy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.frames import CUT_SIDE, NOISE_ROWS, Frame, HostCopy
from dreamvideo.tensors import fetch, to_planes

FLOW_LINES = 540  # pixels of the shorter side, as `flow.estimate_part` sees them


def host_copy(frame: Frame) -> HostCopy:
    """Return what the processor reads of a frame.

    Args:
        frame: whose image is in memory, or that came through `with_host_copy`.
    """
    if frame.host is not None:
        return frame.host
    image = frame.image
    return HostCopy(image if isinstance(image, np.ndarray) else image.numpy())


def with_host_copy(frame: Frame, for_flow: bool) -> Frame:
    """Fetch what the processor reads of a frame; after it the image is there for every stream of its device.

    Args:
        frame: of an image that was made on the current stream, or before.
        for_flow: whether a flow is estimated on the CPU.

    Returns:
        The frame itself if its image is in memory, or was fetched before.
    """
    if frame.host is not None or isinstance(frame.image, np.ndarray) or frame.image.device.type == "cpu":
        return frame
    return replace(frame, host=begin_host_copy(frame.image, for_flow)())


def begin_host_copy(image: Tensor, for_flow: bool) -> Callable[[], HostCopy]:
    """Shrink an image where it is, and begin to fetch the copy.

    Args:
        image: (H, W, 3) uint8 on a device.
        for_flow: whether a flow is estimated of the copy.

    Returns:
        A function that waits for it.
    """
    height, width = copy_size(image.shape[0], image.shape[1], for_flow)
    small = shrink_planes(to_planes(image, image.device), (height, width))[0].permute(1, 2, 0)
    fetched = fetch(torch.cat([small.flatten(), _noise(image).view(torch.uint8)]))

    def wait() -> HostCopy:
        values: NDArray[np.uint8] = fetched().numpy()
        # The number lies behind the image, wherever that ends.
        noise = np.frombuffer(values[-4:].tobytes(), np.float32)[0]
        return HostCopy(values[:-4].reshape(height, width, 3), float(noise))

    return wait


def copy_size(height: int, width: int, for_flow: bool) -> tuple[int, int]:
    """Return the (height, width) px of the copy of an image.

    Args:
        height, width: of the image, px.
        for_flow: as for `with_host_copy`.
    """
    scale = min(1.0, FLOW_LINES / min(height, width) if for_flow else CUT_SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _noise(image: Tensor) -> Tensor:
    """(1,) float32, what `picture.contrast_of` measures in an array."""
    if image.shape[1] == 1:
        return torch.zeros(1, device=image.device)
    gray = image[::NOISE_ROWS].short().sum(2, dtype=torch.int16)
    return (gray[:, 1:] - gray[:, :-1]).abs().float().mean().view(1) / 3


def shrink_planes(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """Shrink images of gray levels; each pixel is the mean of what it covers, as OpenCV's `INTER_AREA` has it.

    Args:
        planes: (1, 3, H, W) uint8.
        size: (height, width) in pixels, no larger.

    Returns:
        (1, 3, *size) uint8, rounded.
    """
    if planes.shape[2:] == size:
        return planes
    return _shrink_along(_shrink_along(planes, 2, size[0]), 3, size[1]).round_().to(torch.uint8)


def _shrink_along(planes: Tensor, dim: int, length: int) -> Tensor:
    """The float means over `dim`: each is a sum of the few pixels that it covers, the first and the last in part."""
    scale = planes.shape[dim] / length
    start = torch.arange(length, device=planes.device) * scale
    covered = start.floor() + torch.arange(math.ceil(scale) + 1, device=planes.device)[:, None]  # (K, length) pixels
    shares = (torch.minimum(covered + 1, start + scale) - torch.maximum(covered, start)).clamp(min=0) / scale
    index = covered.long().clamp(max=planes.shape[dim] - 1).flatten()
    parts: Tensor = planes.index_select(dim, index).float().unflatten(dim, shares.shape)  # type: ignore[no-untyped-call]
    return (parts * (shares if dim == 3 else shares[..., None])).sum(dim)
