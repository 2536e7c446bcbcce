"""Which device and which arithmetic: what was asked for, checked, or the best there is."""

from __future__ import annotations

import logging

import torch

from dreamvideo.errors import DeviceError

log = logging.getLogger(__name__)


def pick_device(wanted: str) -> torch.device:
    """The device for `auto`, `cpu`, `mps`, `cuda` or `cuda:N`; `auto` takes CUDA, then MPS, then the CPU.

    Raises:
        DeviceError: the device asked for is not there.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        if count:
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    device = torch.device(wanted)
    if device.type == "cuda" and (device.index or 0) >= count:
        built = "" if torch.version.cuda else "; this torch is built without CUDA"
        raise DeviceError(f"--device {wanted}: {count} CUDA devices found{built}; --device auto takes what there is")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("--device mps: no Metal device found; --device auto takes what there is")
    return device


def pick_precision(wanted: str, device: torch.device) -> torch.dtype:
    """The network's arithmetic for `auto`, `fp32` or `bf16`; `auto` takes bf16 where the hardware has it."""
    if wanted == "auto":
        return torch.bfloat16 if has_fast_bf16(device) else torch.float32
    return {"fp32": torch.float32, "bf16": torch.bfloat16}[wanted]


def has_fast_bf16(device: torch.device) -> bool:
    """True where bf16 is arithmetic of the hardware, not emulated."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # private: absent in some versions
        return any(getattr(torch.cpu, probe, bool)() for probe in probes)
    return False
