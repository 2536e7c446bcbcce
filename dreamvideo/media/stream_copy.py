"""Copies the other streams of an input to the output: sound, subtitles, chapters, cover art, attachments and tags.

Packets are read from the input a second time, in step with the frames that are written, so memory use is constant.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av

from dreamvideo.frames import StreamInfo
from dreamvideo.media.audio import AudioFormat, add_audio_stream, open_transcoder
from dreamvideo.media.clock import can_seek, demux_joined
from dreamvideo.media.demux import is_cover, start_time, stream_end
from dreamvideo.media.local_files import open_local
from dreamvideo.media.packet_order import MAX_DELAY, PacketOrder
from dreamvideo.media.stream_policy import StreamPlan, holds_chapters, plan_music, plan_streams
from dreamvideo.media.stream_trial import AudioCopy, add_copy
from dreamvideo.media.subtitles import open_subtitle_converter
from dreamvideo.media.track_tags import attach_cover, chapters_in_cut, copy_track_tags
from dreamvideo.media.video_encoder import Container

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from dreamvideo.media.video_encoder import Packet

TimedPacket = tuple[Fraction, "Packet"]  # seconds on the output's clock, packet
# From a packet of the input to those that are muxed; None flushes.
Handler = Callable[["Packet | None"], "list[Packet]"]

# Tags that describe the file of the input, not its content.
_FILE_TAGS = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration"}

# The seek before a cut goes this many seconds further back: sound may be stored before the frame of its time.
_SEEK_MARGIN = Fraction(2)


class StreamCopier:
    """Muxes the streams of an input that are not dreamed on, up to the time of the last frame written."""

    def __init__(
        self,
        output: av.container.OutputContainer,
        container: Container,
        info: StreamInfo,
        audio: bool,
        only_sound: bool = False,
    ) -> None:
        """Add the streams and tags of the input to an output whose header is not yet written.

        Args:
            output: open output.
            container: its kind.
            info: of the input; if it comes from no file, nothing is added.
            audio: whether sound is written.
            only_sound: nothing else of the input is, as it is music, whose tags and chapters are not those of the film.
        """
        self._output = output
        self._info = info
        self._only_sound = only_sound
        self._handlers: dict[int, Handler] = {}
        self._input: av.container.InputContainer | None = None
        self._next: TimedPacket | None = None  # read, but later than what has been muxed
        self._packets: Iterator[TimedPacket] = iter(())
        self._labels: dict[int, str] = {}
        self._order = PacketOrder(output)
        self._end: Fraction | None = None  # at which subtitles end, in seconds on the output's clock
        self._damaged: set[int] = set()  # indices of streams that packets were lost of
        if info.path is None:
            return
        try:
            if only_sound:
                plans = plan_music(info.path, container)
            else:
                plans = plan_streams(info.path, container, info.stream, audio, info.music)
            self._input = open_local(info.path)
        except av.error.FFmpegError as error:
            log.warning("%s: its audio cannot be read (%s)", info.path, error.strerror)
            return
        for plan in plans:
            self._add_stream(self._input.streams[plan.stream], plan)
        if not only_sound:
            tags = {key: value for key, value in self._input.metadata.items() if key.lower() not in _FILE_TAGS}
            self._output.metadata.update(tags)
            if holds_chapters(container) and (chapters := chapters_in_cut(self._input, info)):
                self._output.set_chapters(chapters)
        self._packets = drop_time_jumps(self._read(self._input, info.path), self._warn_once)

    def end_with(self, video_end: Fraction, whole: bool) -> None:
        """Shorten subtitles that are shown beyond the end, before anything is muxed.

        Args:
            video_end: seconds on the output's clock.
            whole: the video has all frames of its input, so that sound may be longer.
        """
        ends = [video_end]
        if whole and self._input is not None:
            tracks = [stream for stream in self._input.streams.audio if stream.index in self._handlers]
            ends += [end - self._info.origin for end in map(stream_end, tracks) if end is not None]
        self._end = max(ends)

    def mux_until(self, time: Fraction | None) -> None:
        """Mux the packets before `time`, in seconds on the output's clock; None: all packets."""
        while (timed := self._next or next(self._packets, None)) is not None:
            self._next = timed
            if time is not None and timed[0] >= time:
                return
            self._next = None
            packet = timed[1]
            index = packet.stream.index
            if packet.stream.type == "subtitle" and self._end is not None and packet.duration:
                rest = max(0, int((self._end - timed[0]) / Fraction(packet.time_base)))
                packet.duration = min(packet.duration, rest)
            self._mux(index, self._handlers[index](packet))

    def finish(self, end: Fraction, whole: bool) -> None:
        """Mux the rest, and what the audio encoders hold back.

        Args:
            end: seconds on the output's clock, of the video.
            whole: the video has all frames of its input, so that its own sound may be longer.
        """
        self.mux_until(None if whole and not self._only_sound else end)
        for index, handler in self._handlers.items():
            self._mux(index, handler(None))

    def close(self) -> None:
        """Close the input."""
        if self._input is not None:
            self._input.close()

    def _mux(self, index: int, packets: list[Packet]) -> None:
        self._output.start_encoding()  # from then on a stream has the time base of its muxer
        for packet in packets:
            if not self._order.put_in_order(packet):
                self._warn_once(index, "its times go back")
                continue
            try:
                self._output.mux(packet)
            except (av.error.ArgumentError, av.error.InvalidDataError) as error:  # a full disk raises others
                self._warn_once(index, f"{error.strerror}")

    def _warn_once(self, index: int, reason: str) -> None:
        if index not in self._damaged:
            self._damaged.add(index)
            log.warning("%s is damaged in part (%s)", self._labels[index], reason)

    def _add_stream(self, stream: av.stream.Stream, plan: StreamPlan) -> None:
        self._labels[stream.index] = plan.label
        if plan.action == "dreamed" and self._output.format.name != "gif":
            copy_track_tags(stream, self._output.streams.video[0])
        if isinstance(plan.audio_format, AudioFormat):
            target = add_audio_stream(self._output, plan.audio_format)
            copy_track_tags(stream, target)
            self._handlers[stream.index] = open_transcoder(cast(av.AudioStream, stream), target, plan.label)
        elif plan.action == "converted":
            text = self._output.add_stream(str(plan.codec))
            copy_track_tags(stream, text)
            self._handlers[stream.index] = open_subtitle_converter(stream, text, plan.label)
        elif plan.action == "copied" and stream.type == "attachment":
            self._output.add_stream_from_template(stream)  # it has no packets
        elif plan.action == "copied" and is_cover(stream) and self._output.format.name == "matroska":
            assert self._info.path is not None
            attach_cover(self._output, self._info.path, stream.index)
        elif plan.action == "copied":
            self._handlers[stream.index] = self._copy(stream, plan.audio_format)

    def _copy(self, stream: av.stream.Stream, audio: AudioCopy | None) -> Handler:
        copy = add_copy(self._output, stream, audio)
        copy_track_tags(stream, copy)

        def handle(packet: Packet | None) -> list[Packet]:
            if packet is None:
                return []
            packet.stream = copy
            return [packet]

        return handle

    def _read(self, source: av.container.InputContainer, path: Path) -> Iterator[TimedPacket]:
        """Packets of all streams that are copied or transcoded, in file order, inside the cut."""
        if not self._handlers:
            return
        used = [source.streams[index] for index in self._handlers]
        yield from _cover_packets(source, [stream for stream in used if is_cover(stream)])
        if self._info.origin - _SEEK_MARGIN > start_time(source) and can_seek(path):
            try:
                source.seek(int((self._info.origin - _SEEK_MARGIN) * av.time_base))
            except av.error.FFmpegError as error:
                log.debug("cannot seek: %s", error)
        if timed_streams := [stream for stream in used if not is_cover(stream)]:
            try:
                yield from _packets_in_cut(source, timed_streams, self._info)
            except av.error.FFmpegError as error:
                log.warning("%s: its audio is damaged and ends early (%s)", self._info.path, error.strerror)


