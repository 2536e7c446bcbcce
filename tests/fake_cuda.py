"""A CUDA device that is not there: tensors that say `cuda:0`, and a record of what would stop or break on a real one.

Each tensor holds one of the CPU with its values, so that programs go where they would go, or one of the device "meta"
that has only a shape, so that any size costs little. To autograd, whose engine has a thread for each CUDA
device, it is itself of the device "lazy"; so gradients are recorded, too. Operations are seen where they are
dispatched, below all of PyTorch's Python.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import dreamvideo
from dreamvideo.ascent import cuda_graphs
from dreamvideo.kernels import library
from dreamvideo.models.gpu_engine import build

CUDA, CPU, META = (torch.device(name) for name in ("cuda:0", "cpu", "meta"))
LAZY = torch.device("lazy")  # the device that no tensor is on, and whose gradients the calling thread computes

PACKAGE = str(Path(dreamvideo.__file__).parent)
NOT_OURS = (str(Path(torch.__file__).parent), __file__)

# Operations whose result, or its size, the CPU waits for.
WAITING = {
    *("_local_scalar_dense", "nonzero", "nonzero_numpy", "masked_select", "is_nonzero", "equal", "_unique2"),
    *("unique_dim", "unique_consecutive", "bincount", "histc", "multinomial", "_linalg_eigh", "_linalg_svd"),
    *("linalg_inv_ex", "_linalg_det", "linalg_qr", "linalg_cholesky_ex", "repeat_interleave"),
}
INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index", "_unsafe_index_put"}
COPYING = {"_to_copy", "copy_"}
NO_KERNEL = {"detach", "alias", "lift_fresh", "_unsafe_view", "_reshape_alias", "set_"} | {
    *("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "_local_scalar_dense"),
}


@dataclass(frozen=True)
class Crossing:
    """A copy between the CPU and the device."""

    up: bool  # to the device
    bytes: int
    blocking: bool  # the CPU waits: it was asked to, or the memory is not pinned
    by: str  # function of the package that copies, as `tensors.upload`
    place: str  # file:line outside of `tensors` that called it


@dataclass
class CudaRecord:
    """What happened on the device."""

    syncs: list[tuple[str, str]] = field(default_factory=list)  # (operation, file:line)
    crossings: list[Crossing] = field(default_factory=list)
    mixed: list[tuple[str, str]] = field(default_factory=list)
    kernels: Counter[str] = field(default_factory=Counter)  # operation -> how often it was launched
    replays: int = 0

    def faults(self, first: bool = False) -> list[str]:
        """What must not be: the CPU waits, devices are mixed, or something crosses elsewhere than in `tensors`.

        Args:
            first: whether constants may be placed on the device.
        """
        wild = [
            f"{'blocking ' * each.blocking}copy {'to' if each.up else 'from'} the device in {each.by} at {each.place}"
            for each in self.crossings
            if not (first and each.by == "tensors.place")
            if each.blocking or each.by not in ("tensors.upload", "tensors.fetch")
        ]
        syncs = [f"{operation} waits at {place}" for operation, place in self.syncs]
        mixed = [f"{operation} mixes devices at {place}" for operation, place in self.mixed]
        return sorted({*wild, *syncs, *mixed})

    def clear(self) -> None:
        """Forget everything."""
        for each in (self.syncs, self.crossings, self.mixed, self.kernels):
            each.clear()
        self.replays = 0


class CudaTensor(Tensor):
    """A tensor on the device that is not there."""

    held: Tensor
    owner: FakeCuda

    @staticmethod
    def __new__(cls, held: Tensor, owner: FakeCuda) -> CudaTensor:
        made = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=LAZY,
        )
        made.held, made.owner = held, owner
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return CUDA

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return True

    @property
    def is_meta(self) -> bool:  # type: ignore[override]
        return False

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def __format__(self, spec: str) -> str:
        return format(self.item() if not self.ndim else repr(self), spec)

    def __repr__(self) -> str:  # type: ignore[override]
        return f"CudaTensor({tuple(self.shape)}, {self.dtype})"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        tensors = _tensors((*args, *kwargs.values()))
        return next(each.owner for each in tensors if isinstance(each, CudaTensor)).run(func, args, kwargs)


class FakeCuda:
    """The device: runs operations and records them.

    Args:
        values: whether tensors have values; without they have shapes only, and what comes from the device is `fill`.
        fill: see there.
    """

    def __init__(self, values: bool = True, fill: float = 0.0) -> None:
        self.record = CudaRecord()
        self.fill = fill
        self.values = values
        self.pinned: dict[int, torch.UntypedStorage] = {}  # alive, so that no other gets the number
        self._local = threading.local()

    @property
    def tape(self) -> list[Any] | None:
        """Operations of a graph that this thread is capturing."""
        return getattr(self._local, "tape", None)

    @tape.setter
    def tape(self, operations: list[Any] | None) -> None:
        self._local.tape = operations

    @contextlib.contextmanager
    def modes(self) -> Iterator[None]:
        """The device is there in this thread, inside the block."""
        with _Devices(), _Operations(self):
            yield

    def run(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Run an operation of which something is, or is to be, on the device."""
        tensors = [*_tensors(args), *_tensors(kwargs.values())] if kwargs else _tensors(args)
        here = any(isinstance(each, CudaTensor) for each in tensors)
        target = kwargs.get("device")
        if not here and (target is None or target.type != "lazy"):
            return func(*args, **kwargs)
        name = _name(func)
        if name in COPYING and (copied := self._copy(name, args, kwargs)) is not None:
            return copied
        self._check(name, args, kwargs, tensors)
        if name == "_local_scalar_dense" and not self.values:
            return self.fill
        plain_args = _held(args)
        plain_kwargs = {key: _held(value) for key, value in kwargs.items()}
        if target is not None:
            plain_kwargs["device"] = self._held_device
        plain = func(*plain_args, **plain_kwargs)
        if not func.is_view and name not in NO_KERNEL and any(each.numel() for each in _tensors((plain,))):
            self.record.kernels[name] += 1
        if self.tape is not None:
            self.tape.append((func, plain_args, plain_kwargs, plain))
        if func._schema.is_mutable:
            return kwargs["out"] if "out" in kwargs else args[_written(func)]
        return self._wrapped(plain)

    @property
    def _held_device(self) -> torch.device:
        return CPU if self.values else META

    def _wrapped(self, plain: Any) -> Any:
        if isinstance(plain, Tensor):
            return CudaTensor(plain, self)
        return type(plain)(map(self._wrapped, plain)) if isinstance(plain, list | tuple) else plain

    def _copy(self, name: str, args: Any, kwargs: Any) -> Any:
        """A copy between devices; None: it stays on one."""
        source = args[0] if name == "_to_copy" else args[1]
        if name == "_to_copy":
            device = kwargs.get("device") or source.device
            up, asynchronous = device.type in ("cuda", "lazy"), bool(kwargs.get("non_blocking"))
        else:
            up = isinstance(args[0], CudaTensor)
            asynchronous = bool(args[2] if len(args) > 2 else kwargs.get("non_blocking"))
        if up == isinstance(source, CudaTensor):
            return None
        if name == "copy_" and not source.ndim and up:  # a number, passed to a kernel that fills
            self.record.kernels["fill_"] += 1
        else:
            self._cross(source, up, blocking=not (asynchronous and (not up or self._is_pinned(source))))
        if name == "copy_":
            return self._copy_into(args[0], source)
        kept = {key: value for key, value in kwargs.items() if key in ("dtype", "memory_format")}
        if up:
            return CudaTensor(self._like(torch.ops.aten._to_copy(source, **kept)), self)
        if self.values:
            return torch.ops.aten._to_copy(source.held, **kept)
        return torch.full(source.shape, self.fill, dtype=kept.get("dtype") or source.dtype)

    def _copy_into(self, place: Tensor, source: Tensor) -> Tensor:
        if self.values:
            there, here = (each.held if isinstance(each, CudaTensor) else each for each in (place, source))
            there.copy_(here)
        elif not isinstance(place, CudaTensor):
            place.fill_(self.fill)
        return place

    def _like(self, tensor: Tensor) -> Tensor:
        if self.values:
            return tensor
        return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=META)

    def _check(self, name: str, args: Any, kwargs: Any, tensors: list[Tensor]) -> None:
        if name in WAITING and not (name == "repeat_interleave" and kwargs.get("output_size")):
            self.wait(name)
        indices: list[Tensor] = []
        if name in INDEXING:
            indices = [each for each in args[1] if each is not None]
            fills = len(args) > 2 and args[2].numel() == 1
            if any(each.dtype in (torch.bool, torch.uint8) for each in indices) and not fills:
                self.wait(f"{name} by a mask")
            for each in indices:
                if not isinstance(each, CudaTensor):  # it is copied inside of the operation
                    self._cross(each, up=True, blocking=True)
        others = [each for each in tensors if not isinstance(each, CudaTensor) and each.ndim]
        if any(all(each is not index for index in indices) for each in others):
            self.record.mixed.append((name, _place()))
            raise RuntimeError("Expected all tensors to be on the same device, but found cuda:0 and cpu")

    def wait(self, operation: str) -> None:
        """Record that the CPU waits for the device, which a graph that is being captured does not allow."""
        self.record.syncs.append((operation, _place()))
        if self.tape is not None:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing")

    def _cross(self, tensor: Tensor, up: bool, blocking: bool) -> None:
        self.record.crossings.append(Crossing(up, tensor.nbytes, blocking, _function(), _place("/tensors.py")))
        if self.tape is not None and blocking:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing")

    def pin(self, tensor: Tensor) -> Tensor:
        """What `Tensor.pin_memory` does."""
        pinned = tensor.clone(memory_format=torch.preserve_format)
        storage = pinned.untyped_storage()
        self.pinned[storage._cdata] = storage
        return pinned

    def _is_pinned(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage()._cdata in self.pinned

    @contextlib.contextmanager
    def capture(self, graph: Any, *args: Any, **kwargs: Any) -> Iterator[None]:
        """What `torch.cuda.graph` does."""
        self.tape = []
        try:
            yield
            graph.operations = self.tape
        finally:
            self.tape = None

    @torch.no_grad()
    def replay(self, operations: list[Any]) -> None:
        """Run operations of a graph again, at the same addresses and with the same numbers of Python."""
        self.record.replays += 1
        if not self.values:
            return
        for func, args, kwargs, results in operations:
            if func._schema.is_mutable:
                func(*args, **kwargs)
            elif not func.is_view:
                for place, value in zip(tree_leaves(results), tree_leaves(func(*args, **kwargs)), strict=True):
                    if isinstance(place, Tensor):
                        place.copy_(value)


@functools.cache
def _name(func: Any) -> str:
    name: str = func._schema.name
    return name.removeprefix("aten::")


@functools.cache
def _written(func: Any) -> int:
    """Position of the parameter that an operation changes."""
    changed = (each.alias_info is not None and each.alias_info.is_write for each in func._schema.arguments)
    return list(changed).index(True)


def _tensors(values: Any) -> list[Tensor]:
    """Tensors among values, and in lists among them."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += [each for each in value if isinstance(each, Tensor)]
    return found


def _held(value: Any) -> Any:
    if isinstance(value, CudaTensor):
        return value.held
    return type(value)(map(_held, value)) if type(value) in (list, tuple) else value


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, device: FakeCuda) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.device = device

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # to skip it torch imports it, which takes seconds

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.device.run(func, args, kwargs or {})


class _Devices(TorchFunctionMode):
    """Says "lazy" to PyTorch where a caller says "cuda"."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.device:
            return func(*args, **kwargs)
        if func in (torch.tensor, torch.as_tensor) and _is_cuda(kwargs.get("device")):
            return func(*args, **{**kwargs, "device": CPU}).to(LAZY)  # as PyTorch makes it
        if func is Tensor.new_tensor and isinstance(args[0], CudaTensor):
            return torch.tensor(args[1], dtype=kwargs.get("dtype", args[0].dtype)).to(LAZY)
        if func is Tensor.cuda:
            return args[0].to(LAZY, non_blocking=kwargs.get("non_blocking", False))
        if func in (Tensor.__getitem__, Tensor.__setitem__):
            args = (args[0], _tensors_of_lists(args[1]), *args[2:])
        args = tuple(LAZY if _is_cuda(each) else each for each in args)
        if _is_cuda(kwargs.get("device")):
            kwargs = {**kwargs, "device": LAZY}
        return func(*args, **kwargs)


def _tensors_of_lists(index: Any) -> Any:
    """An index with lists as tensors of the CPU, as PyTorch makes them for CUDA."""
    if isinstance(index, tuple):
        return tuple(map(_tensors_of_lists, index))
    return torch.tensor(index) if isinstance(index, list) else index


def _is_cuda(device: Any) -> bool:
    if isinstance(device, str):
        return device.partition(":")[0] == "cuda"
    return isinstance(device, torch.device) and device.type == "cuda"


def _frames() -> Iterator[Any]:
    frame = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _place(but: str = "\0") -> str:
    """file:line of the innermost frame in the package, but for one file; else of the innermost that is not torch's."""
    known = [each for each in _frames() if not each.f_code.co_filename.startswith(NOT_OURS)]
    ours = [each for each in known if _is_ours(each) and not each.f_code.co_filename.endswith(but)]
    frame = (ours or known)[0]
    return f"{frame.f_code.co_filename.removeprefix(PACKAGE + '/')}:{frame.f_lineno}"


def _function() -> str:
    """module.function of the innermost frame in the package; "": none is."""
    frame = next((each for each in _frames() if _is_ours(each)), None)
    return "" if frame is None else f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}"


