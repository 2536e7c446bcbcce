"""Where the frames of a job are decoded and turned into RGB: on the GPU that dreams them, or on the CPU.

Images become tensors on CUDA and ROCm alone: they are made in the thread that decodes, beside the dream's, and torch
crashes when two threads use Metal at once, see `motion.raft`. ROCm has no decoder whose planes torch could read.
"""

from __future__ import annotations

from functools import partial

import torch
from av.codec.hwaccel import HWAccel

from dreamvideo.devices import auto_device, device_kind
from dreamvideo.media.accelerators import accelerator_for
from dreamvideo.media.upright import ConverterFactory, LateConverter, UprightConverter
from dreamvideo.models.network import Network
from dreamvideo.settings.dream import DreamSettings, ModelSettings
from dreamvideo.settings.job import ReadSettings
from dreamvideo.yuv.upright_tensors import UprightTensors

CPU = torch.device("cpu")


def frames_device(
    read: ReadSettings, dream: DreamSettings, model: ModelSettings, network: Network | None = None
) -> torch.device:
    """Return the device on which frames are wanted: that of the dream, unless the settings ask for the CPU.

    Args:
        read: `hwaccel` is read.
        dream: whether anything is dreamed.
        model: where the network will be, if it is not loaded.
        network: what dreams, if it is.
    """
    if read.hwaccel == "none" or not dream.iterations:
        return CPU
    return expected_device(model.device) if network is None else network.device


def expected_device(requested: str) -> torch.device:
    """Return what `devices.pick_device` will return; the CPU where it will raise.

    Args:
        requested: as in `ModelSettings.device`.
    """
    if requested == "auto":
        return auto_device()[0]
    device = torch.device(requested)
    if device.type == "cuda":
        return device if torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count() else CPU
    return device if device.type != "mps" or torch.backends.mps.is_available() else CPU


def decoder_of(device: torch.device) -> HWAccel | None:
    """Return the hardware that decodes for a device; None: the CPU does.

    Args:
        device: of `frames_device`.
    """
    return None if device_kind(device) == "rocm" else accelerator_for(str(device))


def converter_of(device: torch.device) -> ConverterFactory:
    """Return what makes images of decoded frames for a device: tensors there, or arrays.

    Args:
        device: of `frames_device`.
    """
    return partial(UprightTensors, device=device) if device.type == "cuda" else UprightConverter


def late_converter_of(device: torch.device) -> ConverterFactory:
    """Return what makes what cuts are found in, and images only later where that needs none.

    Args:
        device: of `frames_device`.
    """
    return converter_of(device) if device.type == "cuda" else LateConverter
