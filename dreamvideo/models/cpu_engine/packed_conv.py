"""A convolution by oneDNN with prepacked weights.

torch's own path reorders the weights at every call and runs the ReLU or ReLU6 as a separate pass.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Size, Tensor

from dreamvideo.models.cpu_engine.ops import RELU, Bounds

MOST_SHAPES = 64  # input shapes that are remembered; in a folder of images each may have another one


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
        bounds: Bounds | None = None,
    ) -> None:
        self.weight, self.precision = weight, precision
        self.bias = None if bias is None else bias.to(precision)
        self.window = (list(padding), list(stride), list(dilation), groups)
        self.attribute = "none" if bounds is None else "relu" if bounds == RELU else "hardtanh"
        self.scalars = list(bounds or ()) if self.attribute == "hardtanh" else []
        self.by_shape: dict[Size, Tensor] = {}
        self.by_layout: dict[bytes, Tensor] = {}

    def __call__(self, x: Tensor) -> Tensor:
        packed = self.by_shape.get(x.shape)
        if packed is None:
            packed = self._pack(x.shape)
        x = x.contiguous(memory_format=torch.channels_last)  # a slice of channels is not contiguous
        return torch.ops.mkldnn._convolution_pointwise(  # type: ignore[no-any-return]
            x, packed, self.bias, *self.window, self.attribute, self.scalars, ""
        )

    def __getstate__(self) -> dict[str, Any]:
        # Packed weights are in a format of oneDNN that can be neither copied nor saved; they are packed again.
        return {**vars(self), "by_shape": {}, "by_layout": {}}

    def _pack(self, shape: Size) -> Tensor:
        # Weights ordered for another shape would be reordered at every call: up to 8 times slower for a 1x1.
        if len(self.by_shape) >= MOST_SHAPES:
            self.by_shape.clear()
            self.by_layout.clear()
        weight = self.weight.to(self.precision).contiguous()
        packed = torch.ops.mkldnn._reorder_convolution_weight(weight, *self.window, list(shape))
        # Most shapes need the same layout; one copy of it is enough.
        layout = bytes(torch.ops.mkldnn._get_mkldnn_serialized_md(packed).tolist())
        packed = self.by_shape[shape] = self.by_layout.setdefault(layout, packed)
        return packed


def flip_weight(weight: Tensor, groups: int = 1) -> Tensor:
    """(out, in / groups, kh, kw) -> (in, out / groups, kh, kw), rotated by half a turn."""
    by_group = weight.view(groups, -1, *weight.shape[1:]).transpose(1, 2).flatten(0, 1)
    return by_group.flip(2, 3) if weight.shape[2:] != (1, 1) else by_group
