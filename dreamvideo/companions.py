"""What goes with the picture: sound, subtitles, chapters, covers, attachments and tags, copied packet for packet.

Packets are read from the input a second time, in step with the frames that are written, so memory stays flat.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

import av
from av.audio.codeccontext import AudioCodecContext

from dreamvideo.decoding import is_cover
from dreamvideo.encoders import Container
from dreamvideo.frames import StreamInfo

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from dreamvideo.encoders import Packet

Output = av.container.OutputContainer
# From a packet of the input: those to be muxed. None flushes.
Handler = Callable[["Packet | None"], "list[Packet]"]

# QuickTime knows some languages by their older ISO 639-2 codes only.
_OLD_LANGUAGES = {
    "deu": "ger",
    "fra": "fre",
    "nld": "dut",
    "ces": "cze",
    "zho": "chi",
    "ell": "gre",
    "isl": "ice",
    "ron": "rum",
    "fas": "per",
}

# The search before a cut goes this much further back, as sound may lie before the picture of its time in the file.
_MARGIN = Fraction(2)


class Companions:
    """The other streams of the input file, muxed up to the time of the last frame written."""

    def __init__(self, output: Output, container: Container, info: StreamInfo, audio: bool) -> None:
        self._output = output
        self._info = info
        self._handlers: dict[int, Handler] = {}
        self._input: av.container.InputContainer | None = None
        self._ahead: tuple[Fraction, Packet] | None = None
        self._packets: Iterator[tuple[Fraction, Packet]] = iter(())
        if info.path is None:
            return
        try:
            self._input = av.open(os.path.abspath(info.path), metadata_errors="replace")
        except av.error.FFmpegError as error:
            log.warning("%s: its sound cannot be read (%s)", info.path, error.strerror)
            return
        self._add_streams(container, audio)
        self._copy_tags(container)
        self._packets = self._read()

    def close(self) -> None:
        if self._input is not None:
            self._input.close()

    def mux_until(self, time: Fraction | None) -> None:
        """Mux what belongs before `time` on the output's clock; None: all that there is."""
        while (following := self._ahead or next(self._packets, None)) is not None:
            self._ahead = following
            if time is not None and following[0] >= time:
                return
            self._ahead = None
            packet = following[1]
            self._output.mux(self._handlers[packet.stream.index](packet))

    def flush(self) -> None:
        """Mux what encoders hold back."""
        for handler in self._handlers.values():
            self._output.mux(handler(None))

    def _read(self) -> Iterator[tuple[Fraction, Packet]]:
        """(time on the output's clock, packet) of every stream that is kept, in file order, inside the cut."""
        if self._input is None or not self._handlers:
            return
        origin = self._info.origin
        if origin:
            try:
                self._input.seek(int((origin - _MARGIN) * av.time_base))
            except av.error.FFmpegError as error:
                log.debug("cannot seek: %s", error)
        streams = [self._input.streams[index] for index in self._handlers]
        ended: set[int] = set()
        try:
            for packet in self._input.demux(*streams):
                stamp = packet.pts if packet.pts is not None else packet.dts
                if stamp is None or not packet.size:
                    continue
                base = Fraction(packet.time_base)
                time = stamp * base - origin
                if origin and time < 0:
                    continue
                if self._info.end is not None and time >= self._info.end:
                    ended.add(packet.stream.index)
                    if len(ended) == len(streams):
                        return
                    continue
                yield time, _moved(packet, origin)
        except av.error.FFmpegError as error:
            log.warning("%s: its sound is damaged and ends early (%s)", self._info.path, error.strerror)

    def _add_streams(self, container: Container, audio: bool) -> None:
        assert self._input is not None
        for stream in self._input.streams:
            if stream.index == self._info.stream or (stream.type == "audio" and not audio):
                continue
            handler = self._handler(stream, container)
            if handler is not None:
                self._handlers[stream.index] = handler

    def _handler(self, stream: av.stream.Stream, container: Container) -> Handler | None:
        what = _named(stream)
        if stream.type == "video" and not is_cover(stream):
            log.warning("left out: %s, as only the best video stream is dreamed on", what)
            return None
        if stream.type == "data":
            log.info("left out: %s", what)
            return None
        if stream.type == "attachment":
            self._attach(stream, container, what)
            return None
        if stream.type == "video" and container.format not in ("mp4", "mov"):
            log.warning("left out: the cover picture, which a %s file holds no place for", container.format)
            return None
        if stream.type in ("audio", "subtitle", "video"):
            if _can_copy(stream, container):
                return self._copied(stream)
            if stream.type == "audio" and container.format != "gif" and stream.codec_context is not None:
                return self._transcoded(cast(av.AudioStream, stream), container, what)
        log.warning("left out: %s, which does not go into a %s file", what, container.format)
        return None

    def _copied(self, stream: av.stream.Stream) -> Handler:
        copy = self._output.add_stream_from_template(stream, opaque=True)
        _keep_tags(stream, copy)

        def handle(packet: Packet | None) -> list[Packet]:
            if packet is None:
                return []
            packet.stream = copy
            return [packet]

        return handle

    def _transcoded(self, stream: av.AudioStream, container: Container, what: str) -> Handler:
        codec, bits = container.audio
        log.warning("%s does not go into a %s file: it becomes %s", what, container.format, codec)
        rate = 48_000 if codec == "libopus" else _nearest_rate(stream.codec_context.sample_rate)
        layout = "stereo" if codec == "libmp3lame" and stream.codec_context.channels > 2 else stream.layout.name
        target = self._output.add_stream(codec, rate=rate, layout=layout, bit_rate=bits)
        _keep_tags(stream, target)
        encoder = cast(AudioCodecContext, target.codec_context)
        encoder.open()
        resampler = av.AudioResampler(encoder.format, encoder.layout, rate, encoder.frame_size or None)

        def handle(packet: Packet | None) -> list[Packet]:
            try:
                frames = stream.codec_context.decode(packet)
            except av.error.EOFError:
                frames = []
            except av.error.FFmpegError as error:
                log.warning("%s is damaged (%s)", what, error.strerror)
                return []
            ready = [sound for frame in frames for sound in resampler.resample(frame)]
            if packet is None:
                ready += resampler.resample(None)
            packets = [made for sound in ready for made in encoder.encode(sound)]
            if packet is None:
                packets += encoder.encode(None)
            for made in packets:
                made.stream = target
            return packets

        return handle

    def _attach(self, stream: av.stream.Stream, container: Container, what: str) -> None:
        if container.format != "matroska":
            log.warning("left out: %s, which does not go into a %s file", what, container.format)
            return
        self._output.add_stream_from_template(stream)

    def _copy_tags(self, container: Container) -> None:
        assert self._input is not None
        skipped = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration"}
        tags = {key: value for key, value in self._input.metadata.items() if key.lower() not in skipped}
        self._output.metadata.update(tags)
        chapters: list[Any] = []
        for chapter in self._input.chapters():
            base = Fraction(chapter["time_base"] or 1)
            start, end = (chapter[edge] * base - self._info.origin for edge in ("start", "end"))
            if self._info.end is not None:
                end = min(end, self._info.end)
            start = max(start, Fraction(0))
            if start < end:
                chapters.append({**chapter, "start": int(start / base), "end": int(end / base)})
        if chapters:
            self._output.set_chapters(chapters)


