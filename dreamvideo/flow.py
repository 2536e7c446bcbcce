"""Optical flow estimators: where each pixel of the current picture lies in the previous one.

DIS: Kroeger, Timofte, Dai, Van Gool 2016, as in OpenCV.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

# (current, previous), each (B, 3, H, W) uint8 RGB -> (B, 2, H, W) float32 pixels, channel 0 = dx: the backward flow
FlowEstimator = Callable[[Tensor, Tensor], Tensor]

# Pixels of the shorter side above which flow is estimated on a shrunken picture: twice the size costs five times the
# time, and a dream is smoother than the last pixel of its flow.
LARGEST_SIDE = 540


def dis() -> FlowEstimator:
    """DIS flow on the CPU; use one estimator per thread.

    OpenCV's preset `fast` takes a tenth of the time of variational refinement at `medium`, with edges nearly as sharp.
    """
    estimator = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)

    def estimate(current: Tensor, previous: Tensor) -> Tensor:
        h, w = current.shape[2:]
        if min(h, w) < 16:  # less than the estimator's patches at their coarsest
            return torch.zeros(len(current), 2, h, w)
        scale = min(1.0, LARGEST_SIDE / min(h, w))
        size = (round(w * scale), round(h * scale))
        flows = [estimator.calc(_grey(a, size), _grey(b, size), None) for a, b in zip(current, previous, strict=True)]
        flow = torch.from_numpy(np.stack(flows)).permute(0, 3, 1, 2)  # (B, 2, h, w)
        if scale < 1:
            stretch = torch.tensor([w / size[0], h / size[1]]).view(1, 2, 1, 1)
            flow = F.interpolate(flow, (h, w), mode="bilinear", align_corners=False) * stretch
        return flow.contiguous()

    return estimate


def _grey(image: Tensor, size: tuple[int, int]) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    grey = cv2.cvtColor(image.permute(1, 2, 0).numpy(), cv2.COLOR_RGB2GRAY)
    return grey if grey.shape == size[::-1] else cv2.resize(grey, size, interpolation=cv2.INTER_AREA)


FLOWS: dict[str, Callable[[], FlowEstimator]] = {"dis": dis}
