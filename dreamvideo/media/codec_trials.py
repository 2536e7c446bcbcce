"""Tries the encoders and decoders of libav: a few images, or a short tone, written to memory and read back."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from typing import Final, cast

import av
import numpy as np
from numpy.typing import NDArray

from dreamvideo.errors import OutputError
from dreamvideo.frames import StreamInfo
from dreamvideo.media.video_encoder import CONTAINERS, Container, VideoEncoder
from dreamvideo.settings.job import EncodeSettings

_SIDE: Final = 64  # pixels
_COUNT: Final = 4  # images
_TONE: Final = 4800  # samples, a tenth of a second
_RATE: Final = 48_000
# Mean difference, of 255, between an image and what is decoded: GIF's palette makes the largest. Chosen by trying.
_DIFFERENCE: Final = 12


def try_codecs() -> Mapping[str, str | None]:
    """Encode and decode with all that outputs are written with by default.

    Returns:
        libav's name of the encoder -> None if it works, else why it does not, on one line.
    """
    trials: dict[str, Callable[[], None]] = {}
    for container in CONTAINERS.values():
        trials.setdefault(container.codec, partial(_try_video, container))
        trials.setdefault(container.audio[0], partial(_try_sound, container.audio[0]))
    return {name: _problem(trial) for name, trial in trials.items()}


def _problem(trial: Callable[[], None]) -> str | None:
    try:
        trial()
    except Exception as error:  # a library that is broken raises anything
        return " ".join(str(error).split()) or type(error).__name__
    return None


def _image(number: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:_SIDE, 0:_SIDE] * 3
    return np.stack([x, y, np.full_like(x, 60 * number)], -1).astype(np.uint8)


def _try_video(container: Container) -> None:
    info = StreamInfo(width=_SIDE, height=_SIDE)
    memory = io.BytesIO()
    with av.open(memory, "w", format=container.format) as output:
        encoder = VideoEncoder(output, container, info, EncodeSettings(), aloud=False)
        encoder.open()
        for number in range(_COUNT):
            output.mux(encoder.encode(_image(number), Fraction(number, 25), Fraction(1, 25)))
        output.mux(encoder.flush())
    memory.seek(0)
    with av.open(memory, "r") as written:
        images = [frame.to_ndarray(format="rgb24") for frame in written.decode(video=0)]
    if len(images) != _COUNT:
        raise OutputError(f"wrote {_COUNT} images, read {len(images)}")
    difference = max(np.abs(np.subtract(image, _image(n), dtype=float)).mean() for n, image in enumerate(images))
    if difference > _DIFFERENCE:
        raise OutputError(f"images differ by {difference:.0f} of 255 from what was written")


def _try_sound(codec: str) -> None:
    tone = np.sin(np.arange(_TONE) * 440 * 2 * np.pi / _RATE).astype(np.float32) / 2
    memory = io.BytesIO()
    with av.open(memory, "w", format="matroska") as output:
        stream = cast(av.AudioStream, output.add_stream(codec, rate=_RATE))
        stream.codec_context.layout = "stereo"
        stream.codec_context.open()
        frame = av.AudioFrame.from_ndarray(np.stack([tone, tone]), format="fltp", layout="stereo")
        frame.sample_rate = _RATE
        resampler = av.AudioResampler(stream.format, "stereo", _RATE, stream.codec_context.frame_size or None)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    memory.seek(0)
    with av.open(memory, "r") as written:
        counts = [int(frame.samples) for frame in written.decode(audio=0)]
    if sum(counts) < _TONE:
        raise OutputError(f"wrote {_TONE} samples, read {sum(counts)}")
