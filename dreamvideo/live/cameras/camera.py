"""Any camera as frames: invalid images left out, times of arrival stamped, and reopened when it goes away."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Generator
from contextlib import closing
from fractions import Fraction
from functools import partial
from pathlib import Path
from threading import Timer
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dreamvideo.errors import SourceError
from dreamvideo.frames import Frame
from dreamvideo.live.cameras import network_camera, webcam
from dreamvideo.live.cameras.file_camera import play_file
from dreamvideo.live.cameras.stream_address import stream_address
from dreamvideo.settings.live import CameraSettings

log = logging.getLogger(__name__)

# None: nothing new. A generator can be closed only where it yields, so it also yields while it waits.
CameraFrames = Generator[Frame | None, None, None]

# An open camera: (H, W, 3) or (H, W, 4) RGB(A), or gray, and at times None or invalid data. It is opened by the first
# `next`, and ends or raises SourceError when the camera goes away.
CameraImages = Generator[Any, None, None]
Opener = Callable[[], CameraImages]
Clock = Callable[[], float]
Sleep = Callable[[float], None]

_SLOW = 4.0  # seconds without a first image before a warning; most cameras take one or two
_BROKEN: Final = 5.0  # seconds of nothing but invalid data, after which a camera counts as gone; chosen by use
_DARK: Final = 3.0  # seconds of black before a warning: many cameras begin with some black images
_BLACK: Final = 16  # gray levels; black of limited-range video, and above the noise of a sensor with a closed lid
_FIRST_PAUSE: Final = 0.1  # seconds between the first attempts to reopen a camera; doubled each time, up to
_LONGEST_PAUSE: Final = 1.0


def camera_frames(where: str, settings: CameraSettings, clock: Clock = time.monotonic) -> CameraFrames:
    """Yield the frames of a camera as they come. It is opened when the first one is pulled; frames may change size.

    Args:
        where: an index such as 0, a device such as /dev/video0, a URL, or a video file, played at its own rate.
        settings: the size and rate to ask the camera for, and how long to wait for one that has gone.
        clock: the present, in seconds.

    Yields:
        Frames whose time is when each came, in seconds of `clock`; None where there is nothing new.

    Raises:
        SourceError: at once: `where` is not a camera; while frames are pulled: it does not open, or does not come back.
    """
    if "://" in where:
        url, name = stream_address(where)
        if settings.size is not None or settings.camera_fps is not None:
            log.warning("%s: a stream comes as it is sent: --size and --camera-fps change nothing", name)
        return reconnecting_frames(
            name, partial(network_camera.stream_images, url, name, settings.follow), settings, clock
        )
    if where.isdecimal() or where.startswith("/dev/"):
        return reconnecting_frames(f"camera {where}", partial(webcam.webcam_images, where, settings), settings, clock)
    if not os.path.exists(where):
        raise SourceError(
            f"{where}: no such camera or file: expected a number such as 0, a device such as /dev/video0, a URL such "
            "as rtsp://HOST/PATH, or a video file. See: dreamvideo cameras"
        )
    return play_file(Path(where), settings, clock)


def reconnecting_frames(
    name: str, opener: Opener, settings: CameraSettings, clock: Clock = time.monotonic, sleep: Sleep = time.sleep
) -> CameraFrames:
    """Yield the valid frames of a camera, and reopen it for up to `settings.reconnect` seconds when it goes away.

    Args:
        name: the camera in messages.
        opener: returns the images of the camera, opened anew.
        settings: `reconnect` is read.
        clock: the present, in seconds.
        sleep: waits for that many seconds of `clock`.

    Yields:
        Frames whose time is when each came; None where there is nothing new.

    Raises:
        SourceError: the camera does not open the first time, gives no image, or does not come back.
    """
    has_worked = False
    gone_since: float | None = None  # None: it gives images
    pause = _FIRST_PAUSE
    while True:
        opened, why = clock(), ""
        try:
            with closing(_valid_images(name, opener(), clock, sleep)) as images:
                for image in images:
                    if image is None:
                        yield None
                        continue
                    if gone_since is not None:
                        log.warning("%s is back", name)
                    has_worked, gone_since = True, None
                    yield Frame(image, Fraction(clock()))
        except SourceError as error:
            why = str(error)
        if not has_worked:
            raise SourceError(why or f"{name} opens, but gives no image")
        why = why or f"{name} has stopped"
        now = clock()
        if gone_since is None:
            gone_since = now
            if now - opened > _BROKEN:  # a camera that comes and goes keeps its longer pause
                pause = _FIRST_PAUSE
            if settings.reconnect:
                log.warning("%s: trying to open it again for %g s", why, settings.reconnect)
        remaining = gone_since + settings.reconnect - now
        if remaining <= 0:
            waited = f" and did not come back within {settings.reconnect:g} s" if settings.reconnect else ""
            raise SourceError(f"{name} is gone{waited} (--reconnect SECONDS waits longer): {why}")
        yield None
        sleep(min(pause, remaining))
        pause = min(2 * pause, _LONGEST_PAUSE)


def _valid_images(
    name: str, raw_images: CameraImages, clock: Clock, sleep: Sleep
) -> Generator[NDArray[np.uint8] | None, None, None]:
    """Yield valid images as RGB and None for invalid ones; warn of cameras that are slow, broken or dark."""
    slow = Timer(_SLOW, log.warning, ("%s gives no image yet: still waiting", name))
    slow.daemon = True
    slow.start()
    first = last_valid = None  # times of the first image of any kind, and of the last valid one
    invalid = 0  # in a row
    only_black = True  # False too once the warning is given
    with closing(raw_images):
        try:
            for raw in raw_images:
                now = clock()
                first = now if first is None else first
                last_valid = now if last_valid is None else last_valid
                image = as_rgb(raw)
                if image is None:
                    invalid += 1
                    if now - last_valid > _BROKEN:
                        raise SourceError(f"{name} has given no valid image for {_BROKEN:g} s")
                    yield None
                    sleep(0.01)  # some cameras fail without delay: do not spin
                    continue
                slow.cancel()
                if invalid:
                    log.debug("%s: skipped %d broken images", name, invalid)
                last_valid, invalid = now, 0
                if only_black and image[::8, ::8].max() > _BLACK:
                    only_black = False
                elif only_black and now - first > _DARK:
                    only_black = False
                    log.warning("%s gives black images only: is its lens covered, or is access not permitted?", name)
                yield image
        finally:
            slow.cancel()


def as_rgb(raw: Any) -> NDArray[np.uint8] | None:
    """Return (H, W, 3) contiguous RGB of a uint8 RGB, RGBA or gray image, or None for anything else."""
    if not isinstance(raw, np.ndarray) or raw.dtype != np.uint8 or raw.ndim not in (2, 3) or not raw.size:
        return None
    channels = raw.shape[2] if raw.ndim == 3 else 1
    if channels not in (1, 3, 4):
        return None
    if channels == 3:
        return np.ascontiguousarray(raw)
    conversion = cv2.COLOR_GRAY2RGB if channels == 1 else cv2.COLOR_RGBA2RGB
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(raw), conversion), np.uint8)
