"""Layers of a network that torch.fx cannot trace: the outputs of its modules, recorded by forward hooks.

A network whose `forward` looks at its input, as all of transformers do, is run as it is. Its layers are its modules, by
their names in the network; `output` is the network itself. A run ends after the last module that is asked for, by an
exception, so that the rest of the network costs nothing.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn

from dreamvideo.errors import ModelError

ROOT: Final = "output"

Record = Callable[[str, Any], None]  # (name of a module, its output)


class _Finished(BaseException):
    """Ends a run early. No `Exception`, which the `forward` of a network may catch."""


def first_tensor(output: Any) -> Tensor | None:
    """Return the first tensor in the output of a module: a tensor, tuple, mapping or dataclass; None: there is none."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, Mapping):
        parts = list(output.values())
    elif isinstance(output, list | tuple):
        parts = list(output)
    elif dataclasses.is_dataclass(output):
        parts = [getattr(output, field.name) for field in dataclasses.fields(output)]
    else:
        return None
    return next((tensor for tensor in map(first_tensor, parts) if tensor is not None), None)


@torch.no_grad()
def count_calls(network: nn.Module, images: Tensor) -> dict[str, int]:
    """Run a network and count how often each of its modules returns a tensor.

    Args:
        network: any module.
        images: (B, 3, H, W).

    Returns:
        Name of the module -> number of its calls, in the order in which the last calls end.
    """
    calls: dict[str, int] = {}

    def count(name: str, output: Any) -> None:
        if first_tensor(output) is not None:
            calls[name] = calls.pop(name, 0) + 1

    with _hooked(_named_modules(network), count):
        network(images)
    return calls


def _named_modules(network: nn.Module) -> dict[str, nn.Module]:
    return {ROOT: network, **{name: module for name, module in network.named_modules() if name}}


class HookedExtractor(nn.Module):
    """(B, 3, H, W) -> name of a module -> the first tensor of its output.

    Args:
        network: any module; it is run as far as the last of the modules.
        calls: name of a module -> its calls in a run, of which the last counts, see `count_calls`.
    """

    def __init__(self, network: nn.Module, calls: Mapping[str, int]) -> None:
        super().__init__()
        self.network, self.calls = network, dict(calls)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        outputs: dict[str, Tensor] = {}
        left = sum(self.calls.values())

        def record(name: str, output: Any) -> None:
            nonlocal left
            tensor = first_tensor(output)
            if tensor is None:
                return
            left -= 1
            # Copied, since an operation in place that follows would change it.
            outputs[name] = tensor.clone() if left else tensor
            if not left:
                raise _Finished

        modules = _named_modules(self.network)
        with _hooked({name: modules[name] for name in self.calls}, record):
            try:
                self.network(images)
            except _Finished:
                return outputs
        missing = [name for name in self.calls if name not in outputs]
        if missing:
            h, w = images.shape[2:]
            raise ModelError(f"the network does not reach {missing[0]!r} in an image of {w}x{h} pixels")
        return outputs


@contextmanager
def _hooked(modules: Mapping[str, nn.Module], record: Record) -> Iterator[None]:
    """Call `record` after each call of the modules in this thread, inside the block."""
    thread = threading.get_ident()

    def hook(name: str, module: nn.Module, args: Any, output: Any) -> None:
        if threading.get_ident() == thread:  # another may run the same network
            record(name, output)

    handles = [module.register_forward_hook(partial(hook, name)) for name, module in modules.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
