"""Flow in both directions between two images, and what estimates it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import torch
from torch import Tensor

from dreamvideo.tensors import upload


class FlowPair(NamedTuple):
    """The flow between two images in both directions, at the size that it was estimated at, and in its pixels."""

    backward: Tensor  # (B, 2, h, w) float32 px (dx, dy): current(x) is found at previous(x + backward(x))
    forward: Tensor  # (B, 2, h, w) float32 px (dx, dy): previous(x) is found at current(x + forward(x))


# (current, previous), each (B, 3, H, W) uint8 RGB on the CPU, or for an estimator that computes on a device there ->
# their flow where it was computed, at a size of the estimator's own choice.
FlowEstimator = Callable[[Tensor, Tensor], FlowPair]


def image_on(device: torch.device, image: Tensor) -> Tensor:
    """Return an image on the device that computes flow; one on CUDA is there already.

    Args:
        device: of the flow.
        image: of any shape and type.
    """
    return image if image.is_cuda else upload(image, device)


def enlarge_flow(flow: Tensor, height: int, width: int) -> Tensor:
    """Enlarge a flow on the CPU.

    Args:
        flow: (B, 2, h, w) float32 px.
        height, width: the size that it is enlarged to, in whose pixels it is then.

    Returns:
        (B, 2, height, width) float32 px; the flow itself if it has that size.
    """
    h, w = flow.shape[2:]
    if (h, w) == (height, width):
        return flow
    enlarged = torch.empty(len(flow), 2, height, width)
    for planes, out_planes in zip(flow, enlarged, strict=True):
        for plane, out, ratio in zip(planes, out_planes, (width / w, height / h), strict=True):
            cv2.resize(plane.numpy(), (width, height), dst=out.numpy(), interpolation=cv2.INTER_LINEAR)
            out.mul_(ratio)
    return enlarged
