"""Kernels of objectives, for activations (B, C, H, W) in channels_last: a program reads all channels of some places.

Imported on CUDA alone, since Triton is not installed elsewhere.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

PIXELS, CHANNELS = 32, 32  # that are in registers at once; chosen by convention
FEW = 4  # places of a program that holds all channels


@triton.jit
def _energy_kernel(
    x, divisor, grads, out, count, C, POWER: tl.constexpr, GRAD: tl.constexpr, ROWS: tl.constexpr, LANES: tl.constexpr
):  # fmt: skip
    i = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    there = i < count
    total = tl.full((ROWS, LANES), 0.0, tl.float32)
    for start in range(0, C, LANES):
        c = start + tl.arange(0, LANES)
        known = c < C
        mask = there[:, None] & known[None, :]
        at = i.to(tl.int64)[:, None] * C + c[None, :]
        factor = tl.load(divisor + c, mask=known, other=1.0)[None, :]
        value = tl.load(x + at, mask=mask, other=0.0).to(tl.float32) / factor
        if GRAD:
            lower = value if POWER == 2 else value * value * value
            grad = tl.load(grads + i, mask=there, other=0.0)[:, None] * POWER * lower / factor
            tl.store(out + at, grad.to(out.dtype.element_ty), mask=mask)
        else:
            square = value * value
            total += square if POWER == 2 else square * square
    if not GRAD:
        tl.store(out + i, tl.sum(total, 1), mask=there)


def channel_energy(x: Tensor, divisor: Tensor, power: int) -> Tensor:
    """Launch `fused_network.energy_op`."""
    x = x.contiguous(memory_format=torch.channels_last)
    b, c, h, w = x.shape
    out = torch.empty(b, h, w, device=x.device)
    _energy_kernel[(triton.cdiv(b * h * w, PIXELS),)](
        x, divisor, out, out, b * h * w, c, power, False, PIXELS, CHANNELS
    )
    return out


def channel_energy_grad(grads: Tensor, x: Tensor, divisor: Tensor, power: int) -> Tensor:
    """Launch `fused_network.energy_grad_op`."""
    x = x.contiguous(memory_format=torch.channels_last)
    b, c, h, w = x.shape
    out = torch.empty_like(x)
    _energy_kernel[(triton.cdiv(b * h * w, PIXELS),)](
        x, divisor, grads.contiguous(), out, b * h * w, c, power, True, PIXELS, CHANNELS
    )
    return out


@triton.jit
def _odds_kernel(
    logits, chosen, grads, out, count, C, temperature, GRAD: tl.constexpr, ROWS: tl.constexpr, LANES: tl.constexpr
):
    i = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    c = tl.arange(0, LANES)
    there, known = i < count, c < C
    mask = there[:, None] & known[None, :]
    at = i.to(tl.int64)[:, None] * C + c[None, :]
    value = tl.load(logits + at, mask=mask, other=0.0).to(tl.float32) / temperature
    raised = (tl.load(chosen + c, mask=known, other=0.0) > 0)[None, :] & mask
    others = mask & (raised == 0)
    high = tl.max(tl.where(raised, value, -1e30), 1)
    low = tl.max(tl.where(others, value, -1e30), 1)
    up = tl.where(raised, tl.exp(tl.minimum(value - high[:, None], 0.0)), 0.0)
    down = tl.where(others, tl.exp(tl.minimum(value - low[:, None], 0.0)), 0.0)
    if GRAD:
        g = tl.load(grads + i, mask=there, other=0.0)[:, None]
        g = g * (up / tl.sum(up, 1)[:, None] - down / tl.sum(down, 1)[:, None])
        tl.store(out + at, g.to(out.dtype.element_ty), mask=mask)
    else:
        odds = high + tl.log(tl.sum(up, 1)) - low - tl.log(tl.sum(down, 1))
        tl.store(out + i, odds * temperature, mask=there)


def log_odds(logits: Tensor, chosen: Tensor, temperature: float) -> Tensor:
    """Launch `fused_network.odds_op`."""
    logits = logits.contiguous(memory_format=torch.channels_last)
    b, c, h, w = logits.shape
    out = torch.empty(b, h, w, device=logits.device)
    _odds_kernel[(triton.cdiv(b * h * w, FEW),)](
        logits, chosen, out, out, b * h * w, c, temperature, False, FEW, triton.next_power_of_2(c)
    )
    return out


def log_odds_grad(grads: Tensor, logits: Tensor, chosen: Tensor, temperature: float) -> Tensor:
    """Launch `fused_network.odds_grad_op`."""
    logits = logits.contiguous(memory_format=torch.channels_last)
    b, c, h, w = logits.shape
    out = torch.empty_like(logits)
    _odds_kernel[(triton.cdiv(b * h * w, FEW),)](
        logits, chosen, grads.contiguous(), out, b * h * w, c, temperature, True, FEW, triton.next_power_of_2(c)
    )
    return out
