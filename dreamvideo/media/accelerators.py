"""Hardware decoders that suit a device of torch, by its name; nothing here needs the hardware."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import av
from av.codec.hwaccel import HWAccel

from dreamvideo.media.local_files import open_local

log = logging.getLogger(__name__)

# Type of a torch device -> (libav's name, whether frames can stay on it: PyAV exports planes of CUDA alone)
_ACCELERATORS: Final[Mapping[str, tuple[str, bool]]] = {"cuda": ("cuda", True), "mps": ("videotoolbox", False)}


def accelerator_for(device: str) -> HWAccel | None:
    """Describe the hardware decoder of a device; whether it is there shows when a file is opened with it.

    Args:
        device: such as `cpu`, `cuda:1`, `mps`.

    Returns:
        None: the device has none.
    """
    kind, _, number = device.partition(":")
    if kind not in _ACCELERATORS:
        return None
    name, stays = _ACCELERATORS[kind]
    # One GPU of several is named for CUDA alone; there is one Metal device.
    which = (number or "0") if name == "cuda" else None
    return HWAccel(name, device=which, allow_software_fallback=True, is_hw_owned=stays)


def open_accelerated(path: Path, accelerator: HWAccel | None) -> av.container.InputContainer:
    """Open a local file; without the hardware the CPU decodes, as it does streams that the hardware cannot.

    Args:
        path: of the file.
        accelerator: decodes its streams; None: the CPU does.

    Returns:
        The open container; the caller closes it.

    Raises:
        av.error.FFmpegError: libav cannot open the file.
        OSError: it cannot be read.
    """
    if accelerator is not None:
        try:
            return open_local(path, hwaccel=accelerator)
        except (av.error.FFmpegError, RuntimeError) as error:
            log.debug("%s: %s", path, error)
        container = open_local(path)  # raises where the file is to blame
        log.warning("%s is decoded on the CPU: the hardware decoder cannot be opened", path)
        return container
    return open_local(path)
