"""Kernels of activations that are parts of others, (B, C, H, W) in channels_last.

Imported on CUDA alone, since Triton is not installed elsewhere.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

VALUES = 1024  # of a program; chosen by convention


@triton.jit
def _parts_kernel(
    x, first, second, third, count, C, C1, C2, stride_x, stride_1, stride_2, stride_3, low, high, SIZE: tl.constexpr
):  # fmt: skip
    i = tl.program_id(0).to(tl.int64) * SIZE + tl.arange(0, SIZE)
    mask = i < count
    place, c = i // C, i % C
    value = tl.load(x + place * stride_x + c, mask=mask).to(tl.float32)
    value = tl.minimum(tl.maximum(value, low), high).to(first.dtype.element_ty)
    tl.store(first + place * stride_1 + c, value, mask=mask & (c < C1))
    tl.store(second + place * stride_2 + c - C1, value, mask=mask & (c >= C1) & (c < C2))
    tl.store(third + place * stride_3 + c - C2, value, mask=mask & (c >= C2))


def _row_stride(x: Tensor) -> int:
    return x.permute(0, 2, 3, 1).stride(2)


def clamp_parts(x: Tensor, low: float, high: float, first: Tensor, second: Tensor, third: Tensor | None) -> Tensor:
    """Launch `fused_network.parts_op`."""
    outs = [first, second, second if third is None else third]
    ends = [first.shape[1], first.shape[1] + second.shape[1]]
    _parts_kernel[(triton.cdiv(x.numel(), VALUES),)](
        x, *outs, x.numel(), x.shape[1], *ends, _row_stride(x), *map(_row_stride, outs), low, high, VALUES
    )
    return first


@triton.jit
def _mask_part(grads, y, at, stride_grads, stride_y, c, mask, low, high):
    activation = tl.load(y + at * stride_y + c, mask=mask, other=0.0).to(tl.float32)
    grad = tl.load(grads + at * stride_grads + c, mask=mask, other=0.0).to(tl.float32)
    return tl.where(mask & (activation > low) & (activation < high), grad, 0.0)


@triton.jit
def _mask_parts_kernel(
    g1, g2, g3, y1, y2, y3, out, count, C, C1, C2, stride_g1, stride_g2, stride_g3, stride_y1, stride_y2, stride_y3,
    stride_out, low, high, SIZE: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(0).to(tl.int64) * SIZE + tl.arange(0, SIZE)
    mask = i < count
    place, c = i // C, i % C
    grad = _mask_part(g1, y1, place, stride_g1, stride_y1, c, mask & (c < C1), low, high)
    grad += _mask_part(g2, y2, place, stride_g2, stride_y2, c - C1, mask & (c >= C1) & (c < C2), low, high)
    grad += _mask_part(g3, y3, place, stride_g3, stride_y3, c - C2, mask & (c >= C2), low, high)
    tl.store(out + place * stride_out + c, grad.to(out.dtype.element_ty), mask=mask)


def mask_parts(grads: list[Tensor], ys: list[Tensor], low: float, high: float, out: Tensor) -> Tensor:
    """Launch `fused_network.mask_parts_op`."""
    ends = [ys[0].shape[1], ys[0].shape[1] + ys[1].shape[1]]
    grads, ys = ([*each, *each[-1:]][:3] for each in (grads, ys))
    strides = map(_row_stride, (*grads, *ys, out))
    _mask_parts_kernel[(triton.cdiv(out.numel(), VALUES),)](
        *grads, *ys, out, out.numel(), out.shape[1], *ends, *strides, low, high, VALUES
    )
    return out
