"""Transcodes audio that the output cannot hold as it is: packets of one codec in, packets of another out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import av

if TYPE_CHECKING:
    from dreamvideo.media.video_encoder import Packet

log = logging.getLogger(__name__)

# Sample rates in Hz that every AAC and MP3 encoder takes.
_SAMPLE_RATES = (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


def open_transcoder(
    stream: av.AudioStream, target: av.AudioStream, label: str
) -> Callable[[Packet | None], list[Packet]]:
    """Open a decoder, a resampler and an encoder in a row.

    Args:
        stream: audio stream of an input.
        target: audio stream of an output, of the rate and layout that `audio_format` returns.
        label: of the input stream, for the warning that a packet could not be decoded, which is logged once.

    Returns:
        A function from a packet of `stream` to those of `target` that are complete; None flushes.
    """
    encoder = target.codec_context
    encoder.open()
    resampler = av.AudioResampler(encoder.format, encoder.layout, encoder.sample_rate, encoder.frame_size or None)
    warned = False

    def reencode(packet: Packet | None) -> list[Packet]:
        try:
            decoded = stream.codec_context.decode(packet)
        except av.error.EOFError:
            decoded = []
        resampled = [part for frame in decoded for part in resampler.resample(frame)]
        if packet is None:
            resampled += resampler.resample(None)
        packets = [encoded for frame in resampled for encoded in encoder.encode(frame)]
        return packets + encoder.encode(None) if packet is None else packets

    def transcode(packet: Packet | None) -> list[Packet]:
        nonlocal warned
        try:
            packets = reencode(packet)
        except (av.error.FFmpegError, ValueError) as error:  # ValueError: the rate or layout changed in mid-stream
            if not warned:
                warned = True
                log.warning("%s is damaged in part (%s)", label, getattr(error, "strerror", None) or error)
            return []
        for encoded in packets:
            encoded.stream = target
        return packets

    return transcode


def audio_format(stream: av.AudioStream, codec: str) -> tuple[int, str]:
    """Choose the format nearest to that of a stream that an encoder takes.

    Args:
        stream: audio stream of an input.
        codec: libav's name of the encoder.

    Returns:
        (sample rate in Hz, channel layout).
    """
    audio = stream.codec_context
    rate = 48_000 if codec == "libopus" else min(_SAMPLE_RATES, key=lambda known: abs(known - audio.sample_rate))
    return rate, "stereo" if codec == "libmp3lame" and audio.channels > 2 else stream.layout.name