def _is_ours(frame: Any) -> bool:
    return bool(frame.f_code.co_filename.startswith(PACKAGE))


class _Stream:
    """A stream or an event: everything has happened when it was asked for."""

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *error: object) -> None: ...

    def wait_stream(self, other: object) -> None: ...

    def wait_event(self, event: object) -> None: ...

    def record(self, stream: object = None) -> None: ...

    def record_event(self, event: object = None) -> _Stream:
        return _Stream()

    def wait(self, stream: object = None) -> None: ...

    def query(self) -> bool:
        return True

    def synchronize(self) -> None:
        if _function() not in ("tensors.wait", "tensors.fetch", "camera_stream.after_event"):
            _present[-1].wait("synchronize")


_present: list[FakeCuda] = []  # the devices that are there, the newest last


@contextlib.contextmanager
def fake_cuda(values: bool = True, fill: float = 0.0) -> Iterator[FakeCuda]:
    """There is one CUDA device inside the block, in all threads that begin there.

    Args:
        values, fill: see `FakeCuda`.
    """
    device = FakeCuda(values, fill)
    run_thread = threading.Thread.run

    def run(thread: threading.Thread) -> None:
        with device.modes():
            run_thread(thread)

    class Graph:
        operations: list[Any] = []  # noqa: RUF012

        def replay(self) -> None:
            device.replay(self.operations)

    with pytest.MonkeyPatch.context() as patch:
        for name, stand_in in _stand_ins(device).items():
            patch.setattr(torch.cuda, name, stand_in)
        patch.setattr(torch.cuda, "CUDAGraph", Graph)
        patch.setattr(Tensor, "pin_memory", lambda tensor, *args: device.pin(tensor))
        patch.setattr(threading.Thread, "run", run)
        patch.setattr(cuda_graphs, "_recorders", {})
        patch.setattr(library, "_works", lambda *args: True)  # plain versions stand in for kernels of Triton
        if not values:  # what has no values is not compared
            patch.setattr(build, "_compare", lambda *args: None)
        _forget_constants()
        _present.append(device)
        try:
            with device.modes():
                yield device
        finally:
            _present.remove(device)
            _forget_constants()


def _stand_ins(device: FakeCuda) -> dict[str, Callable[..., Any] | type]:
    def context(*args: Any) -> Any:
        return contextlib.nullcontext()

    return {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "get_device_capability": lambda *args: (9, 0),
        "get_device_name": lambda *args: "no card",
        "is_bf16_supported": lambda *args, **kwargs: True,
        "mem_get_info": lambda *args: (1 << 40, 1 << 40),
        "memory_reserved": lambda *args: 0,
        "memory_allocated": lambda *args: 0,
        "empty_cache": lambda: None,
        "synchronize": lambda *args: device.wait("torch.cuda.synchronize"),
        "Stream": _Stream,
        "Event": _Stream,
        "current_stream": lambda *args: _Stream(),
        "default_stream": lambda *args: _Stream(),
        "stream": context,
        "device": context,
        "graph": device.capture,
        "graph_pool_handle": lambda: (0, 0),
    }


def _forget_constants() -> None:
    """Constants are cached by device: those of one that is gone must not be used."""
    for name, module in list(sys.modules.items()):
        if name.startswith("dreamvideo."):
            for value in list(vars(module).values()):
                if isinstance(value, functools._lru_cache_wrapper) and value.__module__ == name:
                    value.cache_clear()
