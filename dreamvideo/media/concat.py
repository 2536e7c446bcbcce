"""Segments of a video: each encoded by itself, and joined with the others by copying packets, never re-encoding."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from contextlib import ExitStack, closing
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av

from dreamvideo.errors import Cancelled, OutputError
from dreamvideo.frames import Frame, StreamInfo
from dreamvideo.media import segment_records
from dreamvideo.media.atomic_files import create_file
from dreamvideo.media.checkpoint import checkpoint_folder
from dreamvideo.media.encoder_frames import FrameMaker
from dreamvideo.media.gif_blocks import without_gif_header
from dreamvideo.media.packets import FIELDS, read_packets, write_packets
from dreamvideo.media.segments import SegmentContent, never
from dreamvideo.media.video_encoder import VideoEncoder, container_of
from dreamvideo.media.video_file import Muxer, translate_errors
from dreamvideo.settings.job import EncodeSettings

if TYPE_CHECKING:
    from dreamvideo.media.video_encoder import Packet


class VideoSegmentWriter:
    """Encodes the frames of one segment and keeps their packets in a log.

    Args:
        path: of the log; an unfinished one there is replaced.
        output: the video that the segment is of.
        info: of its frames.
        settings: of its encoder.
        before: frames before this segment; only the first one warns of how images are changed to suit the encoder.
        maker: makes its frames, see `VideoEncoder`.

    Raises:
        OutputError: the encoder cannot be used, or the log not be opened.
    """

    def __init__(
        self,
        path: Path,
        output: Path,
        info: StreamInfo,
        settings: EncodeSettings,
        before: int,
        maker: FrameMaker | None = None,
    ) -> None:
        self._output, self._path = output, path
        self._packets = 0
        container = container_of(output)
        with translate_errors(output), ExitStack() as opened:
            path.unlink(missing_ok=True)
            self._file = opened.enter_context(create_file(path))
            # No file is made of it: packets are kept as they leave the encoder.
            nowhere = opened.enter_context(av.open(io.BytesIO(), "w", format=container.format))
            self._encoder = VideoEncoder(nowhere, container, info, settings, aloud=before == 0, maker=maker)
            self._encoder.open()
            self._opened = opened.pop_all()

    def add(self, frame: Frame) -> None:
        """Encode a frame."""
        with translate_errors(self._output):
            packets = self._encoder.encode(frame.image, frame.time, frame.duration)
            self._packets += write_packets(packets, self._file)

    def finish(self) -> SegmentContent:
        """Write the packets that the encoder holds back, flush to disk, and return what there is in all."""
        with translate_errors(self._output):
            self._packets += write_packets(self._encoder.flush(), self._file)
            self._file.flush()
            os.fsync(self._file.fileno())
            with self._path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
        return SegmentContent(self._packets, content, describe_encoder(self._encoder))

    def close(self) -> None:
        """Close the log and the encoder."""
        with translate_errors(self._output):
            self._opened.close()


def describe_encoder(encoder: VideoEncoder) -> str:
    """Describe an open encoder by all that a header says of its packets, so that those of another are not joined.

    Args:
        encoder: of a segment, or of the file that segments are joined into.

    Returns:
        Name, format, size, unit of time, and a hash of the header.
    """
    context = encoder.stream.codec_context
    header = hashlib.sha256(context.extradata or b"").hexdigest()[:16]
    size = f"{context.width}x{context.height}"
    return f"{context.name} {encoder.format} {size}, {encoder.time_base} s, header {header}"


def check_same_encoder(output: Path, info: StreamInfo, settings: EncodeSettings) -> None:
    """Check that the finished segments of a video can be joined with those that are still to be made.

    Args:
        output: the video; its checkpoint is to be resumed.
        info: of its frames.
        settings: of the encoder.

    Raises:
        OutputError: another encoder made them.
    """
    segments = segment_records.stored_segments(checkpoint_folder(output))
    if not segments:
        return
    container = container_of(output)
    with translate_errors(output), av.open(io.BytesIO(), "w", format=container.format) as nowhere:
        encoder = VideoEncoder(nowhere, container, info, settings, aloud=False)
        encoder.open()
        now = describe_encoder(encoder)
    for segment in segments:
        _check_encoder_of(segment, output, now)


def _check_encoder_of(segment: segment_records.Segment, output: Path, now: str) -> None:
    if segment.encoder != now:
        raise OutputError(
            f"segment {segment.number} in {checkpoint_folder(output)} was made by {segment.encoder}, here it is {now}: "
            f"use the kind of file and the machine of the earlier run, or start again with --overwrite (-y)"
        )


def join_segments(
    output: Path,
    info: StreamInfo,
    settings: EncodeSettings,
    comment: str | None = None,
    should_stop: Callable[[], bool] = never,
    *,
    overwrite: bool = False,
) -> int:
    """Make a video of its finished segments, with what else the input file holds, and give it its name.

    Args:
        output: the video; the segments are in its checkpoint.
        info: of its frames.
        settings: of the encoder that made them.
        comment: a line for its comment, see `settings_comment`; None: none.
        should_stop: asked after each segment; then what is joined remains as a `.part` that plays.
        overwrite: replace an existing output.

    Returns:
        How many frames it has.

    Raises:
        OutputError: it cannot be written, the disk is full, a segment is damaged or of another encoder, or the output
            exists meanwhile.
        Cancelled: `should_stop` returned True.
    """
    segments = segment_records.finished_segments(checkpoint_folder(output))
    whole = segments[-1].through != info.frame_limit
    joiner = SegmentJoiner(output, info, settings, comment, segments[-1].last, whole)
    try:
        for segment in segments:
            if should_stop():
                raise Cancelled(f"{output}: cancelled while its segments were joined")
            joiner.add(segment)
        joiner.finish(overwrite)
    except BaseException as error:
        joiner.abandon(keep=isinstance(error, Cancelled))
        raise
    return segments[-1].through


class SegmentJoiner:
    """Joins the segments of a video, one after the other.

    Args:
        output, info, settings, comment: as for `join_segments`.
        last: time of the last frame of the last segment, in seconds.
        whole: the video will have all frames of its input.

    Raises:
        OutputError: the video cannot be written.
    """

    def __init__(
        self,
        output: Path,
        info: StreamInfo,
        settings: EncodeSettings,
        comment: str | None,
        last: Fraction,
        whole: bool,
    ) -> None:
        self._output, self._folder, self._whole = output, checkpoint_folder(output), whole
        self._muxer = Muxer(output, info, settings, comment)
        try:
            self._muxer.end_with(last + 1 / (info.frame_rate or Fraction(25)), whole)
            self._encoder = describe_encoder(self._muxer.encoder)
        except BaseException:
            self._muxer.abandon()
            raise

    def add(self, segment: segment_records.Segment) -> None:
        """Join the next segment; raise an OutputError if it is damaged, of another encoder, or cannot be written."""
        _check_encoder_of(segment, self._output, self._encoder)
        whole = segment_records.is_whole(self._folder, segment)
        if not whole or _copy(self._folder, segment.number, self._muxer) != segment.packets:
            raise OutputError(f"{self._folder} is damaged at segment {segment.number}: --resume dreams that one again")

    def finish(self, overwrite: bool) -> None:
        """Give the video its name; raise an OutputError if it cannot be, or exists and is not to be replaced."""
        self._muxer.finish(self._whole)
        self._muxer.publish(overwrite)

    def abandon(self, keep: bool = False) -> None:
        """Delete what is joined, or keep it as a `.part` that plays."""
        if not keep or not self._muxer.keep():
            self._muxer.abandon()


def join_partial(output: Path, info: StreamInfo, settings: EncodeSettings, comment: str | None = None) -> bool:
    """Make a video that plays, `output` + '.part', of as much as there is, the unfinished segment included.

    Args:
        output: the video; the segments are in its checkpoint.
        info: of its frames.
        settings: of the encoder that made them.
        comment: a line for its comment; None: none.

    Returns:
        Whether there is one.

    Raises:
        OutputError: it cannot be written.
    """
    folder = checkpoint_folder(output)
    muxer = Muxer(output, info, settings, comment)
    kept = False
    try:
        for number in segment_records.begun_segments(folder):
            if segment_records.segment_path(folder, number).exists():
                _copy(folder, number, muxer)
        kept = muxer.keep()
    finally:
        if not kept:
            muxer.abandon()
    return kept


def _copy(folder: Path, number: int, muxer: Muxer) -> int:
    """Mux a segment; return how many packets it had."""
    into_gif = muxer.encoder.stream.container.format.name == "gif"
    with closing(read_packets(segment_records.segment_path(folder, number), muxer.encoder.time_base)) as packets:
        try:
            return muxer.add(map(_without_header, packets) if number and into_gif else packets)
        except ValueError as error:
            raise OutputError(f"{folder} is damaged at segment {number}: {error}") from None


def _without_header(packet: Packet) -> Packet:
    content = bytes(packet)
    bare = without_gif_header(content)
    if len(bare) == len(content):
        return packet
    copy = av.Packet(bare)
    copy.time_base = packet.time_base
    for name in FIELDS:
        setattr(copy, name, getattr(packet, name))
    return copy
