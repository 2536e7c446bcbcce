"""Counts the kernels of a computation, and the bytes that they read and write: what a step costs on a GPU.

Operations are seen where they are dispatched, autograd's too, so that it counts on tensors of any device, those without
values included. Each that launches a kernel counts its inputs and its outputs once, as memory that no cache holds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Operations that launch nothing: they make a view, memory, or another handle of the same memory.
FREE: Final = frozenset({"detach", "alias", "lift_fresh", "_unsafe_view", "_reshape_alias", "set_"}) | {
    *("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"),
}

# Position of an argument of which only the shape is read.
SHAPE_ONLY: Final[Mapping[str, int]] = {"convolution_backward": 1, "avg_pool2d_backward": 1}

# Parameters that are written and not read.
OUTPUTS: Final = frozenset({"out", "grad_input", "second", "third"})

# Copy their first argument if it is some of the channels of a larger activation.
COPYING_PARTS: Final = frozenset({"convolution", "convolution_backward", "avg_pool2d", "avg_pool2d_backward"})

# Written and not read.
OVERWRITING: Final = frozenset({"copy_", "fill_", "zero_"})


@dataclass(slots=True)
class Traffic:
    """What was launched: number of kernels, and bytes read and written."""

    kernels: int = 0
    bytes: int = 0

    def add(self, kernels: int, bytes: int) -> None:
        """Add to both."""
        self.kernels += kernels
        self.bytes += bytes


class TrafficCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts inside its block; read `total` and `kinds` afterwards."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kinds: defaultdict[str, Traffic] = defaultdict(Traffic)  # operation -> its share

    @property
    def total(self) -> Traffic:
        """All kinds together."""
        return Traffic(
            sum(each.kernels for each in self.kinds.values()), sum(each.bytes for each in self.kinds.values())
        )

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # to skip it torch imports it, which takes seconds

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        results = func(*args, **kwargs)
        name = func._schema.name.removeprefix("aten::")
        given = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False)) | kwargs
        changed = [argument.name for argument in func._schema.arguments if _is_written(argument)]
        written = sum(map(covered_bytes, _tensors([given.get(each) for each in changed] if changed else results)))
        if func.is_view or name in FREE or not written:
            return results
        unread = {*OUTPUTS, list(given)[SHAPE_ONLY[name]] if name in SHAPE_ONLY else ""}
        unread |= set(changed) if name in OVERWRITING else set()
        tensors = _tensors([each for key, each in given.items() if key not in unread])
        self.kinds[name].add(1, written + sum(map(covered_bytes, tensors)))
        if name in COPYING_PARTS:
            for each in tensors[:1]:
                if not (each.is_contiguous() or each.is_contiguous(memory_format=torch.channels_last)):
                    self.kinds[f"{name}: a copy first"].add(1, 2 * covered_bytes(each))
        if name == "convolution" and isinstance(args[2], Tensor):  # cuDNN's has no bias: PyTorch adds it afterwards
            self.kinds["convolution: its bias"].add(1, 2 * written)
        return results


def _is_written(argument: Any) -> bool:
    return argument.alias_info is not None and bool(argument.alias_info.is_write)


def _tensors(values: Any) -> list[Tensor]:
    return [each for each in tree_leaves(values) if isinstance(each, Tensor)]


def covered_bytes(tensor: Tensor) -> int:
    """Return the bytes of memory that a tensor covers; one that is expanded counts as what it is expanded from.

    Args:
        tensor: of any device.
    """
    count = tensor.element_size()
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        count *= size if stride else min(size, 1)
    return count
