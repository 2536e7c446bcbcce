"""Devices and arithmetic: checks the choice, or picks the best there is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.errors import DeviceError, SettingsError

log = logging.getLogger(__name__)

# Operations of a dream that some versions of PyTorch have no Metal kernel for, on (1, 1, 8, 8) images.
TRIALS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "antialiased resizing": lambda x: F.interpolate(x, (5, 5), mode="bilinear", antialias=True),
    "bicubic resizing": lambda x: F.interpolate(x, (11, 11), mode="bicubic"),
    "norms": lambda x: torch.linalg.vector_norm(x, dim=(1, 2, 3), keepdim=True),
    "rolling": lambda x: torch.roll(x, (3, -2), (2, 3)),
}

# Messages of errors that are neither MemoryError nor torch.OutOfMemoryError: of the CPU (on Windows the second), of
# libraries of CUDA (the last two when cuDNN finds no room for a workspace), of Metal and of CUDA itself.
OUT_OF_MEMORY: Final = (
    "can't allocate memory",
    "not enough memory",
    "_ALLOC_FAILED",
    "out of memory",
    "nable to find an engine",
    "CUDNN_STATUS_INTERNAL_ERROR",
)


def pick_device(requested: str) -> torch.device:
    """Return a device that exists and can dream.

    Args:
        requested: `cpu`, `mps`, `cuda`, `cuda:N`, or `auto`: CUDA, else MPS, else the CPU.

    Raises:
        DeviceError: there is no such device, or it lacks an operation that a dream needs.
    """
    if requested == "auto":
        device, gap = auto_device()
        if gap:
            log.warning("dreaming on the CPU: %s", gap)
        return device
    device = torch.device(requested)
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            built = "" if torch.version.cuda else "; this torch is built without CUDA"
            raise DeviceError(
                f"--device {requested}: {count} CUDA devices found{built}; --device auto takes what there is"
            )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("--device mps: no Metal device found; --device auto takes what there is")
    if gap := missing_support(device):
        raise DeviceError(f"--device {requested}: {gap}; --device cpu is there")
    return device


def auto_device() -> tuple[torch.device, str | None]:
    """Return the device that `auto` stands for, and why it is not the GPU where there is one.

    Returns:
        The device, and what this version of torch lacks on the GPU; None: nothing, or there is none.
    """
    if torch.cuda.is_available() and torch.cuda.device_count():
        device = torch.device("cuda")
    elif torch.backends.mps.is_available():
        device = torch.device("mps")
    else:
        return torch.device("cpu"), None
    gap = missing_support(device)
    return torch.device("cpu") if gap else device, gap


def missing_support(device: torch.device) -> str | None:
    """Return what this version of torch lacks on a device, and what helps, as part of a message.

    Args:
        device: a CPU lacks nothing.
    """
    if device.type == "mps" and (gap := missing_operation(device)):
        return f"this version of torch has no {gap} on Metal; a newer one may, or set PYTORCH_ENABLE_MPS_FALLBACK=1"
    if device.type == "cuda" and not _runs_kernels(device):
        major, minor = torch.cuda.get_device_capability(device)
        name = torch.cuda.get_device_name(device)
        return f"this version of torch has no kernels for {name} (sm_{major}{minor}); another build may"
    return None


def _runs_kernels(device: torch.device) -> bool:
    """Whether a kernel runs; PyTorch's wheels leave out cards that are too old, and call them available."""
    try:
        torch.ones(1, device=device).add_(1).item()
    except RuntimeError as error:
        if is_out_of_memory(error):  # it is busy, not too old
            return True
        log.debug("%s: %s", device, error)
        return False
    return True


def missing_operation(device: torch.device) -> str | None:
    """Return the name in `TRIALS` of the first operation that `device` cannot do; None: it can do all."""
    image = torch.zeros(1, 1, 8, 8, device=device)
    for name, trial in TRIALS.items():
        try:
            trial(image)
        except RuntimeError:  # NotImplementedError is one
            return name
    return None


def pick_precision(requested: str, device: torch.device) -> torch.dtype:
    """Return the type of the network's weights and activations.

    Args:
        requested: `fp32`, `tf32` (float32, see `pick_tf32`), `bf16`, `fp16`, or `auto`: bf16 where the hardware has
            it, else fp32.
        device: where the network runs.

    Raises:
        SettingsError: fp16 on a CPU.
    """
    if requested == "auto":
        requested = "bf16" if has_fast_bf16(device) else "fp32"
    if requested == "fp16" and device.type == "cpu":
        best = "bf16" if has_fast_bf16(device) else "fp32"
        raise SettingsError(f"--precision fp16: too slow on a CPU; expected --precision {best}, or another --device")
    if requested == "tf32" and not has_tf32(device):
        log.warning("--precision tf32: %s has none; fp32 instead", device)
    return {
        "fp32": torch.float32,
        "tf32": torch.float32,
        "bf16": torch.bfloat16,
        "fp16": torch.float16,
    }[requested]


