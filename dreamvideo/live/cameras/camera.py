"""Any camera as frames: checked, stamped with the moment they came, and opened again when it goes away."""

from __future__ import annotations

import logging
import re
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

from dreamvideo.errors import SourceError, did_you_mean
from dreamvideo.frames import Frame
from dreamvideo.live.cameras import network_stream, webcam
from dreamvideo.live.cameras.playback import play_file
from dreamvideo.settings.live import CameraSettings

log = logging.getLogger(__name__)

# None: there is nothing new. A generator can be closed only where it yields, so it does that too while it waits.
CameraFrames = Generator[Frame | None, None, None]

# What an open camera gives: (H, W, 3) or (H, W, 4) in the order RGB(A), or gray; now and then None or other garbage.
# It opens when it is first pulled, raises SourceError where it can say why it gives no more, or simply ends.
CameraImages = Generator[Any, None, None]
Opener = Callable[[], CameraImages]
Clock = Callable[[], float]
Sleep = Callable[[float], None]

SCHEMES: Final = ("rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "udp", "srt")

_SLOW = 4.0  # seconds without a first picture after which that is said; most cameras take one or two
_BROKEN = 5.0  # seconds of nothing but garbage after which a camera counts as gone
_DARK = 3.0  # seconds of black after which that is said: many cameras begin with some
_BLACK = 16  # the black of video; sensors with a closed lid stay below it
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0  # seconds between two tries to open a camera again


def camera_frames(where: str, settings: CameraSettings, clock: Clock = time.monotonic) -> CameraFrames:
    """The pictures of a camera as they come, for `latest`; `Frame.time` is when each came, in seconds of `clock`.

    `where` is an index such as 0, a device such as /dev/video0, a URL, or a video file, which is played at its own
    rate in place of a camera. The camera is opened when the first frame is pulled. Pictures may change their size.

    Raises:
        SourceError: `where` means no camera; from the frames: it does not open, or it is gone and stays away.
    """
    scheme, is_url, _ = where.partition("://")
    if is_url:
        shown = re.sub(r"(?<=://)[^/]*@", "", where)  # without the password
        if scheme.lower() not in SCHEMES:
            known = ", ".join(SCHEMES)
            raise SourceError(f"{shown}: no such protocol{did_you_mean(scheme, SCHEMES)}; expected one of {known}")
        if settings.size is not None or settings.camera_fps is not None:
            log.warning("%s: a stream comes as it is sent: --size and --camera-fps change nothing", shown)
        return at_steady_rate(shown, partial(network_stream.stream_images, where, shown), settings, clock)
    if where.isdecimal() or where.startswith("/dev/"):
        return at_steady_rate(f"camera {where}", partial(webcam.webcam_images, where, settings), settings, clock)
    if not Path(where).exists():
        raise SourceError(
            f"{where}: no such camera or file: expected a number such as 0, a device such as /dev/video0, a URL such "
            "as rtsp://HOST/PATH, or a video file. See: dreamvideo cameras"
        )
    return play_file(Path(where), settings, clock)


def at_steady_rate(
    name: str, opener: Opener, settings: CameraSettings, clock: Clock = time.monotonic, sleep: Sleep = time.sleep
) -> CameraFrames:
    """What the camera gives that is a picture, stamped; one that goes away is opened again for `settings.reconnect` s.

    Raises:
        SourceError: it does not open at first, gives no picture, or does not come back.
    """
    seen = False
    gone: float | None = None  # since when there is no picture; None: there is
    pause = _FIRST_PAUSE
    while True:
        opened, why = clock(), ""
        try:
            with closing(_whole(name, opener(), clock, sleep)) as pictures:
                for picture in pictures:
                    if picture is None:
                        yield None
                        continue
                    if gone is not None:
                        log.warning("%s is back", name)
                    seen, gone = True, None
                    yield Frame(picture, Fraction(clock()))
        except SourceError as error:
            why = str(error)
        if not seen:
            raise SourceError(why or f"{name} opens, but gives no picture")
        why = why or f"{name} has stopped"
        now = clock()
        if gone is None:
            gone = now
            if now - opened > _BROKEN:  # else it comes and goes: each time it is given more of a pause
                pause = _FIRST_PAUSE
            if settings.reconnect:
                log.warning("%s: trying to open it again for %g s", why, settings.reconnect)
        left = gone + settings.reconnect - now
        if left <= 0:
            waited = f" and did not come back within {settings.reconnect:g} s" if settings.reconnect else ""
            raise SourceError(f"{name} is gone{waited} (--reconnect SECONDS waits longer): {why}")
        yield None
        sleep(min(pause, left))
        pause = min(2 * pause, _LONGEST_PAUSE)


def _whole(
    name: str, pictures: CameraImages, clock: Clock, sleep: Sleep
) -> Generator[NDArray[np.uint8] | None, None, None]:
    """Those of `pictures` that are pictures, as RGB, and None for the others; what there is to say of them is said."""
    slow = Timer(_SLOW, log.warning, ("%s gives no picture yet: still waiting", name))
    slow.daemon = True
    slow.start()
    first = last = None  # when the first came, of any kind, and the last one that is whole
    broken = 0  # in a row
    watching = True  # whether all have been black
    with closing(pictures):
        try:
            for raw in pictures:
                now = clock()
                first = now if first is None else first
                last = now if last is None else last
                picture = as_rgb(raw)
                if picture is None:
                    broken += 1
                    if now - last > _BROKEN:
                        raise SourceError(f"{name} has given no whole picture for {_BROKEN:g} s")
                    yield None
                    sleep(0.01)  # some fail at once: do not spin
                    continue
                slow.cancel()
                if broken:
                    log.debug("%s: %d broken pictures passed over", name, broken)
                last, broken = now, 0
                if watching and picture[::8, ::8].max() > _BLACK:
                    watching = False
                elif watching and now - first > _DARK:
                    watching = False
                    log.warning("%s gives black pictures only: is its lens covered, or is it not permitted?", name)
                yield picture
        finally:
            slow.cancel()


def as_rgb(raw: Any) -> NDArray[np.uint8] | None:
    """(H, W, 3) RGB, contiguous, of an RGB, RGBA or gray picture; None: it is no picture."""
    if not isinstance(raw, np.ndarray) or raw.dtype != np.uint8 or raw.ndim not in (2, 3) or not raw.size:
        return None
    channels = raw.shape[2] if raw.ndim == 3 else 1
    if channels not in (1, 3, 4):
        return None
    if channels == 3:
        return np.ascontiguousarray(raw)
    how = cv2.COLOR_GRAY2RGB if channels == 1 else cv2.COLOR_RGBA2RGB
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(raw), how), np.uint8)
