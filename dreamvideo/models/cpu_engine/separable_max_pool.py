"""A 3x3 max pool of stride 1, one side after the other, and its gradient in whole passes.

torch notes the place of every maximum in 8 bytes and carries the gradient back element by element. Here are maxima of 3
along the width and, of those, along the height; on the way back a comparison finds each winner again. In bfloat16 that
is 1.8 times as fast, there and back, and never slower; in float32, with twice the bytes a pass, 1.1 times at the most
and slower where the picture is small.

Of equal values the first wins, row by row, as in torch: the topmost row that holds the maximum, and in it the leftmost.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dreamvideo.models.cpu_engine.ops import MaxPool

Stages = tuple[Tensor, Tensor, Tensor]  # the input, its maxima along the width, those along both sides

_HEIGHT, _WIDTH = 2, 3


def is_separable(step: MaxPool, precision: torch.dtype) -> bool:
    """Whether `step` is a pool that `SidesKernel` runs."""
    window = (step.kernel, step.stride, step.padding)
    return window == ((3, 3), (1, 1), (1, 1)) and step.positive and precision == torch.bfloat16


class SidesKernel:
    """Runs a `MaxPool` that `suits`."""

    def forward(self, x: Tensor) -> tuple[tuple[Tensor], Stages]:
        """(B, C, h, w) bfloat16, never negative -> ((B, C, h, w),), what `backward` needs."""
        x = x.contiguous(memory_format=torch.channels_last)
        values = x.view(torch.int16)  # positive numbers are ordered as the integers that their bits spell
        wide = _largest(values, _WIDTH)
        both = _largest(wide, _HEIGHT)
        return (both.view(x.dtype),), (values, wide, both)

    def backward(self, stages: Stages, g: Tensor) -> tuple[Tensor]:
        """(B, C, h, w) -> ((B, C, h, w),); overwrites `g`."""
        values, wide, both = stages
        g = g.contiguous(memory_format=torch.channels_last)
        return (_pull(_pull(g, wide, both, _HEIGHT), values, wide, _WIDTH),)


def _largest(x: Tensor, side: int) -> Tensor:
    # Of each element and its two neighbors.
    pairs = x.shape[side] - 1
    largest = x.clone()
    for of, neighbor in ((1, 0), (0, 1)):
        part = largest.narrow(side, of, pairs)
        torch.maximum(part, x.narrow(side, neighbor, pairs), out=part)
    return largest


def _pull(g: Tensor, x: Tensor, largest: Tensor, side: int) -> Tensor:
    # What each window gives goes to its first element if that is the maximum, else to its second, else to its third.
    # Bits are multiplied by 0 or 1 as integers: bfloat16 would go by way of float32. What was given away is subtracted.
    pairs = x.shape[side] - 1
    bits = g.view(x.dtype)
    pulled = torch.empty_like(x)
    pulled.narrow(side, pairs, 1).zero_()  # first element of no window
    first, left = pulled.narrow(side, 0, pairs), bits.narrow(side, 1, pairs)
    left.sub_(torch.eq(x.narrow(side, 0, pairs), largest.narrow(side, 1, pairs), out=first).mul_(left))
    second = torch.eq(x, largest, out=torch.empty_like(x)).mul_(bits)
    bits.sub_(second)
    slope = pulled.view(g.dtype)
    slope.add_(second.view(g.dtype)).narrow(side, 1, pairs).add_(g.narrow(side, 0, pairs))
    return slope
