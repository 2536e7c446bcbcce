"""Operations that are one kernel on CUDA: a plain version for every device, and a launch of Triton's where that works.

Each is an operation of PyTorch, so that it is dispatched, recorded and counted as one. A network or a step uses them
where `fused_on` says so: on CUDA, where Triton is installed and every operation gave the plain result in a trial.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

import torch
from torch import Tensor

from dreamvideo.errors import first_line

log = logging.getLogger(__name__)

TOLERANCE: Final = 1e-4  # of the largest value, in float32: products are rounded to TF32 in neither

_library = torch.library.Library("dreamvideo", "FRAGMENT")
_on = True

Examples = Callable[[], Sequence[tuple[Any, ...]]]  # arguments of an operation, tensors on the CPU, for trials


@dataclass(frozen=True, slots=True)
class FusedOp:
    """An operation; call it."""

    name: str
    plain: Callable[..., Tensor]
    launch: Callable[..., Tensor]
    examples: Examples

    def __call__(self, *args: Any) -> Tensor:
        result: Tensor = getattr(torch.ops.dreamvideo, self.name)(*args)
        return result


_operations: list[FusedOp] = []


def define(schema: str, plain: Callable[..., Tensor], launch: Callable[..., Tensor], examples: Examples) -> FusedOp:
    """Define an operation.

    Args:
        schema: as `torch.library` takes it, such as "double(Tensor x) -> Tensor".
        plain: does it with PyTorch's operations.
        launch: does it with one kernel of Triton, which it imports when it is called.
        examples: what the two are compared on.
    """
    name = schema.partition("(")[0]
    _library.define(schema)

    def on_its_device(*args: Any) -> Tensor:
        # Triton launches on the current device, which need not be that of the tensors.
        with torch.cuda.device(next(arg.device for arg in args if isinstance(arg, Tensor))):
            return launch(*args)

    for key, function in (("CPU", plain), ("Meta", plain), ("CUDA", on_its_device)):
        _library.impl(name, function, key)
    operation = FusedOp(name, plain, launch, examples)
    _operations.append(operation)
    return operation


def launcher(module: str, name: str) -> Callable[..., Tensor]:
    """Return a function that launches a kernel; Triton is imported when it is called.

    Args:
        module: of this folder.
        name: of a function there.
    """

    def launch(*args: Any) -> Tensor:
        result: Tensor = getattr(import_module(f"dreamvideo.kernels.{module}"), name)(*args)
        return result

    return launch


def fused_operations() -> Sequence[FusedOp]:
    """Return all operations that were defined so far."""
    return tuple(_operations)


@contextlib.contextmanager
def fusion(on: bool) -> Generator[None, None, None]:
    """Switch the operations on or off inside the block, in all threads; afterwards it is as before.

    Args:
        on: whether `fused_on` may say so.
    """
    global _on
    before, _on = _on, on
    try:
        yield
    finally:
        _on = before


def fused_on(device: torch.device) -> bool:
    """Return whether the operations are one kernel each on a device. The first time it waits for the device.

    Args:
        device: any.
    """
    return _on and device.type == "cuda" and _works(device, len(_operations))


@cache
def _works(device: torch.device, count: int) -> bool:
    """Whether so many operations, all that modules have defined so far, are what they should be."""
    if torch.version.hip is not None or find_spec("triton") is None:
        return False
    problem = find_problem(device)
    if problem is not None:
        log.warning("kernels of Triton are off, PyTorch's are used: %s", problem)
    return problem is None


@torch.no_grad()
def find_problem(device: torch.device) -> str | None:
    """Try all operations on a device.

    Args:
        device: one of CUDA.

    Returns:
        What fails or differs from the plain version; None: nothing.
    """
    for operation in _operations:
        for args in operation.examples():
            try:
                with torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext():
                    actual = outcome(operation.launch, args, device)
            except Exception as error:  # of any kind: a compiler that is missing, a driver that is too old
                return f"{operation.name}: {first_line(error)}"
            expected = outcome(operation.plain, args, torch.device("cpu"))
            difference = max(map(relative_difference, actual, expected))
            if not difference < tolerance(args):
                return f"{operation.name} differs by {difference:.1e}"
    return None


def outcome(function: Callable[..., Tensor], args: Sequence[Any], device: torch.device) -> list[Tensor]:
    """Call a function with copies of its arguments.

    Args:
        function: any.
        args: tensors among them are copied to `device`.
        device: any.

    Returns:
        Its result, and all tensors that it was given and may have changed, float32 on the CPU.
    """

    def copied(arg: Any) -> Any:
        if isinstance(arg, list):
            return [copied(each) for each in arg]
        return arg.to(device, copy=True) if isinstance(arg, Tensor) else arg

    copies = copied(list(args))
    result = function(*copies)
    return [each.cpu().float() for each in (result, *copies) if isinstance(each, Tensor)]


def relative_difference(actual: Tensor, expected: Tensor) -> float:
    """Return the largest difference of two tensors, over the largest magnitude of the second.

    Args:
        actual, expected: of one shape.
    """
    return float((actual - expected).abs().max() / expected.abs().max().clamp(min=1e-12))


def tolerance(args: Sequence[Any]) -> float:
    """Return by how much the results of an operation on these arguments may differ, relative to the largest one.

    Args:
        args: of the operation; the coarsest of their float types counts.
    """
    types = {
        arg if isinstance(arg, torch.dtype) else arg.dtype for arg in args if isinstance(arg, Tensor | torch.dtype)
    }
    types = {dtype for dtype in types if dtype.is_floating_point}
    return max([TOLERANCE, *(2 * torch.finfo(dtype).eps for dtype in types)])