def pick_tf32(requested: str, device: torch.device) -> bool | None:
    """Return whether products of float32 numbers are to be rounded to TF32 while a network runs.

    Args:
        requested: as for `pick_precision`.
        device: where the network runs.

    Returns:
        None on other devices than CUDA, where nothing needs to be set.
    """
    return requested == "tf32" and has_tf32(device) if device.type == "cuda" else None


class _Tf32Switch:
    """PyTorch's flags for TF32, which belong to the whole process, shared by the threads that need them set."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._values: dict[int, list[bool]] = {}  # thread -> the values of its blocks, innermost last
        self._outside = False, False  # the flags as they were before the first block

    def enter(self, allowed: bool) -> None:
        thread = threading.get_ident()
        with self._changed:
            self._changed.wait_for(
                lambda: all(values[-1] == allowed for other, values in self._values.items() if other != thread)
            )
            if not self._values:
                self._outside = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
            self._values.setdefault(thread, []).append(allowed)
            self._set(allowed, allowed)

    def leave(self) -> None:
        thread = threading.get_ident()
        with self._changed:
            values = self._values[thread]
            values.pop()
            if values:
                self._set(values[-1], values[-1])
            else:
                del self._values[thread]
            if not self._values:
                self._set(*self._outside)
            self._changed.notify_all()

    def _set(self, matmul: bool, cudnn: bool) -> None:
        torch.backends.cuda.matmul.allow_tf32 = matmul
        torch.backends.cudnn.allow_tf32 = cudnn


_tf32 = _Tf32Switch()


@contextmanager
def tf32_products(allowed: bool | None) -> Generator[None, None, None]:
    """Let CUDA round the factors of float32 products to TF32 inside the block, or not; afterwards it is as before.

    PyTorch has one switch for the whole process. Threads that ask for the same value run side by side; one that asks
    for the other value waits until they have left their blocks. Kernels are chosen when they are launched, so the
    block need not wait for the device.

    Args:
        allowed: whether to round; None: leave the switch alone, and do not wait.
    """
    if allowed is None:
        yield
        return
    _tf32.enter(allowed)
    try:
        yield
    finally:
        _tf32.leave()


def precision_name(precision: torch.dtype, tf32: bool | None = None) -> str:
    """Return the name of an arithmetic on the command line.

    Args:
        precision: type of the network's weights and activations.
        tf32: whether its float32 products are rounded to TF32, see `pick_tf32`.
    """
    if precision == torch.float32:
        return "tf32" if tf32 else "fp32"
    return {torch.bfloat16: "bf16", torch.float16: "fp16"}[precision]


def device_name(device: torch.device) -> str:
    """Return the name of a device for a user, such as `cpu (4 threads)` or `cuda (NVIDIA H100)`.

    Args:
        device: any that exists.
    """
    if device.type == "cpu":
        return f"cpu ({torch.get_num_threads()} threads)"
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that memory ran out, on any device.

    Args:
        error: of torch, of a library that it calls, or of Python.
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in OUT_OF_MEMORY)


def runs_asynchronously(device: torch.device) -> bool:
    """Return whether work is queued on a device, so that what is wanted from it later is better begun early.

    Args:
        device: any.
    """
    return device.type == "cuda"


def has_tf32(device: torch.device) -> bool:
    """Return whether the hardware computes in TF32.

    Args:
        device: any that exists.
    """
    return device.type == "cuda" and torch.version.hip is None and torch.cuda.get_device_capability(device) >= (8, 0)


def has_fast_bf16(device: torch.device) -> bool:
    """Return whether the hardware computes in bfloat16, instead of emulating it.

    Args:
        device: any that exists.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # private: absent in some versions
        return any(getattr(torch.cpu, probe, bool)() for probe in probes)
    return False


def device_kind(device: torch.device) -> str:
    """Return the kind of a device by its hardware and not by torch's name, which is `cuda` for AMD's, too.

    Args:
        device: of torch.

    Returns:
        `cpu`, `cuda`, `mps`, or `rocm`.
    """
    return "rocm" if device.type == "cuda" and torch.version.hip is not None else device.type
