"""Records what is shown, in real time, into a file that plays however the program ends.

Frames come at uneven times; a thread writes each at its own, and the caller never waits for it. At any moment the file
is complete except for its last frames, so it needs no repair after a crash.
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
from dreamvideo.media.atomic_files import make_folder
from dreamvideo.media.color import assume_color
from dreamvideo.media.metadata import comment_with_settings
from dreamvideo.media.video_encoder import VideoEncoder, container_of
from dreamvideo.media.video_file import translate_errors
from dreamvideo.media.video_writer import check_encoder, check_output
from dreamvideo.settings.job import EncodeSettings

DEPTH: Final = 8  # frames that may wait for the encoder
# Seconds after which a frame is written again if no other followed. The file of a killed program lacks its last frame
# and what came since: at most twice this time, plus the delay with which frames come.
HOLD: Final = 0.3
KEYFRAME_INTERVAL: Final = 1  # seconds between frames at which a player can start
TIME_BASE: Final = Fraction(1, 1000)  # seconds; Matroska has no finer unit by default
MIN_FREE_BYTES: Final = 65536  # on the disk for a recording to start: more than a first frame takes

# Measured by killing the program: with these options a frame is on the disk when the next is written. Matroska's
# default clusters lose 5 s of a still image, MP4 fragments of half a second up to 1 s. A finished MP4 has no fragments
# (hybrid).
_FRAGMENTS: Final = {"movflags": "+hybrid_fragmented+frag_every_frame", "flush_packets": "1"}
_CRASH_SAFE: Final = {
    ".mkv": {"cluster_time_limit": "1", "flush_packets": "1"},
    ".mp4": _FRAGMENTS,
    ".mov": _FRAGMENTS,
}

log = logging.getLogger(__name__)


def unused_name(folder: Path, suffix: str, now: datetime) -> Path:
    """Return a file name that is not in use: date and time, and _2, _3, ... if that exists.

    Args:
        folder: of the file.
        suffix: such as ".mkv", for "dream_20250131_235959.mkv".
        now: local time.
    """
    stem = f"dream_{now:%Y%m%d_%H%M%S}"
    path, number = folder / f"{stem}{suffix}", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}_{number}{suffix}"
    return path


class Recorder:
    """A video file that grows frame by frame, until it is closed or can no longer be written.

    Attributes:
        path: the file.
        start: time 0 of the file, in seconds of the clock.
        count: frames taken so far.
        dropped: frames left out because the encoder was too slow.
        failed: why the recording ended by itself; None: it has not.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        settings: EncodeSettings = EncodeSettings(),
        signature: str | None = None,
        *,
        overwrite: bool = False,
        clock: Callable[[], float | Fraction] = time.monotonic,
        hold: float = HOLD,
    ) -> None:
        """Start recording: this moment is time 0 of the file.

        Args:
            path: ends in .mkv, .mp4 or .mov.
            size: (height, width) of the file; frames of other sizes are fitted into it.
            settings: the encoder.
            signature: the settings of the dream, for the comment of the file, see `metadata.settings_comment`.
            overwrite: replace `path` if it exists.
            clock: the present in seconds; the times of frames are of the same clock.
            hold: seconds after which a frame is written again if no other followed.

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
        self._waiting: deque[tuple[Frame, Fraction]] = deque()  # with the delay of each
        self._closed: Fraction | None = None
        self._shown: NDArray[np.uint8] | None = None  # the image that was shown last
        self._file = _open_file(path, size, settings, signature, overwrite)
        self.start = Fraction(clock())
        self._thread = Thread(target=self._work, name="recording", daemon=True)
        self._thread.start()

    def put(self, frame: Frame) -> None:
        """Add a frame that is shown from its time on. Never waits; the image must not be changed afterwards."""
        delay = Fraction(self._clock()) - frame.time
        with self._changed:
            if self._closed is not None or self.failed is not None:
                return
            self._waiting.append((frame, delay))
            if len(self._waiting) > DEPTH:
                self._waiting.popleft()
                self.dropped += 1
            self._changed.notify()

    def close(self) -> None:
        """End the file: the last frame is shown until now. Returns when the file is complete."""
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
            self._fail(f"{error}; the recording ended after {float(Fraction(self._clock()) - self.start):.1f} s")
        else:
            if self._file.empty:
                self._fail(f"{self.path} was not written: no frame came")
        finally:
            self._file.abandon()
            if self._file.empty:
                self.path.unlink(missing_ok=True)

    def _fail(self, message: str) -> None:
        with self._changed:
            self.failed = OutputError(message)
            self._waiting.clear()

    def _write_all(self) -> None:
        delay = Fraction(0)
        while True:
            item, closed = self._next()
            if item is not None:
                frame, delay = item
                at = frame.time - self.start
                if at >= 0:
                    self._write(frame.image, at)
                self._shown = frame.image  # if older than the recording, it is what was shown when that started
                self.count += 1
            elif self._shown is not None:
                if closed is not None:
                    self._write(self._shown, closed - self.start - TIME_BASE, TIME_BASE)
                else:
                    self._write(self._shown, Fraction(self._clock()) - delay - self.start)
            if item is None and closed is not None:
                return

    def _next(self) -> tuple[tuple[Frame, Fraction] | None, Fraction | None]:
        """The next frame (None: none came in time), and the time of closing, which follows all frames."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed is not None, self._hold)
            return (self._waiting.popleft() if self._waiting else None), self._closed

    def _write(self, image: NDArray[np.uint8], at: Fraction, duration: Fraction | None = None) -> None:
        at = max(at, Fraction(0))
        # A fragmented MP4 must start at time 0.
        if self._file.empty and at > 0:
            self._file.write(image if self._shown is None else self._shown, Fraction(0))
        self._file.write(image, at, duration)


