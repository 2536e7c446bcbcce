"""Resamples planes bicubically, one axis after the other, as libav's swscale does, on any device.

`torch.nn.functional.interpolate` has another curve (a = -0.75), and widens it only for RGB that is shrunk in both
directions. Sums are elementwise: a convolution would be rounded to TF32 on some GPUs.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_SHARPNESS = -0.6  # swscale's default for Keys' cubic (1981), where OpenCV and PyTorch take -0.75


def resample(
    planes: Tensor, size: tuple[int, int], siting: tuple[float, float] = (0.0, 0.0), top: float = math.inf
) -> Tensor:
    """Resample planes to another size; edges are repeated outward.

    Args:
        planes: (N, h, w) float.
        size: (height, width) in samples.
        siting: (down, right) shift of the samples of `planes` against the centers of the areas that they cover, as a
            share of the spacing of samples; MPEG-2's chroma of half the width lies a quarter to the left, (0, -0.25).
        top: what overshoots it along a row is cut off, as swscale's intermediate numbers are, and not below.

    Returns:
        (N, *size).
    """
    if planes.shape[2] != size[1]:
        planes = _resampled(planes, 2, size[1], siting[1]).clamp_(max=top)
    return planes if planes.shape[1] == size[0] else _resampled(planes, 1, size[0], siting[0])


def _resampled(planes: Tensor, axis: int, wanted: int, shift: float) -> Tensor:
    places, weights = _taps(planes.shape[axis], wanted, shift, planes.device)
    shape = [-1 if number == axis else 1 for number in range(3)]
    total: Tensor | None = None
    for place, weight in zip(places, weights, strict=True):
        term = planes.index_select(axis, place) * weight.reshape(shape)
        total = term if total is None else total.add_(term)
    assert total is not None
    return total


@lru_cache(32)
def _taps(length: int, wanted: int, shift: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """(taps, wanted) samples that each output is made of, and their weights."""
    places, weights = cubic_taps(length, wanted, shift)
    return torch.from_numpy(places).to(device), torch.from_numpy(weights).to(device)


def cubic_taps(length: int, wanted: int, shift: float) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Compute swscale's filter for one axis.

    Args:
        length: of the input, in samples.
        wanted: of the output, in samples.
        shift: see `resample`.

    Returns:
        (taps, wanted) indices into the input, and the weights of the samples there; those of one output sum to 1.
    """
    step = length / wanted
    center = (np.arange(wanted) + 0.5) * step - 0.5 - shift
    reach = 2 * max(1.0, step)  # where it shrinks, the curve is widened, so that nothing aliases
    first = np.ceil(center - reach).astype(np.int64)
    places = first + np.arange(int(2 * reach) + 1)[:, None]
    weights = _keys((places - center) / max(1.0, step))
    return places.clip(0, length - 1), (weights / weights.sum(0)).astype(np.float32)


def _keys(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    a, d = _SHARPNESS, np.abs(distance)
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    far = a * (d**3 - 5 * d**2 + 8 * d - 4)
    return np.where(d < 1, near, np.where(d < 2, far, 0))
