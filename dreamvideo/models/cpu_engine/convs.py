"""Convolutions and their input gradients, by oneDNN with prepacked weights.

torch's own path reorders the weights at every call and runs the ReLU as a separate pass. The gradient of a stride-1
convolution is again a convolution, of the gradient with the weights flipped and transposed; oneDNN runs it a little
faster than its own backward kernel (1.00-1.25 times in one run, the small ones most).
"""

from __future__ import annotations

import torch
from torch import Size, Tensor

from dreamvideo.models.cpu_engine.ops import Conv

_SHAPES = 64  # input shapes that are remembered; in a folder of images each may have another one


class PackedConv:
    """A convolution of (B, in, h, w) channels_last whose weights are reordered once for each input shape."""

    def __init__(
        self,
        weight: Tensor,
        precision: torch.dtype,
        bias: Tensor | None = None,
        padding: tuple[int, int] = (0, 0),
        stride: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
        groups: int = 1,
        relu: bool = False,
    ) -> None:
        self.weight, self.precision = weight, precision
        self.bias = None if bias is None else bias.to(precision)
        self.window = (list(padding), list(stride), list(dilation), groups)
        self.attribute = "relu" if relu else "none"
        self.by_shape: dict[Size, Tensor] = {}
        self.by_layout: dict[bytes, Tensor] = {}

    def __call__(self, x: Tensor) -> Tensor:
        packed = self.by_shape.get(x.shape)
        if packed is None:
            packed = self._pack(x.shape)
        x = x.contiguous(memory_format=torch.channels_last)  # a slice of channels is not contiguous
        return torch.ops.mkldnn._convolution_pointwise(  # type: ignore[no-any-return]
            x, packed, self.bias, *self.window, self.attribute, [], ""
        )

    def _pack(self, shape: Size) -> Tensor:
        # Weights ordered for another shape would be reordered at every call: up to 8 times slower for a 1x1.
        if len(self.by_shape) >= _SHAPES:
            self.by_shape.clear()
            self.by_layout.clear()
        weight = self.weight.to(self.precision).contiguous()
        packed = torch.ops.mkldnn._reorder_convolution_weight(weight, *self.window, list(shape))
        # Most shapes need the same layout; one copy of it is enough.
        layout = bytes(torch.ops.mkldnn._get_mkldnn_serialized_md(packed).tolist())
        packed = self.by_shape[shape] = self.by_layout.setdefault(layout, packed)
        return packed


class ConvKernel:
    """Runs a `Conv`."""

    def __init__(self, step: Conv, precision: torch.dtype) -> None:
        self.step = step
        window = (step.padding, step.stride, step.dilation, step.groups)
        self.run = PackedConv(step.weight, precision, step.bias, *window, step.relu)
        kernel = step.weight.shape[2:]
        margin = (kernel[0] - 1 - step.padding[0], kernel[1] - 1 - step.padding[1])
        simple = step.stride == step.dilation == (1, 1) and step.groups == 1 and min(margin) >= 0
        self.input_grad = PackedConv(flip_weight(step.weight), precision, padding=margin) if simple else None

    def forward(self, x: Tensor) -> tuple[tuple[Tensor], Size]:
        """(B, in, h, w) -> ((B, out, h', w'),), shape of x."""
        return (self.run(x),), x.shape

    def backward(self, shape: Size, g: Tensor) -> tuple[Tensor]:
        """(B, out, h', w') -> ((B, in, h, w),); `g` is masked by the ReLU."""
        if self.input_grad is not None:
            return (self.input_grad(g),)
        step = self.step
        g = g.contiguous(memory_format=torch.channels_last)
        unread = torch.empty(shape, dtype=g.dtype, memory_format=torch.channels_last)  # only its shape is read
        window = (step.stride, step.padding, step.dilation, False, (0, 0), step.groups, (True, False, False))
        return (torch.ops.aten.convolution_backward(g, unread, step.weight.to(g.dtype), None, *window)[0],)


def flip_weight(weight: Tensor) -> Tensor:
    """(out, in, kh, kw) -> (in, out, kh, kw), rotated by half a turn."""
    return weight.transpose(0, 1).flip(2, 3) if weight.shape[2:] != (1, 1) else weight.transpose(0, 1)
