"""Layers of a network: each node with its stride and channels, found by two runs on black images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

# Two images, the second wider: the axis that grows with it holds places, not channels. Every network of the table can
# process them; they differ by a multiple of every usual stride, so that a quotient of differences is the exact stride.
SIDE: Final = 160
WIDER: Final = 128

FEW: Final = 6  # stages; a network that has fewer at one depth is a list of blocks at the next

AllLayers = Callable[[Tensor], Mapping[str, Any]]  # (B, 3, H, W) -> node -> its output, of any type


@dataclass(frozen=True, slots=True)
class Layer:
    """A node that can be dreamed on."""

    name: str
    channels: int
    stride: float | None  # pixels of the image per place; None: the whole image is one place
    axis: int = 1  # where the channels are: 1, or 3 behind height and width


def describe_layers(whole: AllLayers) -> list[Layer]:
    """Return the nodes of a network that can be dreamed on: maps or vectors of channels that depend on the image.

    Args:
        whole: the network on the CPU, its weights frozen.

    Returns:
        In the order of the network.

    Raises:
        Exception: whatever the network raises for images that are not square.
    """
    with torch.enable_grad():
        narrow, wide = (whole(_empty(SIDE + more)) for more in (0, WIDER))
    layers = (_layer(name, narrow[name], value) for name, value in wide.items())
    return [layer for layer in layers if layer is not None]


def _empty(width: int) -> Tensor:
    # Outputs that depend on the image require a gradient. A copy, since some networks change the image in place.
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
    """Choose the end of the last stage that is not coarser than `stride`: it responds to things, not yet to a class.

    Args:
        layers: of a network, in its order.
        stride: pixels.

    Returns:
        Of the layers of that stride the last with the shortest path: a stage, not a part of the next one's blocks.
        None: all layers are coarser, or have no places.
    """
    fine = [(layer.stride, -layer.name.count("."), i) for i, layer in enumerate(layers) if layer.stride is not None]
    fine = [key for key in fine if key[0] <= stride]
    return layers[max(fine)[2]].name if fine else None


def layer_stages(layers: list[Layer]) -> tuple[str, ...]:
    """Return the stages of a network: the maps with the shortest paths, of which there are at least `FEW`.

    Args:
        layers: of the network, in its order.

    Returns:
        Their names; of a network with fewer maps at every depth, those of the depth that has most.
    """
    maps = [layer.name for layer in layers if layer.stride is not None]
    depths = sorted({name.count(".") for name in maps})
    by_depth = [tuple(name for name in maps if name.count(".") == depth) for depth in depths]
    enough = [names for names in by_depth if len(names) >= FEW]
    return enough[0] if enough else max([(), *by_depth], key=lambda names: len(names))
