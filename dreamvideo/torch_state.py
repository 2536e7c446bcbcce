"""Shields the package from what a program has set in torch: inference mode, autocast, default type and device.

ComfyUI, for one, runs everything in inference mode, where no gradient can be taken, and what is kept from there cannot
be used for a gradient later. Nothing that belongs to the process is changed; in a program that has set nothing this
costs some microseconds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager
from typing import Any, Final, TypeVar

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

T = TypeVar("T")

AUTOCAST_DEVICES: Final = ("cpu", "cuda", "mps")
_thread = threading.local()


@contextmanager
def plain_torch() -> Generator[None, None, None]:
    """Run the block as in a program that has set nothing; also a decorator of functions that are no generators."""
    with ExitStack() as stack:
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        for device in AUTOCAST_DEVICES:
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if torch.get_default_dtype() != torch.float32 and not getattr(_thread, "in_float32", False):
            stack.enter_context(_Float32())
        yield


def in_plain_torch(items: Generator[T, None, None]) -> Generator[T, None, None]:
    """Pass items on; what makes them runs as in a program that has set nothing, the consumer as it is.

    Args:
        items: closed with the generator returned.
    """
    with closing(items):
        while True:
            with plain_torch():
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item
            del item


def differentiable(tensor: Tensor) -> Tensor:
    """Return a tensor that a gradient can be taken through: itself, or a copy if it was made in inference mode.

    Args:
        tensor: of any shape and type.
    """
    return tensor.clone() if tensor.is_inference() else tensor


class _Float32(TorchFunctionMode):
    """float32 wherever torch would take the default type, in this thread; the default itself is the process's."""

    def __enter__(self) -> _Float32:
        _thread.in_float32 = True
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        _thread.in_float32 = False

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _FLOAT_FACTORIES and kwargs.get("dtype") is None and kwargs.get("out") is None:
            kwargs = {**kwargs, "dtype": torch.float32}
        result = func(*args, **kwargs)
        if not isinstance(result, Tensor) or result.dtype != torch.get_default_dtype():
            return result
        if func in _INFERRING_FACTORIES and kwargs.get("dtype") is None:
            return func(*args, **{**kwargs, "dtype": torch.float32})
        tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        if tensors and not any(_is_floating(value) for value in tensors):  # such as a division of integers
            return func(*(value.float() if isinstance(value, Tensor) else value for value in args), **kwargs)
        return result


_FLOAT_FACTORIES: Final = frozenset(
    {torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn, torch.eye, torch.linspace, torch.logspace}
)
_INFERRING_FACTORIES: Final = frozenset({torch.tensor, torch.as_tensor, torch.full, torch.arange})


def _is_floating(tensor: Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()
