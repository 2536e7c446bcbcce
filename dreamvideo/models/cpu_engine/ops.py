"""The operations of a plan, here called steps.

A value is a number that stands for one activation, (B, C, h, w); a step computes values from values.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from torch import Tensor

IMAGE = 0  # the value of the scaled image, input of the stem

Bounds = tuple[float, float]  # low, high: an activation is min(max(x, low), high)

RELU: Bounds = (0.0, inf)


@dataclass(frozen=True, slots=True, eq=False)
class Conv:
    """Convolution with bias, followed by a clamp to `bounds` if there are any."""

    inputs: tuple[int]
    outputs: tuple[int]
    weight: Tensor  # (out, in / groups, kh, kw) float32
    bias: Tensor  # (out,) float32
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    bounds: Bounds | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Clamp:
    """ReLU, ReLU6 or another clamp that could not be fused."""

    inputs: tuple[int]
    outputs: tuple[int]
    bounds: Bounds


@dataclass(frozen=True, slots=True, eq=False)
class MaxPool:
    """Maximum of a window; `positive`: no input is negative."""

    inputs: tuple[int]
    outputs: tuple[int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    ceil: bool
    positive: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class AvgPool:
    """Mean of a window; `padded`: zeros beyond the edges count."""

    inputs: tuple[int]
    outputs: tuple[int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    ceil: bool
    padded: bool


@dataclass(frozen=True, slots=True, eq=False)
class Cat:
    """Concatenation of channels."""

    inputs: tuple[int, ...]
    outputs: tuple[int]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """The inverse of `Cat`: every channel goes to one output."""

    inputs: tuple[int]
    outputs: tuple[int, ...]
    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Add:
    """Sum of two values of one shape."""

    inputs: tuple[int, int]
    outputs: tuple[int]


Step = Conv | Clamp | MaxPool | AvgPool | Cat | Split | Add
