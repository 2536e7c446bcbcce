"""Tries in memory whether an output can hold a stream: header, first packets, trailer, and reading all of it back.

A muxer may refuse a stream in its header, at a packet or in its trailer, or write it with a wrong clock, as AVI does
with AAC. All of this is found before the first frame is dreamed.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import av

from dreamvideo.media.audio import AudioFormat, add_audio_stream, audio_formats, open_audio_decoder, open_audio_encoder
from dreamvideo.media.channel_layout import read_layout
from dreamvideo.media.clock import demux_joined
from dreamvideo.media.packet_order import PacketOrder
from dreamvideo.media.video_encoder import Container

if TYPE_CHECKING:
    from dreamvideo.media.video_encoder import Packet

log = logging.getLogger(__name__)

# What is read of a file for a trial: this many seconds of each stream, among the first packets of the file.
_SAMPLE_SECONDS = 1
_SAMPLE_PACKETS = 2000  # 1200 make a second of TrueHD
_READ_BYTES = 32 << 20
_CLOCK_TOLERANCE = 0.2  # share of the duration; PCM is cut into other packets
_LOSS_TOLERANCE = 0.2  # share of the samples; a codec may need some packets to begin


@dataclass(frozen=True, slots=True)
class AudioCopy:
    """How an audio stream is copied."""

    bit_rate: int = 0  # bits per second that the header must say; 0: as the input says


Verdict = AudioFormat | AudioCopy | None  # None: it can neither be copied nor transcoded

_verdicts: dict[tuple[object, ...], Verdict] = {}  # so that of many films of one kind only the first one is tried


@dataclass(frozen=True, slots=True)
class PacketSample:
    """A packet of an input; muxers change the packets that they get, so each trial gets its own."""

    content: bytes
    pts: int
    dts: int
    duration: int
    time_base: Fraction

    def packet(self) -> Packet:
        """Make a packet of it."""
        packet = av.Packet(self.content)
        packet.time_base, packet.pts, packet.dts = self.time_base, self.pts, self.dts
        packet.duration, packet.is_keyframe = self.duration, True
        return packet


def read_packet_samples(
    source: av.container.InputContainer, streams: Sequence[av.stream.Stream]
) -> dict[int, list[PacketSample]]:
    """Read the first packets of streams; their times begin at 0.

    Args:
        source: an open input, from which nothing was read; it is left somewhere in the middle.
        streams: of it.

    Returns:
        Index of the stream -> its packets, which may be none.
    """
    samples: dict[int, list[PacketSample]] = {stream.index: [] for stream in streams}
    missing, count = set(samples), 0
    try:
        for packet in demux_joined(source, list(source.streams)):
            count += packet.size
            if not missing or count > _READ_BYTES:
                break
            index, pts = packet.stream.index, packet.pts if packet.pts is not None else packet.dts
            if index not in missing or pts is None or not packet.size:
                continue
            base, dts = Fraction(packet.time_base), packet.dts if packet.dts is not None else pts
            kept = samples[index]
            kept.append(PacketSample(bytes(packet), pts, dts, packet.duration or 0, base))
            if (pts - kept[0].pts) * base >= _SAMPLE_SECONDS or len(kept) == _SAMPLE_PACKETS:
                missing.discard(index)
    except av.error.FFmpegError as error:
        log.debug("trial: %s", error)
    return {index: _from_zero(kept) for index, kept in samples.items()}


def _from_zero(samples: list[PacketSample]) -> list[PacketSample]:
    first = min((sample.dts for sample in samples), default=0)
    return [replace(sample, pts=sample.pts - first, dts=sample.dts - first) for sample in samples]


def try_audio(stream: av.AudioStream, container: Container, samples: Callable[[], Sequence[PacketSample]]) -> Verdict:
    """Find out how an audio stream can be written.

    Args:
        stream: of an input; nothing of it has been decoded.
        container: the kind of output.
        samples: returns its first packets; called unless a stream of this kind was tried before.

    Returns:
        How it is copied or transcoded, or None: it cannot be written.
    """
    context, layout = stream.codec_context, read_layout(stream)
    key = (container, context.name, context.sample_rate, layout, context.format and context.format.name,
           stream.profile, context.extradata)  # fmt: skip
    if key in _verdicts:
        return _verdicts[key]
    packets = samples()
    frames, is_clean = _decode(stream, packets)
    verdict: Verdict = None
    copy = AudioCopy(_block_rate(packets) if container.format == "avi" else 0)
    if can_copy(stream, container, copy, packets, sum(frame.samples for frame in frames)):
        verdict = copy
    elif frames or not packets:
        formats = audio_formats(stream, *container.audio)
        verdict = next((form for form in formats if _can_encode(form, container, frames)), None)
    if is_clean:  # a damaged one does not stand for its kind
        _verdicts[key] = verdict
    return verdict


def add_copy(
    output: av.container.OutputContainer, stream: av.stream.Stream, audio: AudioCopy | None = None
) -> av.stream.Stream:
    """Add a stream to an output that gets the packets of an input.

    Args:
        output: its header is not yet written.
        stream: of the input.
        audio: as `try_audio` returns it; None: it is not audio.

    Raises:
        av.error.FFmpegError, ValueError: the output does not take it.
    """
    copy = output.add_stream_from_template(stream, opaque=True)
    if audio is not None and audio.bit_rate:
        copy.codec_context.bit_rate = audio.bit_rate
    return copy


def _block_rate(samples: Sequence[PacketSample]) -> int:
    """Bits per second of packets of one size and duration, of which AVI makes its clock; 0: they are not.

    What an input says of ADPCM is often wrong.
    """
    steps = {after.pts - before.pts for before, after in zip(samples[:-2], samples[1:-1], strict=True)}
    sizes = {len(sample.content) for sample in samples[:-1]}
    if len(sizes) != 1 or len(steps) != 1 or not all(steps):
        return 0
    return round(8 * sizes.pop() / (steps.pop() * samples[0].time_base))


def can_copy(
    stream: av.stream.Stream,
    container: Container,
    audio: AudioCopy | None = None,
    samples: Sequence[PacketSample] = (),
    decoded: int = 0,
) -> bool:
    """Tell whether an output can hold a stream as it is.

    Args:
        stream: of an input.
        container: the kind of output.
        audio: how it is copied; None: it is not audio.
        samples: its first packets; they are written and read back, and their clock must be right.
        decoded: for audio, how many samples they hold: as many must come back, or nearly so.
    """
    memory = io.BytesIO()
    try:
        with av.open(memory, "w", format=container.format) as trial:
            copy, order = add_copy(trial, stream, audio), PacketOrder(trial)
            trial.start_encoding()
            for sample in samples:
                packet = sample.packet()
                packet.stream = copy
                if order.put_in_order(packet):
                    trial.mux(packet)
        if audio is None or len(samples) < 2:
            return True
        duration = float((samples[-1].pts - samples[0].pts) * samples[0].time_base)
        duration_after, decoded_after = _read_back(memory)
    except (av.error.FFmpegError, ValueError, IndexError) as error:
        log.debug("trial: %s into %s: %s", stream, container.format, error)
        return False
    is_clock_right = abs(duration_after - duration) <= max(_CLOCK_TOLERANCE * duration, 0.1)
    return is_clock_right and decoded_after >= (1 - _LOSS_TOLERANCE) * decoded


def _can_encode(form: AudioFormat, container: Container, frames: Sequence[av.AudioFrame]) -> bool:
    memory = io.BytesIO()
    try:
        with av.open(memory, "w", format=container.format) as trial:
            target = add_audio_stream(trial, form)
            encode = open_audio_encoder(target)
            trial.start_encoding()
            for frame in (*frames, None):
                trial.mux(encode(frame))
        seconds = sum(frame.samples / frame.sample_rate for frame in frames)
        return not frames or _read_back(memory)[1] / form.rate >= (1 - _LOSS_TOLERANCE) * seconds
    except (av.error.FFmpegError, ValueError, IndexError) as error:
        log.debug("trial: %s: %s", form, error)
        return False


def _decode(stream: av.AudioStream, samples: Sequence[PacketSample]) -> tuple[list[av.AudioFrame], bool]:
    """(frames of packets, whether all of them could be decoded)."""
    frames: list[av.AudioFrame] = []
    is_clean = True
    try:
        decode = open_audio_decoder(stream)
    except ValueError:
        return frames, True
    for sample in samples:
        try:
            frames += decode(sample.packet())
        except (av.error.FFmpegError, ValueError):
            is_clean = False
    return frames, is_clean


def _read_back(memory: io.BytesIO) -> tuple[float, int]:
    """(seconds from the first to the last packet, samples per channel) of the audio of a file in memory."""
    memory.seek(0)
    with av.open(memory, "r") as trial:
        stream = trial.streams.audio[0]
        try:
            decode = open_audio_decoder(stream)
        except ValueError:  # then those of the input were not counted, either
            decode = None
        times, count = [], 0
        for packet in trial.demux(stream):
            if packet.pts is not None and packet.size:
                times.append(float(packet.pts * packet.time_base))
            if decode is not None:
                try:
                    count += sum(frame.samples for frame in decode(packet if packet.size else None))
                except av.error.FFmpegError:
                    continue
        return times[-1] - times[0], count
