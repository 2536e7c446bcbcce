"""Traces a network: runs it once on a small image and records every operation.

torch executes a handful of ATen operations, whatever style the network is written in; a symbolic tracer would fail at
every `if` in its `forward`.
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
    """The network does something that the compiler does not know; it has to run by plain autograd."""


@dataclass(frozen=True, slots=True)
class TracedOp:
    """One executed operation."""

    name: str  # such as "aten.convolution"
    args: tuple[Any, ...]
    results: tuple[Tensor, ...]

    def tensors(self) -> Iterator[Tensor]:
        """Yield the tensors among its arguments."""
        for arg in self.args:
            yield from (a for a in (arg if isinstance(arg, list | tuple) else (arg,)) if isinstance(a, Tensor))


@dataclass(frozen=True, slots=True)
class TracedCall:
    """A recorded run of a network. It keeps every tensor alive, so that no id is used twice."""

    image: Tensor  # (1, 3, H, W)
    calls: list[TracedOp]
    layers: dict[str, Tensor]

    def first_convolution(self) -> TracedOp:
        """Return the first convolution, on which all other operations depend.

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

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else the first operation imports torch's compiler, which takes seconds and is not used

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        results = func(*args, **(kwargs or {}))
        several = results if isinstance(results, list | tuple) else (results,)
        name = str(func.overloadpacket)
        # Keywords are types and layouts alone, in the operations that `passes` knows.
        self.calls.append(TracedOp(name, (*args, *(kwargs or {}).values()), tuple(several)))
        return results


@torch.no_grad()
def trace_network(network: Features, image: Tensor) -> TracedCall:
    """Run `network` on `image`, (1, 3, H, W), and record every operation."""
    with _Recorder() as recorder:
        layers = dict(network(image))
    return TracedCall(image, recorder.calls, layers)


def input_scaling(network: Features, side: int) -> tuple[Tensor, Tensor]:
    """Find how the network scales colors before its first convolution.

    Args:
        network: (1, 3, H, W) in [0, 1] -> layers.
        side: height and width of the images that are tried, px.

    Returns:
        (3,) factors and (3,) offsets.

    Raises:
        Unsupported: it changes the image by more than a factor and an offset for each color.
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
