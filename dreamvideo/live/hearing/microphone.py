"""A microphone or line input, by sounddevice (an extra).

libavdevice in PyAV's wheels was looked at instead, which would need no extra: its ALSA does not find the system's
configuration, PulseAudio and PipeWire are missing, and DirectShow collects half a second before it gives any.
"""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any, Final

import av
import numpy as np

from dreamvideo.errors import OutputError, SourceError, first_line
from dreamvideo.media.mono_sound import SOUND_RATE, Samples

log = logging.getLogger(__name__)

_BLOCK: Final = 0.01  # seconds that are asked for at once
_MOST_WAITING: Final = 50  # blocks: what comes later than half a second is not heard
_WAIT: Final = 0.1  # seconds between looks whether to end
_STOPPED: Final = 3.0  # seconds without a block after which that is said; some systems take two to begin


@contextmanager
def open_microphone(device: str, hear: Callable[[Samples], None], say: Callable[[str], None]) -> Iterator[str]:
    """Hear a device until the `with` block ends.

    Args:
        device: number of an input of sounddevice, a part of its name, or `default`.
        hear: is called in a thread with (n,) samples in [-1, 1] at `SOUND_RATE`, as they come.
        say: is called with a line if the sound stops.

    Yields:
        The name of the device.

    Raises:
        OutputError: sounddevice or PortAudio is missing.
        SourceError: there is no such device, or it cannot be opened.
    """
    sounddevice = _sounddevice()
    waiting: queue.Queue[Samples] = queue.Queue(_MOST_WAITING)

    def arrived(samples: Any, *_: Any) -> None:
        with suppress(queue.Full):
            waiting.put_nowait(samples.mean(1))

    chosen: int | str | None = None if device == "default" else int(device) if device.isdecimal() else device
    try:
        found = sounddevice.query_devices(chosen, "input")
        rate = round(found["default_samplerate"])
        stream = sounddevice.InputStream(
            samplerate=rate,
            blocksize=round(rate * _BLOCK),
            device=chosen,
            channels=min(2, found["max_input_channels"]),
            dtype="float32",
            latency="low",
            callback=arrived,
        )
    except (sounddevice.PortAudioError, ValueError) as error:
        raise SourceError(
            f"no sound input {device} ({first_line(error)}): expected a microphone, see python -m sounddevice, or "
            "--sound-input off for tapped beats alone"
        ) from None
    ending = Event()
    thread = Thread(target=_pass_on, args=(waiting, rate, hear, say, ending), name="sound")
    with stream:
        thread.start()
        try:
            yield str(found["name"])
        finally:
            ending.set()
            thread.join()


def _pass_on(
    waiting: queue.Queue[Samples],
    rate: int,
    hear: Callable[[Samples], None],
    say: Callable[[str], None],
    ending: Event,
) -> None:
    resampler = av.AudioResampler("flt", "mono", SOUND_RATE)
    heard_at, said = time.monotonic(), False
    while not ending.is_set():
        try:
            block = waiting.get(timeout=_WAIT)
        except queue.Empty:
            if not said and time.monotonic() - heard_at > _STOPPED:
                say("the sound input has stopped")
                said = True
            hear(np.zeros(round(SOUND_RATE * _WAIT), np.float32))  # what it drove is released
            continue
        heard_at, said = time.monotonic(), False
        for samples in resampled(resampler, block, rate):
            hear(samples)


def resampled(resampler: av.AudioResampler, block: Samples, rate: int) -> Iterator[Samples]:
    """Yield (n,) samples at `SOUND_RATE` in [-1, 1] of a block of (m,) samples at `rate`, as far as they are known."""
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block, np.float32)[None], "flt", "mono")
    frame.sample_rate = rate
    for each in resampler.resample(frame):
        yield np.clip(np.nan_to_num(each.to_ndarray()[0]), -1, 1)


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ModuleNotFoundError:
        raise OutputError('--drive needs sounddevice for live sound: pip install "dreamvideo[microphone]"') from None
    except OSError:
        raise OutputError("sounddevice needs PortAudio: expected libportaudio2 (apt install libportaudio2)") from None
    return sounddevice
