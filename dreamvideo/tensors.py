"""Images of frames, (H, W, 3) uint8, and images that are dreamed, (1, 3, H, W) float32 in [0, 1], on any device."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dreamvideo.errors import SettingsError
from dreamvideo.torch_state import differentiable

OVERSHOOT = 0.1  # beyond [0, 1]; a bicubic resize of a sharp edge overshoots as much. It is clamped
GUIDE_SIDE = 224  # pixels of the longer side of a guide, as in the 2015 notebook


def to_tensor(image: NDArray[np.uint8] | Tensor, device: torch.device) -> Tensor:
    """Convert an image to a tensor.

    Args:
        image: (H, W, 3) uint8, an array or on any device.
        device: where it goes.

    Returns:
        (1, 3, H, W) float32 in [0, 1].
    """
    return to_planes(image, device).float() / 255


def to_planes(image: NDArray[np.uint8] | Tensor, device: torch.device) -> Tensor:
    """Convert an image to a tensor of its gray levels.

    Args:
        image: (H, W, 3) uint8, an array or on any device.
        device: where it goes.

    Returns:
        (1, 3, H, W) uint8; a view of the image if that lies there.
    """
    there = upload(torch.from_numpy(image) if isinstance(image, np.ndarray) else image, device)
    return there.permute(2, 0, 1)[None]


def to_guide(image: NDArray[np.uint8]) -> Tensor:
    """Convert an image to a guide.

    Args:
        image: (H, W, 3) uint8.

    Returns:
        (1, 3, h, w) float32 in [0, 1] on the CPU, shrunk to at most `GUIDE_SIDE` pixels a side.
    """
    guide = to_tensor(image, torch.device("cpu"))
    shrink = min(1.0, GUIDE_SIDE / max(guide.shape[2:]))
    height, width = (max(1, round(side * shrink)) for side in guide.shape[2:])
    return resize(guide, (height, width))


def to_mask(mask: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Convert a mask to a tensor.

    Args:
        mask: (H, W) uint8.
        device: where it goes.

    Returns:
        (1, 1, H, W) float32 in [0, 1].
    """
    return upload(torch.from_numpy(mask), device)[None, None].float() / 255


def to_image(image: Tensor) -> NDArray[np.uint8]:
    """Convert a tensor to an image, and wait for it.

    Args:
        image: (1, 3, H, W) in [0, 1], on any device.

    Returns:
        (H, W, 3) uint8, rounded.
    """
    return fetch(to_uint8(image))().numpy()


