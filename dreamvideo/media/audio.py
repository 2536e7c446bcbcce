"""Sound that cannot be copied becomes what the container takes: packets of one codec in, of another out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import av

if TYPE_CHECKING:
    from dreamvideo.media.video_encoder import Packet

log = logging.getLogger(__name__)


def open_transcoder(
    stream: av.AudioStream, target: av.AudioStream, what: str
) -> Callable[[Packet | None], list[Packet]]:
    """From a packet of `stream`: those of `target` that are ready. None flushes; what is damaged is told and lost."""
    encoder = target.codec_context
    encoder.open()
    resampler = av.AudioResampler(encoder.format, encoder.layout, encoder.sample_rate, encoder.frame_size or None)

    def made_of(packet: Packet | None) -> list[Packet]:
        try:
            frames = stream.codec_context.decode(packet)
        except av.error.EOFError:
            frames = []
        ready = [sound for frame in frames for sound in resampler.resample(frame)]
        if packet is None:
            ready += resampler.resample(None)
        packets = [made for sound in ready for made in encoder.encode(sound)]
        return packets + encoder.encode(None) if packet is None else packets

    told = False

    def transcode(packet: Packet | None) -> list[Packet]:
        nonlocal told
        try:
            packets = made_of(packet)
        except (av.error.FFmpegError, ValueError) as error:  # ValueError: its rate or layout is not what it was
            if not told:
                told = True
                log.warning("%s is damaged in part (%s)", what, getattr(error, "strerror", None) or error)
            return []
        for made in packets:
            made.stream = target
        return packets

    return transcode


def audio_format(stream: av.AudioStream, codec: str) -> tuple[int, str]:
    """Sample rate and layout of channels that the encoder `codec` takes, nearest to those of `stream`."""
    sound = stream.codec_context
    rate = 48_000 if codec == "libopus" else _nearest_rate(sound.sample_rate)
    return rate, "stereo" if codec == "libmp3lame" and sound.channels > 2 else stream.layout.name


def _nearest_rate(rate: int) -> int:
    """A sample rate that every AAC and MP3 encoder takes."""
    known = (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
    return min(known, key=lambda one: abs(one - rate))
