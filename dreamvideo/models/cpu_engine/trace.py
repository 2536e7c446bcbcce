"""Write down what a network does, by running it once on a small picture.

What torch executes is a handful of ATen operations, whatever style the network is written in; a symbolic tracer would
stumble over every `if` in its `forward`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

Features = Callable[[Tensor], Mapping[str, Tensor]]  # (B, 3, H, W) RGB in [0, 1] -> layer name -> activation


class Unsupported(Exception):
    """The network does something that the engine does not know; the plain way through it is to be taken."""


@dataclass(frozen=True, slots=True)
class TracedOp:
    """One executed operation."""

    name: str  # such as "aten.convolution"
    args: tuple[Any, ...]
    results: tuple[Tensor, ...]

    def tensors(self) -> Iterator[Tensor]:
        """The tensors among its arguments."""
        for arg in self.args:
            yield from (a for a in (arg if isinstance(arg, list | tuple) else (arg,)) if isinstance(a, Tensor))


@dataclass(frozen=True, slots=True)
class TracedCall:
    """A run of a network. It holds every tensor of the run, so that no id is used twice."""

    image: Tensor  # (1, 3, H, W)
    calls: list[TracedOp]
    layers: dict[str, Tensor]

    def first_convolution(self) -> TracedOp:
        """The call that every other hangs on.

        Raises:
            Unsupported: there is none.
        """
        for call in self.calls:
            if call.name == "aten.convolution":
                return call
        raise Unsupported("no convolution")


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[TracedOp] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        results = func(*args, **(kwargs or {}))
        several = results if isinstance(results, list | tuple) else (results,)
        name = str(func.overloadpacket)
        # A keyword matters only where it is not a type or layout; the operations of `plan` have none.
        self.calls.append(TracedOp(name, (*args, *(kwargs or {}).values()), tuple(several)))
        return results


@torch.no_grad()
def trace_network(network: Features, image: Tensor) -> TracedCall:
    """Run `network` on `image` (1, 3, H, W) and note every operation."""
    with _Recorder() as recorder:
        layers = dict(network(image))
    return TracedCall(image, recorder.calls, layers)


def input_scaling(network: Features, side: int) -> tuple[Tensor, Tensor]:
    """(3,) factor and (3,) offset of what the network does to the image before its first convolution.

    Raises:
        Unsupported: it does something else than to scale and shift each color.
    """
    noise = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    black, white, random = (
        trace_network(network, image).first_convolution().args[0]
        for image in (torch.zeros_like(noise), torch.ones_like(noise), noise)
    )
    if random.shape != noise.shape:
        raise Unsupported(f"the image {tuple(noise.shape)} enters the first convolution as {tuple(random.shape)}")
    offset = black[0, :, 0, 0].clone()
    factor = white[0, :, 0, 0] - offset
    if not torch.allclose(noise * factor[:, None, None] + offset[:, None, None], random, atol=1e-4):
        raise Unsupported("the image is changed by more than a scaling of its colors")
    return factor, offset
