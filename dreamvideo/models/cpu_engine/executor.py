"""A plan, forwards and backwards: one node of autograd in place of hundreds.

Saved for the way back are only the values that mask a gradient, and each is let go once it has been used; so a result
can be differentiated once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from dreamvideo.models.cpu_engine.convs import ConvKernel
from dreamvideo.models.cpu_engine.ops import Add, AvgPool, Cat, Conv, MaxPool, Relu, Split, Step
from dreamvideo.models.cpu_engine.passes import Plan
from dreamvideo.models.cpu_engine.pools import AvgPoolKernel, MaxPoolKernel
from dreamvideo.models.cpu_engine.separable_max_pool import SidesKernel, is_separable
from dreamvideo.models.cpu_engine.stem import Stem


class Kernel(Protocol):
    """What runs one step."""

    def forward(self, *xs: Tensor) -> tuple[Sequence[Tensor], Any]: ...

    def backward(self, memo: Any, *gs: Any) -> Sequence[Tensor]: ...


class CatKernel:
    """Runs a `Cat`."""

    def forward(self, *xs: Tensor) -> tuple[tuple[Tensor], list[int]]:
        return (torch.cat(xs, 1),), [x.shape[1] for x in xs]

    def backward(self, sizes: list[int], g: Tensor) -> tuple[Tensor, ...]:
        return torch.split(g, sizes, 1)


class SplitKernel:
    """Runs a `Split`."""

    def __init__(self, step: Split) -> None:
        self.sizes = list(step.sizes)

    def forward(self, x: Tensor) -> tuple[tuple[Tensor, ...], None]:
        return torch.split(x, self.sizes, 1), None

    def backward(self, memo: None, *gs: Tensor | None) -> tuple[Tensor]:
        like = next(g for g in gs if g is not None)
        b, _, h, w = like.shape
        parts = [g if g is not None else like.new_zeros(b, c, h, w) for g, c in zip(gs, self.sizes, strict=True)]
        return (torch.cat(parts, 1),)


class AddKernel:
    """Runs an `Add`."""

    def forward(self, x: Tensor, y: Tensor) -> tuple[tuple[Tensor], None]:
        return (x + y,), None

    def backward(self, memo: None, g: Tensor) -> tuple[Tensor, Tensor]:
        return g, g.clone()  # each may be changed in place


class ReluKernel:
    """Runs a `Relu`, whose gradient is masked like that of a fused one."""

    def forward(self, x: Tensor) -> tuple[tuple[Tensor], None]:
        return (torch.relu(x),), None

    def backward(self, memo: None, g: Tensor) -> tuple[Tensor]:
        return (g,)


def make_kernel(step: Step, precision: torch.dtype) -> Kernel:
    """What runs `step`."""
    made: Any
    match step:
        case Conv():
            made = ConvKernel(step, precision)
        case MaxPool() if is_separable(step, precision):
            made = SidesKernel()
        case MaxPool():
            made = MaxPoolKernel(step)
        case AvgPool():
            made = AvgPoolKernel(step)
        case Split():
            made = SplitKernel(step)
        case Cat():
            made = CatKernel()
        case Add():
            made = AddKernel()
        case Relu():
            made = ReluKernel()
    return made  # type: ignore[no-any-return]


@dataclass(slots=True)
class Saved:
    """What a way back needs of the way there."""

    size: tuple[int, int]  # height, width of the images
    memos: list[Any] = field(default_factory=list)  # one per step
    masks: dict[int, Tensor] = field(default_factory=dict)  # value -> what its gradient is masked by


class Program:
    """A plan with weights in one precision, ready to run."""

    def __init__(self, plan: Plan, factor: Tensor, offset: Tensor, precision: torch.dtype) -> None:
        first, *self.steps = plan.steps
        assert isinstance(first, Conv)
        self.start = first.outputs[0]
        self.stem = Stem(first, factor, offset, precision)
        self.kernels = [make_kernel(step, precision) for step in self.steps]
        self.layers = plan.layers
        self.masked = plan.masked
        last_use = {value: at for at, step in enumerate(self.steps) for value in (*step.outputs, *step.inputs)}
        kept = set(self.layers.values())
        self.dying = [
            [value for value in {*step.inputs, *step.outputs} if last_use[value] == at and value not in kept]
            for at, step in enumerate(self.steps)
        ]

    def forward(self, images: Tensor, keep: bool) -> tuple[dict[int, Tensor], Saved]:
        """Values of the layers, and what the way back needs, empty unless `keep`."""
        values = {self.start: self.stem.forward(images)}
        saved = Saved((images.shape[2], images.shape[3]))
        for step, kernel, dying in zip(self.steps, self.kernels, self.dying, strict=True):
            made, memo = kernel.forward(*[values[value] for value in step.inputs])
            values.update(zip(step.outputs, made, strict=True))
            gone = {value: values.pop(value) for value in dying}
            if keep:
                saved.memos.append(memo)
                saved.masks.update((value, tensor) for value, tensor in gone.items() if value in self.masked)
        if keep:
            # Detached: a result that is held by its own node of autograd would never be freed.
            saved.masks.update((value, tensor.detach()) for value, tensor in values.items() if value in self.masked)
        return values, saved

    def backward(self, slopes: dict[int, Tensor], saved: Saved) -> Tensor:
        """Gradient (B, 3, H, W) float32 of the images from those of layers, which it overwrites; empties `saved`."""
        for step, kernel in zip(reversed(self.steps), reversed(self.kernels), strict=True):
            memo = saved.memos.pop()
            gs = [_complete(slopes.pop(value, None), saved.masks.pop(value, None)) for value in step.outputs]
            if all(g is None for g in gs):
                continue
            for value, slope in zip(step.inputs, kernel.backward(memo, *gs), strict=True):
                slopes[value] = slopes[value].add_(slope) if value in slopes else slope
        g = _complete(slopes.pop(self.start), saved.masks.pop(self.start, None))
        return self.stem.backward(cast(Tensor, g), *saved.size)


def _complete(g: Tensor | None, mask: Tensor | None) -> Tensor | None:
    # Every reader of the value has given its share: zero it where the ReLU did.
    if g is None or mask is None:
        return g
    torch.ops.aten.threshold_backward.grad_input(g, mask, 0, grad_input=g)
    return g
