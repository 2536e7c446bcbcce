"""Gradients of clamps: zero where the activation is at a bound.

In bfloat16 torch converts to float32 and back. The bits of numbers that are not negative are ordered as the numbers
are, so they are compared as integers: 4 times as fast for a ReLU in a cache, 2.5 times for a ReLU6, which takes two
passes; 1 to 2% of the gradient of a network, whose activations are mostly read from memory.
"""

from __future__ import annotations

from math import inf

import torch
from torch import Tensor

from dreamvideo.models.cpu_engine.ops import RELU, Bounds

_WRAP = 2**15  # the first integer that int16 does not hold; it becomes the smallest one


def mask_grad(g: Tensor, activation: Tensor, bounds: Bounds, overwrite: bool) -> Tensor:
    """Zero a gradient where a clamp was at a bound.

    Args:
        g: (B, C, h, w), overwritten.
        activation: (B, C, h, w), output of the clamp.
        bounds: of the clamp.
        overwrite: whether `activation` may be overwritten.

    Returns:
        `g`.
    """
    low, high = bounds
    as_integers = g.dtype == torch.bfloat16 and low == 0
    if as_integers:
        threshold = 0
        bits = activation.view(torch.int16)
        if high != inf:
            # Of 0, of what lies between, and of the upper bound, only the second becomes more than `threshold`.
            threshold = _WRAP - int(torch.tensor(high, dtype=torch.bfloat16).view(torch.int16))
            bits = bits.add_(threshold) if overwrite else bits.add(threshold)
        bits_of_grad = g.view(torch.int16)
        torch.ops.aten.threshold_backward.grad_input(bits_of_grad, bits, threshold, grad_input=bits_of_grad)
    elif bounds == RELU:  # up to 1.4 times as fast as the other
        torch.ops.aten.threshold_backward.grad_input(g, activation, 0, grad_input=g)
    else:
        torch.ops.aten.hardtanh_backward.grad_input(g, activation, low, high, grad_input=g)
    return g
