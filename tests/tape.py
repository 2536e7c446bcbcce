"""Recordings with the semantics of CUDA graphs, on a CPU: operations at fixed addresses, Python's values frozen.

A recorder that calls Python again, in place of replaying, is blind for what is baked in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dreamvideo.kernels import graph_capture

T = TypeVar("T")


class Tape(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Keeps each operation with its arguments and results."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[Any] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        results = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, results))
        return results


def record(work: Callable[[], object]) -> Callable[[], object]:
    """As `graph_capture.on_cuda` records: warm-up runs, then what the replay repeats."""
    for _ in range(graph_capture.WARMUP_RUNS):
        work()
    tape = Tape()
    with tape:
        work()

    @torch.no_grad()
    def replay() -> None:
        for func, args, kwargs, results in tape.operations:
            if func._schema.is_mutable:
                func(*args, **kwargs)
            elif all(each.alias_info is None for each in func._schema.returns):  # else a view, which stays
                for place, value in zip(tree_leaves(results), tree_leaves(func(*args, **kwargs)), strict=True):
                    if isinstance(place, Tensor):
                        place.detach().copy_(value)

    return replay


def plainly(function: Callable[[], T]) -> T:
    """What `function` returns when nothing is recorded."""
    with graph_capture.enabled(False):
        return function()
