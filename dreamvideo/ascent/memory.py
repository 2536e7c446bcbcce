"""Memory: how much is available, and how much a function takes at its peak."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Messages of errors that are neither MemoryError nor torch.OutOfMemoryError: of the CPU (on Windows the second), of
# libraries of CUDA (the last two when cuDNN finds no room for a workspace), of Metal and of CUDA itself.
MESSAGES: Final = (
    "can't allocate memory",
    "not enough memory",
    "_ALLOC_FAILED",
    "out of memory",
    "nable to find an engine",
    "CUDNN_STATUS_INTERNAL_ERROR",
)

# Files of a control group with its limit, its usage and the part of that which is only cached: versions 2 and 1.
CGROUP_FILES: Final = (
    ("", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether `error` means that memory ran out, on any device."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in MESSAGES)


def available_bytes(device: torch.device, root: Path = Path("/")) -> int | None:
    """Return how much memory can be allocated on a device.

    Args:
        device: a CPU's memory is limited by that of the system and by control groups, such as a container's.
        root: the directory of /proc and /sys.

    Returns:
        Bytes; None: unknown.
    """
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + cached
    if device.type != "cpu":
        return None
    kilobytes = _numbers(root / "proc/meminfo").get("MemAvailable")
    system = [] if kilobytes is None else [kilobytes * 1024]
    return min([*system, *_available_to_groups(root)], default=None)


def _available_to_groups(root: Path) -> Sequence[int]:
    # A group may be below others, each with a limit; inside a container its own may appear as the root.
    available = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, kinds, path = line.split(":", 2)
        for kind, limit, usage, cached in CGROUP_FILES:
            if kind not in kinds.split(","):
                continue
            top = root / "sys/fs/cgroup" / kind
            group = top / path.strip("/")
            for folder in (group, *group.parents):
                most, used = (_text(folder / name).strip() for name in (limit, usage))
                if most.isdecimal() and used.isdecimal():
                    available.append(max(0, int(most) - int(used) + _numbers(folder / "memory.stat").get(cached, 0)))
                if folder == top:
                    break
    return available


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _numbers(path: Path) -> Mapping[str, int]:
    words = (line.replace(":", " ").split() for line in _text(path).splitlines())
    return {name: int(value) for name, value, *_ in words if value.isdecimal()}


def measure_peak(work: Callable[[], object]) -> int:
    """Call `work` and return the largest number of bytes of tensors from it that were alive at once."""
    mark = _Watermark()
    with mark:
        work()
    return mark.peak


class _Watermark(TorchDispatchMode):  # type: ignore[no-untyped-call]  # it has an untyped hook for subclasses
    # Sees every operation, and when its results are freed.
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive: dict[int, int] = {}
        self.now: int = 0
        self.peak: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        results = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(results):
            if isinstance(tensor, Tensor) and tensor.layout == torch.strided:
                self._see(tensor.untyped_storage())
        return results

    def _see(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self.alive:
            self.alive[key] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._lose, key)

    def _lose(self, key: int) -> None:
        self.now -= self.alive.pop(key)
