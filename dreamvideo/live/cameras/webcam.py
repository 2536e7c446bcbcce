"""Cameras of this computer, through OpenCV: open one, list them, and say why one does not open.

Names come from cv2-enumerate-cameras, which asks V4L2, DirectShow, Media Foundation or AVFoundation.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from cv2_enumerate_cameras import CameraInfo, enumerate_cameras

from dreamvideo.errors import SourceError
from dreamvideo.process import child_environment, python_child
from dreamvideo.settings.live import CameraSettings

log = logging.getLogger(__name__)

_DEV = Path("/dev")

# On Windows DirectShow first: Media Foundation takes up to minutes to open some cameras (opencv/opencv#17687).
_BACKENDS: Final = {
    "linux": (cv2.CAP_V4L2,),
    "win32": (cv2.CAP_DSHOW, cv2.CAP_MSMF),
    "darwin": (cv2.CAP_AVFOUNDATION,),
}
_PERMISSION_PANEL: Final = {
    "win32": "Settings > Privacy & security > Camera",
    "darwin": "System Settings > Privacy & Security > Camera, for the terminal",
}
_ASKS_FOR_JPEG: Final = (cv2.CAP_V4L2, cv2.CAP_DSHOW)  # these send large images uncompressed, and slowly, by default
_LARGE: Final = 640 * 480  # pixels; USB 2 carries no more than this uncompressed at 30 fps

_PROBE_TIMEOUT: Final = 10  # seconds to open a camera for the list; most take one or two

opencv_log = getattr(cv2.utils, "logging", cv2)  # OpenCV 5 has it in cv2, OpenCV 4 in cv2.utils.logging
_SILENT: Final = 0


def webcam_images(where: str, settings: CameraSettings) -> Generator[Any, None, None]:
    """Yield images of a camera as they come.

    Args:
        where: an index such as "0", or a device such as "/dev/video0".
        settings: the size and rate to ask for; the camera may give others.

    Yields:
        (H, W, 3) uint8 RGB, or (H, W) or (H, W, 1) gray as the camera gives it; None where a read fails.

    Raises:
        SourceError: the camera does not open, or was unplugged.
    """
    index = int(where) if where.isdecimal() else _index(where)
    capture = _open(index, settings)
    try:
        while True:
            image = _read(capture)
            if image is None and sys.platform == "linux" and not (_DEV / f"video{index}").exists():
                raise SourceError(f"camera {where} is unplugged")
            yield image
    finally:
        with _muted():
            capture.release()


def camera_names() -> dict[int, str]:
    """Return the name of each camera of this computer by its index; none of them is opened."""
    return {camera.index: camera.name or "unnamed" for camera in _cameras()}


def list_cameras() -> list[str]:
    """Return one line for each camera of this computer: index, device, name and image format.

    Each camera is opened in a process of its own: one that hangs is ended, and what the system prints is not shown.
    """
    cameras = _cameras()
    if not cameras:
        return ["no camera found: plug one in, or give a URL such as rtsp://HOST/PATH, or a video file"]
    with ThreadPoolExecutor(len(cameras)) as pool:
        formats = list(pool.map(_image_format, [camera.index for camera in cameras]))
    return [_line(camera, image_format) for camera, image_format in zip(cameras, formats, strict=True)]


def print_image_format(index: int) -> None:
    """Print the size, encoding and rate that a camera gives by default; print nothing if it does not open."""
    settings = CameraSettings()
    for backend in _backends():
        with _muted():
            capture = cv2.VideoCapture(index, backend)
            image_format = _format(capture, settings) if capture.isOpened() else ""
            capture.release()
        if image_format:
            print(image_format)
            return


def _cameras() -> list[CameraInfo]:
    """Cameras that capture video, in order of index; on Linux metadata nodes of cameras are not among them."""
    return sorted(enumerate_cameras(_backends()[0]), key=lambda camera: camera.index)


def _index(device: str) -> int:
    # A name such as /dev/v4l/by-id/... is a link that may lead elsewhere after the camera is plugged in again.
    path = Path(os.path.realpath(device))
    match = re.fullmatch(r"video(\d+)", path.name)
    if match and path.parent == _DEV and path.exists():
        return int(match[1])
    what = "not a camera" if path.exists() else "no such camera"
    raise SourceError(f"{device}: {what}; {_names(_cameras())}. See: dreamvideo cameras")


def _open(index: int, settings: CameraSettings) -> cv2.VideoCapture:
    for backend in _backends():
        with _muted():
            capture = cv2.VideoCapture(index, backend)
            if capture.isOpened():
                _configure(capture, backend, settings)
                log.info("camera %d: %s", index, _format(capture, settings))
                return capture
    raise SourceError(_why_not(index))


def _backends() -> tuple[int, ...]:
    return _BACKENDS.get(sys.platform, (cv2.CAP_ANY,))


def _configure(capture: cv2.VideoCapture, backend: int, settings: CameraSettings) -> None:
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    if settings.size is not None:
        width, height = settings.size
        if width * height > _LARGE and backend in _ASKS_FOR_JPEG:
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
    if settings.camera_fps is not None:
        capture.set(cv2.CAP_PROP_FPS, settings.camera_fps)


def _format(capture: cv2.VideoCapture, settings: CameraSettings) -> str:
    """What an open camera gives, such as "640x480, MJPG, 30 fps", and what of `settings` it does not give."""
    size = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    rate = capture.get(cv2.CAP_PROP_FPS)
    code = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=True)
    parts = [f"{size[0]}x{size[1]}"]
    parts += [code.decode("ascii")] if code.isalnum() else []
    parts += [f"{rate:.4g} fps"] if rate > 0 else []
    asked = [f"{settings.size[0]}x{settings.size[1]}"] if settings.size not in (None, size) else []
    asked += [f"{settings.camera_fps:.4g} fps"] if settings.camera_fps not in (None, rate) else []
    return ", ".join(parts) + (f" (asked for {', '.join(asked)})" if asked else "")


def _read(capture: cv2.VideoCapture) -> Any:
    try:
        with _muted():
            good, image = capture.read()
    except cv2.error as error:  # a damaged JPEG
        log.debug("%s", error)
        return None
    if not good or not isinstance(image, np.ndarray) or image.ndim != 3 or image.dtype != np.uint8:
        return image if good else None
    conversion = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}.get(image.shape[2])
    return image if conversion is None or not image.size else cv2.cvtColor(image, conversion)


@contextmanager
def _muted() -> Generator[None, None, None]:
    """Keep OpenCV's own messages off stderr inside the block; this module reports what matters of them."""
    level = opencv_log.getLogLevel()
    opencv_log.setLogLevel(_SILENT)
    try:
        yield
    finally:
        opencv_log.setLogLevel(level)


