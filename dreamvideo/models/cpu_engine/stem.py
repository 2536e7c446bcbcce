"""The first convolution: input scaling folded in, the gradient of the image in blocks of a stride.

The gradient of the image is a convolution from 64 to 3 channels at twice the size, the slowest of a network, 3 times
slower than its arithmetic. In blocks of stride x stride pixels it becomes one of stride 1 with 12 output channels: 2.5
times faster for 7x7/2. Forwards the plain convolution is as fast.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.models.cpu_engine.ops import Conv
from dreamvideo.models.cpu_engine.packed_conv import PackedConv
from dreamvideo.models.cpu_engine.trace import Unsupported


class Stem:
    """Runs the first `Conv` on (B, 3, H, W) float32 images; multiplies colors by a factor and adds an offset."""

    def __init__(self, step: Conv, factor: Tensor, offset: Tensor, precision: torch.dtype) -> None:
        if step.stride[0] != step.stride[1] or step.dilation != (1, 1) or step.groups != 1 or not factor.all():
            raise Unsupported("a first convolution of an unusual kind")
        weight = step.weight * factor[:, None, None]
        # The padding must stay zero: the shift is added to the image, in float32; the factor is part of the weights.
        self.shift = (offset / factor).view(1, 3, 1, 1)
        self.stride, self.padding = step.stride[0], step.padding
        self.precision = precision
        window = (step.padding, step.stride)
        self.run = PackedConv(weight, precision, step.bias, *window, bounds=step.bounds)
        blocks, margin = weight_in_blocks(weight, self.stride)
        self.input_grad = PackedConv(blocks, precision, padding=margin)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) float32 in [0, 1] -> (B, out, h, w)."""
        # Two copies, first to the precision, then to channels_last: one that does both is 2 to 3 times as slow.
        return self.run((images + self.shift).to(self.precision).contiguous(memory_format=torch.channels_last))

    def backward(self, g: Tensor, height: int, width: int) -> Tensor:
        """(B, out, h, w) -> (B, 3, H, W) float32."""
        s = self.stride
        blocks = self.input_grad(g).to(
            torch.float32, memory_format=torch.contiguous_format
        )  # (B, 3 s s, rows, columns)
        b, _, rows, columns = blocks.shape
        pixels = blocks.view(b, 3, s, s, rows, columns).permute(0, 1, 4, 2, 5, 3).reshape(b, 3, rows * s, columns * s)
        top, left = self.padding
        pixels = pixels[:, :, top : top + height, left : left + width]
        below, right = height - pixels.shape[2], width - pixels.shape[3]  # pixels outside of all windows
        return F.pad(pixels, (0, right, 0, below)) if below or right else pixels


def weight_in_blocks(weight: Tensor, stride: int) -> tuple[Tensor, tuple[int, int]]:
    """Rearrange weights for the stride-1 convolution that maps a gradient to blocks of pixels.

    Channel (c s + y) s + x of a block is color c of its pixel (y, x), as in `F.pixel_shuffle`; the blocks begin at the
    top left of the padded image.

    Args:
        weight: (out, 3, kh, kw).
        stride: s, px.

    Returns:
        (3 s s, out, n, m) weights, and the padding of that convolution.
    """
    out, colors, kh, kw = weight.shape
    n, m = -(-kh // stride), -(-kw // stride)
    taps = F.pad(weight, (0, m * stride - kw, 0, n * stride - kh)).view(out, colors, n, stride, m, stride)
    taps = taps.permute(1, 3, 5, 0, 2, 4).reshape(colors * stride * stride, out, n, m)
    return taps.flip(2, 3), (n - 1, m - 1)
