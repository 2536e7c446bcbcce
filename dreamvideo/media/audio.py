"""Transcodes audio that the output cannot hold as it is: packets of one codec in, packets of another out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import av

from dreamvideo.media.channel_layout import default_layout, open_reorder, read_layout

if TYPE_CHECKING:
    from dreamvideo.media.video_encoder import Packet

log = logging.getLogger(__name__)

# Sample rates in Hz that every AAC and MP3 encoder takes.
_SAMPLE_RATES = (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
# Tried in turn for an encoder that takes neither the layout of a stream nor the default one of its channel count.
_COMMON_LAYOUTS = ("7.1", "5.1", "stereo", "mono")


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """How an audio stream is encoded."""

    codec: str  # libav's name of the encoder
    rate: int  # Hz
    layout: str  # libav's name
    channels: int
    bit_rate: int  # bits per second


def audio_formats(stream: av.AudioStream, codec: str, bit_rate: int) -> list[AudioFormat]:
    """List the formats in which an encoder may take a stream, the one nearest to it first.

    Args:
        stream: audio stream of an input.
        codec: libav's name of the encoder.
        bit_rate: of two channels; more get more.

    Returns:
        At least one; which of them the encoder takes shows when it is opened.
    """
    rate = stream.codec_context.sample_rate
    rate = 48_000 if codec == "libopus" else min(_SAMPLE_RATES, key=lambda known: abs(known - rate))
    layout = read_layout(stream)
    names = (layout.name, default_layout(layout.channels), *_COMMON_LAYOUTS)
    counts = {name: av.AudioLayout(name).nb_channels for name in names if name is not None}
    return [
        AudioFormat(codec, rate, name, count, bit_rate * max(2, count) // 2)
        for name, count in counts.items()
        if count <= layout.channels
    ]


def add_audio_stream(output: av.container.OutputContainer, form: AudioFormat) -> av.AudioStream:
    """Add a stream of a format to an output."""
    stream = output.add_stream(form.codec, rate=form.rate, layout=form.layout, bit_rate=form.bit_rate)
    return cast(av.AudioStream, stream)


def open_audio_decoder(stream: av.AudioStream) -> Callable[[Packet | None], list[av.AudioFrame]]:
    """Open the decoder of an audio stream.

    Args:
        stream: of an input; none of its packets has been decoded.

    Returns:
        A function from a packet to its frames; None flushes.

    Raises:
        ValueError: its channels are in an order in which they cannot be decoded.
    """
    context, layout = stream.codec_context, read_layout(stream)
    if layout.is_custom:
        usual = default_layout(layout.channels)
        # PCM comes out in the layout that its context says. Other decoders would set their own, which crashes PyAV.
        if usual is None or not context.name.startswith("pcm_"):
            raise ValueError("its channels are in an unusual order")
        context.layout = usual
    reorder = open_reorder(layout)

    def decode(packet: Packet | None) -> list[av.AudioFrame]:
        try:
            return [reorder(frame) for frame in context.decode(packet)]
        except av.error.EOFError:
            return []

    return decode


def open_audio_encoder(target: av.AudioStream) -> Callable[[av.AudioFrame | None], list[Packet]]:
    """Open a resampler and the encoder of a stream of an output.

    Args:
        target: as `add_audio_stream` returns it.

    Returns:
        A function from a frame of any format to the packets that are complete; None flushes.

    Raises:
        av.error.FFmpegError, ValueError: the encoder does not take the format.
    """
    encoder = target.codec_context
    encoder.open()
    resampler: av.AudioResampler | None = None
    last: tuple[str, str, int] | None = None  # broadcasts change the number of channels in mid-stream

    def encode(frame: av.AudioFrame | None) -> list[Packet]:
        nonlocal resampler, last
        form = None if frame is None else (frame.format.name, frame.layout.name, frame.sample_rate)
        resampled = []
        if resampler is not None and form != last:
            resampled = resampler.resample(None)
        if frame is not None:
            if resampler is None or form != last:
                resampler = av.AudioResampler(encoder.format, encoder.layout, encoder.sample_rate)
            resampled += resampler.resample(frame)
        last = form
        packets = [packet for part in resampled for packet in encoder.encode(part)]
        if frame is None:
            packets += encoder.encode(None)
        for packet in packets:
            packet.stream = target
        return packets

    return encode


def open_transcoder(
    stream: av.AudioStream, target: av.AudioStream, label: str
) -> Callable[[Packet | None], list[Packet]]:
    """Open a decoder, a resampler and an encoder in a row.

    Args:
        stream: audio stream of an input.
        target: audio stream of an output, as `add_audio_stream` returns it.
        label: of the input stream, for the warning that a packet could not be decoded, which is logged once.

    Returns:
        A function from a packet of `stream` to those of `target` that are complete; None flushes.

    Raises:
        av.error.FFmpegError, ValueError: the stream cannot be decoded, or not be encoded in this format.
    """
    decode, encode = open_audio_decoder(stream), open_audio_encoder(target)
    warned = False

    def transcode(packet: Packet | None) -> list[Packet]:
        nonlocal warned
        packets: list[Packet] = []
        # Whatever of the last packets is damaged, the encoder gives what it holds back.
        for frames_of in (decode, None) if packet is None else (decode,):
            try:
                frames = [None] if frames_of is None else frames_of(packet)
                packets += [part for frame in frames for part in encode(frame)]
            except (av.error.FFmpegError, ValueError) as error:
                if not warned:
                    warned = True
                    log.warning("%s is damaged in part (%s)", label, getattr(error, "strerror", None) or error)
        return packets

    return transcode
