"""Planes of a decoded frame as tensors that share its memory, wherever it lies: in memory or on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from dreamvideo.yuv.plane_layouts import LAYOUTS, PlaneLayout

_CUDA = 2  # DLPack's number


class ExportablePlane(Protocol):
    """A plane of a decoder's frame."""

    def __dlpack_device__(self) -> tuple[int, int]: ...
    def __dlpack__(self, *, stream: int | None = None) -> Any: ...


class _Format(Protocol):
    @property
    def name(self) -> str: ...


class PlanarFrame(Protocol):
    """What is read of a decoder's frame."""

    @property
    def format(self) -> _Format: ...
    @property
    def sw_format(self) -> _Format | None: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def planes(self) -> Sequence[ExportablePlane]: ...


def layout_of(frame: PlanarFrame) -> PlaneLayout | None:
    """Return the layout of the planes of a frame.

    Args:
        frame: decoded, in memory or on a GPU.

    Returns:
        None: its colors are none of the layouts here, or its planes are not exported whole.
    """
    layout = LAYOUTS.get((frame.sw_format or frame.format).name)
    # Of interleaved chroma PyAV exports no sample for the last column or row of an odd size.
    if layout is not None and layout.interleaved and (frame.width % 2 or frame.height % 2):
        return None
    return layout


def frame_planes(frame: PlanarFrame) -> list[Tensor]:
    """Return the planes of a frame without a copy; on CUDA, the current stream waits for the decoder.

    Args:
        frame: decoded, in memory or on a GPU, with a layout that `layout_of` knows.

    Returns:
        Tensors as `yuv_to_rgb` takes them. They keep the frame's memory; on CUDA, call `release_planes` before they
        are dropped.
    """
    for device in _cuda_devices(frame):
        torch.cuda.current_stream(device).wait_stream(torch.cuda.default_stream(device))  # where the decoder works
    # Not the plane itself: torch asks for its own stream to be waited for, which PyAV refuses.
    return [from_dlpack(plane.__dlpack__()) for plane in frame.planes]


def release_planes(frame: PlanarFrame) -> None:
    """Let the decoder use the memory of a frame again only after the work that is queued now; call before it is freed.

    Args:
        frame: whose planes were read.
    """
    for device in _cuda_devices(frame):
        torch.cuda.default_stream(device).wait_stream(torch.cuda.current_stream(device))


def _cuda_devices(frame: PlanarFrame) -> set[int]:
    kinds = {plane.__dlpack_device__() for plane in frame.planes}
    return {number for kind, number in kinds if kind == _CUDA}
