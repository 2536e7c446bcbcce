"""The sound of films below their strips: heard once for each, in a process of its own, one after the other."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any, Final, Protocol

from dreamvideo.errors import SettingsError
from dreamvideo.studio.json_pipes import ChildProcess

MOST_HEARD: Final = 50  # films whose sound is kept, some kilobytes each, or waits
_Key = tuple[Path, int, float, bool]


class SoundProcess(Protocol):
    """A process that listens to a film, see `json_pipes.ChildProcess`."""

    def send(self, message: dict[str, Any]) -> None: ...
    def receive(self) -> dict[str, Any] | None: ...
    def close(self, seconds: float) -> None: ...


def _start() -> SoundProcess:
    return ChildProcess("dreamvideo.studio.sound_process")


class FilmSounds:
    """Listens to films, and keeps what was heard until they change.

    Args:
        start: starts a process that listens.
    """

    def __init__(self, start: Callable[[], SoundProcess] = _start) -> None:
        self._start = start
        self._lock = Lock()
        self._pool = ThreadPoolExecutor(1, "sounds")
        self._heard: OrderedDict[_Key, dict[str, Any]] = OrderedDict()
        self._child: SoundProcess | None = None
        self._closed = False

    def heard(self, path: Path, length: float, beats: bool = False) -> dict[str, Any]:
        """Return what is known of the sound of a film by now.

        Args:
            path: of the film.
            length: seconds that the strip shows.
            beats: whether they are to be found, too.

        Returns:
            What `sound_process.hear_strip` returns, and `done`; nothing as long as it is not heard; or `error`.

        Raises:
            SettingsError: too many films wait for being heard.
        """
        key = path, path.stat().st_mtime_ns, length, beats
        with self._lock:
            if key not in self._heard and not self._closed:
                self._make_room()
                self._heard[key] = {}
                self._pool.submit(self._listen, key)
            return dict(self._heard.get(key, {"done": True}))

    def close(self) -> None:
        """End the process and the thread."""
        with self._lock:
            self._closed = True
            child = self._child
        self._pool.shutdown(wait=False, cancel_futures=True)
        if child is not None:
            child.close(0.0)
        self._pool.shutdown()

    def _make_room(self) -> None:
        if len(self._heard) >= MOST_HEARD:
            oldest = next(iter(self._heard))
            if not {"done", "error"} & self._heard[oldest].keys():
                raise SettingsError("too many films are being heard: wait")
            del self._heard[oldest]

    def _listen(self, key: _Key) -> None:
        with self._lock:
            if self._closed:
                return
            child = self._child = self._start()
        try:
            child.send({"path": str(key[0]), "length": key[2], "beats": key[3]})
            while (message := child.receive()) is not None:
                self._add(key, message)
                if {"done", "error"} & message.keys():
                    return
            self._add(key, {"error": "its sound could not be heard, perhaps for want of memory"})
        finally:
            with self._lock:
                self._child = None
            child.close(1.0)

    def _add(self, key: _Key, message: dict[str, Any]) -> None:
        with self._lock:
            if key in self._heard:
                self._heard[key] = {**self._heard[key], **message}
