"""What a network consists of: each node with its stride and channels, found by two runs on empty pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

# Two pictures, the second wider: what widens with it are places, not channels. Every network of the table sees them;
# they differ by a multiple of every usual stride, so that a quotient of differences is exactly the stride.
SIDE: Final = 160
WIDER: Final = 128

AllLayers = Callable[[Tensor], Mapping[str, Any]]  # (B, 3, H, W) -> node -> whatever it gives


@dataclass(frozen=True, slots=True)
class Layer:
    """A node that can be dreamed on."""

    name: str
    channels: int
    stride: float | None  # pixels of the picture per place; None: the whole picture is one place
    axis: int = 1  # where the channels are: 1, or 3 behind height and width


def describe_layers(whole: AllLayers) -> list[Layer]:
    """The nodes of a network that can be dreamed on, in its order: maps or lists of channels that the picture changes.

    Args:
        whole: the network on the CPU, its weights frozen.

    Raises:
        Exception: whatever the network raises at pictures that are not square.
    """
    with torch.enable_grad():
        narrow, wide = (whole(_empty(SIDE + more)) for more in (0, WIDER))
    found = (_layer(name, narrow[name], value) for name, value in wide.items())
    return [layer for layer in found if layer is not None]


def _empty(width: int) -> Tensor:
    # What hangs on the picture will want a gradient. A copy: a leaf cannot be changed in place, as some networks do.
    return torch.zeros(1, 3, SIDE, width, requires_grad=True).clone()


def _layer(name: str, narrow: Any, wide: Any) -> Layer | None:
    if not (isinstance(wide, Tensor) and wide.requires_grad and wide.shape[0] == 1 and wide.ndim == narrow.ndim):
        return None
    sides = list(zip(narrow.shape, wide.shape, strict=True))
    match (wide.ndim, [axis for axis, (before, after) in enumerate(sides) if before != after]):
        case (2 | 4, []):
            return Layer(name, wide.shape[1], None)
        case (4, [(2 | 3) as across]):
            before, after = sides[across]
            return Layer(name, wide.shape[1 if across == 3 else 3], WIDER / (after - before), 1 if across == 3 else 3)
    return None


def default_layer(layers: list[Layer], stride: float = 16) -> str | None:
    """The end of the last stage that is not coarser than `stride`: it sees things, and not yet a class.

    Of the layers of that stride it is the last with the shortest path: a stage, not a part of the next one's blocks.
    None: there is no map, or all are coarser.
    """
    fine = [(layer.stride, -layer.name.count("."), i) for i, layer in enumerate(layers) if layer.stride is not None]
    fine = [found for found in fine if found[0] <= stride]
    return layers[max(fine)[2]].name if fine else None


def layer_stages(layers: list[Layer]) -> tuple[str, ...]:
    """The maps with the shortest paths: a network's stages, and nothing inside them."""
    maps = [layer.name for layer in layers if layer.stride is not None]
    shortest = min((name.count(".") for name in maps), default=0)
    return tuple(name for name in maps if name.count(".") == shortest)
