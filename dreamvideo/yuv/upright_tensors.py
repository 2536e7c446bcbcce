"""Decoded frames as upright images of 8-bit RGB on a device; `media.upright` on tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.devices import is_out_of_memory
from dreamvideo.errors import MemoryBudgetError
from dreamvideo.frames import HostCopy, StreamInfo
from dreamvideo.media.color import source_color
from dreamvideo.media.rotation import swaps_axes
from dreamvideo.media.upright import UprightConverter
from dreamvideo.tensors import to_uint8, upload
from dreamvideo.yuv.frame_planes import frame_planes, layout_of, release_planes
from dreamvideo.yuv.yuv_to_rgb import yuv_to_rgb

if TYPE_CHECKING:
    from av import VideoFrame

# Of chroma of half the width, (down, right), in its own samples: on the left, as H.264, HEVC, MPEG-2 and AV1 put it
# where nothing else is said. PyAV does not tell what is; without a resize it does not matter for 4:2:0.
_SITING = (0.0, -0.25)


class UprightTensors:
    """Converts decoded frames to RGB on a device, upright, of the size of the stream; all turned like the first.

    Frames of layouts that are not YUV, such as those of GIF, take the CPU's way and are copied to the device.

    Args:
        first: the first frame.
        info: of the stream.
        matrix: its display matrix, see `rotation.display_matrix`; None: it is upright.
        background: gray level behind what is transparent.
        device: where the images are wanted.
    """

    def __init__(
        self,
        first: VideoFrame,
        info: StreamInfo,
        matrix: NDArray[np.int32] | None,
        background: int,
        device: torch.device,
    ) -> None:
        self.stored_size = first.width, first.height
        self._matrix = matrix
        self._size = (info.width, info.height) if swaps_axes(matrix) else (info.height, info.width)
        self._device = device
        self._on_cpu = UprightConverter(first, info, matrix, background)

    def __call__(self, frame: VideoFrame) -> Tensor:
        """Convert one frame.

        Args:
            frame: decoded frame of any size and layout, in memory or on a GPU.

        Returns:
            (H, W, 3) uint8 RGB, contiguous.

        Raises:
            av.error.FFmpegError: swscale does not know the layout of the frame.
            MemoryBudgetError: the device has no memory for it.
        """
        try:
            return self._image_of(frame)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        raise MemoryBudgetError(
            f"got no memory for a decoded frame on {self._device}: expected a smaller --size, or --hwaccel none"
        )

    def _image_of(self, frame: VideoFrame) -> Tensor:
        layout = layout_of(frame)
        if layout is None:
            return upload(torch.from_numpy(self._on_cpu(frame)).contiguous(), self._device)
        planes = frame_planes(frame)
        if planes[0].device.type == "cpu":
            planes = [upload(plane.contiguous(), self._device) for plane in planes]
        image = to_uint8(_turned(yuv_to_rgb(planes, layout, source_color(frame), self._size, _SITING), self._matrix))
        release_planes(frame)
        return image

    def small(self, frame: VideoFrame) -> HostCopy | None:
        """Return None: cuts are found in a copy of the image, see `motion.host_copy`."""
        return None

    def late(self, frame: VideoFrame) -> None:
        """Return None: no image is blank."""

    @property
    def transparent(self) -> bool:
        """Whether any pixel so far was."""
        return self._on_cpu.transparent


def _turned(image: Tensor, matrix: NDArray[Any] | None) -> Tensor:
    """(1, 3, H, W) turned and mirrored as `rotation.rotate_upright` does it."""
    if matrix is None:
        return image
    (a, b), (c, d) = matrix.tolist()
    if a == 0:
        image, a, d = image.transpose(2, 3), c, b
    mirrored = [axis for axis, sign in ((3, a), (2, d)) if sign < 0]
    return image.flip(mirrored) if mirrored else image
