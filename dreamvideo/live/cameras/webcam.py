"""Cameras of this computer, through OpenCV: opened by what suits the system, listed, and told why one does not open."""

from __future__ import annotations

import logging
import os
import re
import struct
import subprocess
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from dreamvideo.errors import SourceError
from dreamvideo.settings.live import CameraSettings

log = logging.getLogger(__name__)

_SYSFS = Path("/sys/class/video4linux")
_DEV = Path("/dev")

# On Windows DirectShow first: Media Foundation takes up to minutes to open some cameras (opencv/opencv#17687).
_BACKENDS = {
    "linux": (cv2.CAP_V4L2,),
    "win32": (cv2.CAP_DSHOW, cv2.CAP_MSMF),
    "darwin": (cv2.CAP_AVFOUNDATION,),
}
_PERMIT = {
    "win32": "Settings > Privacy & security > Camera",
    "darwin": "System Settings > Privacy & Security > Camera, for the terminal",
}
_COMPRESSED = (cv2.CAP_V4L2, cv2.CAP_DSHOW)  # where a large picture comes uncompressed, and slowly, unless told
_LARGE = 640 * 480  # pixels: what USB 2 carries uncompressed at 30 fps

_TRIED = 5  # first indices that are tried where the system has no list of cameras
_PROBE_SECONDS = 10

opencv_log = getattr(cv2.utils, "logging", cv2)  # where it is in OpenCV 5, and was in 4
_SILENT = 0

# linux/videodev2.h
_QUERYCAP = 0x80685600
_CAPTURE = 0x00000001 | 0x00001000  # of single and of multiple planes


@dataclass(frozen=True, slots=True)
class Node:
    """A video device of Linux. A camera often has two: one for pictures, one for what is known of them."""

    index: int
    name: str
    captures: bool | None  # None: it does not tell


def webcam_images(where: str, settings: CameraSettings) -> Generator[Any, None, None]:
    """RGB or gray as the camera gives it, None where a read fails; `where` is an index or a device.

    Raises:
        SourceError: it does not open, or is unplugged.
    """
    index = int(where) if where.isdecimal() else _index(where)
    capture = _opened(index, settings)
    try:
        while True:
            picture = _read(capture)
            if picture is None and sys.platform == "linux" and not (_DEV / f"video{index}").exists():
                raise SourceError(f"camera {where} is unplugged")
            yield picture
    finally:
        with _muted():
            capture.release()


def list_cameras() -> list[str]:
    """A line for each camera of this computer: index, device, name; or one that says that there is none."""
    lines = [_line(node) for node in _nodes()] if sys.platform == "linux" else _probed()
    return lines or ["no camera is there: plug one in, or give a URL such as rtsp://HOST/PATH, or a video file"]


def probe(index: int) -> None:
    """Print what a camera gives; nothing if it does not open."""
    settings = CameraSettings()
    for backend in _backends():
        with _muted():
            capture = cv2.VideoCapture(index, backend)
            found = _what_it_gives(capture, settings) if capture.isOpened() else ""
            capture.release()
        if found:
            print(found)
            return


def _index(device: str) -> int:
    # A name such as /dev/v4l/by-id/... is a link, and leads elsewhere when the camera is plugged in again.
    path = Path(os.path.realpath(device))
    found = re.fullmatch(r"video(\d+)", path.name)
    if found and path.parent == _DEV and path.exists():
        return int(found[1])
    what = "is no camera" if path.exists() else "no such camera"
    raise SourceError(f"{device}: {what}; {_there_is()}. See: dreamvideo cameras")


def _opened(index: int, settings: CameraSettings) -> cv2.VideoCapture:
    for backend in _backends():
        with _muted():
            capture = cv2.VideoCapture(index, backend)
            if capture.isOpened():
                _ask(capture, backend, settings)
                log.info("camera %d: %s", index, _what_it_gives(capture, settings))
                return capture
    raise SourceError(_why_not(index))


def _backends() -> tuple[int, ...]:
    return _BACKENDS.get(sys.platform, (cv2.CAP_ANY,))


def _ask(capture: cv2.VideoCapture, backend: int, settings: CameraSettings) -> None:
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    if settings.size is not None:
        width, height = settings.size
        if width * height > _LARGE and backend in _COMPRESSED:
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
    if settings.camera_fps is not None:
        capture.set(cv2.CAP_PROP_FPS, settings.camera_fps)


