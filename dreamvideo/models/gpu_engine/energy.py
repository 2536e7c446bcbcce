"""What objectives make of the channels at every place, on CUDA: one kernel each, and one for its gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from dreamvideo.models.gpu_engine.fused_network import energy_grad_op, energy_op, odds_grad_op, odds_op


class _Energy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, divisor: Tensor, power: int) -> Tensor:
        ctx.save_for_backward(x, divisor)
        ctx.power = power
        return energy_op(x, divisor, power)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grads: Tensor) -> tuple[Tensor, None, None]:
        x, divisor = ctx.saved_tensors
        return energy_grad_op(grads, x, divisor, ctx.power), None, None


def energy_of(activation: Tensor, divisor: Tensor | None, power: int) -> Tensor:
    """Add up the powers of the channels at every place.

    Args:
        activation: (B, C, h, w), any float type.
        divisor: (C,) by which the channels are divided first; None: 1.
        power: 2 or 4.

    Returns:
        (B, h, w) float32, differentiable once with respect to the activation.
    """
    if divisor is None:
        divisor = torch.ones(activation.shape[1], device=activation.device)
    energy: Tensor = _Energy.apply(activation, divisor.float(), power)
    return energy


class _Odds(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, chosen: Tensor, temperature: float) -> Tensor:
        ctx.save_for_backward(logits, chosen)
        ctx.temperature = temperature
        return odds_op(logits, chosen, temperature)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grads: Tensor) -> tuple[Tensor, None, None]:
        logits, chosen = ctx.saved_tensors
        return odds_grad_op(grads, logits, chosen, ctx.temperature), None, None


def log_odds_of(logits: Tensor, chosen: Tensor, temperature: float) -> Tensor:
    """Compute the logarithm of the odds of some classes against all others.

    Args:
        logits: (B, classes, h, w), any float type.
        chosen: (classes,) 1 for those, 0 for the others; both must exist.
        temperature: what logits are divided by first, and the result is multiplied by.

    Returns:
        (B, h, w) float32, differentiable once with respect to the logits.
    """
    odds: Tensor = _Odds.apply(logits, chosen, temperature)
    return odds
