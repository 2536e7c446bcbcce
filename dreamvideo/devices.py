"""Which device and which arithmetic: what was asked for, checked, or the best there is; and the way to a device."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamvideo.errors import DeviceError, SettingsError

log = logging.getLogger(__name__)

# What a dream needs that some versions of torch have no Metal kernel for, tried on (1, 1, 8, 8) pictures.
TRIALS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "antialiased resizing": lambda x: F.interpolate(x, (5, 5), mode="bilinear", antialias=True),
    "bicubic resizing": lambda x: F.interpolate(x, (11, 11), mode="bicubic"),
    "norms": lambda x: torch.linalg.vector_norm(x, dim=(1, 2, 3), keepdim=True),
    "rolling": lambda x: torch.roll(x, (3, -2), (2, 3)),
}


def pick_device(wanted: str) -> torch.device:
    """The device for `auto`, `cpu`, `mps`, `cuda` or `cuda:N`; `auto` takes CUDA, then MPS, then the CPU.

    Raises:
        DeviceError: the device asked for is not there, or lacks what a dream needs.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        if count:
            return torch.device("cuda")
        if not torch.backends.mps.is_available():
            return torch.device("cpu")
        gap = lacking(torch.device("mps"))
        if gap:
            log.warning("dreaming on the CPU: this version of torch has no %s on Metal; a newer one may", gap)
        return torch.device("cpu" if gap else "mps")
    device = torch.device(wanted)
    if device.type == "cuda" and (device.index or 0) >= count:
        built = "" if torch.version.cuda else "; this torch is built without CUDA"
        raise DeviceError(f"--device {wanted}: {count} CUDA devices found{built}; --device auto takes what there is")
    if device.type == "mps":
        if not torch.backends.mps.is_available():
            raise DeviceError("--device mps: no Metal device found; --device auto takes what there is")
        gap = lacking(device)
        if gap:
            raise DeviceError(
                f"--device mps: this version of torch has no {gap} on Metal; update it, set "
                "PYTORCH_ENABLE_MPS_FALLBACK=1 before the start, or use --device cpu"
            )
    return device


def lacking(device: torch.device) -> str | None:
    """The first thing that a dream needs and `device` cannot do; None: it can all."""
    picture = torch.zeros(1, 1, 8, 8, device=device)
    for name, trial in TRIALS.items():
        try:
            trial(picture)
        except RuntimeError:  # NotImplementedError is one
            return name
    return None


def pick_precision(wanted: str, device: torch.device) -> torch.dtype:
    """The type of the network's numbers for `auto`, `fp32`, `tf32`, `bf16` or `fp16`.

    `auto` takes bf16 where the hardware has it. On CUDA this also says, for the whole process, whether products of
    float32 numbers may be rounded to tf32: for `tf32` only. The network picked last decides.

    Raises:
        SettingsError: fp16 on a CPU.
    """
    if wanted == "auto":
        wanted = "bf16" if has_fast_bf16(device) else "fp32"
    if wanted == "fp16" and device.type == "cpu":
        best = "bf16" if has_fast_bf16(device) else "fp32"
        raise SettingsError(f"--precision fp16: too slow on a CPU; expected --precision {best}, or another --device")
    if wanted == "tf32" and not has_tf32(device):
        log.warning("--precision tf32: %s has none; fp32 instead", device)
    if device.type == "cuda":
        allow_tf32(wanted == "tf32")
    return {
        "fp32": torch.float32,
        "tf32": torch.float32,
        "bf16": torch.bfloat16,
        "fp16": torch.float16,
    }[wanted]


def precision_name(precision: torch.dtype, device: torch.device) -> str:
    """The name on the command line of the arithmetic that a network picked last on `device` has."""
    if precision == torch.float32:
        return "tf32" if has_tf32(device) and torch.backends.cudnn.allow_tf32 else "fp32"
    return {torch.bfloat16: "bf16", torch.float16: "fp16"}[precision]


def device_name(device: torch.device) -> str:
    """What people know a device by."""
    if device.type == "cpu":
        return f"cpu ({torch.get_num_threads()} threads)"
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


def allow_tf32(allowed: bool) -> None:
    """Let CUDA round the factors of float32 products to tf32, or not; PyTorch's default: convolutions, not matrices."""
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def has_tf32(device: torch.device) -> bool:
    """True where tf32 is arithmetic of the hardware."""
    return device.type == "cuda" and torch.version.hip is None and torch.cuda.get_device_capability(device) >= (8, 0)


def has_fast_bf16(device: torch.device) -> bool:
    """True where bf16 is arithmetic of the hardware, not emulated."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # private: absent in some versions
        return any(getattr(torch.cpu, probe, bool)() for probe in probes)
    return False


def upload(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor`, of the CPU, on `device`; on CUDA it is on its way when this returns, and the CPU goes on."""
    if device.type != "cuda":
        return tensor.to(device)
    # Only from pinned memory does a copy not wait. The block is not used again before the copy is done.
    return tensor.pin_memory().to(device, non_blocking=True)


def fetch(tensor: Tensor) -> Callable[[], Tensor]:
    """Begin to copy `tensor` to the CPU; what is returned waits for the copy and gives it.

    On CUDA the copy has a stream of its own: the device goes on with what it is asked for next.
    """
    if not tensor.is_cuda:
        here = tensor.cpu()
        return lambda: here
    stream = _copies(tensor.device)
    stream.wait_stream(torch.cuda.current_stream(tensor.device))
    with torch.cuda.stream(stream):
        there = tensor.to("cpu", non_blocking=True)  # into pinned memory, twice as fast
    done = stream.record_event()
    tensor.record_stream(stream)  # its memory is not used again before the copy is done

    def arrived() -> Tensor:
        done.synchronize()
        return there

    return arrived


def download(tensor: Tensor) -> Tensor:
    """`tensor` on the CPU, complete."""
    return fetch(tensor)()


@cache
def _copies(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
