"""Memory: how much is available, and how much a function takes at its peak."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dreamvideo.media.free_memory import free_memory


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
    return free_memory(root)


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

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else the first operation imports torch's compiler, which takes seconds and is not used

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
