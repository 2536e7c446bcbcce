"""Kernels that make steps of shaped gradients and take them, for float32 images (B, 3, H, W).

Imported on CUDA alone, since Triton is not installed elsewhere.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 512  # pixels a program; chosen by convention

COLOR_AT, HEADROOM_AT, ANCHOR_AT = tl.constexpr(1), tl.constexpr(2), tl.constexpr(3)  # as in `ascent.step_numbers`


def _grid(planes: int, pixels: int) -> tuple[int, int]:
    return triton.cdiv(pixels, BLOCK), planes


@triton.jit
def _mix(planes, matrix, b, i, pixels, mask):
    start = planes + b * 3 * pixels + i
    p0 = tl.load(start, mask=mask, other=0.0)
    p1 = tl.load(start + pixels, mask=mask, other=0.0)
    p2 = tl.load(start + 2 * pixels, mask=mask, other=0.0)
    row = matrix + b * 9
    r = tl.load(row) * p0 + tl.load(row + 1) * p1 + tl.load(row + 2) * p2
    g = tl.load(row + 3) * p0 + tl.load(row + 4) * p1 + tl.load(row + 5) * p2
    blue = tl.load(row + 6) * p0 + tl.load(row + 7) * p1 + tl.load(row + 8) * p2
    return r, g, blue


@triton.jit
def _magnitude_kernel(planes, matrix, out, pixels, SIZE: tl.constexpr):
    b = tl.program_id(1).to(tl.int64)
    i = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    r, g, blue = _mix(planes, matrix, b, i, pixels, i < pixels)
    total = tl.sum(tl.abs(r) + tl.abs(g) + tl.abs(blue), 0)
    tl.store(out + b * tl.num_programs(0) + tl.program_id(0), total)


def magnitude_parts(planes: Tensor, matrix: Tensor) -> Tensor:
    """Launch `fused_step.magnitude_op`."""
    b, _, h, w = planes.shape
    grid = _grid(b, h * w)
    out = torch.empty(b, grid[0], device=planes.device)
    _magnitude_kernel[grid](planes, matrix.contiguous(), out, h * w, BLOCK)
    return out


@triton.jit
def _step_one(step, image, highest, factor, headroom, HAS_HIGHEST: tl.constexpr, HEADROOM: tl.constexpr):
    step = step * factor
    if HEADROOM:
        up = 1 - image
        if HAS_HIGHEST:
            up = tl.minimum(up, highest)
        distance = tl.where(step > 0, up, image)
        step = step * tl.minimum(tl.maximum(distance / headroom, 0.0), 1.0)
    return image + step


@triton.jit
def _step_kernel(
    planes, matrix, images, factors, area, highest, out, numbers, pixels, HAS_FACTORS: tl.constexpr,
    HAS_AREA: tl.constexpr, HAS_HIGHEST: tl.constexpr, HEADROOM: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    headroom = tl.load(numbers + HEADROOM_AT)
    b = tl.program_id(1).to(tl.int64)
    i = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    mask = i < pixels
    r, g, blue = _mix(planes, matrix, b, i, pixels, mask)
    factor = tl.full((SIZE,), 1.0, tl.float32)
    if HAS_FACTORS:
        factor *= tl.load(factors + b * pixels + i, mask=mask)
    if HAS_AREA:
        factor *= tl.load(area + b * pixels + i, mask=mask)
    limit = factor
    if HAS_HIGHEST:
        limit = tl.load(highest + b * pixels + i, mask=mask)
    at = b * 3 * pixels + i
    red = tl.load(images + at, mask=mask)
    green = tl.load(images + at + pixels, mask=mask)
    deep = tl.load(images + at + 2 * pixels, mask=mask)
    tl.store(out + at, _step_one(r, red, limit, factor, headroom, HAS_HIGHEST, HEADROOM), mask=mask)
    tl.store(out + at + pixels, _step_one(g, green, limit, factor, headroom, HAS_HIGHEST, HEADROOM), mask=mask)
    tl.store(out + at + 2 * pixels, _step_one(blue, deep, limit, factor, headroom, HAS_HIGHEST, HEADROOM), mask=mask)


def take_step(
    planes: Tensor,
    matrix: Tensor,
    images: Tensor,
    factors: Tensor | None,
    area: Tensor | None,
    highest: Tensor | None,
    numbers: Tensor,
    shrinks: bool,
) -> Tensor:
    """Launch `fused_step.step_op`."""
    b, _, h, w = planes.shape
    images = images.contiguous()
    out = torch.empty_like(images)
    given = [None if each is None else each.contiguous() for each in (factors, area, highest)]
    some = [out if each is None else each for each in given]
    flags = [each is not None for each in given]
    _step_kernel[_grid(b, h * w)](
        planes, matrix.contiguous(), images, *some, out, numbers, h * w, *flags, shrinks, BLOCK
    )
    return out


@triton.jit
def _hold_kernel(
    images, base_areas, areas, out, numbers, pixels, pull, DARK: tl.constexpr, CLAMP: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    b = tl.program_id(1).to(tl.int64)
    i = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    mask = i < pixels
    start = b * 3 * pixels + i
    headroom = tl.load(numbers + HEADROOM_AT)
    strength = tl.full((SIZE,), 1.0, tl.float32) * tl.load(numbers + ANCHOR_AT)
    if DARK:
        brightest = tl.load(base_areas + start, mask=mask)
        brightest = tl.maximum(brightest, tl.load(base_areas + start + pixels, mask=mask))
        brightest = tl.maximum(brightest, tl.load(base_areas + start + 2 * pixels, mask=mask))
        strength *= (1 - tl.minimum(brightest / headroom, 1.0)) * pull + 1
    for c in tl.static_range(3):
        at = start + c * pixels
        image = tl.load(images + at, mask=mask)
        image += (tl.load(base_areas + at, mask=mask) - tl.load(areas + at, mask=mask)) * strength
        if CLAMP:
            image = tl.minimum(tl.maximum(image, 0.0), 1.0)
        tl.store(out + at, image, mask=mask)


def hold_areas(images: Tensor, base_areas: Tensor, areas: Tensor, numbers: Tensor, pull: float, clamp: bool) -> Tensor:
    """Launch `fused_step.hold_op`."""
    b, _, h, w = images.shape
    out = torch.empty_like(images)
    _hold_kernel[_grid(b, h * w)](
        images, base_areas.contiguous(), areas.contiguous(), out, numbers, h * w, pull, pull > 0, clamp, BLOCK
    )
    return out


@triton.jit
def _color_kernel(luma, chroma, axes, out, numbers):
    # A program for each image; row c of the result is for color c, and its columns for luma and the two of chroma.
    b = tl.program_id(0)
    bright = 1 / (tl.load(luma + b) + 1e-12)
    colored = tl.load(numbers + COLOR_AT) / (tl.load(chroma + b) + 1e-12)
    for c in tl.static_range(3):
        tl.store(out + b * 9 + c * 3, tl.load(axes + c) * bright)
        tl.store(out + b * 9 + c * 3 + 1, tl.load(axes + 3 + c) * colored)
        tl.store(out + b * 9 + c * 3 + 2, tl.load(axes + 6 + c) * colored)


def color_matrix(luma: Tensor, chroma: Tensor, axes: Tensor, numbers: Tensor) -> Tensor:
    """Launch `fused_step.color_op`."""
    out = torch.empty(len(luma), 3, 3, device=luma.device)
    _color_kernel[(len(luma),)](luma, chroma, axes.contiguous(), out, numbers)
    return out


@triton.jit
def _size_kernel(
    matrix, parts, shares, scores, targets, out, step_size, values, gain, low, high, COUNT: tl.constexpr,
    HAS_SHARES: tl.constexpr, HAS_TARGETS: tl.constexpr,
):  # fmt: skip
    b = tl.program_id(0)
    i = tl.arange(0, 1024)
    total = tl.full((1024,), 0.0, tl.float32)
    for start in range(0, COUNT, 1024):
        total += tl.load(parts + b * COUNT + start + i, mask=start + i < COUNT, other=0.0)
    size = step_size / (tl.sum(total, 0) / values + 1e-12)
    if HAS_SHARES:
        size *= tl.load(shares + b)
    if HAS_TARGETS:
        missing = gain * (tl.load(targets + b) - tl.load(scores + b))
        missing = tl.where(missing == missing, missing, 0.0)
        size *= tl.minimum(tl.maximum(tl.exp(tl.minimum(missing, 80.0)), low), high)
    j = tl.arange(0, 16)
    tl.store(out + b * 9 + j, tl.load(matrix + b * 9 + j, mask=j < 9) * size, mask=j < 9)


def sized_matrix(
    matrix: Tensor,
    parts: Tensor,
    shares: Tensor | None,
    scores: Tensor,
    targets: Tensor | None,
    numbers: list[float],
) -> Tensor:
    """Launch `fused_step.size_op`."""
    matrix, parts = matrix.contiguous(), parts.contiguous()
    out = torch.empty_like(matrix)
    some = [out if each is None else each.contiguous() for each in (shares, scores, targets)]
    flags = shares is not None, targets is not None
    _size_kernel[(len(matrix),)](matrix, parts, *some, out, *numbers, parts.shape[1], *flags)
    return out