def _moved(packet: Packet, origin: Fraction) -> Packet:
    """`packet` on the output's clock."""
    shift = round(origin / Fraction(packet.time_base))
    if shift:
        packet.pts = None if packet.pts is None else packet.pts - shift
        packet.dts = None if packet.dts is None else packet.dts - shift
    return packet


def _can_copy(stream: av.stream.Stream, container: Container) -> bool:
    """Whether the muxer takes `stream` as it is: found out by writing a header in memory."""
    try:
        with av.open(io.BytesIO(), "w", format=container.format) as trial:
            trial.add_stream_from_template(stream, opaque=True)
            trial.start_encoding()
    except (av.error.FFmpegError, ValueError):
        return False
    return True


def _keep_tags(stream: av.stream.Stream, copy: av.stream.Stream) -> None:
    copy.metadata.update({key: value for key, value in stream.metadata.items() if key in ("language", "title")})
    if stream.language in _OLD_LANGUAGES and copy.container.format.name == "mov":
        copy.metadata["language"] = _OLD_LANGUAGES[stream.language]
    copy.disposition = stream.disposition


def _named(stream: av.stream.Stream) -> str:
    codec = stream.codec_context.name if stream.codec_context is not None else "of unknown kind"
    language = stream.metadata.get("language", "und")
    kind = {"audio": "sound", "subtitle": "subtitles"}.get(stream.type, stream.type)
    return f"{kind} {codec}" + ("" if language == "und" else f" ({language})")


def _nearest_rate(rate: int) -> int:
    """A sample rate that every AAC and MP3 encoder takes."""
    known = (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
    return min(known, key=lambda one: abs(one - rate))
