"""Sounds, and films that have them, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from numpy.typing import NDArray

RATE = 48_000  # Hz, of the sounds in files

Sound = NDArray[np.float32]


def clicks(times: Sequence[float], duration: float, rate: int = RATE) -> Sound:
    """(n,) bursts of 2 kHz, 5 ms long, that begin at the given times."""
    sound = np.zeros(round(duration * rate), np.float32)
    burst = 0.8 * np.sin(2 * np.pi * 2000 * np.arange(round(0.005 * rate)) / rate)
    for time in times:
        begin = round(time * rate)
        sound[begin : begin + len(burst)] = burst[: len(sound) - begin]
    return sound


def sine(frequency: float, duration: float, rate: int, level: float = 0.5) -> Sound:
    return (level * np.sin(2 * np.pi * frequency * np.arange(round(duration * rate)) / rate)).astype(np.float32)


def write_film(
    path: Path, codec: str | None, parts: Sequence[tuple[float, Sound]], video: bool = True, begin: int = 0
) -> Path:
    """Write a film of a second of black frames, and parts of sound, each at its time in seconds; None: without sound.

    `begin` is the second on the clock of the file at which the film begins.
    """
    with av.open(str(path), "w") as output:
        picture = None
        if video:
            codecs = {".webm": "libvpx", ".flv": "flv"}
            picture = cast(av.VideoStream, output.add_stream(codecs.get(path.suffix, "mpeg4"), rate=10))
            picture.width = picture.height = 32
            picture.pix_fmt = "yuv420p"
        track = None
        if codec is not None:
            track = cast(av.AudioStream, output.add_stream(codec, rate=RATE, layout="stereo"))
        packets = []
        for index in range(10 if picture else 0):
            assert picture is not None
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")
            frame.pts, frame.time_base = 10 * begin + index, Fraction(1, 10)
            packets += picture.encode(frame)
        packets += picture.encode(None) if picture else []
        for time, samples in parts if track else ():
            assert track is not None
            step = track.codec_context.frame_size or len(samples)  # else a pause between two parts would be lost
            for offset in range(0, len(samples), step):
                block = samples[offset : offset + step]
                packets += track.encode(_audio_frame(block, round((begin + time) * RATE) + offset))
        packets += track.encode(None) if track else []
        for packet in sorted(packets, key=lambda each: each.dts * each.time_base):
            output.mux(packet)
    return path


def _audio_frame(samples: Sound, pts: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.repeat(samples[None], 2, 0), "fltp", "stereo")
    frame.sample_rate, frame.pts, frame.time_base = RATE, pts, Fraction(1, RATE)
    return frame


def begins(sound: Sound, rate: int, level: float = 0.3) -> list[float]:
    """Seconds at which what is louder than `level` begins, after at least 50 ms without."""
    loud = np.flatnonzero(np.abs(sound) > level)
    if not len(loud):
        return []
    first = np.append(True, np.diff(loud) > rate // 20)
    return [float(each) for each in loud[first] / rate]
