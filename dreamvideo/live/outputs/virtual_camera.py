"""The dream as a camera for other programs, through pyvirtualcam: v4l2loopback on Linux, OBS elsewhere.

pyvirtualcam is under the GPL, so it is an extra, and imported only when it is used.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from threading import Condition, Thread
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from dreamvideo.errors import OutputError, first_line
from dreamvideo.live.outputs.letterbox import letterbox

if TYPE_CHECKING:
    from pyvirtualcam import Camera

SIZE: Final = (720, 1280)  # (height, width) that every program with camera input accepts
MULTIPLE: Final = 8  # of both sides: with others some programs show a green or sheared image

_HINT: Final = {
    "linux": "install v4l2loopback (Debian: apt install v4l2loopback-dkms), then: sudo modprobe v4l2loopback",
    "win32": "install OBS Studio from https://obsproject.com, which brings one",
    "darwin": "install OBS Studio from https://obsproject.com, and start and stop its virtual camera once",
}


@contextmanager
def open_virtual_camera(
    size: tuple[int, int] = SIZE, fps: float = 30.0, device: str | None = None
) -> Generator[VirtualCamera, None, None]:
    """Open a camera for other programs; it is gone when the `with` block ends.

    Args:
        size: (height, width); each is rounded up to a multiple of 8.
        fps: frames per second, as announced to other programs; they may come more or less often.
        device: such as /dev/video4; None: the first that is free.

    Raises:
        OutputError: pyvirtualcam is not installed, or no device was found.
    """
    try:
        import pyvirtualcam
    except ModuleNotFoundError:
        raise OutputError('a virtual camera needs pyvirtualcam: pip install "dreamvideo[camera]"') from None
    except (ImportError, OSError) as error:
        raise OutputError(f"pyvirtualcam cannot be used here ({first_line(error)})") from None
    height, width = (-(-side // MULTIPLE) * MULTIPLE for side in size)
    try:
        device_in_use = pyvirtualcam.Camera(width=width, height=height, fps=fps, device=device)
    except (RuntimeError, OSError) as error:
        hint = _HINT.get(sys.platform, "see the documentation of pyvirtualcam")
        raise OutputError(f"no virtual camera ({first_line(error).rstrip('.')}): {hint}") from None
    with device_in_use:
        camera = VirtualCamera(device_in_use)
        try:
            yield camera
        finally:
            camera.close()


class VirtualCamera:
    """Sends the newest image, in a thread of its own.

    Attributes:
        name: the camera, as other programs call it.
        failed: why it ended by itself; None: it has not.
    """

    def __init__(self, camera: Camera) -> None:
        self.name: str = camera.device
        self.failed: OutputError | None = None
        self._camera = camera
        self._changed = Condition()
        self._newest: NDArray[np.uint8] | None = None
        self._open = True
        self._thread = Thread(target=self._work, name="virtual-camera", daemon=True)
        self._thread.start()

    def send(self, image: NDArray[np.uint8]) -> None:
        """Show (H, W, 3) RGB `image` in place of one that is still waiting; it must not be changed afterwards."""
        with self._changed:
            self._newest = image
            self._changed.notify()

    def close(self) -> None:
        """End the thread after the last image is sent."""
        with self._changed:
            self._open = False
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        size = self._camera.height, self._camera.width
        while (image := self._next()) is not None:
            try:
                self._camera.send(letterbox(image, size))
            except (RuntimeError, OSError) as error:
                self.failed = OutputError(f"the virtual camera {self.name} has ended: {first_line(error)}")
                return

    def _next(self) -> NDArray[np.uint8] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or not self._open)
            image, self._newest = self._newest, None
            return image
