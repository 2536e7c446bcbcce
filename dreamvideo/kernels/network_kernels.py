"""Kernels of a network, for activations (B, C, H, W) in channels_last: programs compute some channels of some pixels.

Imported on CUDA alone, since Triton is not installed elsewhere.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

PIXELS, CHANNELS = 32, 32  # of a program; a warp reads 32 neighboring channels, chosen by convention
VALUES = 1024  # of a program that treats all alike


@triton.jit
def _scale_kernel(images, factor, offset, out, pixels, SIZE: tl.constexpr):
    b = tl.program_id(1).to(tl.int64)
    i = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    mask = i < pixels
    for c in tl.static_range(3):
        color = tl.load(images + (b * 3 + c) * pixels + i, mask=mask)
        scaled = color * tl.load(factor + c) + tl.load(offset + c)
        tl.store(out + (b * pixels + i) * 3 + c, scaled.to(out.dtype.element_ty), mask=mask)


def scale_input(images: Tensor, factor: Tensor, offset: Tensor, dtype: torch.dtype) -> Tensor:
    """Launch `fused_network.scale_op`."""
    b, _, h, w = images.shape
    out = torch.empty(images.shape, dtype=dtype, device=images.device, memory_format=torch.channels_last)
    _scale_kernel[triton.cdiv(h * w, VALUES), b](images.contiguous(), factor, offset, out, h * w, VALUES)
    return out


@triton.jit
def _clamp(value, low, high):
    return tl.minimum(tl.maximum(value, low), high)


@triton.jit
def _bias_kernel(x, bias, out, count, C, stride_x, stride_out, low, high, HAS_BIAS: tl.constexpr, SIZE: tl.constexpr):
    i = tl.program_id(0).to(tl.int64) * SIZE + tl.arange(0, SIZE)
    mask = i < count
    place, c = i // C, i % C
    value = tl.load(x + place * stride_x + c, mask=mask).to(tl.float32)
    if HAS_BIAS:
        value += tl.load(bias + c, mask=mask)
    tl.store(out + place * stride_out + c, _clamp(value, low, high).to(out.dtype.element_ty), mask=mask)


def bias_clamp(x: Tensor, bias: Tensor | None, low: float, high: float, out: Tensor) -> Tensor:
    """Launch `fused_network.bias_op`."""
    c = x.shape[1]
    strides = [each.permute(0, 2, 3, 1).stride(2) for each in (x, out)]
    some = out if bias is None else bias
    _bias_kernel[(triton.cdiv(x.numel(), VALUES),)](
        x, some, out, x.numel(), c, *strides, low, high, bias is not None, VALUES
    )
    return out


@triton.jit
def _depthwise_kernel(
    x, weight, bias, out, B, C, H, W, OUT_H, OUT_W, x_low, x_high, low, high, KERNEL: tl.constexpr,
    STRIDE: tl.constexpr, PADDING: tl.constexpr, ROWS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    c = tl.program_id(1) * LANES + tl.arange(0, LANES)
    there, known = i < B * OUT_H * OUT_W, c < C
    column, row, b = i % OUT_W, (i // OUT_W) % OUT_H, (i // (OUT_W * OUT_H)).to(tl.int64)
    total = tl.zeros((ROWS, LANES), tl.float32) + tl.load(bias + c, mask=known)[None, :]
    for ky in tl.static_range(KERNEL):
        for kx in tl.static_range(KERNEL):
            y, z = row * STRIDE + ky - PADDING, column * STRIDE + kx - PADDING
            inside = there & (y >= 0) & (y < H) & (z >= 0) & (z < W)
            mask = inside[:, None] & known[None, :]
            value = tl.load(x + ((b * H + y) * W + z)[:, None] * C + c[None, :], mask=mask, other=0.0).to(tl.float32)
            value = tl.where(mask, _clamp(value, x_low, x_high), 0.0)
            total += value * tl.load(weight + (ky * KERNEL + kx) * C + c, mask=known, other=0.0)[None, :]
    total = _clamp(total, low, high).to(out.dtype.element_ty)
    tl.store(out + i.to(tl.int64)[:, None] * C + c[None, :], total, mask=there[:, None] & known[None, :])


def depthwise(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    stride: int,
    x_low: float,
    x_high: float,
    low: float,
    high: float,
) -> Tensor:
    """Launch `fused_network.depthwise_op`."""
    b, c, h, w = x.shape
    side = weight.shape[0]
    size = [(length + 2 * (side // 2) - side) // stride + 1 for length in (h, w)]
    out = torch.empty((b, c, *size), dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    grid = triton.cdiv(b * size[0] * size[1], PIXELS), triton.cdiv(c, CHANNELS)
    _depthwise_kernel[grid](
        x, weight, bias, out, b, c, h, w, *size, x_low, x_high, low, high, side, stride, side // 2, PIXELS, CHANNELS
    )
    return out


@triton.jit
def _depthwise_grad_kernel(
    grads, y, weight, x, out, B, C, H, W, OUT_H, OUT_W, x_low, x_high, low, high, KERNEL: tl.constexpr,
    STRIDE: tl.constexpr, PADDING: tl.constexpr, ROWS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    c = tl.program_id(1) * LANES + tl.arange(0, LANES)
    there, known = i < B * H * W, c < C
    column, row, b = i % W, (i // W) % H, (i // (W * H)).to(tl.int64)
    total = tl.zeros((ROWS, LANES), tl.float32)
    for ky in tl.static_range(KERNEL):
        for kx in tl.static_range(KERNEL):
            far_y, far_x = row + PADDING - ky, column + PADDING - kx
            at_y, at_x = far_y // STRIDE, far_x // STRIDE
            inside = there & (far_y >= 0) & (far_x >= 0) & (at_y < OUT_H) & (at_x < OUT_W)
            inside = inside & (far_y % STRIDE == 0) & (far_x % STRIDE == 0)
            mask = inside[:, None] & known[None, :]
            at = ((b * OUT_H + at_y) * OUT_W + at_x)[:, None] * C + c[None, :]
            activation = tl.load(y + at, mask=mask, other=0.0).to(tl.float32)
            grad = tl.load(grads + at, mask=mask, other=0.0).to(tl.float32)
            grad = tl.where(mask & (activation > low) & (activation < high), grad, 0.0)
            total += grad * tl.load(weight + (ky * KERNEL + kx) * C + c, mask=known, other=0.0)[None, :]
    mask = there[:, None] & known[None, :]
    at = i.to(tl.int64)[:, None] * C + c[None, :]
    before = tl.load(x + at, mask=mask, other=0.0).to(tl.float32)
    total = tl.where((before > x_low) & (before < x_high), total, 0.0)
    tl.store(out + at, total.to(out.dtype.element_ty), mask=mask)


def depthwise_grad(
    grads: Tensor,
    y: Tensor,
    weight: Tensor,
    x: Tensor,
    stride: int,
    x_low: float,
    x_high: float,
    low: float,
    high: float,
) -> Tensor:
    """Launch `fused_network.depthwise_grad_op`."""
    b, c, h, w = x.shape
    side = weight.shape[0]
    out = torch.empty_like(x)
    grid = triton.cdiv(b * h * w, PIXELS), triton.cdiv(c, CHANNELS)
    _depthwise_grad_kernel[grid](
        grads.contiguous(memory_format=torch.channels_last), y, weight, x, out, b, c, h, w, *y.shape[2:], x_low, x_high,
        low, high, side, stride, side // 2, PIXELS, CHANNELS,
    )  # fmt: skip
    return out


@triton.jit
def _mask_kernel(
    grads, y, out, count, C, stride_grads, stride_y, stride_out, low, high, POOL: tl.constexpr, H, W, POOL_H, POOL_W,
    SIZE: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(0).to(tl.int64) * SIZE + tl.arange(0, SIZE)
    mask = i < count
    place, c = i // C, i % C
    activation = tl.load(y + place * stride_y + c, mask=mask).to(tl.float32)
    source, there = place, mask
    if POOL > 1:  # each pixel has a share of the gradient of its window; those behind the last window have none
        column, row, b = place % W, (place // W) % H, place // (W * H)
        source = (b * POOL_H + row // POOL) * POOL_W + column // POOL
        there = mask & (row // POOL < POOL_H) & (column // POOL < POOL_W)
    grad = tl.load(grads + source * stride_grads + c, mask=there, other=0.0).to(tl.float32) / (POOL * POOL)
    grad = tl.where((activation > low) & (activation < high), grad, 0.0)
    tl.store(out + place * stride_out + c, grad.to(out.dtype.element_ty), mask=mask)


def mask_grad_into(grads: Tensor, y: Tensor, low: float, high: float, pool: int, out: Tensor) -> Tensor:
    """Launch `fused_network.mask_op`."""
    _, c, h, w = y.shape
    strides = [each.permute(0, 2, 3, 1).stride(2) for each in (grads, y, out)]
    _mask_kernel[(triton.cdiv(y.numel(), VALUES),)](
        grads, y, out, y.numel(), c, *strides, low, high, pool, h, w, *grads.shape[2:], VALUES
    )
    return out


@triton.jit
def _pool_kernel(
    x, y, out, count, C, H, W, stride_x, stride_y, stride_out, low, high, GRAD: tl.constexpr, PADDED: tl.constexpr,
    KERNEL: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    # Forwards the mean of each window; backwards each place collects its shares of the windows that it is in.
    i = tl.program_id(0).to(tl.int64) * SIZE + tl.arange(0, SIZE)
    mask = i < count
    place, c = i // C, i % C
    column, row = place % W, (place // W) % H
    total = tl.full((SIZE,), 0.0, tl.float32)
    for ky in tl.static_range(KERNEL):
        for kx in tl.static_range(KERNEL):
            far_y, far_x = row + ky - KERNEL // 2, column + kx - KERNEL // 2
            inside = mask & (far_y >= 0) & (far_y < H) & (far_x >= 0) & (far_x < W)
            other = place + (ky - KERNEL // 2) * W + kx - KERNEL // 2
            value = tl.load(x + other * stride_x + c, mask=inside, other=0.0).to(tl.float32)
            if GRAD:
                activation = tl.load(y + other * stride_y + c, mask=inside, other=0.0).to(tl.float32)
                value = tl.where((activation > low) & (activation < high), value, 0.0)
                if not PADDED:
                    value = value / _places(far_y, far_x, H, W, KERNEL)
            total += value
    if GRAD:
        if PADDED:
            total = total / (KERNEL * KERNEL)
    else:
        total = total / (KERNEL * KERNEL) if PADDED else total / _places(row, column, H, W, KERNEL)
        total = _clamp(total, low, high)
    tl.store(out + place * stride_out + c, total.to(out.dtype.element_ty), mask=mask)


@triton.jit
def _places(row, column, H, W, KERNEL: tl.constexpr):
    high = tl.minimum(row + KERNEL // 2, H - 1) - tl.maximum(row - KERNEL // 2, 0) + 1
    wide = tl.minimum(column + KERNEL // 2, W - 1) - tl.maximum(column - KERNEL // 2, 0) + 1
    return (high * wide).to(tl.float32)


def _pool(x: Tensor, y: Tensor, side: int, padded: bool, low: float, high: float, out: Tensor, grad: bool) -> Tensor:
    _, c, h, w = x.shape
    strides = [each.permute(0, 2, 3, 1).stride(2) for each in (x, y, out)]
    _pool_kernel[(triton.cdiv(x.numel(), VALUES),)](
        x, y, out, x.numel(), c, h, w, *strides, low, high, grad, padded, side, VALUES
    )
    return out


def mean_pool(x: Tensor, side: int, padded: bool, low: float, high: float, out: Tensor) -> Tensor:
    """Launch `fused_network.pool_op`."""
    return _pool(x, x, side, padded, low, high, out, False)


def mean_pool_grad(grads: Tensor, y: Tensor, side: int, padded: bool, low: float, high: float, out: Tensor) -> Tensor:
    """Launch `fused_network.pool_grad_op`."""
    return _pool(grads, y, side, padded, low, high, out, True)
