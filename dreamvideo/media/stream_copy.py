"""What goes with the picture: sound, subtitles, chapters, covers, attachments and tags, copied packet for packet.

Packets are read from the input a second time, in step with the frames that are written, so memory stays flat.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

import av

from dreamvideo.frames import StreamInfo
from dreamvideo.media.audio import audio_format, open_transcoder
from dreamvideo.media.demux import is_cover
from dreamvideo.media.stream_policy import StreamPlan, describe_plan, holds_chapters, plan_streams
from dreamvideo.media.video_encoder import Container

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from dreamvideo.media.video_encoder import Packet

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


class StreamCopier:
    """The other streams of the input file, muxed up to the time of the last frame written."""

    def __init__(self, output: Output, container: Container, info: StreamInfo, audio: bool, aloud: bool = True) -> None:
        self._output = output
        self._info = info
        self._handlers: dict[int, Handler] = {}
        self._input: av.container.InputContainer | None = None
        self._ahead: tuple[Fraction, Packet] | None = None
        self._packets: Iterator[tuple[Fraction, Packet]] = iter(())
        self._names: dict[int, str] = {}
        self._damaged: set[int] = set()  # streams of which packets were refused
        if info.path is None:
            return
        try:
            self._input = av.open(os.path.abspath(info.path), metadata_errors="replace")
        except av.error.FFmpegError as error:
            log.warning("%s: its sound cannot be read (%s)", info.path, error.strerror)
            return
        ends = plan_streams(self._input, container, info.stream, audio)
        self._add_streams(describe_plan(ends) if aloud else ends, container)
        self._copy_tags(container)
        self._packets = drop_time_jumps(self._read(), self._miss)

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
            index = packet.stream.index
            self._mux(index, self._handlers[index](packet))

    def flush(self) -> None:
        """Mux what encoders hold back."""
        for index, handler in self._handlers.items():
            self._mux(index, handler(None))

    def _mux(self, index: int, packets: list[Packet]) -> None:
        for packet in packets:
            try:
                self._output.mux(packet)
            except (av.error.ArgumentError, av.error.InvalidDataError) as error:  # of the disk other errors tell
                self._miss(index, f"{error.strerror}")

    def _miss(self, index: int, why: str) -> None:
        if index not in self._damaged:
            self._damaged.add(index)
            log.warning("%s is damaged in part (%s)", self._names[index], why)

    def _read(self) -> Iterator[tuple[Fraction, Packet]]:
        """(time on the output's clock, packet) of every stream that is kept, in file order, inside the cut."""
        if self._input is None or not self._handlers:
            return
        origin = self._info.origin
        yield from self._covers()
        if origin:
            try:
                self._input.seek(int((origin - _MARGIN) * av.time_base))
            except av.error.FFmpegError as error:
                log.debug("cannot seek: %s", error)
        streams = [stream for index in self._handlers if not is_cover(stream := self._input.streams[index])]
        if not streams:
            return
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

    def _covers(self) -> Iterator[tuple[Fraction, Packet]]:
        """The packet of each cover, at 0: they have no time, come first, and are not found again after a search."""
        assert self._input is not None
        covers = [stream for index in self._handlers if is_cover(stream := self._input.streams[index])]
        missing = {cover.index for cover in covers}
        for packet in self._input.demux(*covers) if covers else ():
            if packet.size:
                missing.discard(packet.stream.index)
                packet.pts = packet.dts = 0
                yield Fraction(0), packet
            if not missing:
                return

    def _add_streams(self, ends: list[StreamPlan], container: Container) -> None:
        assert self._input is not None
        for fate in ends:
            stream = self._input.streams[fate.stream]
            self._names[fate.stream] = fate.what
            if stream.type == "attachment" and fate.deed == "kept":
                self._output.add_stream_from_template(stream)
            elif fate.deed == "kept":
                self._handlers[fate.stream] = self._copied(stream)
            elif fate.deed == "transcoded":
                self._handlers[fate.stream] = self._transcoded(cast(av.AudioStream, stream), container, fate)

    def _copied(self, stream: av.stream.Stream) -> Handler:
        copy = self._output.add_stream_from_template(stream, opaque=True)
        _keep_tags(stream, copy)

        def handle(packet: Packet | None) -> list[Packet]:
            if packet is None:
                return []
            packet.stream = copy
            return [packet]

        return handle

    def _transcoded(self, stream: av.AudioStream, container: Container, fate: StreamPlan) -> Handler:
        codec, bits = container.audio
        rate, layout = audio_format(stream, codec)
        target = cast(av.AudioStream, self._output.add_stream(codec, rate=rate, layout=layout, bit_rate=bits))
        _keep_tags(stream, target)
        return open_transcoder(stream, target, fate.what)

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
        if chapters and holds_chapters(container):
            self._output.set_chapters(chapters)


def drop_time_jumps(
    packets: Iterable[tuple[Fraction, Packet]], miss: Callable[[int, str], None]
) -> Iterator[tuple[Fraction, Packet]]:
    """The packets, but for those of sound that are later than the next: with one of them all after it would be refused.

    One packet of each sound stream is held until the next has come; `miss` is told of what is left out.
    """
    held: dict[int, tuple[Fraction, Packet]] = {}
    last: dict[int, Fraction] = {}
    for following in packets:
        time, packet = following
        index = packet.stream.index
        if packet.stream.type != "audio":
            yield following
            continue
        before = held.get(index)
        if before is not None and time <= before[0] and (index not in last or last[index] < time):
            miss(index, "its times go back")
        elif before is not None:
            last[index] = max(before[0], last.get(index, before[0]))
            yield before
        held[index] = following
    yield from sorted(held.values(), key=lambda pair: pair[0])


def _moved(packet: Packet, origin: Fraction) -> Packet:
    """`packet` on the output's clock."""
    shift = round(origin / Fraction(packet.time_base))
    if shift:
        packet.pts = None if packet.pts is None else packet.pts - shift
        packet.dts = None if packet.dts is None else packet.dts - shift
    return packet


def _keep_tags(stream: av.stream.Stream, copy: av.stream.Stream) -> None:
    copy.metadata.update({key: value for key, value in stream.metadata.items() if key in ("language", "title")})
    if stream.language in _OLD_LANGUAGES and copy.container.format.name == "mov":
        copy.metadata["language"] = _OLD_LANGUAGES[stream.language]
    copy.disposition = stream.disposition
