"""How much memory there is, and how much a piece of work takes at most."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# What errors say that are no MemoryError and no torch.OutOfMemoryError: of the CPU (on Windows the second), of a
# library of CUDA, of Metal.
WORDS: Final = ("can't allocate memory", "not enough memory", "_ALLOC_FAILED", "out of memory")

# Where a control group says what it may have, what it has, and what of that is only cached: versions 2 and 1.
GROUPS: Final = (
    ("", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that there is no memory left, of whatever device."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in WORDS)


def available_bytes(device: torch.device, root: Path = Path("/")) -> int | None:
    """Bytes that can be had on `device`; None where nobody says. `root`: where /proc and /sys are."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + kept
    if device.type != "cpu":
        return None
    found = _numbers(root / "proc/meminfo").get("MemAvailable")
    left = [] if found is None else [found * 1024]
    return min([*left, *_left_to_groups(root)], default=None)


def _left_to_groups(root: Path) -> Sequence[int]:
    # A group may be below others, each with its limit; inside a container its own may be seen as the root.
    left = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, kinds, path = line.split(":", 2)
        for kind, limit, usage, cached in GROUPS:
            if kind not in kinds.split(","):
                continue
            top = root / "sys/fs/cgroup" / kind
            group = top / path.strip("/")
            for folder in (group, *group.parents):
                most, used = (_text(folder / name).strip() for name in (limit, usage))
                if most.isdecimal() and used.isdecimal():
                    left.append(max(0, int(most) - int(used) + _numbers(folder / "memory.stat").get(cached, 0)))
                if folder == top:
                    break
    return left


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _numbers(path: Path) -> Mapping[str, int]:
    words = (line.replace(":", " ").split() for line in _text(path).splitlines())
    return {name: int(value) for name, value, *_ in words if value.isdecimal()}


def measure_peak(work: Callable[[], object]) -> int:
    """Bytes of all tensors that `work` makes and that are alive at once, at most."""
    mark = _Watermark()
    with mark:
        work()
    return mark.peak


class _Watermark(TorchDispatchMode):  # type: ignore[no-untyped-call]  # it has an untyped hook for subclasses
    # Sees every operation, and the end of what it made.
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive: dict[int, int] = {}
        self.now: int = 0
        self.peak: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor) and tensor.layout == torch.strided:
                self._see(tensor.untyped_storage())
        return made

    def _see(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self.alive:
            self.alive[key] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._lose, key)

    def _lose(self, key: int) -> None:
        self.now -= self.alive.pop(key)
