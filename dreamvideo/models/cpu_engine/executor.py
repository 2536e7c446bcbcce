"""Runs a plan forwards and backwards: one node of autograd in place of hundreds.

Only the values that mask a gradient are saved for the backward pass, and each is freed once it was used; so a result
can be differentiated once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from dreamvideo.models.cpu_engine.convs import ConvKernel
from dreamvideo.models.cpu_engine.grad_masks import mask_grad
from dreamvideo.models.cpu_engine.ops import RELU, Add, AvgPool, Cat, Clamp, Conv, MaxPool, Split, Step
from dreamvideo.models.cpu_engine.passes import ExecutionPlan
from dreamvideo.models.cpu_engine.pools import AvgPoolKernel, MaxPoolKernel
from dreamvideo.models.cpu_engine.separable_max_pool import SeparableMaxPoolKernel, is_separable
from dreamvideo.models.cpu_engine.stem import Stem


class Kernel(Protocol):
    """Runs one step.

    `forward` returns the outputs and a memo; `backward` takes the memo and the gradients of the outputs.
    """

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


class ClampKernel:
    """Runs a `Clamp`, whose gradient is masked like that of a fused one."""

    def __init__(self, step: Clamp) -> None:
        self.bounds = step.bounds

    def forward(self, x: Tensor) -> tuple[tuple[Tensor], None]:
        return (torch.relu(x) if self.bounds == RELU else torch.clamp(x, *self.bounds),), None

    def backward(self, memo: None, g: Tensor) -> tuple[Tensor]:
        return (g,)


def make_kernel(step: Step, precision: torch.dtype) -> Kernel:
    """Return the kernel that runs `step`, with weights in `precision`."""
    kernel: Any
    match step:
        case Conv():
            kernel = ConvKernel(step, precision)
        case MaxPool() if is_separable(step, precision):
            kernel = SeparableMaxPoolKernel()
        case MaxPool():
            kernel = MaxPoolKernel(step)
        case AvgPool():
            kernel = AvgPoolKernel(step)
        case Split():
            kernel = SplitKernel(step)
        case Cat():
            kernel = CatKernel()
        case Add():
            kernel = AddKernel()
        case Clamp():
            kernel = ClampKernel(step)
    return kernel  # type: ignore[no-any-return]


@dataclass(slots=True)
class Saved:
    """What the backward pass needs of the forward pass."""

    size: tuple[int, int]  # height, width of the images
    memos: list[Any] = field(default_factory=list)  # one per step
    masks: dict[int, Tensor] = field(default_factory=dict)  # value -> its activation, which masks its gradient


class Program:
    """A plan with weights in one precision, ready to run."""

    def __init__(self, plan: ExecutionPlan, factor: Tensor, offset: Tensor, precision: torch.dtype) -> None:
        first, *self.steps = plan.steps
        assert isinstance(first, Conv)
        self.start = first.outputs[0]
        self.stem = Stem(first, factor, offset, precision)
        self.kernels = [make_kernel(step, precision) for step in self.steps]
        self.layers = plan.layers
        self.masked = plan.masked
        last_use = {value: at for at, step in enumerate(self.steps) for value in (*step.outputs, *step.inputs)}
        self.kept = kept = frozenset(self.layers.values())
        self.dying = [
            [value for value in {*step.inputs, *step.outputs} if last_use[value] == at and value not in kept]
            for at, step in enumerate(self.steps)
        ]

    def forward(self, images: Tensor, keep: bool) -> tuple[dict[int, Tensor], Saved]:
        """Run the network.

        Args:
            images: (B, 3, H, W) float32 in [0, 1].
            keep: save what `backward` needs.

        Returns:
            The activations of the layers by value, and what is saved.
        """
        values = {self.start: self.stem.forward(images)}
        saved = Saved((images.shape[2], images.shape[3]))
        for step, kernel, dying in zip(self.steps, self.kernels, self.dying, strict=True):
            outputs, memo = kernel.forward(*[values[value] for value in step.inputs])
            values.update(zip(step.outputs, outputs, strict=True))
            popped = {value: values.pop(value) for value in dying}
            if keep:
                saved.memos.append(memo)
                saved.masks.update((value, tensor) for value, tensor in popped.items() if value in self.masked)
        if keep:
            # Detached: a result that is held by its own node of autograd would never be freed.
            saved.masks.update((value, tensor.detach()) for value, tensor in values.items() if value in self.masked)
        return values, saved

    def backward(self, grads: dict[int, Tensor], saved: Saved) -> Tensor:
        """Propagate gradients from layers to the images.

        Args:
            grads: value -> gradient of that layer; overwritten.
            saved: from `forward`; emptied.

        Returns:
            (B, 3, H, W) float32.
        """
        for step, kernel in zip(reversed(self.steps), reversed(self.kernels), strict=True):
            memo = saved.memos.pop()
            gs = [self._masked(value, grads, saved) for value in step.outputs]
            if all(g is None for g in gs):
                continue
            for value, grad in zip(step.inputs, kernel.backward(memo, *gs), strict=True):
                grads[value] = grads[value].add_(grad) if value in grads else grad
        g = self._masked(self.start, grads, saved)
        return self.stem.backward(cast(Tensor, g), *saved.size)

    def _masked(self, value: int, grads: dict[int, Tensor], saved: Saved) -> Tensor | None:
        # The gradients of all readers of the value are added up: zero their sum where the activation is at a bound.
        g, activation = grads.pop(value, None), saved.masks.pop(value, None)
        if g is None or activation is None:
            return g
        return mask_grad(g, activation, self.masked[value], overwrite=value not in self.kept)