def check_recording(path: Path, settings: EncodeSettings, overwrite: bool) -> None:
    """Check that a recording can be started, before there is a frame.

    Args:
        path: the file.
        settings: the encoder.
        overwrite: replace `path` if it exists.

    Raises:
        OutputError: it cannot.
    """
    _check_name(path)
    check_output(path, [], overwrite)
    check_encoder(path, settings, live=True)


def _check_name(path: Path) -> None:
    if os.path.isdir(path):
        raise OutputError(f"{path} is a folder: expected a file name, such as {path / 'dream.mkv'}")
    if path.suffix.lower() not in _CRASH_SAFE:
        raise OutputError(f"{path}: expected a name ending in {', '.join(_CRASH_SAFE)} for a recording")


def _open_file(
    path: Path, size: tuple[int, int], settings: EncodeSettings, signature: str | None, overwrite: bool
) -> _LiveFile:
    _check_name(path)
    height, width = size
    info = StreamInfo(width, height, time_base=TIME_BASE, color=assume_color(height))
    check_encoder(path, settings, info, live=True)
    make_folder(path.parent)
    try:
        file = path.open("wb" if overwrite else "xb")
    except FileExistsError:
        raise OutputError(f"{path} exists: use --overwrite (-y) to replace it, or choose another name") from None
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from None
    try:
        with translate_errors(path):
            with file:
                file.write(bytes(MIN_FREE_BYTES))
            return _LiveFile(path, info, settings, signature)
    except OutputError:
        path.unlink(missing_ok=True)
        raise


class _LiveFile:
    """The file, by libav."""

    def __init__(self, path: Path, info: StreamInfo, settings: EncodeSettings, signature: str | None) -> None:
        container = container_of(path)
        self.empty = True
        self._size = info.height, info.width
        self._key_time: Fraction | None = None  # of the last frame at which a player can start
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
        """Write an image that is shown from `at` on; if that is not after the previous one, just after it."""
        key = self._key_time is None or at >= self._key_time + KEYFRAME_INTERVAL
        if key:
            self._key_time = at
        self._output.mux(self._encoder.encode(letterbox(image, self._size), at, duration, key))
        self.empty = False

    def close(self) -> None:
        """Complete the file."""
        self._output.mux(self._encoder.flush())
        self._output.close()

    def abandon(self) -> None:
        """Close the file as it is; does nothing if it is closed."""
        with suppress(OSError, av.error.FFmpegError):
            self._output.close()
