"""Planes of images for an encoder, made on the device of the dream: left there, or fetched with half the bytes of RGB.

What PyAV 18.1 does with a frame that `VideoFrame.from_dlpack` made of planes on CUDA: the frame carries a context of
its device, which an encoder that is not open yet takes on; the encoder gets the planes without a copy, works on the
default stream, and drops them when it has read them.
"""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import torch
from av.video.frame import CudaContext
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.devices import device_kind
from dreamvideo.media.chroma import plane_samples
from dreamvideo.media.encoder_frames import FrameTarget, PendingFrame
from dreamvideo.tensors import fetch, upload
from dreamvideo.yuv.plane_layouts import LAYOUTS, PlaneLayout
from dreamvideo.yuv.rgb_to_yuv import rgb_to_yuv

_CPU_ROWS, _GPU_ROWS = 64, 256  # bytes of which the distance of two rows is a multiple, for vector code and for NVENC
_MARGIN = 64  # bytes behind the last row, which libavcodec's vector code may read


class EncoderPlanes:
    """Makes frames of an encoder, see `media.encoder_frames.FrameMaker`.

    On CUDA they are made on the stream of the thread that asks: another one than the dream's, or they wait for what is
    queued there. Images have to be complete, or made on it.

    Args:
        device: where the planes are made; arrays are copied there.
    """

    def __init__(self, device: torch.device) -> None:
        self.kind = device_kind(device)
        self._device = device
        self._context: CudaContext | None = None

    def __call__(self, image: Tensor | NDArray[np.uint8], target: FrameTarget) -> PendingFrame:
        """Start to make a frame.

        Args:
            image: (H, W, 3) uint8 RGB, of the size in the target.
            target: what the encoder takes.

        Returns:
            A function that waits for the frame. It gives the image as an array where swscale is needed: to scale it, or
            to filter chroma in layouts other than 4:2:0.
        """
        if not target.averages_chroma or target.size != target.source:
            if isinstance(image, np.ndarray):
                return lambda: image
            fetched = fetch(image)
            return lambda: fetched().numpy()
        layout = LAYOUTS[target.format]
        tensor = upload(torch.from_numpy(image), self._device) if isinstance(image, np.ndarray) else image
        memory = packed_planes(tensor, target, layout)
        if target.reads == self.kind:
            return self._left_there(memory, tensor, target, layout)
        copied, held = fetch(memory), [tensor]

        def frame() -> av.VideoFrame:
            copy = copied()
            held.clear()  # not before its planes are made: its memory may be that of another stream
            return _frame_in_memory(copy, target, layout)

        return frame

    def _left_there(self, memory: Tensor, image: Tensor, target: FrameTarget, layout: PlaneLayout) -> PendingFrame:
        """Frame of planes that the encoder reads where they are."""
        done, held = None, [image]
        if memory.is_cuda:
            done = torch.cuda.Event(blocking=True)
            done.record(torch.cuda.current_stream(memory.device))

        def frame() -> av.VideoFrame:
            if done is not None:
                done.synchronize()  # so that it does not matter which stream the encoder works on
            held.clear()
            planes = tuple(plane_views(memory, target, layout))
            context = self._cuda_context() if self.kind == "cuda" else None
            made = av.VideoFrame.from_dlpack(planes, format=target.format, cuda_context=context)
            target.tag(made)
            return made

        return frame

    def _cuda_context(self) -> CudaContext:
        if self._context is None:
            self._context = CudaContext(device_id=self._device.index or 0, primary_ctx=True)  # torch's context
        return self._context


def packed_planes(image: Tensor, target: FrameTarget, layout: PlaneLayout) -> Tensor:
    """Convert an image to planes that lie one after the other in one piece of memory.

    NVENC is told a single address and pitch, and one piece is fetched at once.

    Args:
        image: (H, W, 3) uint8 RGB on any device; its last row and column are repeated up to the padded size.
        target: what the encoder takes.
        layout: of its format.

    Returns:
        (N,) uint8 on the device of the image, see `plane_views`.
    """
    width, height = target.padded
    image = torch.cat([image, image[-1:].expand(height - image.shape[0], -1, -1)]) if height > image.shape[0] else image
    if width > image.shape[1]:
        image = torch.cat([image, image[:, -1:].expand(-1, width - image.shape[1], -1)], 1)
    planes = rgb_to_yuv(image.permute(2, 0, 1)[None], layout, target.color.matrix, target.full_range)
    size = sum(rows * pitch for rows, _, pitch in _shapes(target, layout)) + _MARGIN
    memory = torch.zeros(size, dtype=torch.uint8, device=image.device)
    for view, plane in zip(plane_views(memory, target, layout), planes, strict=True):
        view.copy_(plane.reshape(view.shape))
    return memory


def plane_views(memory: Tensor, target: FrameTarget, layout: PlaneLayout) -> list[Tensor]:
    """Return the planes in the memory of `packed_planes`.

    Args:
        memory: (N,) uint8.
        target: what the encoder takes.
        layout: of its format.

    Returns:
        (rows, samples) uint8, or uint16 of more than 8 bits, for each plane; interleaved chroma is (h, 2 w).
    """
    views, start = [], 0
    for rows, row_bytes, pitch in _shapes(target, layout):
        plane = memory[start : start + rows * pitch].view(rows, pitch)[:, :row_bytes]
        views.append(plane if layout.bits == 8 else plane.view(torch.uint16))
        start += rows * pitch
    return views


def _shapes(target: FrameTarget, layout: PlaneLayout) -> list[tuple[int, int, int]]:
    """(rows, bytes of a row, bytes from row to row) of each plane."""
    width, height = target.padded
    rows, columns = layout.chroma_size(height, width)
    shapes = [(height, width)]
    if not layout.gray:
        shapes += [(rows, 2 * columns)] if layout.interleaved else [(rows, columns)] * 2
    size = 1 if layout.bits == 8 else 2
    unit = _CPU_ROWS if target.reads is None else _GPU_ROWS
    return [(high, wide * size, -(-wide * size // unit) * unit) for high, wide in shapes]


def _frame_in_memory(memory: Tensor, target: FrameTarget, layout: PlaneLayout) -> av.VideoFrame:
    """A frame of planes in the memory of the CPU; without a copy, but for odd sizes, which PyAV does not take."""
    width, height = target.padded
    planes: list[Any] = [plane.numpy() for plane in plane_views(memory, target, layout)]
    if width % layout.columns == 0 and height % layout.rows == 0:
        frame = av.VideoFrame.from_dlpack(planes, format=target.format)
    else:
        frame = av.VideoFrame(width, height, target.format)
        for number, plane in enumerate(planes):
            plane_samples(frame, number)[:] = plane
    target.tag(frame)
    return frame
