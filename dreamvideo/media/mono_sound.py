"""Decodes the sound of a file to one channel at one rate, without gaps, each sample at its exact time.

The delay of encoders, edit lists, and a sound that begins late are in the times of libav's frames; a pause between two
frames becomes silence, and what overlaps is cut. Nothing but the current packet is held.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Final, cast

import av
import numpy as np
from numpy.typing import NDArray

from dreamvideo.errors import SourceError
from dreamvideo.media.audio import open_audio_decoder
from dreamvideo.media.clock import demux_joined, film_begin
from dreamvideo.media.local_files import open_local
from dreamvideo.media.paths import check_readable

log = logging.getLogger(__name__)

SOUND_RATE: Final = 24_000  # Hz: up to 12 kHz can be told apart, and 10 ms are a whole number of samples

# Seconds by which the time of a frame may differ from the end of the frame before it: times in whole milliseconds, as
# Matroska and FLV have them, differ by up to one.
_TOLERANCE: Final = Fraction(3, 1000)
_LONGEST: Final = 24 * 3600  # seconds; a damaged time may lie centuries later
_SILENCE: Final = SOUND_RATE  # samples of a pause that are yielded at once

Samples = NDArray[np.float32]


def read_sound(path: Path, zero: Fraction | None = None) -> Generator[Samples, None, None]:
    """Decode the sound of a film, or a file of sound.

    Args:
        path: file to read; of several tracks the one that a player would choose.
        zero: seconds on the clock of the file at which the first sample lies: `StreamInfo.origin` of a film that is
            opened without a start. None: the same for a film, and the first sample of a file without one.

    Yields:
        (n,) samples in [-1, 1] at `SOUND_RATE`, one array after the other without a gap: sample i of them all lies
        i / `SOUND_RATE` seconds after `zero`. Nothing if the file has no sound, or libav has no decoder for it.

    Raises:
        SourceError: the file is missing, or cannot be opened.
    """
    with closing(_open(path)) as container:
        stream = cast("av.AudioStream | None", container.streams.best("audio"))
        if stream is None:
            return
        if stream.codec_context is None:
            log.warning("%s: libav has no decoder for its sound", path)
            return
        begin = film_begin(container) if zero is None else zero
        yield from _join(
            _resample(_decode(container, stream, path), Fraction(stream.time_base or 1), path), begin, path
        )


def check_has_sound(path: Path) -> None:
    """Check that a file can be read and has sound.

    Args:
        path: of the file.

    Raises:
        SourceError: it is missing, cannot be opened, or has none.
    """
    with closing(_open(path)) as container:
        if not container.streams.audio:
            raise SourceError(f"{path} has no sound: expected a song, or a film with sound")


def _open(path: Path) -> av.container.InputContainer:
    check_readable(path)
    try:
        return open_local(path)
    except av.error.FFmpegError as error:
        raise SourceError(f"{path} cannot be opened: {(error.strerror or 'it is damaged').lower()}") from None


def _decode(
    container: av.container.InputContainer, stream: av.AudioStream, path: Path
) -> Generator[av.AudioFrame, None, None]:
    """Frames of a stream; a packet that cannot be decoded costs only its own."""
    damaged = False
    try:
        decode = open_audio_decoder(stream)
        for packet in demux_joined(container, [stream]):
            try:
                yield from decode(packet if packet.size else None)
            except (av.error.FFmpegError, ValueError) as error:
                log.debug("%s: %s", path, error)
                damaged = True
    except (av.error.FFmpegError, ValueError) as error:
        log.warning("%s: its sound ends early (%s)", path, getattr(error, "strerror", None) or error)
    if damaged:
        log.warning("%s: its sound is damaged in part", path)


def _resample(frames: Iterable[av.AudioFrame], unit: Fraction, path: Path) -> Iterator[tuple[Fraction, Samples]]:
    """(seconds on the clock of the file, samples that begin there); `unit` is the time base of the stream."""
    resampler, form, end = None, None, Fraction(0)
    begin, count = Fraction(0), 0  # of the run of frames that follow each other: its time, samples that were yielded
    for frame in frames:
        time = end if frame.pts is None else frame.pts * Fraction(frame.time_base or unit)
        now = (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is None or now != form or abs(time - end) > _TOLERANCE:
            if resampler is not None:
                yield from _timed(resampler.resample(None), begin, count)
            resampler, form = av.AudioResampler("flt", frame.layout, SOUND_RATE), now
            begin, count, end = time, 0, time
        end += Fraction(frame.samples, frame.sample_rate)
        for moment, samples in _timed(resampler.resample(frame), begin, count):
            yield moment, samples
            count += len(samples)
    if resampler is not None:
        yield from _timed(resampler.resample(None), begin, count)


def _timed(frames: Iterable[av.AudioFrame], begin: Fraction, count: int) -> Iterator[tuple[Fraction, Samples]]:
    for frame in frames:
        # The mean of all channels: libav's mix adds more than it takes away, which would be clipped.
        # Packed, since PyAV reads only eight planes.
        channels = frame.to_ndarray().reshape(frame.samples, -1)
        samples = np.nan_to_num(channels.mean(1), posinf=1, neginf=-1)
        yield begin + Fraction(count, SOUND_RATE), np.clip(samples, -1, 1)
        count += len(samples)


def _join(timed: Iterable[tuple[Fraction, Samples]], zero: Fraction, path: Path) -> Iterator[Samples]:
    """Samples from `zero` on: pauses are filled with silence, what overlaps is cut off."""
    position = 0
    for time, samples in timed:
        # Rounded half up: two parts of a run, whole samples apart, are rounded alike.
        begin = ((time - zero) * SOUND_RATE + Fraction(1, 2)) // 1
        if begin > _LONGEST * SOUND_RATE:
            log.warning("%s: sound later than %d hours is not heard", path, _LONGEST // 3600)
            return
        while position < begin:
            pause = min(begin - position, _SILENCE)
            yield np.zeros(pause, np.float32)
            position += pause
        if len(rest := samples[position - begin :]):
            yield rest
            position += len(rest)
