"""The first convolution: the scaling of colors folded in, the image's gradient in blocks of a stride.

A convolution that gives 3 channels from 64 at twice the size is the slowest of a network, 3 times slower than its
arithmetic. Seen in blocks of stride x stride pixels it is one of stride 1 that gives 12: 2.5 times faster for 7x7/2.
Forwards the plain convolution is as fast.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.models.cpu_engine.convs import Packed
from dreamvideo.models.cpu_engine.ops import Conv
from dreamvideo.models.cpu_engine.trace import Unsupported


class Stem:
    """Runs the first `Conv`, of a (B, 3, H, W) float32 image whose colors are to be scaled by factor and offset."""

    def __init__(self, step: Conv, factor: Tensor, offset: Tensor, precision: torch.dtype) -> None:
        if step.stride[0] != step.stride[1] or step.dilation != (1, 1) or step.groups != 1 or not factor.all():
            raise Unsupported("a first convolution of an unusual kind")
        weight = step.weight * factor[:, None, None]
        # Zeros beyond the edge stay zeros: the shift is done before, in float32, the factor by the weights.
        self.shift = (offset / factor).view(1, 3, 1, 1)
        self.stride, self.padding = step.stride[0], step.padding
        self.precision = precision
        window = (step.padding, step.stride)
        self.run = Packed(weight, precision, step.bias, *window, relu=step.relu)
        blocks, margin = in_blocks(weight, self.stride)
        self.pull = Packed(blocks, precision, padding=margin)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) float32 in [0, 1] -> (B, out, h, w)."""
        # Rounded first, then laid out: both in one copy is 2 to 3 times as slow.
        return self.run((images + self.shift).to(self.precision).contiguous(memory_format=torch.channels_last))

    def backward(self, g: Tensor, height: int, width: int) -> Tensor:
        """(B, out, h, w) -> (B, 3, H, W) float32."""
        s = self.stride
        blocks = self.pull(g).to(torch.float32, memory_format=torch.contiguous_format)  # (B, 3 s s, rows, columns)
        b, _, rows, columns = blocks.shape
        pixels = blocks.view(b, 3, s, s, rows, columns).permute(0, 1, 4, 2, 5, 3).reshape(b, 3, rows * s, columns * s)
        top, left = self.padding
        pixels = pixels[:, :, top : top + height, left : left + width]
        below, right = height - pixels.shape[2], width - pixels.shape[3]  # pixels that no window reached
        return F.pad(pixels, (0, right, 0, below)) if below or right else pixels


def in_blocks(weight: Tensor, stride: int) -> tuple[Tensor, tuple[int, int]]:
    """Weights (3 s s, out, n, m) and padding of the stride-1 convolution that maps a gradient to blocks of pixels.

    Channel (c s + y) s + x of a block is color c of its pixel (y, x), as `F.pixel_shuffle` has it; the blocks begin at
    the top left of the padded image.
    """
    out, colors, kh, kw = weight.shape
    n, m = -(-kh // stride), -(-kw // stride)
    taps = F.pad(weight, (0, m * stride - kw, 0, n * stride - kh)).view(out, colors, n, stride, m, stride)
    taps = taps.permute(1, 3, 5, 0, 2, 4).reshape(colors * stride * stride, out, n, m)
    return taps.flip(2, 3), (n - 1, m - 1)
