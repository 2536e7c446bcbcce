"""The live dream of the studio, at most one, in a process of its own: its newest image, its state, its controls."""

from __future__ import annotations

import logging
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Any, Final

from dreamvideo.errors import SettingsError
from dreamvideo.studio.chosen_look import ChosenLook
from dreamvideo.studio.job_queue import RunningJob

log = logging.getLogger(__name__)

STOP_SECONDS: Final = 20.0  # that the process has to end by itself: it may finish a recording
NOTE_SECONDS: Final = 10.0  # for which a warning is shown
_GONE: Final = "its process has ended, perhaps for want of memory: start it again"


@dataclass(frozen=True, slots=True)
class LiveImage:
    """An image to be shown."""

    number: int  # grows from image to image
    jpeg: bytes
    mark: float | None  # of the frame that it is a dream of, as the browser sent it


class LiveDream:
    """Starts, follows and ends the process.

    Args:
        start: starts the process, see `live_process`.
    """

    def __init__(self, start: Callable[[], RunningJob]) -> None:
        self._start = start
        self._changed = Condition()
        self._child: RunningJob | None = None
        self._thread: Thread | None = None
        self._about: dict[str, Any] = {}
        self._state: dict[str, Any] = {}
        self._image = LiveImage(0, b"", None)
        self._note = (0.0, "")  # when it was said, and what
        self._ending = ""  # how the last one ended; empty: as it should
        self._closed = False

    def start(self, camera: str | None, camera_name: str, look: ChosenLook, root: str, client: str) -> None:
        """Start it.

        Args:
            camera: as for `live.cameras.camera.camera_frames`; None: that of the browser `client`.
            camera_name: what the page calls it.
            look: how it is dreamed.
            root: the folder of recordings.
            client: who starts it.

        Raises:
            SettingsError: one runs already.
        """
        with self._changed:
            if self._child is not None or self._closed:
                raise SettingsError("a live dream runs already: stop it first")
            self._about = {"camera": camera_name, "title": look.title, "sender": client if camera is None else None}
            self._state, self._note, self._ending = {}, (0.0, ""), ""
            child = self._child = self._start()
            child.send({"camera": camera, "look": look.as_json(), "root": root})
            self._thread = Thread(target=self._follow, args=(child,), name="live")
            self._thread.start()

    @property
    def sender(self) -> str | None:
        """The browser whose camera is dreamed; None: it is another camera, or nothing is dreamed."""
        with self._changed:
            return self._about["sender"] if self._child is not None else None

    def send(self, message: Mapping[str, Any]) -> None:
        """Send `press`, `set` or `frame`, see `live_process.follow_parent`.

        Raises:
            SettingsError: nothing is dreamed.
        """
        child = self._child
        if child is None:
            raise SettingsError("no live dream runs: start it")
        child.send(dict(message))

    def image(self, after: int, timeout: float) -> LiveImage | None:
        """Wait for an image.

        Args:
            after: return only one with a number above this.
            timeout: seconds to wait for one.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._image.number > after or self._child is None, timeout)
            return self._image if self._image.number > after and self._child is not None else None

    def state(self) -> dict[str, Any]:
        """Return what the page shows: whether it runs, of what, what it says, and `live_process.state_of`."""
        with self._changed:
            if self._child is None:
                return {"running": False, "message": self._ending, "after": self._image.number}
            noted = self._note[1] if time.monotonic() - self._note[0] < NOTE_SECONDS else ""
            message = self._state.get("numbers", {}).get("message") or noted
            return {"running": True, "message": message, "after": self._image.number, **self._about, **self._state}

    def stop(self) -> None:
        """End it; a recording is finished."""
        with self._changed:
            child, thread = self._child, self._thread
        if child is not None and thread is not None:
            child.close(STOP_SECONDS)
            thread.join()

    def close(self) -> None:
        """End it, and start no other."""
        with self._changed:
            self._closed = True
        self.stop()

    def _follow(self, child: RunningJob) -> None:
        """Take what the process sends, until it has ended."""
        ending = _GONE
        try:
            while (message := child.receive()) is not None:
                with self._changed:
                    ending = self._hear(message) or ending
        except Exception:
            log.exception("a live dream failed")
        child.close(STOP_SECONDS)
        with self._changed:
            self._child, self._ending = None, "" if ending == "ended" else ending
            self._changed.notify_all()

    def _hear(self, message: Mapping[str, Any]) -> str | None:
        """Take a message; return how the dream has ended if it says so."""
        if "image" in message:
            self._image = LiveImage(self._image.number + 1, b64decode(message["image"]), message["mark"])
            self._changed.notify_all()
        self._state = message.get("state", self._state)
        self._note = (time.monotonic(), message["note"]) if "note" in message else self._note
        return "ended" if "ended" in message else message.get("error")
