"""The window of a live dream, through OpenCV: images in, keys out."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dreamvideo.errors import OutputError
from dreamvideo.process import child_environment, python_child

TITLE: Final = "dreamvideo"

# Without a display OpenCV's window call ends the process, so a child process tries it first.
_TRIAL: Final = "import cv2; cv2.namedWindow('trial'); cv2.pollKey()"
_TRIAL_TIMEOUT: Final = 20  # seconds

_NAMES: Final = {" ": "space", "\x1b": "q", "=": "+", "_": "-"}  # of keys whose character is not their name


def check_display() -> None:
    """Check that a window can be opened.

    Raises:
        OutputError: no display was found, or this OpenCV was built without windows.
    """
    message = "no display for a window: expected one, or --serve PORT for a page in the browser"
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise OutputError(message)
    try:
        words, environment = python_child("-c", _TRIAL), child_environment()
        trial = subprocess.run(words, env=environment, capture_output=True, timeout=_TRIAL_TIMEOUT, text=True)
    except subprocess.TimeoutExpired:
        raise OutputError(f"no window could be opened within {_TRIAL_TIMEOUT} s; {message}") from None
    if "The function is not implemented" in trial.stderr:
        raise OutputError(
            "this OpenCV has no windows: type pip uninstall -y opencv-python-headless, then "
            "pip install --force-reinstall opencv-python; or --serve PORT for a page in the browser"
        )
    if trial.returncode:
        raise OutputError(message)


class LiveWindow:
    """An open window."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._full = False

    def show(self, image: NDArray[np.uint8], full_screen: bool) -> list[str]:
        """Show an image and read the keyboard.

        Args:
            image: (H, W, 3) RGB.
            full_screen: whether it fills the screen.

        Returns:
            Keys pressed since the last call, as named in `controls.KEYS`; "q" if the window was closed.
        """
        if full_screen != self._full:
            self._full = full_screen
            cv2.setWindowProperty(self._title, cv2.WND_PROP_FULLSCREEN, float(full_screen))
        cv2.imshow(self._title, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        keys = []
        while (code := cv2.pollKey()) != -1:
            character = chr(code & 0xFF)
            keys.append(_NAMES.get(character, character))
        if cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1:  # closed with the mouse
            keys.append("q")
        return keys


@contextmanager
def open_window(size: tuple[int, int], title: str = TITLE) -> Generator[LiveWindow, None, None]:
    """Open a window of (height, width) `size`; call `check_display` before. It closes at the end of the block."""
    cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
    cv2.resizeWindow(title, size[1], size[0])
    try:
        yield LiveWindow(title)
    finally:
        cv2.destroyWindow(title)
