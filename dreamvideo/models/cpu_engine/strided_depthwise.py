"""The input gradient of a depthwise convolution with a stride.

In float32 it is a transposed convolution with prepacked weights, 1.0 to 1.4 times as fast as `convolution_backward`.
In bfloat16 oneDNN runs both 6 to 40 times slower than in float32. There, each row of a block of stride x stride pixels
is given by a depthwise convolution of stride 1: 1.1 to 1.6 times as fast as the one of float32 and two conversions.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Size, Tensor

from dreamvideo.models.cpu_engine.ops import Conv
from dreamvideo.models.cpu_engine.packed_conv import MOST_SHAPES, PackedConv


class TransposedDepthwise:
    """The gradient as a transposed convolution, in float32."""

    def __init__(self, step: Conv) -> None:
        self.weight = step.weight.contiguous()
        self.step = step
        self.packed: dict[tuple[Size, Size], Tensor] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "packed": {}}  # as in `PackedConv`

    def __call__(self, g: Tensor, shape: Size) -> Tensor:
        """(B, C, h', w') -> `shape`, (B, C, h, w)."""
        step = self.step
        beyond = [
            size - ((count - 1) * stride - 2 * padding + kernel)
            for size, count, stride, padding, kernel in zip(
                shape[2:], g.shape[2:], step.stride, step.padding, step.weight.shape[2:], strict=True
            )
        ]
        window = (list(step.padding), beyond, list(step.stride), [1, 1], step.groups)
        key = (g.shape, shape)
        if key not in self.packed:
            if len(self.packed) >= MOST_SHAPES:
                self.packed.clear()
            self.packed[key] = torch.ops.mkldnn._reorder_convolution_transpose_weight(
                self.weight, *window, list(g.shape)
            )
        g = g.contiguous(memory_format=torch.channels_last)
        return torch.ops.mkldnn._convolution_transpose_pointwise(  # type: ignore[no-any-return]
            g, self.packed[key], None, *window, "none", [], ""
        )


class DepthwiseRows:
    """The gradient row by row of each block of pixels, in bfloat16."""

    def __init__(self, step: Conv, precision: torch.dtype) -> None:
        self.stride, self.padding = step.stride[0], step.padding
        s, (kh, kw) = self.stride, step.weight.shape[2:]
        n, m = -(-kh // s), -(-kw // s)
        # The convolution of one row has s times the channels, those of the first column first.
        taps = F.pad(step.weight, (0, m * s - kw, 0, n * s - kh)).view(-1, n, s, m, s).permute(2, 4, 0, 1, 3)
        weights = [row.reshape(-1, 1, n, m).flip(2, 3) for row in taps]
        margin = (n - 1, m - 1)
        self.rows = [PackedConv(weight, precision, padding=margin, groups=len(weight)) for weight in weights]

    def __call__(self, g: Tensor, shape: Size) -> Tensor:
        """(B, C, h', w') -> `shape`, (B, C, h, w)."""
        b, c, height, width = shape
        s, (top, left) = self.stride, self.padding
        repeated = torch.cat([g] * s, 1)
        # A pixel of s C channels has the memory layout of s pixels of C channels.
        blocks = torch.stack([row(repeated).permute(0, 2, 3, 1) for row in self.rows], 2)  # (B, rows, s, columns, s C)
        pixels = blocks.view(b, blocks.shape[1] * s, blocks.shape[3] * s, c).permute(0, 3, 1, 2)
        pixels = pixels[:, :, top : top + height, left : left + width]
        below, right = height - pixels.shape[2], width - pixels.shape[3]  # pixels outside of all windows
        pixels = F.pad(pixels, (0, right, 0, below)) if below or right else pixels
        return pixels.contiguous(memory_format=torch.channels_last)


def strided_depthwise_grad(step: Conv, precision: torch.dtype) -> TransposedDepthwise | DepthwiseRows | None:
    """Return what computes the gradient of the input of `step`; None: it is no depthwise convolution with a stride."""
    out, each = step.weight.shape[:2]
    if not (step.stride[0] == step.stride[1] > 1 and each == 1 and out == step.groups and step.dilation == (1, 1)):
        return None
    return TransposedDepthwise(step) if precision == torch.float32 else DepthwiseRows(step, precision)
