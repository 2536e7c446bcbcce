"""Pools and their gradients.

torch's gradient of a max pool uses one thread per image; its gradient of an average pool is a loop over windows and up
to 7 times slower than the average pool or the enlargement that equals it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Size, Tensor

from dreamvideo.models.cpu_engine.ops import AvgPool, MaxPool
from dreamvideo.models.cpu_engine.strip_max_pool import Strips, split_into_strips

_LAST = torch.channels_last


class MaxPoolKernel:
    """Runs a `MaxPool`."""

    def __init__(self, step: MaxPool) -> None:
        self.window = (step.kernel, step.stride, step.padding, (1, 1), step.ceil)
        self.step = step

    def forward(self, x: Tensor) -> tuple[tuple[Tensor], Any]:
        """(B, C, h, w) -> ((B, C, h', w'),), a memo for `backward`."""
        x = x.contiguous(memory_format=_LAST)
        strips = split_into_strips(self.step, x.shape, torch.get_num_threads())
        # Positive bfloat16 numbers are ordered as their bits are as integers, which are compared 1.7 times as fast.
        # torch requires that an index fits into the type.
        as_integers = self.step.positive and x.dtype == torch.bfloat16 and x.shape[2] * x.shape[3] < 2**15
        values = x.view(torch.int16) if as_integers else x
        if strips is not None:
            y, indices = strips.forward(values)
            return (y.view(x.dtype),), (strips, indices)
        y, index = torch.ops.aten.max_pool2d_with_indices(values, *self.window)
        return (y.view(x.dtype),), (x.shape, index)

    def backward(self, memo: tuple[Strips | Size, Any], g: Tensor) -> tuple[Tensor]:
        """(B, C, h', w') -> ((B, C, h, w),)."""
        layout, indices = memo
        g = g.contiguous(memory_format=_LAST)
        if isinstance(layout, Strips):
            return (layout.backward(g, indices),)
        unread = torch.empty(layout, dtype=g.dtype, memory_format=_LAST)  # only its shape is read
        return (torch.ops.aten.max_pool2d_with_indices_backward(g, unread, *self.window, indices),)


class AvgPoolKernel:
    """Runs an `AvgPool`."""

    def __init__(self, step: AvgPool) -> None:
        self.step = step
        self.window = (step.kernel, step.stride, step.padding, step.ceil, step.padded)

    def forward(self, x: Tensor) -> tuple[tuple[Tensor], Size]:
        """(B, C, h, w) -> ((B, C, h', w'),), shape of x."""
        return (F.avg_pool2d(x.contiguous(memory_format=_LAST), *self.window),), x.shape

    def backward(self, shape: Size, g: Tensor) -> tuple[Tensor]:
        """(B, C, h', w') -> ((B, C, h, w),)."""
        kernel, stride, padding, ceil, padded = self.window
        g = g.contiguous(memory_format=_LAST)
        if stride == (1, 1) and kernel == (2 * padding[0] + 1, 2 * padding[1] + 1):
            if not padded:
                g = g * _gain(shape[2], shape[3], kernel, g.dtype)
            return (F.avg_pool2d(g, kernel, 1, padding),)
        if stride == kernel and padding == (0, 0) and not ceil:
            return (_spread(g / (kernel[0] * kernel[1]), kernel, shape),)
        unread = torch.empty(shape, dtype=g.dtype, memory_format=_LAST)
        return (torch.ops.aten.avg_pool2d_backward(g, unread, *self.window, None),)


@lru_cache(maxsize=64)
def _gain(height: int, width: int, kernel: tuple[int, int], dtype: torch.dtype) -> Tensor:
    # (1, 1, h, w): area of a window over its area inside the image.
    inside = F.avg_pool2d(torch.ones(1, 1, height, width), kernel, 1, (kernel[0] // 2, kernel[1] // 2))
    return (1 / inside).to(dtype)


def _spread(g: Tensor, kernel: tuple[int, int], shape: Size) -> Tensor:
    # Every pixel of a window gets the same; rows and columns outside of all windows get 0.
    b, c, h, w = g.shape
    spread = F.interpolate(g, (h * kernel[0], w * kernel[1]), mode="nearest")
    below, right = shape[2] - spread.shape[2], shape[3] - spread.shape[3]
    return F.pad(spread, (0, right, 0, below)).contiguous(memory_format=_LAST) if below or right else spread
