"""Kernels of an ascent step, for float32 images (B, 3, H, W): a program computes some pixels of one image.

Imported on CUDA alone, since Triton is not installed elsewhere.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 512  # pixels a program; chosen by convention


def _grid(planes: int, pixels: int) -> tuple[int, int]:
    return triton.cdiv(pixels, BLOCK), planes


@triton.jit
def _load_at(plane, y, x, H, W, stride_y, stride_x, mask):
    there = mask & (y >= 0) & (y < H) & (x >= 0) & (x < W)
    return tl.load(plane + y * stride_y + x * stride_x, mask=there, other=0.0).to(tl.float32)


@triton.jit
def _mirrored(place, length):
    place = tl.where(place < 0, -1 - place, place)
    return tl.where(place >= length, 2 * length - 1 - place, place)


@triton.jit
def _shift_kernel(images, shifts, out, H, W, REFLECT: tl.constexpr, SIZE: tl.constexpr):
    b = tl.program_id(1).to(tl.int64)
    i = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    mask = i < H * W
    y = i // W - tl.load(shifts + 2 * b).to(tl.int32)
    x = i % W - tl.load(shifts + 2 * b + 1).to(tl.int32)
    if REFLECT:
        y, x = _mirrored(y, H), _mirrored(x, W)
    else:
        y, x = (y + H) % H, (x + W) % W
    for c in tl.static_range(3):
        start = (b * 3 + c) * H * W
        tl.store(out + start + i, tl.load(images + start + y * W + x, mask=mask), mask=mask)


def shift_images(images: Tensor, shifts: Tensor, reflect: bool) -> Tensor:
    """Launch `fused_step.shift_op`."""
    images, shifts = images.contiguous(), shifts.contiguous()
    b, _, h, w = images.shape
    out = torch.empty_like(images)
    _shift_kernel[_grid(b, h * w)](images, shifts, out, h, w, reflect, BLOCK)
    return out


@triton.jit
def _fold_kernel(
    grads, shifts, area, matrix, out, H, W, stride_b, stride_c, stride_y, stride_x,
    REFLECT: tl.constexpr, HAS_AREA: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    b = tl.program_id(1).to(tl.int64)
    i = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    mask = i < H * W
    y, x = i // W, i % W
    dy = tl.load(shifts + 2 * b).to(tl.int32)
    dx = tl.load(shifts + 2 * b + 1).to(tl.int32)
    shown_y, shown_x = y + dy, x + dx
    if REFLECT:
        mirror_y = tl.where(dy > 0, dy - 1 - y, 2 * H - 1 + dy - y)
        mirror_x = tl.where(dx > 0, dx - 1 - x, 2 * W - 1 + dx - x)
    else:
        shown_y, shown_x = (shown_y + H) % H, (shown_x + W) % W
        mirror_y, mirror_x = shown_y, shown_x
    inside = tl.full((SIZE,), 1.0, tl.float32)
    if HAS_AREA:
        inside = tl.load(area + b * H * W + i, mask=mask, other=0.0)
    mixed_0 = tl.zeros((SIZE,), tl.float32)
    mixed_1 = tl.zeros((SIZE,), tl.float32)
    mixed_2 = tl.zeros((SIZE,), tl.float32)
    for c in tl.static_range(3):
        plane = grads + b * stride_b + c * stride_c
        g = _load_at(plane, shown_y, shown_x, H, W, stride_y, stride_x, mask)
        if REFLECT:
            g += _load_at(plane, shown_y, mirror_x, H, W, stride_y, stride_x, mask)
            g += _load_at(plane, mirror_y, shown_x, H, W, stride_y, stride_x, mask) + _load_at(
                plane, mirror_y, mirror_x, H, W, stride_y, stride_x, mask
            )
        finite = (g == g) & (tl.abs(g) < float("inf"))
        g = tl.where(finite, g, 0.0) * inside
        mixed_0 += g * tl.load(matrix + c)
        mixed_1 += g * tl.load(matrix + 3 + c)
        mixed_2 += g * tl.load(matrix + 6 + c)
    start = out + b * 3 * H * W + i
    tl.store(start, mixed_0, mask=mask)
    tl.store(start + H * W, mixed_1, mask=mask)
    tl.store(start + 2 * H * W, mixed_2, mask=mask)


def fold_gradient(grads: Tensor, shifts: Tensor, area: Tensor | None, matrix: Tensor, reflect: bool) -> Tensor:
    """Launch `fused_step.fold_op`."""
    b, _, h, w = grads.shape
    shifts, matrix = shifts.contiguous(), matrix.contiguous()
    area = None if area is None else area.contiguous()
    out = torch.empty(grads.shape, device=grads.device)
    some = out if area is None else area
    _fold_kernel[_grid(b, h * w)](
        grads, shifts, some, matrix, out, h, w, *grads.stride(), reflect, area is not None, BLOCK
    )  # fmt: skip
    return out


@triton.jit
def _blur_kernel(
    planes, weights, sources, out, H, W, IN: tl.constexpr, OUT: tl.constexpr, RADIUS: tl.constexpr,
    DOWN: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    # Down: each blurred plane reads its source. Across: each result adds up the blurred planes that have it as source.
    b = (tl.program_id(1) // OUT).to(tl.int64)
    p = tl.program_id(1) % OUT
    i = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    mask = i < H * W
    y, x = i // W, i % W
    total = tl.zeros((SIZE,), tl.float32)
    if DOWN:
        plane = planes + (b * IN + tl.load(sources + p)) * H * W
        for k in range(2 * RADIUS + 1):
            row = tl.minimum(tl.maximum(y + k - RADIUS, 0), H - 1)
            total += tl.load(weights + p * (2 * RADIUS + 1) + k) * tl.load(plane + row * W + x, mask=mask)
    else:
        for q in range(IN):
            if tl.load(sources + q) == p:
                plane = planes + (b * IN + q) * H * W
                for k in range(2 * RADIUS + 1):
                    column = tl.minimum(tl.maximum(x + k - RADIUS, 0), W - 1)
                    weight = tl.load(weights + q * (2 * RADIUS + 1) + k)
                    total += weight * tl.load(plane + y * W + column, mask=mask)
    tl.store(out + (b * OUT + p) * H * W + i, total, mask=mask)


def blur_down(planes: Tensor, weights: Tensor, sources: Tensor) -> Tensor:
    """Launch `fused_step.blur_down_op`."""
    b, c, h, w = planes.shape
    p, k = weights.shape
    out = torch.empty(b, p, h, w, device=planes.device)
    _blur_kernel[_grid(b * p, h * w)](planes.contiguous(), weights, sources, out, h, w, c, p, k // 2, True, BLOCK)
    return out


def blur_across(planes: Tensor, weights: Tensor, sources: Tensor, count: int) -> Tensor:
    """Launch `fused_step.blur_across_op`."""
    b, p, h, w = planes.shape
    out = torch.empty(b, count, h, w, device=planes.device)
    radius = weights.shape[1] // 2
    _blur_kernel[_grid(b * count, h * w)](planes, weights, sources, out, h, w, p, count, radius, False, BLOCK)
    return out