def to_uint8(image: Tensor) -> Tensor:
    """Convert a tensor to an image on the same device.

    Args:
        image: (1, 3, H, W) in [0, 1].

    Returns:
        (H, W, 3) uint8, rounded.
    """
    return (image[0] * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous()


def checked_images(images: Tensor) -> Tensor:
    """Check images that a program has made itself.

    Args:
        images: expected to be (B, 3, H, W) of a float type, in [0, 1] but for what resizing overshoots.

    Returns:
        (B, 3, H, W) float32 in [0, 1].

    Raises:
        SettingsError: they have another shape, type or range.
    """
    if not isinstance(images, Tensor):
        raise SettingsError(f"got images as {type(images).__name__}, expected a tensor (B, 3, H, W) in [0, 1]")
    if images.ndim != 4 or images.shape[1] != 3 or not images.numel():
        hint = {2: ": type images.expand(1, 3, -1, -1)", 3: ": type images[None]"}.get(images.ndim, "")
        if images.ndim == 4 and images.shape[1] == 1:
            hint = ": type images.expand(-1, 3, -1, -1)"
        elif images.ndim == 4 and images.shape[3] == 3:
            hint = ": type images.permute(0, 3, 1, 2)"
        raise SettingsError(f"got images of shape {tuple(images.shape)}, expected (B, 3, H, W){hint}")
    if not images.is_floating_point():
        hint = ": type images / 255" if images.dtype == torch.uint8 else ""
        raise SettingsError(f"got {images.dtype} images, expected floats in [0, 1]{hint}")
    images = as_float32(images)
    low, high = download(torch.stack(images.detach().aminmax())).tolist()  # one copy: the device is waited for once
    if not -OVERSHOOT <= low <= high <= 1 + OVERSHOOT:
        hint = ": type images / 255" if low >= 0 and 2 < high <= 256 else ""
        hint = ": type (images + 1) / 2" if -1.5 < low < 0 and high < 1.5 else hint
        raise SettingsError(f"got images with values from {low:.4g} to {high:.4g}, expected 0 to 1{hint}")
    return images.clamp(0, 1) if low < 0 or high > 1 else images


def as_float32(tensor: Tensor) -> Tensor:
    """Return a tensor as float32, usable for gradients wherever it was made.

    Args:
        tensor: of any shape and type.
    """
    return differentiable(tensor.detach()).float()


def resize(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Shrink images without aliasing, bilinearly.

    Args:
        images: (B, C, H, W).
        size: (height, width) in pixels.

    Returns:
        (B, C, *size); the images themselves if they have that size.
    """
    if images.shape[2:] == size:
        return images
    return F.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)


def enlarge(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Enlarge images smoothly, bicubically.

    Args:
        images: (B, C, H, W).
        size: (height, width) in pixels.

    Returns:
        (B, C, *size); may overshoot their range.
    """
    return F.interpolate(images, size, mode="bicubic", align_corners=False)


def upload(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor of the CPU to `device`; on CUDA the copy goes on while the CPU returns.

    Args:
        tensor: of any shape and type.
        device: where to.

    Returns:
        The same values on `device`; the tensor itself if it is there.
    """
    if device.type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    # Only copies from pinned memory are asynchronous. PyTorch does not reuse the block before the copy is done.
    return tensor.pin_memory().to(device, non_blocking=True)


def place(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor that is kept, such as a constant, to `device`, and wait: any stream may use it from then on.

    Args:
        tensor: of any shape and type, on the CPU; gradients pass through the copy.
        device: where to.

    Returns:
        The same values on `device`; the tensor itself if that is the CPU.
    """
    return tensor.to(device)


def fetch(tensor: Tensor, stream: torch.cuda.Stream | None = None) -> Callable[[], Tensor]:
    """Start to copy a tensor to the CPU.

    On CUDA the copy has a stream of its own, so that the device continues with its next work. Copies that share a
    stream wait for each other, and so for what those before them wait for.

    Args:
        tensor: of any shape and type, on any device.
        stream: of CUDA, that copies; None: the one that all copies of this thread share. Two threads may compute on
            streams of their own, and the copies of one must not wait for the work of the other.

    Returns:
        A function that waits for the copy and returns it.
    """
    if not tensor.is_cuda:
        copied = tensor.cpu()
        return lambda: copied
    stream = stream or _copy_stream(tensor.device)
    stream.wait_stream(torch.cuda.current_stream(tensor.device))
    with torch.cuda.stream(stream):
        copy = tensor.to("cpu", non_blocking=True)  # into pinned memory, twice as fast
    done = torch.cuda.Event(blocking=True)  # a thread that waits for it sleeps, instead of keeping a core busy
    done.record(stream)
    # Its memory must not be reused before the copy is done. `record_stream` would see to that, but after a recording
    # that failed some versions of torch never free what went through it.
    held = [tensor]

    def wait() -> Tensor:
        done.synchronize()
        held.clear()
        return copy

    return wait


def hand_over(tensor: Tensor) -> Callable[[], Tensor]:
    """Begin to copy a tensor for another thread, which may read it on the default stream and let go of it at any time.

    Memory belongs to the stream that it was allocated on, and is used there again when it is free: so on CUDA that of
    the copy is the default stream's, whichever stream computes here.

    Args:
        tensor: of any shape and type, on any device.

    Returns:
        A function that waits for the copy and returns it; of a tensor that is not on CUDA itself.
    """
    if not tensor.is_cuda:
        return lambda: tensor
    stream, default = torch.cuda.current_stream(tensor.device), torch.cuda.default_stream(tensor.device)
    with torch.cuda.stream(default):
        copy = torch.empty_like(tensor)
    stream.wait_stream(default)  # whoever had that memory before
    copy.copy_(tensor)
    done = torch.cuda.Event(blocking=True)
    done.record(stream)

    def wait() -> Tensor:
        done.synchronize()
        return copy

    return wait


def download(tensor: Tensor) -> Tensor:
    """Copy a tensor to the CPU and wait for it.

    Args:
        tensor: of any shape and type, on any device.
    """
    return fetch(tensor)()


def _copy_stream(device: torch.device) -> torch.cuda.Stream:
    return _copy_stream_of(device, threading.get_ident())


@cache
def _copy_stream_of(device: torch.device, thread: int) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
