"""A video file in place of a camera: its frames come when they are due."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path

from dreamvideo.frames import Frame, Frames
from dreamvideo.media.video_reader import open_video, quiet
from dreamvideo.settings.job import ReadSettings
from dreamvideo.settings.live import CameraSettings

log = logging.getLogger(__name__)

_HOPELESS = 1  # seconds of passing over late frames after which decoding counts as slower than playing


def play_file(
    path: Path,
    settings: CameraSettings,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Frames:
    """The frames of a video at its own rate; `Frame.time` is when each was due, in seconds of `clock`.

    A camera waits for nobody: a frame whose time is over when it is pulled is passed over.

    Raises:
        SourceError: no such file, or no frame of it can be read.
    """
    begin: Fraction | None = None  # when the first frame of this round is due; None: as soon as it is there
    told = False
    while True:
        offset: Fraction | None = None  # from the file's time to the clock's
        late_since: Fraction | None = None
        with quiet() if begin else nullcontext(), open_video(path, ReadSettings(size=settings.size)) as source:
            info = source.info
            if begin is None:
                rate = f", {float(info.frame_rate):.4g} fps" if info.frame_rate else ""
                log.info("%s: %dx%d%s, in place of a camera", path, info.width, info.height, rate)
            for frame in source.frames:
                now = Fraction(clock())
                if offset is None:
                    offset = (now if begin is None else begin) - frame.time
                due = offset + frame.time
                begin = due + (frame.duration or 0)
                if now > begin:
                    late_since = now if late_since is None else late_since
                    if now - late_since < _HOPELESS:
                        continue
                    offset, due, begin = offset + now - due, now, begin + now - due
                    if not told:
                        told = True
                        log.warning("%s is decoded more slowly than it plays: it is shown in slow motion", path)
                late_since = None
                if due > now:
                    sleep(float(due - now))
                yield Frame(frame.image, due)
        if not settings.loop:
            return
