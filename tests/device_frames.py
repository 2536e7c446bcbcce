"""Frames of a decoder that is not there: of the CPU, seen only through the interface of those that lie on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import av

from dreamvideo.media.decode import decode_frames

ON_DEVICE = {"yuv420p": "nv12", "yuvj420p": "nv12", "yuv420p10le": "p010le"}


class DevicePlane:
    """A plane as PyAV exports it from a GPU: by DLPack alone, and without waiting for a stream."""

    def __init__(self, plane: Any) -> None:
        self._plane = plane

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._plane.__dlpack_device__()  # type: ignore[no-any-return]

    def __dlpack__(self, *, stream: int | None = None) -> Any:
        if stream is not None:
            raise NotImplementedError("CUDA stream synchronization is not supported")
        return self._plane.__dlpack__()


class DeviceFrame:
    """Stands in for a frame that a GPU decoded: the layout of its planes, and no other access to them."""

    def __init__(self, frame: av.VideoFrame, exported: list[int]) -> None:
        self._frame = frame.reformat(format=ON_DEVICE[frame.format.name])
        self._source = frame
        self._exported = exported

    @property
    def format(self) -> Any:
        return type("Format", (), {"name": "cuda"})

    @property
    def sw_format(self) -> Any:
        return self._frame.format

    @property
    def planes(self) -> list[DevicePlane]:
        self._exported.append(len(self._frame.planes))
        return [DevicePlane(plane) for plane in self._frame.planes]

    def __getattr__(self, name: str) -> Any:
        if name in ("to_ndarray", "to_image", "save"):
            raise AssertionError(f"{name} of a frame on a device")
        return getattr(self._frame if name == "reformat" else self._source, name)


def left_on_device(exported: list[int]) -> Callable[..., Generator[Any, None, None]]:
    """What decodes in place of `decode_frames`: frames that hardware can decode are left on the device."""

    def decode(*arguments: Any) -> Generator[Any, None, None]:
        for frame in decode_frames(*arguments):
            yield DeviceFrame(frame, exported) if frame.format.name in ON_DEVICE else frame

    return decode
