"""What a network consists of: each node with its stride and channels, found by one run on an empty picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

SIDE: Final = 224  # pixels of the picture; a multiple of every usual stride

Whole = Callable[[Tensor], Mapping[str, Any]]  # (B, 3, H, W) -> node -> whatever it gives


@dataclass(frozen=True, slots=True)
class Layer:
    """A node that can be dreamed on."""

    name: str
    channels: int
    stride: float | None  # pixels of the picture per place; None: the whole picture is one place


@torch.no_grad()
def describe(whole: Whole) -> list[Layer]:
    """The nodes of a network that give numbers for a picture, in its order.

    Raises:
        RuntimeError: the network cannot see a picture of `SIDE` pixels a side.
    """
    found = whole(torch.zeros(1, 3, SIDE, SIDE))
    return [_layer(name, value) for name, value in found.items() if _can_be_dreamed_on(value)]


def _can_be_dreamed_on(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.ndim >= 2 and value.shape[0] == 1


def _layer(name: str, value: Tensor) -> Layer:
    coarse = value.ndim != 4 or value.shape[-1] == 1
    return Layer(name, value.shape[1], None if coarse else round(SIDE / value.shape[-1], 2))


def for_dreaming(layers: list[Layer], stride: float = 16) -> str | None:
    """The last layer that is not coarser than `stride`: it sees things, and not yet a class. None: there is none."""
    fine = [layer.name for layer in layers if layer.stride is not None and layer.stride <= stride]
    return fine[-1] if fine else None
