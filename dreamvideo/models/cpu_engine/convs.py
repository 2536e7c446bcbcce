"""Convolutions and their input gradients.

The gradient of a stride-1 convolution is again a convolution, of the gradient with the weights flipped and transposed;
oneDNN runs it a little faster than its own backward kernel (1.00-1.25 times in one run, the small ones most), and a
depthwise one 1.1-1.9 times as fast.
"""

from __future__ import annotations

import torch
from torch import Size, Tensor

from dreamvideo.models.cpu_engine.ops import Conv
from dreamvideo.models.cpu_engine.packed_conv import PackedConv, flip_weight
from dreamvideo.models.cpu_engine.strided_depthwise import strided_depthwise_grad


class ConvKernel:
    """Runs a `Conv`."""

    def __init__(self, step: Conv, precision: torch.dtype) -> None:
        self.step = step
        window = (step.padding, step.stride, step.dilation, step.groups)
        self.run = PackedConv(step.weight, precision, step.bias, *window, step.bounds)
        self.flipped = self._flipped(precision)
        self.strided = strided_depthwise_grad(step, precision)

    def forward(self, x: Tensor) -> tuple[tuple[Tensor], Size]:
        """(B, in, h, w) -> ((B, out, h', w'),), shape of x."""
        return (self.run(x),), x.shape

    def backward(self, shape: Size, g: Tensor) -> tuple[Tensor]:
        """(B, out, h', w') -> ((B, in, h, w),); `g` is masked by the clamp."""
        if self.flipped is not None:
            return (self.flipped(g),)
        if self.strided is not None:
            return (self.strided(g, shape),)
        step = self.step
        g = g.contiguous(memory_format=torch.channels_last)
        unread = torch.empty(shape, dtype=g.dtype, memory_format=torch.channels_last)  # only its shape is read
        window = (step.stride, step.padding, step.dilation, False, (0, 0), step.groups, (True, False, False))
        return (torch.ops.aten.convolution_backward(g, unread, step.weight.to(g.dtype), None, *window)[0],)

    def _flipped(self, precision: torch.dtype) -> PackedConv | None:
        # The gradient as a convolution; None: it is not one.
        step = self.step
        kernel = step.weight.shape[2:]
        margin = (kernel[0] - 1 - step.padding[0], kernel[1] - 1 - step.padding[1])
        if step.stride != (1, 1) or step.dilation != (1, 1) or min(margin) < 0:
            return None
        if step.groups not in (1, len(step.weight)):
            return None
        return PackedConv(flip_weight(step.weight, step.groups), precision, padding=margin, groups=step.groups)
