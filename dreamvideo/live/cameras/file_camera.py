"""A video file in place of a camera: each frame comes when it is due."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path
from typing import Final

from dreamvideo.frames import Frame, Frames
from dreamvideo.media.reader_log import silence_reader
from dreamvideo.media.video_reader import open_video
from dreamvideo.settings.job import ReadSettings
from dreamvideo.settings.live import CameraSettings

log = logging.getLogger(__name__)

_MAX_SKIPPING: Final = 1  # seconds of skipping late frames, after which the video is shown in slow motion instead


def play_file(
    path: Path,
    settings: CameraSettings,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Frames:
    """Play a video at its own rate. As with a camera, frames whose time is over when they are pulled are skipped.

    Args:
        path: the video file.
        settings: `size` to scale the frames to, and `loop` to begin again at the end.
        clock: the present, in seconds.
        sleep: waits for that many seconds of `clock`.

    Yields:
        Frames whose time is when each was due, in seconds of `clock`.

    Raises:
        SourceError: no such file, or none of its frames can be read.
    """
    start: Fraction | None = None  # when the first frame of this round is due; None: as soon as it is decoded
    warned = False
    while True:
        offset: Fraction | None = None  # from times of the file to times of the clock
        late_since: Fraction | None = None
        with silence_reader() if start else nullcontext(), open_video(path, ReadSettings(size=settings.size)) as source:
            info = source.info
            if start is None:
                rate = f", {float(info.frame_rate):.4g} fps" if info.frame_rate else ""
                log.info("%s: %dx%d%s, in place of a camera", path, info.width, info.height, rate)
            for frame in source.frames:
                now = Fraction(clock())
                if offset is None:
                    offset = (now if start is None else start) - frame.time
                due = offset + frame.time
                start = due + (frame.duration or 0)
                if now > start:
                    late_since = now if late_since is None else late_since
                    if now - late_since < _MAX_SKIPPING:
                        continue
                    offset, due, start = offset + now - due, now, start + now - due
                    if not warned:
                        warned = True
                        log.warning("%s is decoded more slowly than it plays: it is shown in slow motion", path)
                late_since = None
                if due > now:
                    sleep(float(due - now))
                yield Frame(frame.image, due)
        if not settings.loop:
            return
