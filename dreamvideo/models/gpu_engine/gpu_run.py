"""The activations and gradients of one run, and activations as matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(slots=True)
class GpuRun:
    """The activations and gradients of one run."""

    values: dict[int, Tensor] = field(default_factory=dict)
    shapes: dict[int, torch.Size] = field(default_factory=dict)
    whole: dict[int, Tensor] = field(default_factory=dict)  # concatenation -> its memory
    grads: dict[int, Tensor] = field(default_factory=dict)
    foreign: set[int] = field(default_factory=set)  # values whose gradient belongs to the caller
    masked: set[int] = field(default_factory=set)  # values whose gradient is masked already
    parts: dict[int, set[int]] = field(default_factory=dict)  # what was split -> first channels of what is written


def new_activation(like: Tensor, shape: Sequence[int]) -> Tensor:
    """Return memory for an activation (B, C, h, w), of the type and device of another."""
    b, c, h, w = shape
    return like.new_empty(b, h, w, c).permute(0, 3, 1, 2)


def as_matrix(x: Tensor) -> Tensor:
    """Return the (B h w, C) view of a (B, C, h, w) activation in channels_last, or of some of its channels."""
    return x.permute(0, 2, 3, 1).flatten(0, 2)


def as_activation(matrix: Tensor, like: Tensor) -> Tensor:
    """Return the (B, C, h, w) view of a (B h w, C) matrix, of the size of another activation."""
    b, _, h, w = like.shape
    return matrix.view(b, h, w, -1).permute(0, 3, 1, 2)
