"""A recording of what is shown: ten seconds of it are ten seconds of the file, and it plays however the program ends.

Pictures come when they come: each is written at its own time, by a thread that nobody waits for. The file is complete
at every moment but for its last pictures, so that nothing has to be done to it after a crash.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from threading import Condition, Thread
from types import TracebackType
from typing import Final, Self

import av
import numpy as np
from numpy.typing import NDArray

from dreamvideo.errors import OutputError
from dreamvideo.frames import Frame, StreamInfo
from dreamvideo.live.outputs.letterbox import letterbox
from dreamvideo.media.color import assume_color
from dreamvideo.media.metadata import comment_with_settings
from dreamvideo.media.video_encoder import VideoEncoder, container_of
from dreamvideo.media.video_file import translate_errors
from dreamvideo.media.video_writer import check_encoder, check_output
from dreamvideo.settings.job import EncodeSettings

DEPTH: Final = 8  # pictures that wait for the encoder, at most
# Seconds after which a picture that nothing followed is written again. A killed file lacks its last picture and what
# came since: at most twice this, and by how much pictures come late.
HOLD: Final = 0.3
KEY: Final = 1  # seconds from one picture that a player can begin at to the next
TICK: Final = Fraction(1, 1000)  # seconds; Matroska has no finer time
ROOM: Final = 65536  # bytes that a disk must have for a recording to begin: more than a first picture

# Measured by killing it: with these each picture is on the disk when the next is written. Matroska's own clusters lose
# 5 s of a still picture, fragments of half a second up to 1 s. A finished MP4 has no fragments any more (hybrid).
_FRAGMENTS: Final = {"movflags": "+hybrid_fragmented+frag_every_frame", "flush_packets": "1"}
_CRASH_SAFE: Final = {
    ".mkv": {"cluster_time_limit": "1", "flush_packets": "1"},
    ".mp4": _FRAGMENTS,
    ".mov": _FRAGMENTS,
}

log = logging.getLogger(__name__)


def unused_name(folder: Path, suffix: str, now: datetime) -> Path:
    """`dream_20250131_235959.mkv` in `folder` for the `suffix` .mkv; _2, _3, ... follows where that exists."""
    stem = f"dream_{now:%Y%m%d_%H%M%S}"
    path, number = folder / f"{stem}{suffix}", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}_{number}{suffix}"
    return path


class Recorder:
    """A file that grows with what is put into it, until it is closed or cannot be written any more.

    `failed` says why it ended by itself, `count` how many pictures were taken so far, and `dropped` how many were not,
    because the encoder was too slow.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        settings: EncodeSettings = EncodeSettings(),  # noqa: B008
        signature: str | None = None,
        *,
        overwrite: bool = False,
        clock: Callable[[], float | Fraction] = time.monotonic,
        hold: float = HOLD,
    ) -> None:
        """Begin: this moment is the time 0 of the file.

        Args:
            path: ends in .mkv, .mp4 or .mov.
            size: (height, width) of the file; a picture of another is fitted into it.
            signature: a line for the comment of the file, see `signature.sign`.
            clock: seconds, of the same clock as the times of the frames.
            hold: seconds after which a picture that nothing followed is written again.

        Raises:
            OutputError: the file exists or cannot be written, or the encoder cannot be used.
        """
        self.path = path
        self.count = 0
        self.dropped = 0
        self.failed: OutputError | None = None
        self._clock = clock
        self._hold = hold
        self._changed = Condition()
        self._waiting: deque[tuple[Frame, Fraction]] = deque()  # with how late each came
        self._closed: Fraction | None = None
        self._standing: NDArray[np.uint8] | None = None  # the picture that was shown last
        self._file = _opened(path, size, settings, signature, overwrite)
        self.began = Fraction(clock())
        self._thread = Thread(target=self._work, name="recording", daemon=True)
        self._thread.start()

    def put(self, frame: Frame) -> None:
        """`frame` is shown from its time on; nobody may change its picture any more. Never waits for the encoder."""
        late = Fraction(self._clock()) - frame.time
        with self._changed:
            if self._closed is not None or self.failed is not None:
                return
            self._waiting.append((frame, late))
            if len(self._waiting) > DEPTH:
                self._waiting.popleft()
                self.dropped += 1
            self._changed.notify()

    def close(self) -> None:
        """The last picture stands until now. Returns when the file is complete."""
        with self._changed:
            if self._closed is None:
                self._closed = Fraction(self._clock())
            self._changed.notify()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _work(self) -> None:
        try:
            with translate_errors(self.path):
                self._write_all()
                self._file.close()
        except OutputError as error:
            self._fail(f"{error}; the recording ended after {float(Fraction(self._clock()) - self.began):.1f} s")
        else:
            if self._file.empty:
                self._fail(f"{self.path} was not written: there was no picture")
        finally:
            self._file.abandon()
            if self._file.empty:
                self.path.unlink(missing_ok=True)

    def _fail(self, message: str) -> None:
        with self._changed:
            self.failed = OutputError(message)
            self._waiting.clear()

    def _write_all(self) -> None:
        late = Fraction(0)
        while True:
            item, closed = self._next()
            if item is not None:
                frame, late = item
                at = frame.time - self.began
                if at >= 0:
                    self._write(frame.image, at)
                self._standing = frame.image  # where it is older, it is what was to be seen when the recording began
                self.count += 1
            elif self._standing is not None:
                if closed is not None:
                    self._write(self._standing, closed - self.began - TICK, TICK)
                else:
                    self._write(self._standing, Fraction(self._clock()) - late - self.began)
            if item is None and closed is not None:
                return

    def _next(self) -> tuple[tuple[Frame, Fraction] | None, Fraction | None]:
        """The next picture, None: there was none for a while; and the time of closing, which follows all pictures."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed is not None, self._hold)
            return (self._waiting.popleft() if self._waiting else None), self._closed

    def _write(self, image: NDArray[np.uint8], at: Fraction, duration: Fraction | None = None) -> None:
        at = max(at, Fraction(0))
        # An MP4 that is to survive a crash cannot begin later than at 0.
        if self._file.empty and at > 0:
            self._file.write(image if self._standing is None else self._standing, Fraction(0))
        self._file.write(image, at, duration)


def check_recording(path: Path, settings: EncodeSettings, overwrite: bool) -> None:
    """Whether a recording called `path` can be begun, decided before there is a picture.

    Raises:
        OutputError: it cannot.
    """
    _check_name(path)
    check_output(path, [], overwrite)
    check_encoder(path, settings, live=True)


def _check_name(path: Path) -> None:
    if path.is_dir():
        raise OutputError(f"{path} is a folder: expected a file name, such as {path / 'dream.mkv'}")
    if path.suffix.lower() not in _CRASH_SAFE:
        raise OutputError(f"{path}: a live dream is recorded to a name ending in {', '.join(_CRASH_SAFE)}")


def _opened(
    path: Path, size: tuple[int, int], settings: EncodeSettings, signature: str | None, overwrite: bool
) -> _File:
    _check_name(path)
    height, width = size
    info = StreamInfo(width, height, time_base=TICK, color=assume_color(height))
    check_encoder(path, settings, info, live=True)
    try:
        file = path.open("wb" if overwrite else "xb")
    except FileExistsError:
        raise OutputError(f"{path} exists: use --overwrite (-y) to replace it, or choose another name") from None
    except FileNotFoundError:
        raise OutputError(f"{path.parent} is no folder: make it first, or choose another") from None
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from None
    try:
        with translate_errors(path):
            with file:
                file.write(bytes(ROOM))
            return _File(path, info, settings, signature)
    except OutputError:
        path.unlink(missing_ok=True)
        raise


class _File:
    """The video itself."""

    def __init__(self, path: Path, info: StreamInfo, settings: EncodeSettings, signature: str | None) -> None:
        container = container_of(path)
        self.empty = True
        self._size = info.height, info.width
        self._key: Fraction | None = None  # time of the last picture that a player can begin at
        self._output = av.open(
            os.path.abspath(path), "w", format=container.format, container_options=_CRASH_SAFE[path.suffix.lower()]
        )
        try:
            self._encoder = VideoEncoder(self._output, container, info, settings, live=True)
            self._encoder.open()
            if signature is not None:
                self._output.metadata["comment"] = comment_with_settings(signature)
            self._output.start_encoding()
        except BaseException:
            self.abandon()
            raise

    def write(self, image: NDArray[np.uint8], at: Fraction, duration: Fraction | None = None) -> None:
        """`image` from `at` on, or just after the one before where that is not earlier."""
        key = self._key is None or at >= self._key + KEY
        if key:
            self._key = at
        self._output.mux(self._encoder.encode(letterbox(image, self._size), at, duration, key))
        self.empty = False

    def close(self) -> None:
        """The file is complete."""
        self._output.mux(self._encoder.flush())
        self._output.close()

    def abandon(self) -> None:
        """Let go of the file as it is; nothing happens to one that is closed."""
        with suppress(OSError, av.error.FFmpegError):
            self._output.close()