def _why_not(index: int) -> str:
    cameras = _cameras()
    listed = any(camera.index == index for camera in cameras)
    device = _DEV / f"video{index}"
    on_linux = sys.platform == "linux"
    if on_linux and device.exists():
        try:
            os.close(os.open(device, os.O_RDWR | os.O_NONBLOCK))
        except PermissionError:
            return (
                f"no permission to open camera {index}: type sudo usermod -aG {device.group()} $USER, then log in again"
            )
        except OSError as error:
            log.debug("%s: %s", device, error)
        if not listed:
            return f"{device} gives no images; {_names(cameras)}. See: dreamvideo cameras"
    if not listed:
        return f"no camera {index}; {_names(cameras)}. See: dreamvideo cameras"
    if on_linux:
        return f"camera {index} does not open: another program may be using it; close that, or type dreamvideo cameras"
    panel = f" ({_PERMISSION_PANEL[sys.platform]})" if sys.platform in _PERMISSION_PANEL else ""
    return (
        f"camera {index} does not open: another program uses it, or this one has no permission{panel}. "
        "See: dreamvideo cameras"
    )


def _names(cameras: Sequence[CameraInfo]) -> str:
    names = [f"{camera.index} ({camera.name or 'unnamed'})" for camera in cameras]
    return f"there is {', '.join(names)}" if names else "there is none"


def _line(camera: CameraInfo, image_format: str) -> str:
    device = camera.path if camera.path and camera.path.startswith("/dev/") else ""  # elsewhere not to be typed
    parts = (device, camera.name or "unnamed", image_format or "(does not open: no permission, or in use)")
    return f"{camera.index:<3} " + "  ".join(part for part in parts if part)


def _image_format(index: int) -> str:
    """The output of `print_image_format` in a child process, or a remark if the camera hangs."""
    try:
        child = subprocess.run(
            python_child("-c", f"from {__name__} import print_image_format; print_image_format({index})"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=child_environment(),
            text=True,
            timeout=_PROBE_TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        return f"(does not answer within {_PROBE_TIMEOUT} s)"
    return child.stdout.strip()