def _cover_packets(source: av.container.InputContainer, covers: Sequence[av.stream.Stream]) -> Iterator[TimedPacket]:
    """The packet of each cover, at time 0: covers have no time, come first, and are not read again after a seek."""
    missing = {cover.index for cover in covers}
    for packet in source.demux(*covers) if covers else ():
        if packet.size:
            missing.discard(packet.stream.index)
            packet.pts = packet.dts = 0
            yield Fraction(0), packet
        if not missing:
            return


def _packets_in_cut(
    source: av.container.InputContainer, streams: Sequence[av.stream.Stream], info: StreamInfo
) -> Iterator[TimedPacket]:
    """Packets from `info.origin` until each stream has passed `info.end`, moved to the output's clock."""
    origin, ended = info.origin, set[int]()
    for packet in demux_joined(source, streams):
        timestamp = packet.pts if packet.pts is not None else packet.dts
        if timestamp is None or not packet.size:
            continue
        time = timestamp * Fraction(packet.time_base) - origin
        if origin and time < 0:
            continue
        if info.end is not None and time >= info.end:
            ended.add(packet.stream.index)
            if len(ended) == len(streams):
                return
            continue
        yield time, _moved(packet, origin)


def drop_time_jumps(packets: Iterable[TimedPacket], on_drop: Callable[[int, str], None]) -> Iterator[TimedPacket]:
    """Drop audio packets that are much later than the next one: each packet after such a jump would be too early.

    Packets of equal times, as TrueHD in Matroska has them, are kept.

    Args:
        packets: of any streams, in file order; those of one time of each audio stream are held back until the next.
        on_drop: called with the index of the stream and the reason for each packet that is dropped.

    Yields:
        The other packets; audio may come after packets of other streams that followed it.
    """
    held: dict[int, list[TimedPacket]] = {}  # packets of one time
    last: dict[int, Fraction] = {}
    for timed in packets:
        time, packet = timed
        index = packet.stream.index
        if packet.stream.type != "audio":
            yield timed
            continue
        before = held.get(index)
        if before is not None and time == before[0][0]:
            before.append(timed)
            continue
        if before is not None and time < before[0][0] - MAX_DELAY and (index not in last or last[index] < time):
            on_drop(index, "its times go back")
        elif before is not None:
            last[index] = max(before[0][0], last.get(index, before[0][0]))
            yield from before
        held[index] = [timed]
    yield from sorted(chain.from_iterable(held.values()), key=lambda pair: pair[0])


def _moved(packet: Packet, origin: Fraction) -> Packet:
    """`packet` on the output's clock."""
    shift = round(origin / Fraction(packet.time_base))
    if shift:
        packet.pts = None if packet.pts is None else packet.pts - shift
        packet.dts = None if packet.dts is None else packet.dts - shift
    return packet
