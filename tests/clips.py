"""Small videos made by the tests, each with one property of real ones, and what plain PyAV reads of a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.codec.context import Flags
from av.stream import Disposition
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # (H, W, 3) RGB

WIDTH, HEIGHT = 64, 48
STEADY = [Fraction(n, 25) for n in range(12)]
UNEVEN = [Fraction(n, 1000) for n in (0, 7, 40, 41, 300, 333, 1000, 1234)]

# What each EXIF orientation makes of a stored image, (H, W) or (H, W, C).
EXIF_TURNS: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: np.swapaxes(image, 0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: np.swapaxes(image[::-1, ::-1], 0, 1),
    8: np.rot90,
}


def exif_block(orientation: int) -> bytes:
    """An EXIF block, without the header that JPEG puts before it, that holds an orientation and nothing else."""
    return b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0" + bytes([orientation]) + b"\0\0\0\0\0\0\0"


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> Image:
    """(H, W, 3) RGB: smooth ramps that move a little with `number`, so that neighbors differ."""
    y, x = np.mgrid[0:height, 0:width]
    red = 40 + 160 * x / width
    green = 200 - 150 * y / height
    blue = 128 + 60 * np.sin((x + 4 * number) / 12)
    return np.rint(np.stack([red, green, blue], -1)).astype(np.uint8)


def make_clip(
    path: Path,
    times: Sequence[Fraction] = STEADY,
    last: Fraction = Fraction(1, 25),
    size: tuple[int, int] = (WIDTH, HEIGHT),
    codec: str | None = None,
    audio: Sequence[tuple[str, str]] = (),
    audio_start: float | Fraction = 0,
    aspect: Fraction | None = None,
    metadata: dict[str, str] | None = None,
    chapters: list[Any] | None = None,
    tags: dict[str, Any] | None = None,
    options: dict[str, str] | None = None,
    pixels: str = "yuv420p",
    image: Callable[[int, int, int], Image] = picture,
    audio_seconds: float | None = None,
    container: dict[str, str] | None = None,
) -> Path:
    """A video at `times` (seconds), the last frame shown for `last`; `audio` is one (codec, language) per track."""
    width, height = size
    base = (
        Fraction(1, 100) if path.suffix == ".gif" else Fraction(1, 25) if path.suffix == ".avi" else Fraction(1, 1000)
    )
    codec = codec or {".webm": "libvpx-vp9", ".gif": "gif", ".avi": "mpeg4"}.get(path.suffix, "libx264")
    with av.open(str(path), "w", container_options=container or {}) as output:
        output.metadata.update(metadata or {})
        video = cast(av.VideoStream, output.add_stream(codec, rate=25, options=options or {}))
        video.width, video.height, video.pix_fmt = width, height, "rgb8" if codec == "gif" else pixels
        context = video.codec_context
        context.time_base = base
        context.flags |= Flags.frame_duration
        context.max_b_frames = 0
        if codec == "libvpx-vp9":
            context.options = {"deadline": "realtime", "cpu-used": "8", "crf": "20", **(options or {})}
        if aspect:
            context.sample_aspect_ratio = aspect
        for name, value in (tags or {}).items():
            setattr(context, name, value)
        tracks: list[av.AudioStream] = []
        for name, language in audio:
            track = cast(av.AudioStream, output.add_stream(name, rate=48_000, layout="mono"))
            track.metadata["language"] = language
            track.disposition = Disposition(0 if tracks else 1)
            tracks.append(track)
        if chapters:
            output.set_chapters(chapters)
        output.start_encoding()
        seconds = audio_seconds or float(times[-1] + last - audio_start)
        for track in tracks:
            output.mux(_tone(track, seconds, audio_start))
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(image(number, width, height), format="rgb24")
            if "yuv" in pixels and codec != "gif":
                frame = frame.reformat(
                    format=pixels,
                    dst_colorspace=context.colorspace if context.colorspace in (1, 5) else 5,
                    dst_color_range=2 if context.color_range == 2 else 1,
                )
            frame.time_base, frame.pts = base, round(time / base)
            following = times[number + 1] if number + 1 < len(times) else time + last
            frame.duration = round((following - time) / base)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
    return path


def _tone(track: Any, seconds: float, start: float | Fraction) -> list[av.Packet[Any]]:
    rate, packets = 48_000, []
    size = track.codec_context.frame_size or 1024
    for begin in range(0, int(seconds * rate), size):
        wave = np.sin(np.arange(begin, begin + size) * 2 * np.pi * 440 / rate) * 0.3
        kind = track.codec_context.format.name
        samples = (wave * 32767).astype(np.int16) if kind.startswith("s16") else wave.astype(np.float32)
        frame = av.AudioFrame.from_ndarray(samples[None], format=kind, layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, begin + int(start * rate), Fraction(1, rate)
        packets += track.encode(frame)
    return packets + track.encode(None)


def set_display_matrix(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Write the 2x2 `matrix` (a, b, c, d) into the header of the first track of an MP4."""
    raw = bytearray(path.read_bytes())
    at = raw.index(b"tkhd") + 4 + 40
    a, b, c, d = (value << 16 for value in matrix)
    raw[at : at + 36] = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], ">i4").tobytes()
    path.write_bytes(bytes(raw))


def video_times(path: Path) -> tuple[list[Fraction], Fraction]:
    """Presentation times of every frame that decodes, by plain PyAV, and the time at which the last one ends."""
    times: list[Fraction] = []
    end = Fraction(0)
    with av.open(str(path)) as container:
        for packet in container.demux(container.streams.best("video")):
            try:
                frames = cast(list[av.VideoFrame], packet.decode())
            except av.error.FFmpegError:
                continue
            for frame in frames:
                assert frame.pts is not None and frame.time_base is not None
                times.append(frame.pts * Fraction(frame.time_base))
                end = times[-1] + (frame.duration or 0) * Fraction(frame.time_base)
    return times, end


def sound_tracks(path: Path) -> list[tuple[Any, list[int], str]]:
    """For each sound track: codec, language, disposition, times of its packets in ms, hash of all their bytes."""
    about: dict[int, tuple[Any, ...]] = {}
    times: dict[int, list[int]] = {}
    digests: dict[int, Any] = {}
    with av.open(str(path)) as container:
        for stream in container.streams.audio:
            about[stream.index] = stream.codec_context.name, stream.metadata.get("language"), int(stream.disposition)
            times[stream.index], digests[stream.index] = [], hashlib.sha256()
        for packet in container.demux(*container.streams.audio) if about else ():
            if packet.size:
                assert packet.pts is not None
                times[packet.stream.index].append(round(packet.pts * packet.time_base * 1000))
                digests[packet.stream.index].update(bytes(packet))
    return [(about[index], times[index], digests[index].hexdigest()) for index in about]


def difference(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Mean absolute difference over the part that both images have."""
    height, width = min(one.shape[0], other.shape[0]), min(one.shape[1], other.shape[1])
    return float(np.abs(one[:height, :width].astype(int) - other[:height, :width]).mean())