def _what_it_gives(capture: cv2.VideoCapture, settings: CameraSettings) -> str:
    size = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    rate = capture.get(cv2.CAP_PROP_FPS)
    code = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=True)
    given = [f"{size[0]}x{size[1]}"]
    given += [code.decode("ascii")] if code.isalnum() else []
    given += [f"{rate:.4g} fps"] if rate > 0 else []
    asked = [f"{settings.size[0]}x{settings.size[1]}"] if settings.size not in (None, size) else []
    asked += [f"{settings.camera_fps:.4g} fps"] if settings.camera_fps not in (None, rate) else []
    return ", ".join(given) + (f" (asked for {', '.join(asked)})" if asked else "")


def _read(capture: cv2.VideoCapture) -> Any:
    try:
        with _muted():
            good, picture = capture.read()
    except cv2.error as error:  # of a damaged JPEG
        log.debug("%s", error)
        return None
    if not good or not isinstance(picture, np.ndarray) or picture.ndim != 3 or picture.dtype != np.uint8:
        return picture if good else None
    how = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}.get(picture.shape[2])
    return picture if how is None or not picture.size else cv2.cvtColor(picture, how)


@contextmanager
def _muted() -> Generator[None, None, None]:
    """OpenCV keeps off stderr inside the block: what there is to say of a camera is said by us."""
    level = opencv_log.getLogLevel()
    opencv_log.setLogLevel(_SILENT)
    try:
        yield
    finally:
        opencv_log.setLogLevel(level)


def _why_not(index: int) -> str:
    if sys.platform != "linux":
        permit = f" ({_PERMIT[sys.platform]})" if sys.platform in _PERMIT else ""
        return (
            f"camera {index} does not open: it is not there, another program uses it, or this one may not{permit}. "
            "See: dreamvideo cameras"
        )
    path = _DEV / f"video{index}"
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
    except FileNotFoundError:
        return f"no camera {index}; {_there_is()}. See: dreamvideo cameras"
    except PermissionError:
        return f"camera {index} may not be opened: type sudo usermod -aG {path.group()} $USER, then log in again"
    except OSError as error:
        log.debug("%s: %s", path, error)
    if any(node.index == index and node.captures is False for node in _nodes()):
        return f"{path} gives no pictures; {_there_is()}. See: dreamvideo cameras"
    return f"camera {index} does not open: another program may be using it; close that, or type dreamvideo cameras"


def _there_is() -> str:
    cameras = [f"{node.index} ({node.name})" for node in _nodes() if node.captures is not False]
    return f"there is {', '.join(cameras)}" if cameras else "there is none"


def _nodes() -> list[Node]:
    found = []
    for folder in _SYSFS.glob("video[0-9]*"):
        index = int(folder.name.removeprefix("video"))
        found.append(Node(index, _text(folder / "name"), _captures(_DEV / folder.name)))
    return sorted(found, key=lambda node: node.index)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return "unnamed"


def _captures(path: Path) -> bool | None:
    import fcntl  # Windows has none

    answer = bytearray(104)  # struct v4l2_capability
    try:
        device = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        try:
            fcntl.ioctl(device, _QUERYCAP, answer)
        finally:
            os.close(device)
    except OSError as error:
        log.debug("%s: %s", path, error)
        return None
    return bool(struct.unpack_from("<I", answer, 88)[0] & _CAPTURE)  # device_caps


def _line(node: Node) -> str:
    note = {True: "", False: "  (no pictures)", None: "  (may not be opened, or is busy)"}[node.captures]
    return f"{node.index:<3} {_DEV / f'video{node.index}'}  {node.name}{note}"


def _probed() -> list[str]:
    # each in a process of its own: one that hangs is ended, and what the system writes to stderr is not seen
    with ThreadPoolExecutor(_TRIED) as pool:
        return [f"{index:<3} {what}" for index, what in enumerate(pool.map(_probe, range(_TRIED))) if what]


def _probe(index: int) -> str:
    code = f"from dreamvideo.live.webcams import probe; probe({index})"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=_PROBE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"does not answer within {_PROBE_SECONDS} s"
    return done.stdout.strip()
